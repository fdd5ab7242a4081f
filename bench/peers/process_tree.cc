// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/process_tree.h"

#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "apps/load/process_watch.h"

namespace godwit::bench {

namespace {

namespace fs = std::filesystem;

// The number that a folder of /proc is named by; 0 for another name.
pid_t number_of(const fs::path& path) {
  const std::string name = path.filename();
  pid_t number = 0;
  const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc{} && stop == name.data() + name.size() ? number : 0;
}

// /proc/PID/stat, whose second field may hold anything; 0 when the process has gone.
pid_t parent_of(pid_t pid) {
  std::string line;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), line);
  const std::size_t name_end = line.rfind(") ");
  if (name_end == std::string::npos || line.size() < name_end + 5) return 0;
  return static_cast<pid_t>(std::strtol(line.c_str() + name_end + 4, nullptr, 10));
}

}  // namespace

std::vector<pid_t> ProcessTree::pids() const {
  std::multimap<pid_t, pid_t> children;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const pid_t pid = number_of(entry.path());
    if (pid != 0) children.emplace(parent_of(pid), pid);
  }
  std::vector<pid_t> tree{root_};
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const auto [from, to] = children.equal_range(tree[i]);
    for (auto child = from; child != to; ++child) tree.push_back(child->second);
  }
  return tree;
}

ProcessTree::Times ProcessTree::times() const {
  Times times;
  for (const pid_t pid : pids()) {
    for (const apps::ThreadCpu& thread : apps::threads_of(pid)) {
      times[{pid, thread.id}] = thread.nanoseconds;
    }
  }
  return times;
}

std::uint64_t ProcessTree::resident() const {
  std::uint64_t bytes = 0;
  for (const pid_t pid : pids()) bytes += apps::memory_of(pid).resident_bytes;
  return bytes;
}

void ProcessTree::freeze(bool frozen) const {
  for (const pid_t pid : pids()) ::kill(pid, frozen ? SIGSTOP : SIGCONT);
}

std::uint64_t used_ns(const ProcessTree::Times& before, const ProcessTree::Times& after) {
  std::uint64_t used = 0;
  for (const auto& [thread, nanoseconds] : after) {
    const auto earlier = before.find(thread);
    used += nanoseconds - (earlier == before.end() ? 0 : earlier->second);
  }
  return used;
}

}  // namespace godwit::bench
