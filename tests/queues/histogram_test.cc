// SPDX-License-Identifier: Apache-2.0
#include "queues/histogram.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "queues/counters.h"

namespace godwit::queues {
namespace {

using Seen = HistogramSnapshot;

TEST(Histogram, BucketsMeetWithoutGapAndEachHoldsItsBound) {
  std::uint64_t previous = 0;
  for (std::size_t i = 0; i + 1 < Seen::buckets; ++i) {
    const std::uint64_t upper = Seen::upper_of(i);
    ASSERT_GT(upper, previous);
    EXPECT_EQ(Seen::index_of(upper), i) << upper;
    EXPECT_EQ(Seen::index_of(previous + 1), i) << previous;
    previous = upper;
  }
  EXPECT_EQ(previous, std::uint64_t{1} << Seen::exponent_max);
}

TEST(Histogram, BoundsAreTheOnesThatAreDocumented) {
  const std::uint64_t first[] = {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32};
  for (std::size_t i = 0; i < std::size(first); ++i) EXPECT_EQ(Seen::upper_of(i), first[i]);
}

TEST(Histogram, ABoundIsAtMostAQuarterAboveWhatItHolds) {
  for (std::uint64_t value = 4; value < (std::uint64_t{1} << 40); value += value / 7 + 1) {
    const std::uint64_t upper = Seen::upper_of(Seen::index_of(value));
    EXPECT_GE(upper, value);
    EXPECT_LE(static_cast<double>(upper), static_cast<double>(value) * 1.25);
  }
}

TEST(Histogram, TheEnds) {
  EXPECT_EQ(Seen::index_of(0), 0u);
  EXPECT_EQ(Seen::index_of(std::uint64_t{1} << Seen::exponent_max), Seen::buckets - 2);
  EXPECT_EQ(Seen::index_of((std::uint64_t{1} << Seen::exponent_max) + 1), Seen::buckets - 1);
  EXPECT_EQ(Seen::index_of(UINT64_MAX), Seen::buckets - 1);
  EXPECT_EQ(Seen::upper_of(Seen::buckets - 1), UINT64_MAX);
}

TEST(Histogram, CountsSumAndCumulativeCounts) {
  Histogram histogram;
  for (const std::uint64_t value : {0, 1, 2, 3, 4, 5, 1024, 1025}) histogram.record(value);
  const Seen seen = histogram.snapshot();
  EXPECT_EQ(seen.count(), 8u);
  EXPECT_EQ(seen.sum, 0u + 1 + 2 + 3 + 4 + 5 + 1024 + 1025);
  EXPECT_EQ(seen.count_upto(0), 2u);
  EXPECT_EQ(seen.count_upto(1), 3u);
  EXPECT_EQ(seen.count_upto(2), 5u);
  EXPECT_EQ(seen.count_upto(3), 6u);
  EXPECT_EQ(seen.count_upto(9), 6u);
  EXPECT_EQ(seen.count_upto(10), 7u) << "inclusive";
  EXPECT_EQ(seen.count_upto(11), 8u);
}

TEST(Histogram, Quantiles) {
  Histogram histogram;
  EXPECT_EQ(histogram.snapshot().quantile(0.5), 0u);
  for (std::uint64_t i = 1; i <= 100; ++i) histogram.record(i <= 50 ? 8 : i <= 99 ? 100 : 1 << 20);
  const Seen seen = histogram.snapshot();
  EXPECT_EQ(seen.quantile(0), 8u);
  EXPECT_EQ(seen.quantile(0.49), 8u);
  EXPECT_EQ(seen.quantile(0.9), 112u);
  EXPECT_EQ(seen.quantile(1), 1u << 20);
  EXPECT_EQ(seen.quantile(7), 1u << 20);
  Histogram above;
  above.record(UINT64_MAX);
  EXPECT_EQ(above.snapshot().quantile(0.5), std::uint64_t{1} << Seen::exponent_max);
}

// For ThreadSanitizer: one thread records, another looks.
TEST(Histogram, ReadWhileItIsWritten) {
  ShardCounters counters;
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    std::uint64_t last = 0;
    while (!stop.load()) {
      const std::uint64_t count = counters.snapshot(ShardHistogram::turn).count();
      EXPECT_GE(count, last);
      last = count;
    }
  });
  for (std::uint64_t i = 0; i < 10'000; ++i) counters.record(ShardHistogram::turn, i);
  stop = true;
  reader.join();
  EXPECT_EQ(counters.snapshot(ShardHistogram::turn).count(), 10'000u);
}

TEST(Metrics, WhatDiffersInALabelAloneStandsTogether) {
  const auto check = [](const auto& infos) {
    for (std::size_t i = 0; i < infos.size(); ++i) {
      for (std::size_t j = i + 1; j < infos.size(); ++j) {
        if (infos[i].name != infos[j].name) continue;
        EXPECT_EQ(infos[j - 1].name, infos[j].name) << infos[j].name;
        EXPECT_NE(infos[i].label, infos[j].label) << infos[j].name;
        EXPECT_EQ(infos[i].help, infos[j].help);
        EXPECT_FALSE(infos[i].label.empty() || infos[j].label.empty());
      }
    }
  };
  check(shard_metrics);
  check(storage_metrics);
}

}  // namespace
}  // namespace godwit::queues
