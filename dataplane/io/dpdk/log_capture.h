// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rte_log.h>

#include <cstdio>
#include <cstdlib>
#include <string>

// For this folder's sources alone: it includes DPDK's headers.
//
// Thread safety: one at a time in a process, for DPDK has one log.

namespace godwit::dataplane::io::dpdk {

// What DPDK writes while something is made: of use only when that fails.
class LogCapture {
 public:
  LogCapture() : stream_(::open_memstream(&text_, &size_)) {
    if (stream_ != nullptr) rte_openlog_stream(stream_);
  }
  ~LogCapture() {
    rte_openlog_stream(nullptr);
    if (stream_ != nullptr) std::fclose(stream_);
    std::free(text_);
  }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  // Its lines joined, for it says the cause first and its consequences after.
  std::string text() {
    if (stream_ == nullptr) return {};
    std::fflush(stream_);
    std::string lines(text_, size_);
    while (lines.ends_with('\n')) lines.pop_back();
    for (std::size_t at = 0; (at = lines.find('\n', at)) != std::string::npos; at += 2) {
      lines.replace(at, 1, "; ");
    }
    return lines;
  }

 private:
  char* text_ = nullptr;
  std::size_t size_ = 0;
  FILE* stream_;
};

}  // namespace godwit::dataplane::io::dpdk
