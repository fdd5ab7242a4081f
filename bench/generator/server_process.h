// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

// A server under measurement: started on a core of its own, found by the line "listening on
// HOST:PORT" it prints, read through /proc, ended with this object. Not thread safe.

namespace godwit::bench {

struct ThreadTime {
  std::string name;
  std::uint64_t nanoseconds = 0;  // on a CPU, user and system
  std::uint64_t waiting_ns = 0;   // able to run, and not on one
};
// All threads of the process, in the order of their ids.
using CpuTimes = std::vector<ThreadTime>;
std::uint64_t total_ns(const CpuTimes& times);

// /proc/PID/smaps_rollup, in bytes.
struct MemoryUse {
  std::uint64_t resident = 0;
  std::uint64_t anonymous = 0;
};

class ServerProcess {
 public:
  struct Options {
    std::vector<std::string> command;
    int core = 0;
    std::string log;  // file for its standard error
  };
  static Result<ServerProcess> start(const Options& options);
  ServerProcess(ServerProcess&& other) noexcept;
  ServerProcess& operator=(ServerProcess&&) = delete;
  ~ServerProcess();

  pid_t pid() const { return pid_; }
  std::uint16_t port() const { return port_; }
  // Stops it where it is, or lets it go on.
  void freeze(bool frozen) const;
  CpuTimes cpu_times() const;
  MemoryUse memory() const;

 private:
  ServerProcess(pid_t pid, int output) : pid_(pid), output_(output) {}
  Result<void> wait_for_port();

  pid_t pid_ = -1;
  int output_ = -1;
  std::uint16_t port_ = 0;
};

// Keeps the calling thread on this core.
bool pin_to_core(int core);
// Of the calling process.
std::uint64_t own_cpu_ns();

}  // namespace godwit::bench
