// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/bytes.h"

// What text may hold on the wire, and digits packed two to a byte. Pure functions.

namespace godwit::protocol {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Eight characters in one word, the first in its lowest byte: telephone numbers are looked at so
// often that one character after another would show.
namespace eight {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint64_t of(std::uint8_t byte) {
  return byte * std::uint64_t{0x0101010101010101};
}
inline std::uint64_t load(const char* text) {
  std::uint64_t characters;
  std::memcpy(&characters, text, sizeof characters);
  return characters;
}
// Whether each byte is below ten. What carries into a neighbour has shown itself.
constexpr bool are_below_ten(std::uint64_t bytes) {
  return ((bytes | (bytes + of(6))) & of(0xf0)) == 0;
}
constexpr bool are_digits(std::uint64_t characters) {
  return are_below_ten(characters ^ of('0'));
}

}  // namespace eight

inline bool is_digits(std::string_view text) {
  if (text.size() < 8) return !text.empty() && std::ranges::all_of(text, is_digit);
  for (std::size_t i = 0; i + 8 < text.size(); i += 8) {
    if (!eight::are_digits(eight::load(text.data() + i))) return false;
  }
  return eight::are_digits(eight::load(text.data() + text.size() - 8));
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
