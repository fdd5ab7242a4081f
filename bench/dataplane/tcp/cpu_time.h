// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <ctime>

namespace godwit::bench {

// CPU time of this thread, which others on the machine do not add to. Reading it takes a system
// call of some hundred nanoseconds.
struct CpuTime {
  std::int64_t ns = 0;
};

inline CpuTime cpu_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return {time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec};
}
inline double ns_between(CpuTime begin, CpuTime end) {
  return static_cast<double>(end.ns - begin.ns);
}

}  // namespace godwit::bench
