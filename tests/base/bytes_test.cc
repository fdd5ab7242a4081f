// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <gtest/gtest.h>

#include <array>

#include "base/random.h"

namespace godwit {
namespace {

using Vector = std::vector<std::uint8_t>;

// --- reader

TEST(ByteReader, ReadsBigEndian) {
  const Vector bytes = {1, 1, 2, 1, 2, 3, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 0xff};
  ByteReader in(bytes);
  EXPECT_EQ(in.u8(), 0x01u);
  EXPECT_EQ(in.u16(), 0x0102u);
  EXPECT_EQ(in.u24(), 0x010203u);
  EXPECT_EQ(in.u32(), 0x01020304u);
  EXPECT_EQ(in.remaining(), 8u);
  EXPECT_EQ(in.u64(), 0x01020304050607ffu);
  EXPECT_TRUE(in.ok());
  EXPECT_TRUE(in.at_end());
}

// Each kind of read with one byte less than it needs, as many, and one more.
TEST(ByteReader, EachReadStopsAtTheEnd) {
  const std::pair<std::size_t, std::uint64_t (*)(ByteReader&)> reads[] = {
      {1, [](ByteReader& in) { return std::uint64_t{in.u8()}; }},
      {2, [](ByteReader& in) { return std::uint64_t{in.u16()}; }},
      {3, [](ByteReader& in) { return std::uint64_t{in.u24()}; }},
      {4, [](ByteReader& in) { return std::uint64_t{in.u32()}; }},
      {8, [](ByteReader& in) { return in.u64(); }},
      {5, [](ByteReader& in) { return std::uint64_t{in.take(5).size()}; }},
  };
  const Vector ones(9, 1);
  for (const auto& [size, read] : reads) {
    ByteReader below(Bytes(ones).first(size - 1));
    EXPECT_EQ(read(below), 0u) << size;
    EXPECT_FALSE(below.ok());
    ByteReader at(Bytes(ones).first(size));
    EXPECT_NE(read(at), 0u);
    EXPECT_TRUE(at.ok() && at.at_end());
    ByteReader above(Bytes(ones).first(size + 1));
    EXPECT_NE(read(above), 0u);
    EXPECT_EQ(above.remaining(), 1u);
  }
}

TEST(ByteReader, FailedStaysFailedAndYieldsNothing) {
  const Vector bytes = {1, 2};
  ByteReader in(bytes);
  EXPECT_TRUE(in.take(3).empty());
  EXPECT_FALSE(in.ok());
  EXPECT_TRUE(in.at_end());
  EXPECT_EQ(in.u8(), 0u);
  EXPECT_EQ(in.varint(), 0u);
  EXPECT_TRUE(in.take_rest().empty());
  EXPECT_TRUE(in.take(0).empty());
  EXPECT_FALSE(in.ok());
}

TEST(ByteReader, TakesViewsOfTheInput) {
  const Vector bytes = {1, 2, 3};
  ByteReader in(bytes);
  EXPECT_EQ(in.take(0).size(), 0u);
  EXPECT_EQ(in.take(1).data(), bytes.data());
  EXPECT_EQ(in.take_rest().data(), bytes.data() + 1);
  EXPECT_TRUE(in.at_end());
  EXPECT_EQ(in.take_rest().size(), 0u);
  EXPECT_TRUE(in.ok());
  in.fail();
  EXPECT_FALSE(in.ok());
}

// --- writer

TEST(ByteWriter, WritesBigEndian) {
  std::array<std::uint8_t, 20> room{};
  ByteWriter out(room);
  out.u8(1);
  out.u16(0x0102);
  out.u24(0x010203);
  out.u32(0x01020304);
  out.u64(0x01020304050607ff);
  const Vector expected = {1, 1, 2, 1, 2, 3, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 0xff};
  EXPECT_TRUE(std::ranges::equal(out.written(), expected));
  EXPECT_EQ(out.size(), 18u);
  EXPECT_EQ(out.room(), 2u);
}

TEST(ByteWriter, EachWriteThatDoesNotFitWritesNothing) {
  const std::pair<std::size_t, void (*)(ByteWriter&)> writes[] = {
      {1, [](ByteWriter& out) { out.u8(0xee); }},
      {2, [](ByteWriter& out) { out.u16(0xeeee); }},
      {3, [](ByteWriter& out) { out.u24(0xeeeeee); }},
      {4, [](ByteWriter& out) { out.u32(0xeeeeeeee); }},
      {8, [](ByteWriter& out) { out.u64(0xeeeeeeeeeeeeeeee); }},
      {2, [](ByteWriter& out) { out.varint(300); }},
      {3, [](ByteWriter& out) { out.bytes(as_bytes("abc")); }},
  };
  for (const auto& [size, write] : writes) {
    std::array<std::uint8_t, 10> room{};
    ByteWriter below(MutableBytes(room).first(size - 1));
    write(below);
    EXPECT_FALSE(below.ok()) << size;
    EXPECT_EQ(below.size(), 0u);
    EXPECT_EQ(below.room(), 0u);
    EXPECT_EQ(room, (std::array<std::uint8_t, 10>{}));
    ByteWriter at(MutableBytes(room).first(size));
    write(at);
    EXPECT_TRUE(at.ok());
    EXPECT_EQ(at.size(), size);
    EXPECT_EQ(at.room(), 0u);
    EXPECT_EQ(room[size], 0) << "nothing past the end";
    ByteWriter above(MutableBytes(room).first(size + 1));
    write(above);
    EXPECT_EQ(above.room(), 1u);
  }
}

TEST(ByteWriter, FailedTakesNoMoreUntilItGoesBack) {
  std::array<std::uint8_t, 4> room{};
  ByteWriter out(room);
  out.u16(0x0102);
  out.u32(1);
  EXPECT_FALSE(out.ok());
  out.u8(9);
  EXPECT_EQ(out.size(), 2u) << "also what would fit";
  out.rewind(1);
  EXPECT_TRUE(out.ok());
  EXPECT_EQ(out.room(), 3u);
  out.u8(7);
  EXPECT_TRUE(std::ranges::equal(out.written(), Vector{1, 7}));
  out.rewind(4);
  EXPECT_EQ(out.size(), 2u) << "never forward";
  out.fail();
  EXPECT_FALSE(out.ok());
}

TEST(ByteWriter, EmptyBytesFitAnywhere) {
  ByteWriter out({});
  out.bytes({});
  EXPECT_TRUE(out.ok());
  EXPECT_TRUE(out.reserve(0).empty());
  EXPECT_TRUE(out.ok());
  out.u8(0);
  EXPECT_FALSE(out.ok());
}

// --- varints

TEST(Varint, SizesChangeWhereSevenBitsEnd) {
  for (unsigned bits = 7; bits < 64; bits += 7) {
    const std::uint64_t limit = std::uint64_t{1} << bits;
    EXPECT_EQ(varint_size(limit - 1), bits / 7) << bits;
    EXPECT_EQ(varint_size(limit), bits / 7 + 1) << bits;
  }
  EXPECT_EQ(varint_size(0), 1u);
  EXPECT_EQ(varint_size(UINT64_MAX), varint_size_max);
}

TEST(Varint, KnownForms) {
  const std::pair<std::uint64_t, Vector> forms[] = {
      {0, {0}},
      {127, {0x7f}},
      {128, {0x80, 1}},
      {300, {0xac, 2}},
      {UINT64_MAX, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}},
  };
  for (const auto& [value, form] : forms) {
    std::array<std::uint8_t, varint_size_max> room{};
    ByteWriter out(room);
    out.varint(value);
    EXPECT_TRUE(std::ranges::equal(out.written(), form)) << value;
    ByteReader in(form);
    EXPECT_EQ(in.varint(), value);
    EXPECT_TRUE(in.ok() && in.at_end());
  }
}

TEST(Varint, ComesBackAndHasTheSizeSaid) {
  SeededRandom dice(1);
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t value = dice.next_u64() >> dice.below(64);
    std::array<std::uint8_t, varint_size_max> room{};
    ByteWriter out(room);
    out.varint(value);
    ASSERT_EQ(out.size(), varint_size(value));
    ByteReader in(out.written());
    ASSERT_EQ(in.varint(), value);
    ByteReader cut(out.written().first(out.size() - 1));
    EXPECT_EQ(cut.varint(), 0u);
    ASSERT_FALSE(cut.ok());
  }
}

TEST(Varint, OtherFormsAreRefused) {
  const Vector forms[] = {
      {},
      {0x80},
      {0x80, 0},                                                        // 0, longer than needed
      {0xff, 0x80, 0},                                                  // 127, longer than needed
      {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2},        // 65 bits
      {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0},  // eleven bytes
      {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0},
  };
  for (const Vector& form : forms) {
    ByteReader in(form);
    EXPECT_EQ(in.varint(), 0u);
    EXPECT_FALSE(in.ok()) << to_hex(form);
  }
}

// One form for each number: whatever is read is written back the same.
TEST(Varint, WhatIsReadIsWrittenBackTheSame) {
  SeededRandom dice(2);
  for (int i = 0; i < 20'000; ++i) {
    Vector bytes(dice.below(12));
    dice.fill(bytes);
    for (std::uint8_t& byte : bytes) byte |= dice.below(2) != 0 ? 0x80 : 0;
    ByteReader in(bytes);
    const std::uint64_t value = in.varint();
    if (!in.ok()) continue;
    std::array<std::uint8_t, varint_size_max> room{};
    ByteWriter out(room);
    out.varint(value);
    ASSERT_TRUE(std::ranges::equal(out.written(), Bytes(bytes).first(out.size())));
  }
}

// --- hexadecimal text

TEST(Hex, BothWays) {
  EXPECT_EQ(to_hex({}), "");
  EXPECT_EQ(to_hex(Vector{0, 0x0f, 0xa5, 0xff}), "000fa5ff");
  EXPECT_EQ(from_hex("000fA5fF"), (Vector{0, 0x0f, 0xa5, 0xff}));
  EXPECT_EQ(from_hex(""), Vector{});
  Vector all(256);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(from_hex(to_hex(all)), all);
}

TEST(Hex, NothingElse) {
  for (const char* text : {"0", "000", "0g", "g0", " 00", "0x00", "00 ", "/0", ":0", "@0", "`0"}) {
    EXPECT_EQ(from_hex(text), std::nullopt) << text;
  }
}

TEST(Views, TextAndBytesAreTheSameMemory) {
  const std::string_view text("a\0b", 3);
  EXPECT_EQ(as_bytes(text).size(), 3u);
  EXPECT_EQ(as_text(as_bytes(text)).data(), text.data());
  EXPECT_EQ(as_text(as_bytes(text)), text);
}

}  // namespace
}  // namespace godwit
