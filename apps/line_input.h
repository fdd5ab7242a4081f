// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace godwit::apps {

// Lines of a descriptor that is read only when it has something. A last line without its end counts
// as a line. Of a line over `size_max` only size_max + 1 bytes are kept, so that it can be told
// from a line that is not. Not thread safe.
class LineInput {
 public:
  struct Options {
    int descriptor = STDIN_FILENO;
    std::size_t size_max = 0;
  };
  explicit LineInput(Options options) : options_(options) {}

  int descriptor() const { return options_.descriptor; }
  bool at_end() const { return ended_; }

  // One read(2); the lines it completed, or at the end what is left.
  std::vector<std::string> read_some() {
    char buffer[65536];
    const ssize_t size = ::read(options_.descriptor, buffer, sizeof buffer);
    std::vector<std::string> lines;
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return lines;
    if (size <= 0) {
      ended_ = true;
      if (!partial_.empty()) lines.push_back(std::exchange(partial_, {}));
      return lines;
    }
    std::string_view rest(buffer, static_cast<std::size_t>(size));
    for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos;) {
      keep(rest.substr(0, end));
      lines.push_back(std::exchange(partial_, {}));
      rest.remove_prefix(end + 1);
    }
    keep(rest);
    return lines;
  }

 private:
  void keep(std::string_view part) {
    partial_ += part.substr(0, options_.size_max + 1 - partial_.size());
  }

  const Options options_;
  std::string partial_;
  bool ended_ = false;
};

}  // namespace godwit::apps
