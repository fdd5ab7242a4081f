// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

// What another process, the server under test, uses of the machine, from /proc. No state, thread
// safe.

namespace godwit::apps {

struct ThreadCpu {
  std::string name;
  std::uint64_t nanoseconds = 0;  // on a CPU so far, user and system
  std::uint64_t waiting_ns = 0;   // able to run, and not on one
  pid_t id = 0;
};

// All threads of a process, by id.
using ThreadTimes = std::vector<ThreadCpu>;
std::uint64_t total_ns(const ThreadTimes& threads);
// What each thread used between two looks; one that has ended since is left out.
ThreadTimes difference(const ThreadTimes& after, const ThreadTimes& before);

struct ProcessMemory {
  std::uint64_t resident_bytes = 0;
  std::uint64_t anonymous_bytes = 0;  // of these, in no file
};

// Empty without such a process.
ThreadTimes threads_of(pid_t process);
// Zeros without such a process, or without the right to look.
ProcessMemory memory_of(pid_t process);

struct ProcessUse {
  ThreadTimes threads;
  ProcessMemory memory;
};
// Errors: not_found without such a process, refused without the right to look.
Result<ProcessUse> look_at(pid_t process);

// "AMD EPYC", "6.1.0"; empty where the kernel does not tell.
std::string cpu_name();
std::string kernel_name();

}  // namespace godwit::apps
