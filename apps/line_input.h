// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

namespace godwit::apps {

// Lines of a descriptor that is read only when it has something. A last line without its end counts as a line. Not thread
// safe.
class LineInput {
 public:
  explicit LineInput(int descriptor) : descriptor_(descriptor) {}

  int descriptor() const { return descriptor_; }
  bool at_end() const { return ended_; }

  // One read(2); the lines it completed, or at the end what is left.
  std::vector<std::string> read_some() {
    char buffer[65536];
    const ssize_t size = ::read(descriptor_, buffer, sizeof buffer);
    std::vector<std::string> lines;
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return lines;
    if (size <= 0) {
      ended_ = true;
      if (!partial_.empty()) lines.push_back(std::move(partial_));
      partial_.clear();
      return lines;
    }
    partial_.append(buffer, static_cast<std::size_t>(size));
    std::size_t start = 0;
    for (std::size_t end; (end = partial_.find('\n', start)) != std::string::npos; start = end + 1) {
      lines.push_back(partial_.substr(start, end - start));
    }
    partial_.erase(0, start);
    return lines;
  }

 private:
  const int descriptor_;
  std::string partial_;
  bool ended_ = false;
};

}  // namespace godwit::apps
