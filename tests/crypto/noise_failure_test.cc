// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "crypto/noise.h"
#include "tests/crypto/noise_pair.h"
#include "tests/crypto/vectors.h"

// Handshakes that must not succeed: every byte of every message altered, cut and lengthened,
// messages played again, wrong keys, points of small order, calls out of turn. A side that failed
// must be of no further use.

namespace godwit::crypto {
namespace {

using testing::all_patterns;
using testing::all_suites;
using testing::Message;
using testing::message_count;
using testing::NoiseKeys;
using testing::NoisePair;
using testing::read;
using testing::write;

constexpr NoiseSuite aes_suite = all_suites[0];

void expect_unusable(NoiseHandshake& side) {
  SeededRandom random(1);
  Message bytes(1000);
  EXPECT_FALSE(side.my_turn());
  EXPECT_FALSE(side.finished());
  EXPECT_FALSE(side.write_message({}, bytes, random));
  EXPECT_FALSE(side.read_message(Bytes(bytes).first(96), bytes));
  EXPECT_EQ(side.remote_static(), std::nullopt);
  EXPECT_TRUE(side.local_ephemeral().private_key.equals(Secret<32>()));
}

// Runs a handshake in which message `index` arrives as `change` makes it. True when both sides
// finish.
template <typename Change>
bool completes(NoiseKeys& keys, NoisePattern pattern, NoiseSuite suite, int index, Change change) {
  NoisePair pair(keys, pattern, suite);
  for (int i = 0; !pair.finished(); ++i) {
    NoiseHandshake& to = pair.receiver();
    Message message(noise_message_size_max);
    NoiseHandshake& from = pair.sender();
    const auto size = from.write_message(as_bytes("payload"), message, keys.random);
    if (!size) {  // the last message brought a key that is none
      expect_unusable(from);
      return false;
    }
    message.resize(*size);
    if (i == index) change(message);
    if (!read(to, message)) {
      expect_unusable(to);
      return false;
    }
  }
  return true;
}

// Which bytes or lengths of a message are tried: all, and of the long ones of a hybrid those near
// the bounds of fields and some in between.
std::vector<std::size_t> positions(NoisePattern pattern, std::size_t size) {
  constexpr std::size_t bounds[] = {0, 32, 32 + 1104, 32 + 1184, 32 + 1200, 32 + 1200 + 48, 1104};
  std::vector<std::size_t> result;
  for (std::size_t at = 0; at < size; ++at) {
    const auto near = [at](std::size_t bound) { return at + 2 >= bound && at <= bound + 1; };
    const bool last = at + 40 >= size;
    if (!is_hybrid(pattern) || at % 61 == 0 || last || std::ranges::any_of(bounds, near)) {
      result.push_back(at);
    }
  }
  return result;
}

TEST(NoiseFailure, AnyFlippedBitOfAnyMessageEndsIt) {
  NoiseKeys keys(1);
  for (const NoisePattern pattern : all_patterns) {
    for (int index = 0; index < message_count(pattern); ++index) {
      std::size_t size = 0;
      ASSERT_TRUE(completes(keys, pattern, aes_suite, index,
                            [&](Message& message) { size = message.size(); }));
      // The payload of XX's first message is plain, and noticed with the next.
      for (const std::size_t at : positions(pattern, size)) {
        for (const std::uint8_t bit : {0x01, 0x80}) {
          ASSERT_FALSE(completes(keys, pattern, aes_suite, index,
                                 [&](Message& message) { message[at] ^= bit; }))
              << protocol_name(pattern, aes_suite) << " message " << index << " byte " << at;
        }
      }
    }
  }
}

// The same by class of position (key, its tag, payload, its tag) for the other suites.
TEST(NoiseFailure, AFlippedBitInEachFieldForEverySuite) {
  NoiseKeys keys(2);
  for (const NoiseSuite suite : all_suites) {
    for (const NoisePattern pattern : all_patterns) {
      for (int index = 0; index < message_count(pattern); ++index) {
        for (int part = 0; part < 8; ++part) {
          ASSERT_FALSE(completes(keys, pattern, suite, index,
                                 [&](Message& message) {
                                   message[message.size() * static_cast<std::size_t>(part) / 8] ^=
                                       0x10;
                                 }))
              << protocol_name(pattern, suite) << " message " << index << " part " << part;
        }
      }
    }
  }
}

TEST(NoiseFailure, AnyOtherLengthEndsIt) {
  NoiseKeys keys(3);
  for (const NoisePattern pattern : all_patterns) {
    for (int index = 0; index < message_count(pattern); ++index) {
      std::size_t size = 0;
      ASSERT_TRUE(completes(keys, pattern, aes_suite, index,
                            [&](Message& message) { size = message.size(); }));
      for (const std::size_t length : positions(pattern, size + 3)) {
        if (length == size) continue;
        ASSERT_FALSE(completes(keys, pattern, aes_suite, index,
                               [&](Message& message) { message.resize(length); }))
            << protocol_name(pattern, aes_suite) << " message " << index << " length " << length;
      }
    }
  }
}

TEST(NoiseFailure, MessagesOfAnotherHandshakeAreRefused) {
  NoiseKeys keys(4);
  for (const NoisePattern pattern : all_patterns) {
    std::vector<Message> recorded;
    NoisePair earlier(keys, pattern, aes_suite);
    while (!earlier.finished()) recorded.push_back(earlier.step());
    for (int index = 0; index < message_count(pattern); ++index) {
      EXPECT_FALSE(
          completes(keys, pattern, aes_suite, index,
                    [&](Message& message) { message = recorded[static_cast<std::size_t>(index)]; }))
          << protocol_name(pattern, aes_suite) << " message " << index;
    }
  }
}

// IK's first message can be played again, and then gives an attacker nothing: without the client's
// ephemeral nobody reads the answer or sends a frame the server opens. That is why it must carry no
// login.
TEST(NoiseFailure, ReplayedFirstIkMessageLeadsNowhere) {
  NoiseKeys keys(5);
  NoisePair pair(keys, NoisePattern::ik, aes_suite);
  const Message first = write(pair.client, keys.random);
  ASSERT_TRUE(read(pair.server, first));
  const Message answer = write(pair.server, keys.random);
  NoiseHandshake again = *NoiseHandshake::start(keys.options(NoisePattern::ik, aes_suite, false));
  ASSERT_TRUE(read(again, first));
  const Message other_answer = write(again, keys.random);
  EXPECT_NE(answer, other_answer);
  NoiseResult real = pair.server.finish();
  NoiseResult replayed = again.finish();
  ASSERT_TRUE(read(pair.client, answer));
  NoiseResult client = pair.client.finish();
  Message frame(5 + aead_tag_size);
  Message opened(5);
  ASSERT_TRUE(seal(client.send, {}, as_bytes("login"), frame));
  EXPECT_FALSE(open(replayed.receive, {}, frame, opened));
  EXPECT_TRUE(open(real.receive, {}, frame, opened));
}

TEST(NoiseFailure, FirstIkMessageForAnotherKeyLeavesOnlyTheEphemeral) {
  NoiseKeys keys(6);
  const KeyPair other = KeyPair::generate(keys.random);
  auto options = keys.options(NoisePattern::ik, aes_suite, true);
  options.remote_static = other.public_key;
  NoiseHandshake client = *NoiseHandshake::start(options);
  NoisePair pair(keys, NoisePattern::ik, aes_suite);
  const Message first = write(client, keys.random);
  const auto got = read(pair.server, first);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::malformed);
  expect_unusable(pair.server);
  EXPECT_EQ(pair.server.remote_ephemeral(), client.local_ephemeral().public_key);

  NoisePair short_of_a_key(keys, NoisePattern::ik, aes_suite);
  ASSERT_FALSE(read(short_of_a_key.server, Bytes(first).first(31)));
  EXPECT_EQ(short_of_a_key.server.remote_ephemeral(), std::nullopt);
}

TEST(NoiseFailure, BothMustMeanTheSame) {
  NoiseKeys keys(7);
  const auto agree = [&](auto&& change) {
    NoisePair pair(keys, NoisePattern::ik, aes_suite);
    auto options = keys.options(NoisePattern::ik, aes_suite, false);
    change(options);
    pair.server = *NoiseHandshake::start(options);
    return read(pair.server, write(pair.client, keys.random)).has_value();
  };
  constexpr std::array<std::uint8_t, 4> other_prologue{'G', 'W', 1, 0x21};
  EXPECT_TRUE(agree([](auto&) {}));
  EXPECT_FALSE(agree([&](auto& options) { options.prologue = other_prologue; }));
  EXPECT_FALSE(agree([&](auto& options) { options.prologue = {}; }));
  for (const NoiseSuite suite : all_suites) {
    EXPECT_EQ(agree([&](auto& options) { options.suite = suite; }), suite == aes_suite);
  }
  EXPECT_FALSE(agree([&](auto& options) { options.local_static = &keys.client; }));
}

// The points of order 1, 2, 4 and 8, in every 255-bit encoding there is of them.
constexpr const char* small_order_points[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

TEST(NoiseFailure, PointsOfSmallOrderAreRefusedEverywhere) {
  NoiseKeys keys(8);
  Message out(1000);
  for (const char* const hex : small_order_points) {
    SCOPED_TRACE(hex);
    const PublicKey point = testing::unhex_array<32>(hex);
    // As e of XX's first message: noticed when the answer mixes ee.
    NoisePair xx(keys, NoisePattern::xx, aes_suite);
    ASSERT_TRUE(read(xx.server, point));
    const auto answer = xx.server.write_message({}, out, keys.random);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::malformed);
    expect_unusable(xx.server);
    // As e of XX's second message and of IK's messages: noticed at once.
    EXPECT_FALSE(completes(keys, NoisePattern::xx, aes_suite, 1,
                           [&](Message& message) { std::ranges::copy(point, message.begin()); }));
    for (const int index : {0, 1}) {
      EXPECT_FALSE(completes(keys, NoisePattern::ik, aes_suite, index,
                             [&](Message& message) { std::ranges::copy(point, message.begin()); }));
    }
    // As the server's key that an IK client believes in.
    auto options = keys.options(NoisePattern::ik, aes_suite, true);
    options.remote_static = point;
    NoiseHandshake client = *NoiseHandshake::start(options);
    EXPECT_FALSE(client.write_message({}, out, keys.random));
    expect_unusable(client);
    // As the ephemeral that XXfallback goes on from.
    auto fallback = keys.options(NoisePattern::xx_fallback, aes_suite, false);
    fallback.remote_ephemeral = point;
    NoiseHandshake server = *NoiseHandshake::start(fallback);
    EXPECT_FALSE(server.write_message({}, out, keys.random));
    expect_unusable(server);
  }
}

TEST(NoiseFailure, CallsOutOfTurnEndIt) {
  NoiseKeys keys(9);
  Message bytes(1000);
  NoisePair pair(keys, NoisePattern::xx, aes_suite);
  const auto written = pair.server.write_message({}, bytes, keys.random);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::invalid);
  expect_unusable(pair.server);
  const auto got = pair.client.read_message(Bytes(bytes).first(96), bytes);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::invalid);
  expect_unusable(pair.client);
}

TEST(NoiseFailure, RandomBytesAreNeverAccepted) {
  NoiseKeys keys(10);
  for (int i = 0; i < 1000; ++i) {
    Message noise(keys.random.below(200));
    keys.random.fill(noise);
    NoisePair ik(keys, NoisePattern::ik, all_suites[static_cast<std::size_t>(i) % 4]);
    ASSERT_FALSE(read(ik.server, noise));
    NoisePair fallback(keys, NoisePattern::xx_fallback, aes_suite);
    ASSERT_FALSE(read(fallback.client, noise));
  }
}

}  // namespace
}  // namespace godwit::crypto
