// SPDX-License-Identifier: Apache-2.0
#include "protocol/text.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

// Digits, looked at and packed eight at a time: every size up to the longest user, and in each
// place every byte that is not one.

namespace godwit::protocol {
namespace {

constexpr std::size_t size_max = 64;

std::string digits_of(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text.push_back(static_cast<char>('0' + i * 7 % 10));
  return text;
}

TEST(Digits, EveryByteInEveryPlace) {
  EXPECT_FALSE(is_digits(""));
  for (std::size_t size = 1; size <= size_max; ++size) {
    const std::string good = digits_of(size);
    ASSERT_TRUE(is_digits(good)) << size;
    for (std::size_t place = 0; place < size; ++place) {
      for (unsigned byte = 0; byte < 256; ++byte) {
        std::string text = good;
        text[place] = static_cast<char>(byte);
        ASSERT_EQ(is_digits(text), is_digit(static_cast<char>(byte))) << size << ' ' << place;
      }
    }
  }
}

TEST(Digits, PackedTwoToAByte) {
  for (std::size_t size = 1; size <= size_max; ++size) {
    const std::string digits = digits_of(size);
    std::array<std::uint8_t, packed_digits_size(size_max)> bytes{};
    ByteWriter out(bytes);
    write_packed_digits(out, digits);
    ASSERT_EQ(out.size(), packed_digits_size(size));
    EXPECT_EQ(to_hex(out.written()), digits + (size % 2 == 1 ? "f" : ""));

    std::string read(size, '-');
    ByteReader in(out.written());
    EXPECT_TRUE(read_packed_digits(in, read));
    EXPECT_TRUE(in.at_end());
    EXPECT_EQ(read, digits);
  }
}

TEST(Digits, EveryHalfInEveryPlace) {
  for (std::size_t size = 1; size <= size_max; ++size) {
    const std::size_t halves = 2 * packed_digits_size(size);
    const std::string text = digits_of(size) + (size % 2 == 1 ? "f" : "");
    for (std::size_t place = 0; place < halves; ++place) {
      for (unsigned half = 0; half < 16; ++half) {
        std::string changed = text;
        changed[place] = "0123456789abcdef"[half];
        const auto bytes = from_hex(changed);
        ASSERT_TRUE(bytes.has_value());
        ByteReader in(*bytes);
        std::string read(size, '-');
        const bool expected = place < size ? half <= 9 : half == 0xf;
        ASSERT_EQ(read_packed_digits(in, read), expected) << size << ' ' << place << ' ' << half;
        EXPECT_EQ(in.ok(), expected);
      }
    }
  }
}

TEST(Digits, NoRoomAndTooFewBytes) {
  std::array<std::uint8_t, 6> bytes{};
  ByteWriter out(MutableBytes(bytes).first(5));
  write_packed_digits(out, digits_of(11));
  EXPECT_FALSE(out.ok());
  ByteReader in(Bytes(bytes).first(5));
  std::string read(11, '-');
  EXPECT_FALSE(read_packed_digits(in, read));
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(read, std::string(11, '-'));
}

}  // namespace
}  // namespace godwit::protocol
