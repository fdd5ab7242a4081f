// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "base/clock.h"
#include "base/random.h"

// When the next of a stream of things is due, which does not depend on how the last one fared: at
// even intervals, or as a Poisson process, which is what many users who know nothing of each other
// add up to. Not thread safe.

namespace godwit::client::load {

class Arrivals {
 public:
  struct Options {
    double per_second = 0;  // 0: never
    bool poisson = true;
  };
  Arrivals() = default;
  Arrivals(const Options& options, Instant start) : options_(options), next_(start) {
    exact_ns_ = static_cast<double>(start.time_since_epoch().count());
    if (options_.per_second <= 0) next_ = never;
  }

  Instant next() const { return next_; }
  // The one at next() is taken.
  void advance(RandomSource& random) {
    const double mean_ns = 1e9 / options_.per_second;
    exact_ns_ += options_.poisson ? mean_ns * exponential(random) : mean_ns;
    next_ = Instant(Duration(static_cast<Duration::rep>(exact_ns_)));
  }

 private:
  // Of mean 1. 53 bits of randomness, never the logarithm of 0.
  static double exponential(RandomSource& random) {
    return -std::log((static_cast<double>(random.next_u64() >> 11) + 1) * 0x1p-53);
  }

  Options options_;
  Instant next_ = never;
  double exact_ns_ = 0;  // so that intervals of no whole nanoseconds add up
};

}  // namespace godwit::client::load
