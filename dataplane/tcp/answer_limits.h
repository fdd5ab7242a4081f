// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/random.h"

// How many answers a stack gives in a second to segments that anybody may have sent. Not thread
// safe.

namespace godwit::dataplane::tcp {

class AnswerLimit {
 public:
  explicit AnswerLimit(std::uint32_t per_second) : per_second_(per_second) {}

  // Drawn anew each second between half and one and a half times the limit: whoever counts the
  // answers learns nothing about others' connections (CVE-2016-5696).
  bool take(Instant now, RandomSource& random) {
    const std::int64_t second = now.time_since_epoch() / std::chrono::seconds(1);
    if (second != second_) {
      second_ = second;
      left_ = per_second_ / 2 + static_cast<std::uint32_t>(random.below(per_second_ + 1ULL));
    }
    if (left_ == 0) return false;
    --left_;
    return true;
  }

 private:
  const std::uint32_t per_second_;
  std::int64_t second_ = -1;
  std::uint32_t left_ = 0;
};

}  // namespace godwit::dataplane::tcp
