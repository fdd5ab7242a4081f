// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "protocol/stanza.h"

// Names and attribute values of binary XML. Each is text; what it is decides the one form it
// travels in:
//
//   first byte   form
//   00 … 9f      token: the word at that place of the dictionary
//   a0 … df      text of 0 … 63 bytes
//   e0           text: size varint (64 or more), bytes
//   e1           digits: number of digits (1 … 255), packed two to a byte
//   e2           JID: see jid.h
//   e3           number: varint, at most 4 294 967 295
//
// A word of the dictionary is a token; decimal digits without leading zeros, up to 32 bits, are a
// number; other digits, up to 255, are packed; text that parse_jid accepts is a JID; everything
// else is UTF-8 without control characters. A name is a token or text of at most 63 bytes: a letter
// or '_', then letters, digits, '-', '_',
// '.' and ':'. Values, no shared state.

namespace godwit::protocol {

inline constexpr std::size_t name_size_max = 63;
inline constexpr std::size_t packed_digits_max = 255;

enum class ValueKind : std::uint8_t { text, number, jid };

struct NodeValue {
  ValueKind kind = ValueKind::text;
  std::string_view text;     // text: tokens, digits and the rest
  std::uint32_t number = 0;  // number
  JidView jid;               // jid

  // What it is as XML, whatever the form.
  std::string to_string() const;
  // Compares as XML would.
  bool equals(std::string_view other) const;
};

struct NodeScratch {
  std::array<char, packed_digits_max> digits;
  JidScratch jid;
};

bool is_valid_name(std::string_view name);

// Reading fails the reader for every form but the one text has. Views point into the input, the
// dictionary, `scratch` or the context.
std::string_view read_name(ByteReader& in);
NodeValue read_value(ByteReader& in, Context context, NodeScratch& scratch);

// Writing fails the writer when text is not allowed or does not fit.
void write_name(ByteWriter& out, std::string_view name);
void write_value(ByteWriter& out, std::string_view text, Context context);
void write_value(ByteWriter& out, std::uint32_t number);
void write_value(ByteWriter& out, const JidView& jid, Context context);

}  // namespace godwit::protocol
