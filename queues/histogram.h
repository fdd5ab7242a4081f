// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

// Distributions a thread publishes about itself: how long its turns took, how much it found in a
// ring. Recording is two relaxed loads and stores, no locked instruction, no allocation.
//
// Buckets are fixed: four to each power of two, so a quantile is at most a quarter too high.
// A value v is in the first bucket whose upper bound is at least v; bounds are 1, 2, 3, 4, 5, 6, 7,
// 8, 10, 12, 14, 16, 20, … 2^42, and one bucket takes all above.
//
// Thread safety: record by the owning thread only, snapshot by any.

namespace godwit::queues {

// What a reader sees of a histogram: values that were recorded together may be missing in part.
class HistogramSnapshot {
 public:
  static constexpr unsigned exponent_max = 42;

  // The bucket of a value.
  static constexpr std::size_t index_of(std::uint64_t value) {
    return lower_index(value == 0 ? 0 : value - 1);
  }
  // The largest value of a bucket; of the last, UINT64_MAX.
  static constexpr std::uint64_t upper_of(std::size_t index) {
    if (index >= buckets - 1) return UINT64_MAX;
    const std::size_t next = index + 1;
    if (next < 4) return next;
    return std::uint64_t{4 + next % 4} << (next / 4 - 1);
  }

 private:
  // Of v - 1, so that bounds are inclusive.
  static constexpr std::size_t lower_index(std::uint64_t value) {
    if (value < 4) return static_cast<std::size_t>(value);
    const unsigned exponent = static_cast<unsigned>(std::bit_width(value)) - 1;
    if (exponent >= exponent_max) return buckets - 1;
    return (exponent - 1) * 4 + ((value >> (exponent - 2)) & 3);
  }

 public:
  // The last one is for all above 2^exponent_max.
  static constexpr std::size_t buckets = (exponent_max - 1) * 4 + 1;

  std::array<std::uint64_t, buckets> counts{};
  std::uint64_t sum = 0;

  std::uint64_t count() const {
    std::uint64_t total = 0;
    for (const std::uint64_t bucket : counts) total += bucket;
    return total;
  }
  // How many values are at most 2^exponent.
  std::uint64_t count_upto(unsigned exponent) const {
    std::uint64_t total = 0;
    const std::size_t end = lower_index(std::uint64_t{1} << exponent);
    for (std::size_t i = 0; i < end; ++i) total += counts[i];
    return total;
  }
  // The upper bound of the bucket that holds the value with this rank (0 to 1); 0 when there is
  // none. What is above the last bound counts as that bound.
  std::uint64_t quantile(double rank) const {
    const std::uint64_t total = count();
    if (total == 0) return 0;
    const auto wanted =
        static_cast<std::uint64_t>(std::clamp(rank, 0.0, 1.0) * static_cast<double>(total - 1));
    std::uint64_t passed = 0;
    for (std::size_t i = 0; i + 1 < buckets; ++i) {
      passed += counts[i];
      if (passed > wanted) return upper_of(i);
    }
    return std::uint64_t{1} << exponent_max;
  }
};

class Histogram {
 public:
  void record(std::uint64_t value) {
    add(counts_[HistogramSnapshot::index_of(value)], 1);
    add(sum_, value);
  }
  HistogramSnapshot snapshot() const {
    HistogramSnapshot seen;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen.counts[i] = counts_[i].load(std::memory_order_relaxed);
    }
    seen.sum = sum_.load(std::memory_order_relaxed);
    return seen;
  }

 private:
  static void add(std::atomic<std::uint64_t>& value, std::uint64_t amount) {
    value.store(value.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }

  std::array<std::atomic<std::uint64_t>, HistogramSnapshot::buckets> counts_{};
  std::atomic<std::uint64_t> sum_{0};
};

enum class HistogramUnit : std::uint8_t {
  nanoseconds,  // published as seconds
  count,
};

struct HistogramInfo {
  std::string_view name;  // without the prefix "godwit_"
  HistogramUnit unit;
  // The metrics page has a bucket for each power of two from one to the other.
  unsigned exponent_first;
  unsigned exponent_last;
  std::string_view help;
};

// One histogram for each enumerator of `Which`, as Counters has one counter.
template <typename Which>
class Histograms {
 public:
  static constexpr std::size_t histogram_count = static_cast<std::size_t>(Which::count_);

  void record(Which which, std::uint64_t value) {
    histograms_[static_cast<std::size_t>(which)].record(value);
  }
  HistogramSnapshot snapshot(Which which) const {
    return histograms_[static_cast<std::size_t>(which)].snapshot();
  }

 private:
  std::array<Histogram, histogram_count> histograms_{};
};

}  // namespace godwit::queues
