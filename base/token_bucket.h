// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace godwit {

// A rate limit: holds at most `burst` tokens and gains `rate_per_second`. Starts full. Not thread
// safe. Kept as the instant at which the bucket would be full (GCRA, ITU-T I.371), so it is one
// number and needs no timer.
class TokenBucket {
 public:
  struct Limit {
    std::uint32_t rate_per_second = 1;  // > 0
    std::uint32_t burst = 1;            // > 0
  };

  // True and one token less, or false and nothing changed.
  bool take(Limit limit, Instant now) {
    const Instant full_at = std::max(full_at_, now) + cost(limit);
    if (full_at - now > cost(limit) * limit.burst) return false;
    full_at_ = full_at;
    return true;
  }

  // One token less, although there may be none: for what has come already and can only be slowed
  // down. Returns wait().
  Duration spend(Limit limit, Instant now) {
    full_at_ = std::max(full_at_, now) + cost(limit);
    return wait(limit, now);
  }
  // How long until the debt is paid; 0 without one.
  Duration wait(Limit limit, Instant now) const {
    return std::max(Duration{0}, full_at_ - now - cost(limit) * limit.burst);
  }

 private:
  static constexpr Duration cost(Limit limit) {
    return Duration{1'000'000'000 / std::max<std::int64_t>(limit.rate_per_second, 1)};
  }

  Instant full_at_{};
};

}  // namespace godwit
