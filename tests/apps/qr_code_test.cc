// SPDX-License-Identifier: Apache-2.0
#include "apps/qr_code.h"

#include <gtest/gtest.h>

// The shape of a code: what it says is libqrencode's matter.

namespace godwit::apps {
namespace {

std::size_t characters(const std::string& line) {
  std::size_t count = 0;
  for (const char byte : line) count += (byte & 0xc0) != 0x80 ? 1 : 0;
  return count;
}

TEST(QrCode, IsSquareWithAMargin) {
  const std::vector<std::uint8_t> bytes(78, 0xa5);  // as many as a safety number has
  const auto code = qr_code(bytes);
  ASSERT_TRUE(code.has_value());
  const std::size_t width = characters(code->front());
  EXPECT_EQ((width - 8 - 17) % 4, 0u) << "17 modules and 4 for each version, and the margin";
  EXPECT_EQ(code->size(), (width + 1) / 2);
  for (const std::string& line : *code) EXPECT_EQ(characters(line), width);
  for (const std::size_t row : {std::size_t{0}, std::size_t{1}}) {
    EXPECT_EQ((*code)[row].find(' '), std::string::npos) << "the margin is light";
  }
}

TEST(QrCode, BytesAtAndAboveWhatACodeHolds) {
  EXPECT_FALSE(qr_code({}).has_value());
  EXPECT_TRUE(qr_code(std::vector<std::uint8_t>(1)).has_value());
  EXPECT_TRUE(qr_code(std::vector<std::uint8_t>(2953, 0xff)).has_value());
  EXPECT_FALSE(qr_code(std::vector<std::uint8_t>(2954, 0xff)).has_value());
}

}  // namespace
}  // namespace godwit::apps
