// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

// Tests of a stack as text: what arrives, what is called, and what must leave, each at its time.
// The language is described in tests/dataplane/tcp/scripts/README.md.

namespace godwit::dataplane::tcp::script {

struct Line {
  enum class Kind { arrives, leaves, call };

  int number = 0;  // in its file, from 1
  Kind kind = Kind::call;
  Duration delay{};      // since the line before
  Duration tolerance{};  // of when a packet leaves
  std::vector<std::string> words;
  std::string text;
};

struct Script {
  std::string file;
  std::string rule;  // what it is named after
  std::vector<Line> lines;
};

// All scripts of one text. Errors: invalid, with file and line.
Result<std::vector<Script>> parse(std::string_view text, const std::string& file);

// Of all files *.tcp of a folder, by name.
Result<std::vector<Script>> load(const std::filesystem::path& folder);

// A number of a script: sums and products of numbers, of `mss` (what fits a packet here) and of `i`
// (the count of a repeated line).
struct Names {
  std::int64_t mss = 0;
  std::int64_t i = 0;
};
Result<std::int64_t> evaluate(std::string_view text, const Names& names);

}  // namespace godwit::dataplane::tcp::script
