// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// Sequence numbers are compared modulo 2^32 (RFC 9293, 3.4): right as long as two are less than
// 2^31 apart. Timestamps are compared the same way (RFC 7323, 4.3). Pure functions.

namespace godwit::dataplane::tcp {

constexpr bool before(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b) < 0;
}
constexpr bool at_or_before(std::uint32_t a, std::uint32_t b) {
  return !before(b, a);
}
constexpr bool after(std::uint32_t a, std::uint32_t b) {
  return before(b, a);
}
constexpr std::uint32_t later_of(std::uint32_t a, std::uint32_t b) {
  return before(a, b) ? b : a;
}
constexpr std::uint32_t earlier_of(std::uint32_t a, std::uint32_t b) {
  return before(a, b) ? a : b;
}
// From `from` up to and without `to`; `to` is not before `from`.
constexpr std::uint32_t distance(std::uint32_t from, std::uint32_t to) {
  return to - from;
}

}  // namespace godwit::dataplane::tcp
