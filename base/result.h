// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

// Operating errors are values; broken invariants end the process with a message.
//
// Result<T> is for work off the hot path: its Error carries a sentence for a person. The dataplane
// uses small enums instead (for example protocol::ParseError), wrapped in std::expected as well.

namespace godwit {

// A code exists only where a caller acts on it; the sentence is for people.
enum class ErrorCode : std::uint8_t {
  invalid,      // an argument, a configuration value or input that can never be right
  malformed,    // bytes that do not follow their format
  not_found,    // the named thing does not exist
  exists,       // the named thing exists already and may not be replaced
  refused,      // understood and not allowed: policy, suspension, wrong key
  expired,      // was valid once
  limit,        // a stated limit is reached
  full,         // no space on the device behind the store
  unavailable,  // cannot be done now, may work later
  io,           // the operating system said no
  corrupt,      // stored data does not hold what it must
};

struct Error {
  ErrorCode code = ErrorCode::invalid;
  std::string message;  // one line: what went wrong and, where known, what to do
};

template <typename T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected<Error>(Error{code, std::move(message)});
}

[[noreturn]] inline void broken_invariant(std::string_view what, const char* file, int line) {
  std::fprintf(stderr, "broken invariant at %s:%d: %.*s\n", file, line,
               static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace godwit

// Holds in every build: a gateway that goes on with a broken invariant loses messages.
#define GODWIT_CHECK(condition)                                   \
  do {                                                            \
    if (!(condition)) [[unlikely]]                                \
      ::godwit::broken_invariant(#condition, __FILE__, __LINE__); \
  } while (false)
