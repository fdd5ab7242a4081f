// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/bytes.h"

// As much of the Protocol Buffers encoding as Signal's messages use: flat, proto2 messages of
// numbers and byte strings. Strict where a peer has no reason to differ: a known field comes at
// most once and with its own type, numbers have their shortest form, groups are refused. Unknown
// fields are skipped, so that later versions can add some. Thread safety: values.

namespace godwit::crypto::signal {

enum class WireType : std::uint8_t { varint = 0, fixed64 = 1, length = 2, fixed32 = 5 };

// Field numbers are below 2^29; more fields than this in one message are an attack.
inline constexpr std::uint64_t field_number_max = (1u << 29) - 1;
inline constexpr std::size_t fields_max = 64;

// Appends fields to a vector of bytes, wiped or not.
template <typename Buffer>
class ProtobufWriter {
 public:
  explicit ProtobufWriter(Buffer& out) : out_(out) {}

  void number(std::uint32_t field, std::uint64_t value) {
    tag(field, WireType::varint);
    varint(value);
  }

  void bytes(std::uint32_t field, Bytes value) {
    tag(field, WireType::length);
    varint(value.size());
    out_.insert(out_.end(), value.begin(), value.end());
  }

 private:
  void tag(std::uint32_t field, WireType type) {
    varint(std::uint64_t{field} << 3 | static_cast<std::uint8_t>(type));
  }

  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<std::uint8_t>(value | 0x80));
    out_.push_back(static_cast<std::uint8_t>(value));
  }

  Buffer& out_;
};

// The fields 1 to Count of one message; byte strings are views of the input. Ask for the fields,
// then ok() once: a field of the wrong type or range makes it false.
template <std::size_t Count>
class ProtobufFields {
 public:
  explicit ProtobufFields(Bytes message) : reader_(message) {
    for (std::size_t fields = 0; ok_ && !reader_.at_end(); ++fields) {
      ok_ = fields < fields_max && take_field() && reader_.ok();
    }
  }

  bool ok() const { return ok_; }

  std::optional<Bytes> bytes(std::size_t field) {
    const Field& found = fields_[field - 1];
    if (!expect(found, WireType::length)) return std::nullopt;
    return found.bytes;
  }

  std::optional<std::uint64_t> u64(std::size_t field) {
    const Field& found = fields_[field - 1];
    if (!expect(found, WireType::varint)) return std::nullopt;
    return found.number;
  }

  std::optional<std::uint32_t> u32(std::size_t field) {
    const std::optional<std::uint64_t> wide = u64(field);
    if (!wide) return std::nullopt;
    if (*wide > std::numeric_limits<std::uint32_t>::max()) {
      ok_ = false;
      return std::nullopt;
    }
    return static_cast<std::uint32_t>(*wide);
  }

 private:
  struct Field {
    bool present = false;
    WireType type = WireType::varint;
    std::uint64_t number = 0;
    Bytes bytes;
  };

  bool expect(const Field& field, WireType type) {
    if (field.present && field.type != type) ok_ = false;
    return field.present && field.type == type;
  }

  bool take_field() {
    const std::uint64_t tag = reader_.varint();
    const std::uint64_t number = tag >> 3;
    if (!reader_.ok() || number == 0 || number > field_number_max) return false;
    Field field;
    field.present = true;
    field.type = static_cast<WireType>(tag & 7);
    if (!take_value(field)) return false;
    if (number > Count) return true;
    Field& slot = fields_[number - 1];
    if (slot.present) return false;
    slot = field;
    return true;
  }

  bool take_value(Field& field) {
    switch (field.type) {
      case WireType::varint:
        field.number = reader_.varint();
        return true;
      case WireType::fixed64:
        reader_.take(8);
        return true;
      case WireType::fixed32:
        reader_.take(4);
        return true;
      case WireType::length: {
        const std::uint64_t size = reader_.varint();
        if (size > reader_.remaining()) return false;
        field.bytes = reader_.take(size);
        return true;
      }
    }
    return false;
  }

  ByteReader reader_;
  std::array<Field, Count> fields_{};
  bool ok_ = true;
};

}  // namespace godwit::crypto::signal
