// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace godwit::dataplane::io::dpdk {

// How long to sleep where no interrupt tells of packets, which wait meanwhile. Grows with the
// silence before it: who has been quiet for long waits a little longer, and each look costs a
// wake-up, about 10 us of a core.
//
// Thread safety: the owner only.
class BlindSleep {
 public:
  // A tenth of what a good network takes to bring a packet.
  static constexpr Duration shortest = std::chrono::microseconds(100);
  static constexpr Duration longest = std::chrono::milliseconds(1);
  // Of the silence, so that nobody waits longer than this part of what passed anyway.
  static constexpr int part = 8;

  // Packets came.
  void heard(Instant now) { heard_ = now; }
  Duration next(Instant now) const { return std::clamp((now - heard_) / part, shortest, longest); }

 private:
  Instant heard_{};
};

}  // namespace godwit::dataplane::io::dpdk
