// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string_view>

#include "base/bytes.h"

// What text may hold on the wire, and digits packed two to a byte. Pure functions.

namespace godwit::protocol {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

inline bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

// For what ends up in tables and logs: space to '~' only.
inline bool is_printable_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7e; });
}

// Well-formed UTF-8 (RFC 3629: shortest form, no surrogates, up to U+10FFFF).
bool is_utf8(std::string_view text);

// The same without control characters (U+0000 to U+001F, U+007F to U+009F), fit for a terminal.
bool is_printable_utf8(std::string_view text);

// Two digits a byte, the first in the high half; an odd last one is followed by a half of 0xf. The
// number of digits travels separately.
constexpr std::size_t packed_digits_size(std::size_t digits) {
  return (digits + 1) / 2;
}
void write_packed_digits(ByteWriter& out, std::string_view digits);
// Fills `digits`; false and the reader failed when a half is not what it must be.
bool read_packed_digits(ByteReader& in, std::span<char> digits);

}  // namespace godwit::protocol
