// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

// What can be said of a program from its own command line: completion for shells, and of godwitctl
// its man pages. Pure functions.

namespace godwit::apps {

struct CompletionOptions {
  std::string program;
  // Options, and commands with a space before them, that a file follows.
  std::vector<std::string> before_files;
};
// A script for bash, which zsh reads too after bashcompinit. A command that passes options on to
// the program (fallthrough) takes the program's too.
std::string completion_script(const CLI::App& app, const CompletionOptions& options);

// The page of the program, or with `command` of one command with all below it, in man(7). The pages
// in packaging/man are these; a test compares them.
std::string man_page(const CLI::App& app, const std::string& command);

}  // namespace godwit::apps
