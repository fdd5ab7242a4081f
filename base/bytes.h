// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Views of bytes, a bounds-checked reader and writer, and hexadecimal text. All integers on the
// wire are big-endian. Thread safety: values, no shared state.

namespace godwit {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// An unsigned LEB128 number of 64 bits takes at most this many bytes.
inline constexpr std::size_t varint_size_max = 10;

constexpr std::size_t varint_size(std::uint64_t value) {
  std::size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

// Reads from a view and never past it. The first read that does not fit makes the reader failed; it
// then yields zeros and empty views, so a parser checks ok() once, at the end of a structure.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return bytes_.empty(); }
  std::size_t remaining() const { return bytes_.size(); }
  void fail() {
    ok_ = false;
    bytes_ = {};
  }

  Bytes take(std::size_t size) {
    if (size > bytes_.size()) {
      fail();
      return {};
    }
    Bytes taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }

  Bytes take_rest() { return take(bytes_.size()); }

  std::uint8_t u8() { return static_cast<std::uint8_t>(big_endian(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(big_endian(2)); }
  std::uint32_t u24() { return static_cast<std::uint32_t>(big_endian(3)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(big_endian(4)); }
  std::uint64_t u64() { return big_endian(8); }

  // Unsigned LEB128. Refuses more than 64 bits and encodings longer than needed, so that every
  // number has one form.
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < varint_size_max; ++i) {
      if (bytes_.empty()) break;
      const std::uint8_t byte = bytes_.front();
      bytes_ = bytes_.subspan(1);
      if (i == varint_size_max - 1 && byte > 1) break;
      value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
      if ((byte & 0x80) == 0) {
        if (byte == 0 && i > 0) break;
        return value;
      }
    }
    fail();
    return 0;
  }

 private:
  std::uint64_t big_endian(std::size_t size) {
    std::uint64_t value = 0;
    for (std::uint8_t byte : take(size)) value = value << 8 | byte;
    return value;
  }

  Bytes bytes_;
  bool ok_ = true;
};

// Writes into a view and never past it. The first write that does not fit makes the writer failed
// and writes nothing; check ok() once, at the end.
class ByteWriter {
 public:
  explicit ByteWriter(MutableBytes out) : out_(out) {}

  bool ok() const { return ok_; }
  std::size_t size() const { return size_; }
  std::size_t room() const { return ok_ ? out_.size() - size_ : 0; }
  Bytes written() const { return out_.first(size_); }
  void fail() { ok_ = false; }

  // Goes back to an earlier size(), for a structure that turned out not to fit.
  void rewind(std::size_t size) {
    size_ = std::min(size, size_);
    ok_ = true;
  }

  // Reserves `size` bytes for the caller to fill; empty when they do not fit.
  MutableBytes reserve(std::size_t size) {
    if (size > room()) {
      ok_ = false;
      return {};
    }
    MutableBytes reserved = out_.subspan(size_, size);
    size_ += size;
    return reserved;
  }

  void bytes(Bytes source) {
    MutableBytes target = reserve(source.size());
    if (!target.empty()) std::memcpy(target.data(), source.data(), target.size());
  }

  void u8(std::uint8_t value) { big_endian(value, 1); }
  void u16(std::uint16_t value) { big_endian(value, 2); }
  void u24(std::uint32_t value) { big_endian(value, 3); }
  void u32(std::uint32_t value) { big_endian(value, 4); }
  void u64(std::uint64_t value) { big_endian(value, 8); }

  void varint(std::uint64_t value) {
    MutableBytes target = reserve(varint_size(value));
    if (target.empty()) return;
    for (std::size_t i = 0; i + 1 < target.size(); ++i, value >>= 7) {
      target[i] = static_cast<std::uint8_t>(value | 0x80);
    }
    target.back() = static_cast<std::uint8_t>(value);
  }

 private:
  void big_endian(std::uint64_t value, std::size_t size) {
    MutableBytes target = reserve(size);
    for (std::size_t i = target.size(); i-- > 0; value >>= 8) {
      target[i] = static_cast<std::uint8_t>(value);
    }
  }

  MutableBytes out_;
  std::size_t size_ = 0;
  bool ok_ = true;
};

inline std::string to_hex(Bytes bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (std::uint8_t byte : bytes) {
    text.push_back(digits[byte >> 4]);
    text.push_back(digits[byte & 15]);
  }
  return text;
}

// Accepts an even number of digits of either case and nothing else.
inline std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (text.size() % 2 != 0) return std::nullopt;
  std::vector<std::uint8_t> bytes(text.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return bytes;
}

}  // namespace godwit
