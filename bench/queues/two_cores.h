// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>
#include <sched.h>

#include <fstream>
#include <optional>
#include <string>
#include <utility>

// The two cores that a benchmark with two threads runs on, and what is between them, for its label:
// what a hop costs is the way through the cache that they share.

namespace godwit::bench {

namespace detail {

inline std::string first_line(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

// Whether a list such as "0-3,8" names the core.
inline bool names(const std::string& list, int core) {
  for (std::size_t at = 0; at < list.size();) {
    std::size_t used = 0;
    const int first = std::stoi(list.substr(at), &used);
    at += used;
    int last = first;
    if (at < list.size() && list[at] == '-') {
      last = std::stoi(list.substr(at + 1), &used);
      at += 1 + used;
    }
    if (core >= first && core <= last) return true;
    ++at;
  }
  return false;
}

}  // namespace detail

// As Linux tells; a virtual machine may be told what is not so.
inline std::string between(std::pair<int, int> cores) {
  const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cores.first);
  const std::string both =
      "cores " + std::to_string(cores.first) + " and " + std::to_string(cores.second);
  if (detail::names(detail::first_line(folder + "/topology/thread_siblings_list"), cores.second)) {
    return both + ", threads of one core";
  }
  for (int index = 0; index < 8; ++index) {
    const std::string cache = folder + "/cache/index" + std::to_string(index);
    if (!detail::names(detail::first_line(cache + "/shared_cpu_list"), cores.second)) continue;
    return both + ", sharing L" + detail::first_line(cache + "/level");
  }
  return both + ", sharing no cache";
}

// The first two that this process may use; none when it has one.
inline std::optional<std::pair<int, int>> two_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return std::nullopt;
  int first = -1;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &set)) continue;
    if (first >= 0) return std::pair{first, core};
    first = core;
  }
  return std::nullopt;
}

// Holds the calling thread on a core while it lives.
class Pinned {
 public:
  explicit Pinned(int core) {
    pthread_getaffinity_np(pthread_self(), sizeof before_, &before_);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  }
  ~Pinned() { pthread_setaffinity_np(pthread_self(), sizeof before_, &before_); }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;

 private:
  cpu_set_t before_{};
};

}  // namespace godwit::bench
