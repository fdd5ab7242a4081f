// SPDX-License-Identifier: Apache-2.0
#include "protocol/node_value.h"

#include <charconv>
#include <optional>

#include "protocol/dictionary.h"
#include "protocol/text.h"

namespace godwit::protocol {
namespace {

constexpr std::uint8_t short_text = token_count_max;
constexpr std::uint8_t short_text_size_max = 63;
constexpr std::uint8_t long_text = 0xe0;
constexpr std::uint8_t packed_digits = 0xe1;
constexpr std::uint8_t jid_value = 0xe2;
constexpr std::uint8_t number_value = 0xe3;
static_assert(short_text + short_text_size_max + 1 == long_text);
static_assert(name_size_max <= short_text_size_max);

// The number that `digits` is the decimal form of.
std::optional<std::uint32_t> as_number(std::string_view digits) {
  if (!is_digits(digits) || (digits.size() > 1 && digits.front() == '0')) return std::nullopt;
  std::uint32_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, number);
  return parsed.ec == std::errc{} ? std::optional(number) : std::nullopt;
}

bool is_packable(std::string_view text) {
  return is_digits(text) && text.size() <= packed_digits_max;
}

// Text that no shorter form stands for.
bool is_plain(std::string_view text) {
  return !token_of(text) && !is_packable(text) && !split_jid(text) && is_printable_utf8(text);
}

void write_plain(ByteWriter& out, std::string_view text) {
  if (text.size() <= short_text_size_max) {
    out.u8(static_cast<std::uint8_t>(short_text + text.size()));
  } else {
    out.u8(long_text);
    out.varint(text.size());
  }
  out.bytes(as_bytes(text));
}

std::string_view read_plain(ByteReader& in, std::uint8_t first) {
  std::uint64_t size = first - short_text;
  if (first == long_text) {
    size = in.varint();
    if (size <= short_text_size_max) in.fail();
  }
  const std::string_view text = as_text(in.take(size));
  if (!is_plain(text)) in.fail();
  return text;
}

std::string_view read_token(ByteReader& in, std::uint8_t token) {
  if (token < dictionary.size()) return dictionary[token];
  in.fail();
  return {};
}

std::string_view read_digits(ByteReader& in, NodeScratch& scratch) {
  const std::span<char> digits = std::span(scratch.digits).first(in.u8());
  const std::string_view text{digits.data(), digits.size()};
  if (text.empty() || !read_packed_digits(in, digits) || as_number(text)) in.fail();
  return text;
}

std::uint32_t read_number(ByteReader& in) {
  const std::uint64_t number = in.varint();
  if (number > UINT32_MAX) in.fail();
  return static_cast<std::uint32_t>(number);
}

}  // namespace

std::string NodeValue::to_string() const {
  switch (kind) {
    case ValueKind::text:
      return std::string(text);
    case ValueKind::number:
      return std::to_string(number);
    case ValueKind::jid:
      return to_text(jid);
  }
  return {};
}

bool NodeValue::equals(std::string_view other) const {
  return kind == ValueKind::text ? text == other : to_string() == other;
}

bool is_valid_name(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && name.size() <= name_size_max && is_letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) {
           return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == ':';
         });
}

std::string_view read_name(ByteReader& in) {
  const std::uint8_t first = in.u8();
  std::string_view name;
  if (first < short_text) {
    name = read_token(in, first);
  } else if (first < long_text) {
    name = read_plain(in, first);
  }
  if (!is_valid_name(name)) in.fail();
  return in.ok() ? name : std::string_view{};
}

NodeValue read_value(ByteReader& in, Context context, NodeScratch& scratch) {
  const std::uint8_t first = in.u8();
  NodeValue value;
  if (first < short_text) {
    value.text = read_token(in, first);
  } else if (first <= long_text) {
    value.text = read_plain(in, first);
  } else if (first == packed_digits) {
    value.text = read_digits(in, scratch);
  } else if (first == jid_value) {
    value.kind = ValueKind::jid;
    value.jid = read_jid(in, context.own_domain, scratch.jid);
  } else if (first == number_value) {
    value.kind = ValueKind::number;
    value.number = read_number(in);
  } else {
    in.fail();
  }
  return in.ok() ? value : NodeValue{};
}

void write_name(ByteWriter& out, std::string_view name) {
  if (const auto token = token_of(name)) {
    out.u8(*token);
  } else {
    write_plain(out, name);
  }
  if (!is_valid_name(name)) out.fail();
}

void write_value(ByteWriter& out, std::string_view text, Context context) {
  if (const auto token = token_of(text)) {
    out.u8(*token);
  } else if (const auto number = as_number(text)) {
    write_value(out, *number);
  } else if (is_packable(text)) {
    out.u8(packed_digits);
    out.u8(static_cast<std::uint8_t>(text.size()));
    write_packed_digits(out, text);
  } else if (const auto jid = split_jid(text)) {
    write_value(out, *jid, context);
  } else {
    write_plain(out, text);
    if (!is_printable_utf8(text)) out.fail();
  }
}

void write_value(ByteWriter& out, std::uint32_t number) {
  out.u8(number_value);
  out.varint(number);
}

void write_value(ByteWriter& out, const JidView& jid, Context context) {
  out.u8(jid_value);
  write_jid(out, jid, context.own_domain);
}

}  // namespace godwit::protocol
