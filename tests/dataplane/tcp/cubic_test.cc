// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/cubic.h"

#include <gtest/gtest.h>

#include <cmath>

// Against the formulas of RFC 9438, in segments and seconds.

namespace godwit::dataplane::tcp {
namespace {

constexpr std::uint32_t mss = 1000;
using std::chrono::milliseconds;

// A window's worth of acknowledgements, one segment each, over a round trip.
void round(Cubic& cubic, Instant& now, Duration rtt) {
  const std::uint32_t count = cubic.window() / mss;
  for (std::uint32_t i = 0; i < count; ++i) {
    now += rtt / count;
    cubic.grow({mss, mss, rtt, now});
  }
}

TEST(Cubic, SlowStartDoublesEachRoundUpToTheThreshold) {
  Cubic cubic;
  cubic.start(10 * mss);
  Instant now{};
  round(cubic, now, milliseconds(100));
  EXPECT_EQ(cubic.window(), 20 * mss);
  cubic.reduce(20 * mss, mss);
  EXPECT_EQ(cubic.threshold(), 14 * mss);
  cubic.set_window(10 * mss);
  round(cubic, now, milliseconds(100));
  EXPECT_LT(cubic.window(), 16 * mss);
  EXPECT_FALSE(cubic.in_slow_start());
}

TEST(Cubic, ReducesToSevenTenthsAndNeverBelowTwoSegments) {  // 4.6
  Cubic cubic;
  cubic.start(100 * mss);
  cubic.reduce(100 * mss, mss);
  EXPECT_EQ(cubic.threshold(), 70 * mss);
  cubic.reduce(2 * mss, mss);
  EXPECT_EQ(cubic.threshold(), 2 * mss);
}

TEST(Cubic, GrowsAlongTheCurve) {  // 4.2: W(t) = C (t - K)^3 + W_max
  Cubic cubic;
  cubic.start(1000 * mss);
  cubic.reduce(1000 * mss, mss);
  cubic.set_window(cubic.threshold());
  const double k = std::cbrt(300 / 0.4);
  Instant now{};
  const Instant start = now;
  const Duration rtt = milliseconds(100);
  for (int i = 0; i < 120; ++i) {
    round(cubic, now, rtt);
    const double t = std::chrono::duration<double>(now - start + rtt).count();
    const double curve = 0.4 * std::pow(t - k, 3) + 1000;
    EXPECT_NEAR(cubic.window() / double{mss}, curve, 0.03 * curve) << t;
  }
}

TEST(Cubic, OnAShortPathItIsNoSlowerThanReno) {  // 4.3
  Cubic cubic;
  cubic.start(20 * mss);
  cubic.reduce(20 * mss, mss);
  cubic.set_window(cubic.threshold());
  Instant now{};
  const double alpha = 3 * (1 - 0.7) / (1 + 0.7);
  for (int i = 1; i <= 10; ++i) round(cubic, now, milliseconds(1));
  EXPECT_GE(cubic.window(), static_cast<std::uint32_t>((14 + 9 * alpha) * mss));
}

TEST(Cubic, FastConvergenceLeavesRoom) {  // 4.7: W_max below the last one is cut further
  Cubic cubic;
  cubic.start(1000 * mss);
  cubic.reduce(1000 * mss, mss);
  cubic.set_window(700 * mss);
  cubic.reduce(700 * mss, mss);  // aims for 0.85 * 700 = 595 instead of 700
  cubic.set_window(cubic.threshold());
  const double k = std::cbrt((595 - 490) / 0.4);
  Instant now{};
  while (std::chrono::duration<double>(now.time_since_epoch()).count() < k) {
    round(cubic, now, milliseconds(100));
  }
  EXPECT_NEAR(cubic.window() / double{mss}, 595, 6);
}

TEST(Cubic, AfterATimeoutOneSegment) {
  Cubic cubic;
  cubic.start(50 * mss);
  cubic.reduce(50 * mss, mss);
  cubic.collapse(mss);
  EXPECT_EQ(cubic.window(), mss);
  EXPECT_TRUE(cubic.in_slow_start());
}

TEST(Cubic, AfterIdlenessTheInitialWindow) {  // RFC 5681, 4.1
  Cubic cubic;
  cubic.start(200 * mss);
  cubic.restart_idle(10 * mss);
  EXPECT_EQ(cubic.window(), 10 * mss);
  cubic.set_window(4 * mss);
  cubic.restart_idle(10 * mss);
  EXPECT_EQ(cubic.window(), 4 * mss);
}

}  // namespace
}  // namespace godwit::dataplane::tcp
