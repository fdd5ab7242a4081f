// SPDX-License-Identifier: Apache-2.0
#include "dataplane/server_handshake.h"

#include <gtest/gtest.h>

#include <vector>

#include "crypto/aead.h"
#include "protocol/frame.h"

// The gateway's side against a client made of the same Noise: every pattern and suite a client may
// ask for, the fallbacks, and preambles that somebody on the path has changed.

namespace godwit::dataplane {
namespace {

using crypto::NoiseHandshake;
using crypto::NoisePattern;
using protocol::HandshakePattern;
using protocol::HandshakeStatus;
using protocol::HandshakeSuite;
using protocol::Preamble;
using Step = ServerHandshake::Step;

constexpr HandshakePattern all_patterns[] = {HandshakePattern::xx, HandshakePattern::ik,
                                             HandshakePattern::xx_hfs, HandshakePattern::ik_hfs};
constexpr HandshakeSuite all_suites[] = {HandshakeSuite::aesgcm_sha256,
                                         HandshakeSuite::chachapoly_blake2b,
                                         HandshakeSuite::chachapoly_sha256};

class ServerHandshakeTest : public testing::Test {
 protected:
  struct Client {
    protocol::PreambleBytes prologue;
    NoiseHandshake noise;
  };

  Client client(const Preamble& preamble, const crypto::PublicKey& server) {
    const protocol::PreambleBytes prologue = protocol::encode(preamble);
    const NoisePattern pattern = pattern_of(preamble);
    NoiseHandshake::Options options{.pattern = pattern,
                                    .suite = suite_of(preamble),
                                    .initiator = true,
                                    .prologue = prologue,
                                    .local_static = &client_key};
    if (crypto::is_ik(pattern)) options.remote_static = server;
    return {prologue, *NoiseHandshake::start(options)};
  }
  // The client goes on with XXfallback.
  void fall_back(Client& client, const Preamble& preamble) {
    const crypto::KeyPair ephemeral = client.noise.local_ephemeral().copy();
    client.noise = *NoiseHandshake::start({.pattern = crypto::fallback_of(pattern_of(preamble)),
                                           .suite = suite_of(preamble),
                                           .prologue = client.prologue,
                                           .local_static = &client_key,
                                           .local_ephemeral = &ephemeral});
  }
  static NoisePattern pattern_of(const Preamble& preamble) {
    return crypto::pattern_from_byte(static_cast<std::uint8_t>(preamble.pattern)).value();
  }
  static crypto::NoiseSuite suite_of(const Preamble& preamble) {
    return crypto::suite_from_byte(static_cast<std::uint8_t>(preamble.suite)).value();
  }

  std::vector<std::uint8_t> write(Client& client) {
    std::vector<std::uint8_t> message(2048);
    const auto size = client.noise.write_message({}, message, random);
    EXPECT_TRUE(size);
    message.resize(size.value_or(0));
    return message;
  }
  Step say(ServerHandshake& server, Bytes message) {
    EXPECT_LE(message.size(), server.frame_limits().size_max);
    ServerHandshake::Exchange exchange{server, message, reply_};
    ServerHandshake::answer({&exchange, 1}, random);
    const Step step = exchange.step;
    answer.clear();
    if (step == Step::reply || step == Step::reply_and_finish) {
      const Bytes whole = Bytes(reply_).first(server.reply_size());
      const auto split = protocol::split_frame(whole, server.frame_limits());
      EXPECT_EQ(split.status, protocol::SplitStatus::complete);
      EXPECT_EQ(split.wire_size, whole.size());
      status = static_cast<HandshakeStatus>(whole[3]);
      answer.assign(whole.begin() + 4, whole.end());
    }
    return step;
  }
  // True when it opens; its payload is the certificate then.
  bool read(Client& client) {
    std::vector<std::uint8_t> payload(2048);
    const auto size = client.noise.read_message(answer, payload);
    if (!size) return false;
    payload.resize(*size);
    EXPECT_EQ(payload, certificate);
    return true;
  }
  void expect_same_keys(crypto::NoiseResult client, crypto::NoiseResult server) {
    EXPECT_TRUE(client.send.key.equals(server.receive.key));
    EXPECT_TRUE(client.receive.key.equals(server.send.key));
    EXPECT_EQ(client.remote_static, server_key.public_key);
    EXPECT_EQ(server.remote_static, client_key.public_key);
  }

  SeededRandom random{1};
  crypto::KeyPair client_key = crypto::KeyPair::generate(random);
  crypto::KeyPair server_key = crypto::KeyPair::generate(random);
  crypto::KeyPair old_key = crypto::KeyPair::generate(random);
  // The longest there is, so that the largest reply is written.
  std::vector<std::uint8_t> certificate = std::vector<std::uint8_t>(399, 7);
  NodeIdentity identity{server_key, certificate};
  std::vector<std::uint8_t> answer;
  HandshakeStatus status{};

 private:
  std::array<std::uint8_t, ServerHandshake::reply_size_max> reply_;
};

TEST_F(ServerHandshakeTest, EveryPatternAndSuite) {
  for (const HandshakePattern pattern : all_patterns) {
    for (const HandshakeSuite suite : all_suites) {
      const Preamble preamble{pattern, suite};
      ServerHandshake server(identity, preamble);
      Client client = this->client(preamble, server_key.public_key);
      const bool ik = crypto::is_ik(pattern_of(preamble));
      ASSERT_EQ(say(server, write(client)), ik ? Step::reply_and_finish : Step::reply);
      EXPECT_EQ(status, HandshakeStatus::message);
      ASSERT_TRUE(read(client));
      if (!ik) {
        ASSERT_EQ(say(server, write(client)), Step::finished);
      }
      EXPECT_EQ(server.hybrid(), pattern >= HandshakePattern::xx_hfs);
      expect_same_keys(client.noise.finish(), server.take());
    }
  }
}

TEST_F(ServerHandshakeTest, AnOldKeyFallsBackInItsOwnKind) {
  for (const HandshakePattern pattern : {HandshakePattern::ik, HandshakePattern::ik_hfs}) {
    for (const HandshakeSuite suite : all_suites) {
      const Preamble preamble{pattern, suite};
      ServerHandshake server(identity, preamble);
      Client client = this->client(preamble, old_key.public_key);
      ASSERT_EQ(say(server, write(client)), Step::reply);
      ASSERT_EQ(status, HandshakeStatus::fallback);
      fall_back(client, preamble);
      ASSERT_TRUE(read(client));
      ASSERT_EQ(say(server, write(client)), Step::finished);
      expect_same_keys(client.noise.finish(), server.take());
    }
  }
}

// Whoever changes the preamble on its way changes the prologue of one side alone.
TEST_F(ServerHandshakeTest, AChangedPreambleEndsInNoSession) {
  for (const HandshakePattern asked : all_patterns) {
    for (const HandshakePattern seen : all_patterns) {
      for (const HandshakeSuite suite : all_suites) {
        const Preamble sent{asked, all_suites[0]};
        const Preamble arrived{seen, suite};
        if (sent == arrived) continue;
        ServerHandshake server(identity, arrived);
        Client client = this->client(sent, server_key.public_key);
        const std::vector<std::uint8_t> message = write(client);
        if (message.size() > server.frame_limits().size_max) continue;
        const Step step = say(server, message);
        if (step == Step::failed) continue;
        // It was an e to the gateway, or it has fallen back: the client reads neither.
        ASSERT_EQ(step, Step::reply);
        if (status == HandshakeStatus::fallback) {
          if (!crypto::is_ik(pattern_of(sent))) continue;
          fall_back(client, sent);
        }
        EXPECT_FALSE(read(client));
      }
    }
  }
}

// The same with the message cut to what the older pattern expects.
TEST_F(ServerHandshakeTest, AHybridCannotBeCutDownToTheOlderPattern) {
  const Preamble sent{HandshakePattern::xx_hfs, HandshakeSuite::aesgcm_sha256};
  const Preamble arrived{HandshakePattern::xx, sent.suite};
  ServerHandshake server(identity, arrived);
  Client client = this->client(sent, server_key.public_key);
  std::vector<std::uint8_t> message = write(client);
  EXPECT_GT(message.size(), server.frame_limits().size_max) << "as it is the gateway takes it not";
  message.resize(32);
  ASSERT_EQ(say(server, message), Step::reply);
  EXPECT_FALSE(read(client));
}

// A key of ML-KEM that is none is noticed, and is no reason to fall back.
TEST_F(ServerHandshakeTest, AnEncapsulationKeyThatIsNoneEndsIt) {
  const Preamble preamble{HandshakePattern::xx_hfs, HandshakeSuite::aesgcm_sha256};
  ServerHandshake server(identity, preamble);
  Client client = this->client(preamble, server_key.public_key);
  std::vector<std::uint8_t> message = write(client);
  message[32] = 0xff;  // a coefficient of 4095, and q is 3329
  message[33] |= 0x0f;
  EXPECT_EQ(say(server, message), Step::failed);
}

TEST_F(ServerHandshakeTest, WhatIsNoHandshakeIsAnsweredWithAFallbackOrNotAtAll) {
  for (const HandshakePattern pattern : all_patterns) {
    for (const std::size_t size : {0, 1, 31, 32, 1215, 1216, 1296, 1984}) {
      ServerHandshake server(identity, {pattern, HandshakeSuite::aesgcm_sha256});
      if (size > server.frame_limits().size_max) continue;
      std::vector<std::uint8_t> noise(size);
      random.fill(noise);
      const bool ik = pattern == HandshakePattern::ik || pattern == HandshakePattern::ik_hfs;
      const bool whole = size >= (pattern == HandshakePattern::xx_hfs ? 1216u : 32u);
      const Step step = say(server, noise);
      // An encapsulation key of chance is none.
      const bool answered = whole && pattern != HandshakePattern::xx_hfs;
      EXPECT_EQ(step, answered ? Step::reply : Step::failed) << size;
      if (!answered) continue;
      EXPECT_EQ(status, ik ? HandshakeStatus::fallback : HandshakeStatus::message);
      EXPECT_EQ(say(server, noise), Step::failed) << "it is not what answers that";
    }
  }
}

}  // namespace
}  // namespace godwit::dataplane
