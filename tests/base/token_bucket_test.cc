// SPDX-License-Identifier: Apache-2.0
#include "base/token_bucket.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace godwit {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr TokenBucket::Limit limit{.rate_per_second = 10, .burst = 5};
constexpr Duration one_token = milliseconds(100);
constexpr Duration tick{1};
constexpr Instant start = Instant{} + hours(1);

int take_all(TokenBucket& bucket, Instant now) {
  int taken = 0;
  while (taken < 1000 && bucket.take(limit, now)) ++taken;
  return taken;
}

TEST(TokenBucket, StartsFullWithTheBurst) {
  TokenBucket bucket;
  EXPECT_EQ(take_all(bucket, start), 5);
  TokenBucket at_the_beginning_of_time;
  EXPECT_EQ(take_all(at_the_beginning_of_time, Instant{}), 5);
}

TEST(TokenBucket, NextTokenComesExactlyInItsTime) {
  TokenBucket bucket;
  take_all(bucket, start);
  EXPECT_FALSE(bucket.take(limit, start + one_token - tick));
  EXPECT_TRUE(bucket.take(limit, start + one_token));
  EXPECT_FALSE(bucket.take(limit, start + one_token));
}

TEST(TokenBucket, RefusedTakesCostNothing) {
  TokenBucket bucket;
  take_all(bucket, start);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(bucket.take(limit, start + one_token - tick));
  EXPECT_TRUE(bucket.take(limit, start + one_token));
}

TEST(TokenBucket, FillsUpToTheBurstAndNoFurther) {
  TokenBucket bucket;
  take_all(bucket, start);
  EXPECT_EQ(take_all(bucket, start + 5 * one_token - tick), 4);
  take_all(bucket, start + hours(1));
  EXPECT_EQ(take_all(bucket, start + hours(1) + 5 * one_token), 5);
  EXPECT_EQ(take_all(bucket, start + hours(100)), 5);
}

TEST(TokenBucket, SpendingGoesIntoDebtAndSaysHowLong) {
  TokenBucket bucket;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(bucket.spend(limit, start), Duration{0}) << i;
  EXPECT_EQ(bucket.spend(limit, start), one_token);
  EXPECT_EQ(bucket.spend(limit, start), 2 * one_token);
  EXPECT_EQ(bucket.wait(limit, start), 2 * one_token);
  EXPECT_EQ(bucket.wait(limit, start + one_token), one_token);
  EXPECT_EQ(bucket.wait(limit, start + 2 * one_token - tick), tick);
  EXPECT_EQ(bucket.wait(limit, start + 2 * one_token), Duration{0});
  EXPECT_EQ(bucket.wait(limit, start + hours(1)), Duration{0});
  EXPECT_FALSE(bucket.take(limit, start + 3 * one_token - tick)) << "in debt nothing is given";
  EXPECT_TRUE(bucket.take(limit, start + 3 * one_token));
}

TEST(TokenBucket, WaitOfAFreshBucketIsNothing) {
  EXPECT_EQ(TokenBucket().wait(limit, start), Duration{0});
  EXPECT_EQ(TokenBucket().wait(limit, Instant{}), Duration{0});
}

TEST(TokenBucket, HoldsAtTheEndsOfItsRange) {
  TokenBucket slow;
  const TokenBucket::Limit wide{.rate_per_second = 1, .burst = UINT32_MAX};
  EXPECT_TRUE(slow.take(wide, start));
  EXPECT_EQ(slow.spend(wide, start), Duration{0});
  TokenBucket single;
  const TokenBucket::Limit one{.rate_per_second = 1, .burst = 1};
  EXPECT_TRUE(single.take(one, start));
  EXPECT_FALSE(single.take(one, start + std::chrono::seconds(1) - tick));
  EXPECT_TRUE(single.take(one, start + std::chrono::seconds(1)));
  TokenBucket zero;
  EXPECT_TRUE(zero.take({.rate_per_second = 0, .burst = 1}, start)) << "counts as one a second";
  EXPECT_FALSE(zero.take({.rate_per_second = 0, .burst = 1}, start));
}

// Whatever the moments, no stretch of time lets more through than the burst and its own share.
TEST(TokenBucket, NoStretchLetsMoreThrough) {
  SeededRandom dice(4);
  TokenBucket bucket;
  std::vector<Instant> taken;
  Instant now = start;
  for (int i = 0; i < 3000; ++i) {
    now += Duration(static_cast<Duration::rep>(dice.below(static_cast<std::uint64_t>(
        dice.below(10) == 0 ? 10 * one_token.count() : one_token.count() / 2))));
    if (bucket.take(limit, now)) taken.push_back(now);
  }
  ASSERT_GT(taken.size(), 500u);
  for (std::size_t i = 0; i < taken.size(); ++i) {
    for (std::size_t j = i; j < std::min(taken.size(), i + 100); ++j) {
      ASSERT_LE(static_cast<Duration::rep>(j - i + 1),
                limit.burst + (taken[j] - taken[i]) / one_token);
    }
  }
}

}  // namespace
}  // namespace godwit
