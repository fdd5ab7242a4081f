// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk/blind_sleep.h"

#include <gtest/gtest.h>

namespace godwit::dataplane::io::dpdk {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Instant start{std::chrono::hours(1)};

TEST(BlindSleepTest, GrowsWithTheSilenceBetweenItsBounds) {
  BlindSleep sleep;
  sleep.heard(start);
  EXPECT_EQ(sleep.next(start), BlindSleep::shortest);
  const Duration grows = BlindSleep::part * BlindSleep::shortest;
  EXPECT_EQ(sleep.next(start + grows - microseconds(8)), BlindSleep::shortest);
  EXPECT_EQ(sleep.next(start + grows), BlindSleep::shortest);
  EXPECT_EQ(sleep.next(start + grows + microseconds(8)), BlindSleep::shortest + microseconds(1));
  const Duration ends = BlindSleep::part * BlindSleep::longest;
  EXPECT_EQ(sleep.next(start + ends - microseconds(8)), BlindSleep::longest - microseconds(1));
  EXPECT_EQ(sleep.next(start + ends), BlindSleep::longest);
  EXPECT_EQ(sleep.next(start + std::chrono::hours(1)), BlindSleep::longest);
}

TEST(BlindSleepTest, IsShortAgainAfterPackets) {
  BlindSleep sleep;
  EXPECT_EQ(sleep.next(start), BlindSleep::longest) << "nothing came yet";
  sleep.heard(start);
  EXPECT_EQ(sleep.next(start + milliseconds(4)), microseconds(500));
  sleep.heard(start + milliseconds(4));
  EXPECT_EQ(sleep.next(start + milliseconds(4)), BlindSleep::shortest);
}

}  // namespace
}  // namespace godwit::dataplane::io::dpdk
