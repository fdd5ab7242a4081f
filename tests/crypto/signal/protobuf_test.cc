// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/protobuf.h"

#include <gtest/gtest.h>

#include <vector>

// What the reader takes and what it refuses, as bytes by hand.

namespace godwit::crypto::signal {
namespace {

using Buffer = std::vector<std::uint8_t>;

template <std::size_t Count = 3>
bool accepts(const Buffer& bytes) {
  return ProtobufFields<Count>(bytes).ok();
}

TEST(Protobuf, WhatIsWrittenIsRead) {
  Buffer out;
  ProtobufWriter writer(out);
  writer.number(1, 0);
  writer.number(2, UINT64_MAX);
  writer.bytes(3, Buffer{1, 2, 3});
  writer.bytes(16, {});
  EXPECT_EQ(to_hex(out), "080010ffffffffffffffffff011a03010203820100");
  ProtobufFields<16> fields(out);
  EXPECT_EQ(fields.u32(1), 0u);
  EXPECT_EQ(fields.u64(2), UINT64_MAX);
  ASSERT_TRUE(fields.bytes(3));
  EXPECT_EQ(to_hex(*fields.bytes(3)), "010203");
  ASSERT_TRUE(fields.bytes(16));
  EXPECT_TRUE(fields.bytes(16)->empty());
  EXPECT_FALSE(fields.bytes(4));
  EXPECT_TRUE(fields.ok());
}

TEST(Protobuf, AFieldOfAnotherTypeOrRangeIsNotOk) {
  const Buffer number{0x08, 0x05};
  ProtobufFields<1> as_bytes(number);
  EXPECT_FALSE(as_bytes.bytes(1));
  EXPECT_FALSE(as_bytes.ok());
  const Buffer text{0x0a, 0x00};
  ProtobufFields<1> as_number(text);
  EXPECT_FALSE(as_number.u64(1));
  EXPECT_FALSE(as_number.ok());
  for (const std::uint64_t value : {0xfffffffeull, 0xffffffffull, 0x100000000ull}) {
    Buffer out;
    ProtobufWriter(out).number(1, value);
    ProtobufFields<1> fields(out);
    EXPECT_EQ(fields.u32(1).has_value(), value <= 0xffffffff);
    EXPECT_EQ(fields.ok(), value <= 0xffffffff);
  }
}

TEST(Protobuf, UnknownFieldsAreSkipped) {
  // Field 4 in each of the four types that there are.
  EXPECT_TRUE(accepts({0x20, 0x7f}));
  EXPECT_TRUE(accepts({0x21, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_TRUE(accepts({0x22, 0x01, 0xff}));
  EXPECT_TRUE(accepts({0x25, 1, 2, 3, 4}));
  EXPECT_TRUE(accepts({0x20, 0x7f, 0x20, 0x7f})) << "also twice";
  EXPECT_FALSE(accepts({0x21, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_FALSE(accepts({0x25, 1, 2, 3}));
}

TEST(Protobuf, Refused) {
  EXPECT_FALSE(accepts({0x08})) << "no value";
  EXPECT_FALSE(accepts({0x0a, 0x02, 0xff})) << "longer than the message";
  EXPECT_FALSE(accepts({0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}));
  EXPECT_FALSE(accepts({0x08, 0x01, 0x08, 0x01})) << "twice";
  EXPECT_FALSE(accepts({0x00, 0x01})) << "field 0";
  EXPECT_FALSE(accepts({0x0b, 0x0c})) << "a group";
  EXPECT_FALSE(accepts({0x0e})) << "type 6";
  EXPECT_FALSE(accepts({0x0f})) << "type 7";
  EXPECT_FALSE(accepts({0x88, 0x00, 0x01})) << "a tag in more bytes than it needs";
  EXPECT_FALSE(accepts({0x08, 0x81, 0x00})) << "a number in more bytes than it needs";
}

TEST(Protobuf, FieldNumbersAndCounts) {
  const auto tagged = [](std::uint64_t number) {
    Buffer bytes(varint_size(number << 3) + 1);
    ByteWriter out(bytes);
    out.varint(number << 3);
    return bytes;
  };
  EXPECT_TRUE(accepts(tagged(field_number_max)));
  EXPECT_FALSE(accepts(tagged(field_number_max + 1)));
  Buffer many;
  for (std::size_t i = 0; i < fields_max; ++i) ProtobufWriter(many).number(9, i);
  EXPECT_TRUE(accepts(many));
  ProtobufWriter(many).number(9, 1);
  EXPECT_FALSE(accepts(many));
}

}  // namespace
}  // namespace godwit::crypto::signal
