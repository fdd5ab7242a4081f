// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace godwit::bench {

// A server's stack and its clients' stack, a thread each, with a pair of rings between them: what
// the two do together in real time, where each has a core of its own. Both threads poll.
struct TwoCoresOptions {
  std::uint32_t connections = 1000;  // that exchange messages
  std::uint32_t opens = 200'000;     // opened and closed, one after the other, a batch at a time
  Duration time = std::chrono::seconds(3);
  bool v6 = false;
};
struct TwoCoresResult {
  double opens_per_second = 0;      // opened, closed by the client and ended at both
  double exchanges_per_second = 0;  // a request and its answer
  std::uint64_t lost = 0;           // frames that found a ring full
  bool complete = false;            // nothing stood still for 10 seconds
};
TwoCoresResult two_cores(const TwoCoresOptions& options);

}  // namespace godwit::bench
