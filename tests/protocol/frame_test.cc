// SPDX-License-Identifier: Apache-2.0
#include "protocol/frame.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "protocol/preamble.h"

// What travels behind lengths, cut out of streams that come in pieces; and the four bytes before.

namespace godwit::protocol {
namespace {

std::vector<std::uint8_t> framed(std::size_t body_size, std::uint8_t fill = 0x5a) {
  std::vector<std::uint8_t> bytes(length_prefix_size + body_size, fill);
  write_frame_length(bytes, body_size);
  return bytes;
}

void expect_split(const std::vector<std::uint8_t>& bytes, FrameLimits limits, SplitStatus status,
                  std::size_t wire_size) {
  const Split split = split_frame(bytes, limits);
  EXPECT_EQ(split.status, status) << bytes.size();
  EXPECT_EQ(split.wire_size, wire_size) << bytes.size();
}

TEST(Frame, LengthIsThreeBytesBigEndian) {
  std::array<std::uint8_t, 3> length;
  write_frame_length(length, 0x012345);
  EXPECT_EQ(to_hex(length), "012345");
  write_frame_length(length, 0);
  EXPECT_EQ(to_hex(length), "000000");
  write_frame_length(length, 0xffffff);
  EXPECT_EQ(to_hex(length), "ffffff");
}

TEST(Frame, SizesAtBelowAndAboveTheLimits) {
  for (const FrameLimits limits :
       {transport_frame_limits, handshake_frame_limits, hybrid_handshake_frame_limits}) {
    for (const std::size_t size : {limits.size_min, limits.size_min + 1, limits.size_max}) {
      expect_split(framed(size), limits, SplitStatus::complete, length_prefix_size + size);
    }
    expect_split(framed(limits.size_min - 1), limits, SplitStatus::too_small, 0);
    expect_split(framed(limits.size_max + 1), limits, SplitStatus::too_large, 0);
    // A wrong size shows from the length alone.
    for (const std::size_t size : {limits.size_min - 1, limits.size_max + 1}) {
      std::vector<std::uint8_t> bytes = framed(size);
      bytes.resize(length_prefix_size);
      EXPECT_NE(split_frame(bytes, limits).status, SplitStatus::need_more);
    }
  }
  EXPECT_EQ(transport_frame_limits.size_min, aead_tag_size + 2);
  EXPECT_EQ(transport_frame_limits.size_max, 65535u);
  EXPECT_EQ(handshake_frame_limits.size_min, 1u);
  EXPECT_EQ(hybrid_handshake_frame_limits.size_min, 1u);
  EXPECT_EQ(handshake_limits_of(HandshakePattern::ik).size_max, handshake_message_size_max);
  EXPECT_EQ(handshake_limits_of(HandshakePattern::ik_hfs).size_max,
            hybrid_handshake_message_size_max);
}

TEST(Frame, APieceTellsHowMuchToWaitFor) {
  const std::vector<std::uint8_t> whole = framed(300);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector<std::uint8_t> piece(whole.begin(),
                                          whole.begin() + static_cast<std::ptrdiff_t>(size));
    expect_split(piece, transport_frame_limits, SplitStatus::need_more,
                 size < length_prefix_size ? length_prefix_size : whole.size());
  }
}

TEST(Frame, BodyIsBehindTheLengthAndKeepsConstness) {
  std::vector<std::uint8_t> bytes = framed(20, 1);
  bytes.push_back(99);  // the next frame's
  const Split split = split_frame(bytes, transport_frame_limits);
  ASSERT_EQ(split.status, SplitStatus::complete);
  const MutableBytes body = frame_body(MutableBytes(bytes), split);
  EXPECT_EQ(body.data(), bytes.data() + length_prefix_size);
  EXPECT_EQ(body.size(), 20u);
  body[0] = 7;
  EXPECT_EQ(frame_body(Bytes(bytes), split)[0], 7);
}

TEST(Frame, StreamsComeApartWhereTheyWerePutTogether) {
  SeededRandom random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::uint8_t> stream;
    std::vector<std::vector<std::uint8_t>> bodies;
    for (std::uint64_t count = 1 + random.below(8); count > 0; --count) {
      std::vector<std::uint8_t> frame =
          framed(18 + random.below(random.below(8) == 0 ? 65518 : 100));
      random.fill(MutableBytes(frame).subspan(length_prefix_size));
      stream.insert(stream.end(), frame.begin(), frame.end());
      bodies.emplace_back(frame.begin() + length_prefix_size, frame.end());
    }
    Bytes rest = stream;
    for (const auto& body : bodies) {
      const Split split = split_frame(rest, transport_frame_limits);
      ASSERT_EQ(split.status, SplitStatus::complete);
      EXPECT_TRUE(std::ranges::equal(frame_body(rest, split), body));
      rest = rest.subspan(split.wire_size);
    }
    EXPECT_TRUE(rest.empty());
  }
}

TEST(Preamble, EveryPatternAndSuiteSurvives) {
  for (const HandshakePattern pattern : {HandshakePattern::xx, HandshakePattern::ik,
                                         HandshakePattern::xx_hfs, HandshakePattern::ik_hfs}) {
    EXPECT_EQ(is_hybrid(pattern), pattern >= HandshakePattern::xx_hfs);
    for (const HandshakeSuite suite :
         {HandshakeSuite::aesgcm_sha256, HandshakeSuite::chachapoly_blake2b,
          HandshakeSuite::chachapoly_sha256}) {
      EXPECT_EQ(read_preamble(encode({pattern, suite})), (Preamble{pattern, suite}));
    }
  }
}

// All values of the last byte: twelve are known, each with one encoding.
TEST(Preamble, UnknownPatternsAndSuitesAreToldApart) {
  int known = 0;
  for (unsigned byte = 0; byte <= 0xff; ++byte) {
    const PreambleBytes bytes{'G', 'W', 1, static_cast<std::uint8_t>(byte)};
    const auto preamble = read_preamble(bytes);
    if (preamble) {
      ++known;
      EXPECT_EQ(encode(*preamble), bytes);
    } else {
      EXPECT_EQ(preamble.error(), PreambleError::unsupported_suite) << byte;
    }
  }
  EXPECT_EQ(known, 12);
}

TEST(Preamble, OtherProtocolsAndVersions) {
  for (const PreambleBytes& bytes :
       {PreambleBytes{'G', 'X', 1, 0x11}, PreambleBytes{'g', 'W', 1, 0x11},
        PreambleBytes{'G', 'E', 'T', ' '}, PreambleBytes{0x16, 3, 1, 0}, PreambleBytes{}}) {
    EXPECT_EQ(read_preamble(bytes).error(), PreambleError::not_godwit);
  }
  for (const std::uint8_t version : {0, 2, 255}) {
    // Before the suite is looked at: a later version may have others.
    EXPECT_EQ(read_preamble({'G', 'W', version, 0xff}).error(), PreambleError::unsupported_version);
  }
}

}  // namespace
}  // namespace godwit::protocol
