// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "base/result.h"

// What every benchmark of a real gateway begins and ends with: where godwitd is, which core is
// whose, a folder for its data, and the exit code. Not thread safe.

namespace godwit::bench {

// What --priority means, on a machine that does other things too.
enum class Priority : std::uint8_t {
  nice,       // this program and the servers before all others
  real_time,  // and before its own attackers: for times, where others would be in the way
};

struct ProgramOptions {
  std::string name;
  std::string godwitd;  // ../apps/godwitd from the program
  int server_core = 0;
  int own_core = 1;
  bool priority = false;
  Priority priority_means = Priority::real_time;
};
ProgramOptions program_options(std::string name);
void add_options(CLI::App& app, ProgramOptions& options);

// Raises limits and, if asked to, the priority; goes to its own core; calls `body` with a new
// folder. Returns the program's exit code: 1 when the body fails, whose folder then stays.
int run_program(const ProgramOptions& options,
                const std::function<Result<void>(const std::string& folder)>& body);

}  // namespace godwit::bench
