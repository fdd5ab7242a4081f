// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

// Keeps one kind of line from filling a log: of each kind `burst` lines at once and one more each
// `every`; the next one that passes says how many were left out. A kind is what stands before the
// first ": ", or the first word's beginning; kinds share a bounded table by their hash, so two may
// be limited together.
//
// Thread safety: none; the log's lock.

namespace godwit::apps {

class LogLimiter {
 public:
  using Time = std::chrono::system_clock::time_point;
  static constexpr std::uint32_t burst = 20;
  static constexpr std::chrono::seconds every{5};

  struct Verdict {
    bool pass = false;
    std::uint64_t left_out = 0;  // of this kind since the last that passed
  };
  Verdict take(std::string_view line, Time now);
  static std::string_view kind_of(std::string_view line);

 private:
  struct Kind {
    std::uint32_t spent = 0;
    Time refilled{};
    std::uint64_t left_out = 0;
  };
  std::array<Kind, 256> kinds_{};
};

}  // namespace godwit::apps
