// SPDX-License-Identifier: Apache-2.0
#include "bench/generator/server_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <thread>
#include <utility>

namespace godwit::bench {

namespace {

constexpr int start_timeout_ms = 20'000;
constexpr int stop_timeout_ms = 10'000;

[[noreturn]] void become(const ServerProcess::Options& options, int output) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  pin_to_core(options.core);
  const int log = ::open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  ::dup2(output, STDOUT_FILENO);
  if (log >= 0) ::dup2(log, STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& word : options.command) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

}  // namespace

bool pin_to_core(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  return ::sched_setaffinity(0, sizeof set, &set) == 0;
}

std::uint64_t own_cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

Result<ServerProcess> ServerProcess::start(const Options& options) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(ErrorCode::io, "no pipe");
  const pid_t pid = ::fork();
  if (pid == 0) become(options, ends[1]);
  ::close(ends[1]);
  if (pid < 0) {
    ::close(ends[0]);
    return fail(ErrorCode::io, "no new process");
  }
  ServerProcess server(pid, ends[0]);
  if (auto ready = server.wait_for_port(); !ready) {
    return fail(ready.error().code,
                options.command[0] + " " + ready.error().message + "; see " + options.log);
  }
  return server;
}

Result<void> ServerProcess::wait_for_port() {
  std::string text;
  for (;;) {
    pollfd waiting{.fd = output_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, start_timeout_ms) <= 0) {
      return fail(ErrorCode::unavailable, "says nothing");
    }
    char buffer[512];
    const ssize_t size = ::read(output_, buffer, sizeof buffer);
    if (size <= 0) return fail(ErrorCode::unavailable, "did not start");
    text.append(buffer, static_cast<std::size_t>(size));
    const std::size_t line = text.find("listening on ");
    if (line == std::string::npos || text.find('\n', line) == std::string::npos) continue;
    port_ = static_cast<std::uint16_t>(std::stoul(text.substr(text.find(':', line) + 1)));
    return {};
  }
}

ServerProcess::ServerProcess(ServerProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      output_(std::exchange(other.output_, -1)),
      port_(other.port_) {}

ServerProcess::~ServerProcess() {
  if (pid_ <= 0) return;
  freeze(false);
  ::kill(pid_, SIGTERM);
  for (int waited = 0; ::waitpid(pid_, nullptr, WNOHANG) == 0; ++waited) {
    if (waited == stop_timeout_ms) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ::close(output_);
}

void ServerProcess::freeze(bool frozen) const {
  ::kill(pid_, frozen ? SIGSTOP : SIGCONT);
}

}  // namespace godwit::bench
