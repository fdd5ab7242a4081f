// SPDX-License-Identifier: Apache-2.0
#include "apps/load/process_watch.h"

#include <sys/utsname.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace godwit::apps {

std::uint64_t total_ns(const ThreadTimes& threads) {
  std::uint64_t total = 0;
  for (const ThreadCpu& thread : threads) total += thread.nanoseconds;
  return total;
}

ThreadTimes difference(const ThreadTimes& after, const ThreadTimes& before) {
  ThreadTimes used = after;
  for (ThreadCpu& thread : used) {
    const auto earlier = std::ranges::find(before, thread.id, &ThreadCpu::id);
    if (earlier == before.end()) continue;
    thread.nanoseconds -= earlier->nanoseconds;
    thread.waiting_ns -= earlier->waiting_ns;
  }
  return used;
}

ThreadTimes threads_of(pid_t process) {
  namespace fs = std::filesystem;
  ThreadTimes threads;
  std::error_code error;
  for (const auto& task :
       fs::directory_iterator("/proc/" + std::to_string(process) + "/task", error)) {
    ThreadCpu thread;
    thread.id = std::stoi(task.path().filename().string());
    std::getline(std::ifstream(task.path() / "comm"), thread.name);
    std::ifstream(task.path() / "schedstat") >> thread.nanoseconds >> thread.waiting_ns;
    threads.push_back(std::move(thread));
  }
  std::ranges::sort(threads, {}, &ThreadCpu::id);
  return threads;
}

ProcessMemory memory_of(pid_t process) {
  ProcessMemory memory;
  std::ifstream rollup("/proc/" + std::to_string(process) + "/smaps_rollup");
  std::string line;
  while (std::getline(rollup, line)) {
    const auto bytes = [&] { return std::stoull(line.substr(line.find(':') + 1)) * 1024; };
    if (line.starts_with("Rss:")) memory.resident_bytes = bytes();
    if (line.starts_with("Anonymous:")) memory.anonymous_bytes = bytes();
  }
  return memory;
}

Result<ProcessUse> look_at(pid_t process) {
  ProcessUse use{threads_of(process), memory_of(process)};
  if (use.threads.empty()) {
    return fail(ErrorCode::not_found, "there is no process " + std::to_string(process));
  }
  if (use.memory.resident_bytes == 0) {
    return fail(ErrorCode::refused,
                "the memory of process " + std::to_string(process) + " is not ours to see");
  }
  return use;
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    if (!line.starts_with("model name")) continue;
    const std::size_t value = line.find_first_not_of(" \t", line.find(':') + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

std::string kernel_name() {
  utsname name{};
  return ::uname(&name) == 0 ? name.release : "";
}

}  // namespace godwit::apps
