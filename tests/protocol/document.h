// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

// What docs/protocol.md promises, cut out of its text: fenced blocks by the words behind the fence,
// and the rows of the tables under a heading.

namespace godwit::protocol::testing {

class Document {
 public:
  explicit Document(const std::string& path) {
    std::ifstream file(path);
    GODWIT_CHECK(file.is_open());
    std::string line;
    std::string heading;
    std::string* block = nullptr;
    while (std::getline(file, line)) {
      if (line.starts_with("```")) {
        block = block == nullptr ? &open_block(line.substr(3)) : nullptr;
      } else if (block != nullptr) {
        *block += line + "\n";
      } else if (line.starts_with("#")) {
        heading = line.substr(line.find(' ') + 1);
      } else if (line.starts_with("| ")) {
        tables_[heading].push_back(cells(line));
      }
    }
    GODWIT_CHECK(block == nullptr);
  }

  // Blocks "```hex NAME": the bytes, in hexadecimal; '#' starts a comment.
  std::map<std::string, std::vector<std::uint8_t>> examples() const {
    std::map<std::string, std::vector<std::uint8_t>> found;
    for (const auto& [name, text] : blocks_) {
      if (name.starts_with("hex ")) found[name.substr(4)] = bytes_of(text);
    }
    return found;
  }
  const std::string& block(const std::string& name) const { return blocks_.at(name); }
  const std::vector<std::vector<std::string>>& table(const std::string& heading) const {
    return tables_.at(heading);
  }

 private:
  std::string& open_block(const std::string& name) {
    GODWIT_CHECK(name.empty() || !blocks_.contains(name));
    return blocks_[name];
  }

  static std::vector<std::string> cells(const std::string& line) {
    std::vector<std::string> found;
    std::istringstream in(line.substr(1));
    for (std::string cell; std::getline(in, cell, '|');) {
      std::erase(cell, '`');
      const std::size_t first = cell.find_first_not_of(' ');
      const std::size_t last = cell.find_last_not_of(' ');
      found.push_back(first == cell.npos ? "" : cell.substr(first, last - first + 1));
    }
    return found;
  }

  static std::vector<std::uint8_t> bytes_of(const std::string& text) {
    std::string digits;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) digits += line.substr(0, line.find('#'));
    std::erase(digits, ' ');
    const auto bytes = from_hex(digits);
    GODWIT_CHECK(bytes.has_value());
    return *bytes;
  }

  std::map<std::string, std::string> blocks_;
  std::map<std::string, std::vector<std::vector<std::string>>> tables_;
};

}  // namespace godwit::protocol::testing
