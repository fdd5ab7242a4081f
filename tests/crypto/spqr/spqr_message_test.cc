// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/spqr/message.h"

#include <gtest/gtest.h>

#include <string>

namespace godwit::crypto::signal {
namespace {

std::vector<std::uint8_t> hex(std::string_view text) {
  return *from_hex(text);
}

const std::string chunk_hex = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

TEST(SpqrMessage, HasTheFormOfTheSpecification) {
  SpqrMessage message{.braid = {.epoch = 300, .type = BraidType::ek}, .index = 130};
  message.braid.chunk.index = 200;
  std::ranges::copy(hex(chunk_hex), message.braid.chunk.bytes.begin());
  EXPECT_EQ(to_hex(encode(message)),
            "01"
            "ac02"
            "8201"
            "02"
            "c801" +
                chunk_hex);
  EXPECT_EQ(to_hex(encode({.braid = {.epoch = 1}, .index = 1})), "01010100");
  EXPECT_EQ(to_hex(encode({.braid = {.epoch = 2, .type = BraidType::ct1_ack}, .index = 3})),
            "01020304");
}

TEST(SpqrMessage, EveryTypeIsReadAsItWasWritten) {
  for (int type = 0; type <= 6; ++type) {
    SpqrMessage message{.braid = {.epoch = ~std::uint64_t{0}, .type = static_cast<BraidType>(type)},
                        .index = 0xffffffff};
    if (has_chunk(message.braid.type)) message.braid.chunk = {.index = 0xffff, .bytes = {9, 8, 7}};
    const auto bytes = encode(message);
    EXPECT_LE(bytes.size(), spqr_message_size_max);
    const auto read = decode_spqr_message(bytes);
    ASSERT_TRUE(read) << type;
    EXPECT_EQ(*read, message);
    // Every shorter one and one byte more are refused.
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto cut = decode_spqr_message(Bytes(bytes).first(size));
      ASSERT_FALSE(cut) << type << ' ' << size;
      ASSERT_EQ(cut.error().code, ErrorCode::malformed);
    }
    auto longer = bytes;
    longer.push_back(0);
    EXPECT_FALSE(decode_spqr_message(longer));
  }
}

TEST(SpqrMessage, TheLongestIsAsLongAsStated) {
  const SpqrMessage message{
      .braid = {.epoch = ~std::uint64_t{0}, .type = BraidType::ct2, .chunk = {.index = 0xffff}},
      .index = 0xffffffff};
  EXPECT_EQ(encode(message).size(), spqr_message_size_max);
}

TEST(SpqrMessage, NumbersOutOfRangeAreRefused) {
  const std::vector<std::pair<std::string, const char*>> table = {
      {"00010100", "version 0"},
      {"02010100", "version 2"},
      {"01000100", "epoch 0"},
      {"01010000", "index 0"},
      {"0101808080801000", "an index of more than 32 bits"},
      {"01010107", "type 7"},
      {"010101"
       "01"
       "808004" +
           chunk_hex,
       "a chunk index of more than 16 bits"},
      {"01818000"
       "0100",
       "an epoch longer than needed"},
      {"0101010001" + chunk_hex, "a chunk where there is none"},
  };
  for (const auto& [text, what] : table) {
    const auto read = decode_spqr_message(hex(text));
    ASSERT_FALSE(read) << what;
    EXPECT_EQ(read.error().code, ErrorCode::malformed) << what;
  }
  EXPECT_TRUE(decode_spqr_message(hex("0101ffffffff0f00"))) << "an index of 32 bits";
  EXPECT_TRUE(decode_spqr_message(hex("01010101ffff03" + chunk_hex))) << "a chunk index of 16 bits";
}

}  // namespace
}  // namespace godwit::crypto::signal
