// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

// A server that may be several processes: the one that was started and all below it, read through
// /proc. Not thread safe.

namespace godwit::bench {

class ProcessTree {
 public:
  explicit ProcessTree(pid_t root) : root_(root) {}

  // Of each thread, by process and thread: nanoseconds on a CPU, user and system.
  using Times = std::map<std::pair<pid_t, pid_t>, std::uint64_t>;
  Times times() const;
  // Resident memory of all, in bytes; what they share counts for each.
  std::uint64_t resident() const;
  // Stops them where they are, or lets them go on.
  void freeze(bool frozen) const;

 private:
  std::vector<pid_t> pids() const;

  pid_t root_;
};

// What was used between the two; threads that have ended since are not in it.
std::uint64_t used_ns(const ProcessTree::Times& before, const ProcessTree::Times& after);

}  // namespace godwit::bench
