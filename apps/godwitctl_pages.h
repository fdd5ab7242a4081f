// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

// What can be said of godwitctl from its own command line: completion for shells, and man pages.
// Pure functions.

namespace godwit::apps {

// A script for bash, which zsh reads too after bashcompinit.
std::string completion_script(const CLI::App& app);

// The page of the program, or with `command` of one command with all below it, in man(7). The pages
// in packaging/man are these; a test compares them.
std::string man_page(const CLI::App& app, const std::string& command);

}  // namespace godwit::apps
