// SPDX-License-Identifier: Apache-2.0
#include "apps/log_limiter.h"

#include <gtest/gtest.h>

#include <string>

namespace godwit::apps {
namespace {

using Time = LogLimiter::Time;

TEST(LogLimiter, ABurstPassesAndTheNextDoesNot) {
  LogLimiter limiter;
  const Time now = Time{} + std::chrono::hours(1);
  for (std::uint32_t i = 0; i < LogLimiter::burst; ++i) {
    EXPECT_TRUE(limiter.take("storage: file " + std::to_string(i), now).pass) << i;
  }
  EXPECT_FALSE(limiter.take("storage: another", now).pass);
  EXPECT_TRUE(limiter.take("reload: of another kind", now).pass);
}

TEST(LogLimiter, OneMoreAfterAWhileWhichSaysHowManyWereLeftOut) {
  LogLimiter limiter;
  Time now = Time{} + std::chrono::hours(1);
  for (std::uint32_t i = 0; i < LogLimiter::burst + 7; ++i) limiter.take("a: x", now);
  now += LogLimiter::every - std::chrono::milliseconds(1);
  EXPECT_FALSE(limiter.take("a: x", now).pass);
  now += std::chrono::milliseconds(1);
  const auto verdict = limiter.take("a: x", now);
  EXPECT_TRUE(verdict.pass);
  EXPECT_EQ(verdict.left_out, 8u);
  EXPECT_FALSE(limiter.take("a: x", now).pass);
}

TEST(LogLimiter, AfterAQuietTimeTheWholeBurstIsThereAgainAndNoMore) {
  LogLimiter limiter;
  Time now = Time{} + std::chrono::hours(1);
  for (int i = 0; i < 100; ++i) limiter.take("a: x", now);
  now += LogLimiter::every * 1000;
  std::uint32_t passed = 0;
  for (int i = 0; i < 100; ++i) passed += limiter.take("a: x", now).pass;
  EXPECT_EQ(passed, LogLimiter::burst);
}

TEST(LogLimiter, AClockThatIsSetBackDoesNotSilenceTheLog) {
  LogLimiter limiter;
  Time now = Time{} + std::chrono::hours(10);
  for (int i = 0; i < 100; ++i) limiter.take("a: x", now);
  now -= std::chrono::hours(9);
  EXPECT_FALSE(limiter.take("a: x", now).pass);
  now += LogLimiter::every;
  EXPECT_TRUE(limiter.take("a: x", now).pass);
}

TEST(LogLimiter, AKindIsWhatStandsBeforeTheColon) {
  EXPECT_EQ(LogLimiter::kind_of("storage: cannot write"), "storage");
  EXPECT_EQ(LogLimiter::kind_of("stopping"), "stopping");
  EXPECT_EQ(LogLimiter::kind_of(""), "");
  EXPECT_EQ(LogLimiter::kind_of(std::string(100, 'x')).size(), 32u);
}

}  // namespace
}  // namespace godwit::apps
