// SPDX-License-Identifier: Apache-2.0
#include "bench/generator/program.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "bench/generator/server_process.h"

namespace godwit::bench {

namespace {

// Servers and attackers inherit it. A session of its own, because Linux shares the CPU between
// sessions first (autogroups) and between their processes after.
bool raise_priority(Priority priority) {
  constexpr int nice = -15;
  (void)::setsid();  // it may lead one already
  if (::setpriority(PRIO_PROCESS, 0, nice) != 0) return false;
  std::ofstream("/proc/self/autogroup") << nice << "\n";
  const sched_param level{.sched_priority = 10};
  return priority == Priority::nice || ::sched_setscheduler(0, SCHED_RR, &level) == 0;
}

}  // namespace

ProgramOptions program_options(std::string name) {
  const auto here = std::filesystem::canonical("/proc/self/exe").parent_path();
  return {.name = std::move(name), .godwitd = here.parent_path() / "apps" / "godwitd"};
}

void add_options(CLI::App& app, ProgramOptions& options) {
  app.add_option("--godwitd", options.godwitd, "path of godwitd (../apps/godwitd from here)");
  app.add_option("--server-core", options.server_core, "core of the gateway (0)");
  app.add_option("--own-core", options.own_core, "core of everything else (1)");
  app.add_flag("--priority", options.priority,
               "for a busy machine: run above everything else (root; detaches from the terminal)");
}

int run_program(const ProgramOptions& options,
                const std::function<Result<void>(const std::string& folder)>& body) {
  std::signal(SIGPIPE, SIG_IGN);
  if (options.priority && !raise_priority(options.priority_means)) {
    std::puts("no right to a higher priority");
  }
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  std::string folder = "/tmp/godwit-" + options.name + "-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr || !pin_to_core(options.own_core)) {
    std::perror(options.name.c_str());
    return 1;
  }
  const auto done = body(folder);
  if (!done) {
    std::fprintf(stderr, "bench_%s: %s (logs in %s)\n", options.name.c_str(),
                 done.error().message.c_str(), folder.c_str());
    return 1;
  }
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace godwit::bench
