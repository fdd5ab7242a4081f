// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "base/clock.h"

// How long things took, over the whole range from nanoseconds to minutes with the same relative
// error, in 31 KiB however many there are. As HdrHistogram (Tene 2012) has it: 128 buckets to each
// power of two, so a quantile is at most 1/128 too high. Below 128 ns each value has its own.
//
// The queues' histograms (queues/histogram.h) are an eighth as large and 25 % coarse; those are for
// every shard of every gateway, this one is for measuring. Not thread safe.

namespace godwit::client::load {

class LatencyHistogram {
 public:
  static constexpr unsigned sub_bits = 7;
  static constexpr unsigned exponent_max = 37;  // 137 s; what took longer counts as that in a
                                                // quantile, and as it is in max()
  static constexpr std::size_t buckets = std::size_t{exponent_max - sub_bits + 1} << sub_bits;

  LatencyHistogram() : counts_(buckets) {}

  void record(Duration took) {
    const auto value = static_cast<std::uint64_t>(std::max<Duration::rep>(took.count(), 0));
    ++counts_[index_of(value)];
    ++count_;
    sum_ns_ += static_cast<double>(value);
    max_ns_ = std::max(max_ns_, value);
  }

  void merge(const LatencyHistogram& other) {
    for (std::size_t i = 0; i < buckets; ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    sum_ns_ += other.sum_ns_;
    max_ns_ = std::max(max_ns_, other.max_ns_);
  }

  std::uint64_t count() const { return count_; }
  Duration max() const { return Duration(max_ns_); }
  Duration mean() const {
    return Duration(
        count_ == 0 ? 0 : static_cast<Duration::rep>(sum_ns_ / static_cast<double>(count_)));
  }
  // The value that so large a part (0 to 1) of all is at most: the upper bound of its bucket, never
  // above max(); 0 when there is none.
  Duration quantile(double part) const {
    if (count_ == 0) return Duration::zero();
    const double rank = std::clamp(part, 0.0, 1.0) * static_cast<double>(count_);
    std::uint64_t passed = 0;
    for (std::size_t i = 0; i < buckets; ++i) {
      passed += counts_[i];
      if (passed > 0 && static_cast<double>(passed) >= rank) {
        return Duration(std::min(upper_of(i), max_ns_));
      }
    }
    return max();
  }

  static constexpr std::size_t index_of(std::uint64_t value) {
    constexpr std::uint64_t each = std::uint64_t{1} << sub_bits;
    if (value < each) return static_cast<std::size_t>(value);
    const unsigned exponent = static_cast<unsigned>(std::bit_width(value)) - 1;
    if (exponent >= exponent_max) return buckets - 1;
    const unsigned row = exponent - sub_bits + 1;
    return static_cast<std::size_t>(row * each + ((value >> (exponent - sub_bits)) & (each - 1)));
  }
  // The largest value of a bucket.
  static constexpr std::uint64_t upper_of(std::size_t index) {
    constexpr std::uint64_t each = std::uint64_t{1} << sub_bits;
    if (index < each) return index;
    return ((each + index % each + 1) << (index / each - 1)) - 1;
  }

 private:
  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  double sum_ns_ = 0;
  std::uint64_t max_ns_ = 0;
};

}  // namespace godwit::client::load
