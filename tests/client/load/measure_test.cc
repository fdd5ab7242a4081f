// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "client/load/arrivals.h"
#include "client/load/identities.h"
#include "client/load/latency_histogram.h"
#include "client/load/payload.h"
#include "client/load/shape.h"

// What a load measures with and is made of: each rule of the headers, on numbers whose answer is
// known otherwise.

namespace godwit::client::load {
namespace {

TEST(LatencyHistogramTest, QuantilesAreWithinOnePercent) {
  std::mt19937_64 generator(7);
  std::uniform_real_distribution<double> exponent(3, 11);  // 1 us to 100 s
  LatencyHistogram histogram;
  std::vector<std::uint64_t> values;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(static_cast<std::uint64_t>(std::pow(10.0, exponent(generator))));
    histogram.record(Duration(values.back()));
  }
  std::ranges::sort(values);
  for (const double part : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(part * 20'000)) - 1;
    const auto exact = static_cast<double>(values[rank]);
    const auto found = static_cast<double>(histogram.quantile(part).count());
    EXPECT_GE(found, exact) << part;
    EXPECT_LE(found, exact * 1.01) << part;
  }
  EXPECT_EQ(histogram.count(), 20'000u);
  EXPECT_EQ(histogram.max(), Duration(values.back()));
}

TEST(LatencyHistogramTest, BucketsMeetWithoutAGap) {
  for (std::size_t i = 0; i + 1 < LatencyHistogram::buckets; ++i) {
    const std::uint64_t upper = LatencyHistogram::upper_of(i);
    ASSERT_EQ(LatencyHistogram::index_of(upper), i);
    ASSERT_EQ(LatencyHistogram::index_of(upper + 1), i + 1);
  }
}

TEST(LatencyHistogramTest, EndsOfTheRange) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), Duration::zero());
  EXPECT_EQ(histogram.mean(), Duration::zero());
  histogram.record(Duration(-5));  // a clock that two threads read
  EXPECT_EQ(histogram.quantile(1), Duration::zero());
  constexpr std::uint64_t end = std::uint64_t{1} << LatencyHistogram::exponent_max;
  EXPECT_EQ(LatencyHistogram::index_of(end - 1), LatencyHistogram::buckets - 1);
  EXPECT_EQ(LatencyHistogram::index_of(end), LatencyHistogram::buckets - 1);
  histogram.record(Duration(4 * end));
  EXPECT_EQ(histogram.quantile(1), Duration(end - 1));
  EXPECT_EQ(histogram.max(), Duration(4 * end));
}

TEST(LatencyHistogramTest, MergingIsAsRecordingInOne) {
  LatencyHistogram one, other, both;
  for (int i = 0; i < 1000; ++i) {
    const Duration took(i * 977);
    (i % 3 == 0 ? one : other).record(took);
    both.record(took);
  }
  one.merge(other);
  EXPECT_EQ(one.count(), both.count());
  EXPECT_EQ(one.mean(), both.mean());
  for (const double part : {0.0, 0.25, 0.5, 0.99})
    EXPECT_EQ(one.quantile(part), both.quantile(part));
}

TEST(ArrivalsTest, EvenOnesDoNotDrift) {
  SeededRandom random(1);
  Arrivals arrivals({.per_second = 3000, .poisson = false}, Instant(Duration(1000)));
  for (int i = 0; i < 3000; ++i) arrivals.advance(random);
  const Duration after = arrivals.next() - Instant(Duration(1000));
  EXPECT_NEAR(static_cast<double>(after.count()), 1e9, 2);
}

TEST(ArrivalsTest, PoissonHasTheRateAndTheSpread) {
  SeededRandom random(2);
  Arrivals arrivals({.per_second = 1000}, Instant{});
  constexpr int count = 20'000;
  double sum = 0;
  double squares = 0;
  Instant last{};
  for (int i = 0; i < count; ++i) {
    arrivals.advance(random);
    const auto gap = static_cast<double>((arrivals.next() - last).count()) / 1e6;  // of mean 1
    last = arrivals.next();
    sum += gap;
    squares += gap * gap;
  }
  const double mean = sum / count;
  EXPECT_NEAR(mean, 1, 0.03);
  EXPECT_NEAR(squares / count - mean * mean, 1, 0.08);
}

TEST(ArrivalsTest, NoRateNeverComes) {
  EXPECT_EQ(Arrivals().next(), never);
  EXPECT_EQ(Arrivals({.per_second = 0}, Instant{}).next(), never);
}

TEST(IdentitiesTest, ComeFromTheSeed) {
  const Identities one(1), again(1), other(2);
  EXPECT_EQ(one.user(5), again.user(5));
  EXPECT_EQ(one.key_pair(5).public_key, again.key_pair(5).public_key);
  EXPECT_NE(one.user(5), other.user(5));
  EXPECT_NE(one.key_pair(5).public_key, other.key_pair(5).public_key);
  EXPECT_NE(one.key_pair(5).public_key, one.key_pair(6).public_key);
  EXPECT_EQ(one.user(0).size(), 12u);
}

TEST(IdentitiesTest, FindTheirOwnAndNoOthers) {
  const Identities identities(1);
  for (const std::uint32_t number : {0u, 77u, accounts_max - 1}) {
    EXPECT_EQ(identities.number_of(identities.user(number)), number);
  }
  const std::uint64_t first = std::stoull(identities.user(0));
  EXPECT_EQ(identities.number_of(std::to_string(first - 1)), std::nullopt);
  EXPECT_EQ(identities.number_of(std::to_string(first + accounts_max)), std::nullopt);
  for (const char* user : {"", "alice", "12345678901x", "0", "99999999999999999999999"}) {
    EXPECT_EQ(identities.number_of(user), std::nullopt) << user;
  }
}

TEST(ShapeTest, EverybodySendsToOneAtMost) {
  const Shape pairs{Shape::Kind::pairs}, one_way{Shape::Kind::one_way}, ring{Shape::Kind::ring},
      fan{Shape::Kind::fan_in, 2};
  EXPECT_EQ(pairs.recipient_of(0, 4), 1u);
  EXPECT_EQ(pairs.recipient_of(3, 4), 2u);
  EXPECT_EQ(one_way.recipient_of(2, 4), 3u);
  EXPECT_EQ(one_way.recipient_of(3, 4), nobody);
  EXPECT_EQ(ring.recipient_of(2, 4), 3u);
  EXPECT_EQ(ring.recipient_of(3, 4), 0u);
  EXPECT_EQ(fan.recipient_of(3, 6), nobody);
  EXPECT_EQ(fan.recipient_of(4, 6), 3u);
  EXPECT_EQ(fan.recipient_of(5, 6), 3u);
}

TEST(ShapeTest, CountsThatLeaveOneAloneAreRefused) {
  const Shape fan{Shape::Kind::fan_in, 2};
  EXPECT_FALSE(Shape{}.check(0));
  EXPECT_FALSE(Shape{}.check(1));
  EXPECT_TRUE(Shape{}.check(2));
  EXPECT_FALSE(Shape{}.check(3));
  EXPECT_FALSE(Shape{Shape::Kind::ring}.check(1));
  EXPECT_TRUE(Shape{Shape::Kind::ring}.check(3));
  EXPECT_FALSE(fan.check(2));
  EXPECT_TRUE(fan.check(3));
  EXPECT_FALSE(fan.check(4));
  EXPECT_FALSE((Shape{Shape::Kind::fan_in, 0}).check(4));
}

TEST(PayloadTest, NamesItsMessage) {
  for (const std::size_t size :
       {payload_size_min, std::size_t{11}, std::size_t{12}, std::size_t{100}}) {
    Payload payload(size, 1);
    const Bytes made = payload.make({.id = 7, .sender = 3});
    std::vector<std::uint8_t> bytes(made.begin(), made.end());
    EXPECT_EQ(bytes.size(), size);
    EXPECT_TRUE(payload.is({.id = 7, .sender = 3}, bytes));
    EXPECT_FALSE(payload.is({.id = 8, .sender = 3}, bytes));
    EXPECT_EQ(payload.is({.id = 7, .sender = 4}, bytes), size < 12);
    EXPECT_FALSE(payload.is({.id = 7, .sender = 3}, Bytes(bytes).first(size - 1)));
    bytes.back() ^= 1;
    EXPECT_FALSE(payload.is({.id = 7, .sender = 3}, bytes));
  }
}

}  // namespace
}  // namespace godwit::client::load
