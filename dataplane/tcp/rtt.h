// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"
#include "dataplane/tcp/settings.h"

// How long an answer takes and how long to wait for one (RFC 6298), and the least it took (RFC
// 8985, 6.2 step 1). Kept in microseconds, which a round trip on one machine needs. A value.

namespace godwit::dataplane::tcp {

class RttEstimator {
 public:
  // `sample` of a segment sent once (Karn), or by its echoed timestamp.
  void add(Duration sample, Instant now) {
    const auto value = to_micros(sample);
    if (srtt_ == 0) {
      srtt_ = value;
      variance_ = value / 2;
    } else {
      const std::uint32_t difference = value > srtt_ ? value - srtt_ : srtt_ - value;
      variance_ = variance_ - variance_ / 4 + difference / 4;
      srtt_ = std::max<std::uint32_t>(srtt_ - srtt_ / 8 + value / 8, 1);
    }
    const auto second =
        static_cast<std::uint32_t>(now.time_since_epoch() / std::chrono::seconds(1));
    if (least_ == 0 || value <= least_ || second - least_at_ > least_window_s) {
      least_ = value;
      least_at_ = second;
    }
  }

  // Nothing was measured, as the SYN had to be sent again: the path may be a long one.
  void distrust() {
    if (!known()) variance_ = 1;
  }

  bool known() const { return srtt_ != 0; }
  Duration smoothed() const { return std::chrono::microseconds(srtt_); }
  Duration variance() const { return std::chrono::microseconds(variance_); }
  Duration least() const { return std::chrono::microseconds(least_); }

  // RFC 6298, 2.2-2.5; G, the clock's grain, is far below the minimum. The minimum is put on the
  // variance's term, as deployed stacks do, so that RTO - SRTT never goes under it.
  Duration timeout(const Settings& settings) const {
    if (!known()) return variance_ == 0 ? settings.rto_initial : settings.rto_after_lost_syn;
    const Duration spread = std::chrono::microseconds(std::int64_t{variance_} * 4);
    return std::min(smoothed() + std::max(spread, settings.rto_min), settings.rto_max);
  }

 private:
  static constexpr std::uint32_t least_window_s = 300;

  static std::uint32_t to_micros(Duration sample) {
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(sample).count();
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(micros, 1, 1'000'000'000));
  }

  std::uint32_t srtt_ = 0;
  std::uint32_t variance_ = 0;
  std::uint32_t least_ = 0;
  std::uint32_t least_at_ = 0;  // seconds
};
static_assert(sizeof(RttEstimator) == 16);

}  // namespace godwit::dataplane::tcp
