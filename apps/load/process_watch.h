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
  std::uint64_t nanoseconds = 0;  // so far
  pid_t id = 0;
};

struct ProcessUse {
  std::vector<ThreadCpu> threads;  // by id
  std::uint64_t resident_bytes = 0;
  std::uint64_t anonymous_bytes = 0;  // of these, in no file

  std::uint64_t cpu_ns() const;
};

// Errors: not_found without such a process, refused without the right to look.
Result<ProcessUse> look_at(pid_t process);
// What each thread used between two looks; one that has ended since is left out.
std::vector<ThreadCpu> difference(const ProcessUse& after, const ProcessUse& before);

// "AMD EPYC", "6.1.0"; empty where the kernel does not tell.
std::string cpu_name();
std::string kernel_name();

}  // namespace godwit::apps
