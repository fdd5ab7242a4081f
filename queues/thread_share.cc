// SPDX-License-Identifier: Apache-2.0
#include "queues/thread_share.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace godwit::queues {

namespace {

// The first version of the kernel's struct sched_attr (sched_setattr(2)), which glibc 2.36 lacks.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0;
  std::uint64_t deadline_ns = 0;
  std::uint64_t period_ns = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

constexpr int nice_max = 19;

}  // namespace

void prefer_short_slices() {
  constexpr std::uint64_t slice_ns = 100'000;  // the least there is
  SchedulingAttributes attributes;
  const auto thread = static_cast<pid_t>(::syscall(SYS_gettid));
  if (::syscall(SYS_sched_getattr, thread, &attributes, sizeof attributes, 0u) != 0) return;
  constexpr std::uint32_t normal = 0;  // SCHED_OTHER; whoever was given another keeps it
  if (attributes.policy != normal) return;
  attributes.size = sizeof attributes;
  attributes.runtime_ns = slice_ns;
  (void)::syscall(SYS_sched_setattr, thread, &attributes, 0u);
}

void step_back() {
  constexpr int steps = 10;
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  errno = 0;
  const int policy = ::sched_getscheduler(static_cast<pid_t>(thread));
  if (policy == SCHED_FIFO || policy == SCHED_RR) {
    const sched_param none{};
    (void)::sched_setscheduler(static_cast<pid_t>(thread), SCHED_OTHER, &none);
  }
  const int nice = ::getpriority(PRIO_PROCESS, thread);
  if (errno != 0) return;
  (void)::setpriority(PRIO_PROCESS, thread, std::min(nice + steps, nice_max));
}

}  // namespace godwit::queues
