// SPDX-License-Identifier: Apache-2.0
#include "apps/load/process_watch.h"

#include <sys/utsname.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace godwit::apps {

std::uint64_t ProcessUse::cpu_ns() const {
  std::uint64_t total = 0;
  for (const ThreadCpu& thread : threads) total += thread.nanoseconds;
  return total;
}

Result<ProcessUse> look_at(pid_t process) {
  namespace fs = std::filesystem;
  const std::string folder = "/proc/" + std::to_string(process);
  ProcessUse use;
  std::error_code error;
  for (const auto& task : fs::directory_iterator(folder + "/task", error)) {
    ThreadCpu thread;
    thread.id = std::stoi(task.path().filename().string());
    std::getline(std::ifstream(task.path() / "comm"), thread.name);
    std::ifstream(task.path() / "schedstat") >> thread.nanoseconds;
    use.threads.push_back(std::move(thread));
  }
  if (error || use.threads.empty()) {
    return fail(ErrorCode::not_found, "there is no process " + std::to_string(process));
  }
  std::ranges::sort(use.threads, {}, &ThreadCpu::id);
  std::ifstream rollup(folder + "/smaps_rollup");
  std::string line;
  while (std::getline(rollup, line)) {
    const auto bytes = [&] { return std::stoull(line.substr(line.find(':') + 1)) * 1024; };
    if (line.starts_with("Rss:")) use.resident_bytes = bytes();
    if (line.starts_with("Anonymous:")) use.anonymous_bytes = bytes();
  }
  if (use.resident_bytes == 0) {
    return fail(ErrorCode::refused,
                "the memory of process " + std::to_string(process) + " is not ours to see");
  }
  return use;
}

std::vector<ThreadCpu> difference(const ProcessUse& after, const ProcessUse& before) {
  std::vector<ThreadCpu> used = after.threads;
  for (ThreadCpu& thread : used) {
    const auto earlier = std::ranges::find(before.threads, thread.id, &ThreadCpu::id);
    if (earlier != before.threads.end()) thread.nanoseconds -= earlier->nanoseconds;
  }
  return used;
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
