// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

// Time as a value. Instants measure waiting and never go back; wall time stamps what people and
// certificates see. Cores take both as arguments; only apps, benches and the idle parts of the two
// loops call the two functions at the end, so everything else runs on virtual time unchanged.

namespace godwit {

using Duration = std::chrono::nanoseconds;

struct MonotonicClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};

using Instant = MonotonicClock::time_point;
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

inline constexpr Instant never = Instant::max();

struct Now {
  Instant instant{};
  WallTime wall{};
};

inline Instant monotonic_now() {
  return Instant{std::chrono::steady_clock::now().time_since_epoch()};
}

inline WallTime wall_now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

inline Now read_clocks() {
  return {monotonic_now(), wall_now()};
}

}  // namespace godwit
