// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "apps/load/process_watch.h"
#include "base/result.h"

// A server under measurement: started on a core of its own, found by the line "listening on
// HOST:PORT" it prints, read through /proc, ended with this object. Not thread safe.

namespace godwit::bench {

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
  apps::ThreadTimes cpu_times() const { return apps::threads_of(pid_); }
  apps::ProcessMemory memory() const { return apps::memory_of(pid_); }

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
