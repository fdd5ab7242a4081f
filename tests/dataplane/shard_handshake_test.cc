// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/strangers_fixture.h"

// Handshakes of both kinds with a whole shard: what a message of each may have, what half of one
// costs, and what an operator may refuse.

namespace godwit::dataplane {
namespace {

using protocol::HandshakePattern;

constexpr HandshakePattern all_patterns[] = {HandshakePattern::xx, HandshakePattern::ik,
                                             HandshakePattern::xx_hfs, HandshakePattern::ik_hfs};

class HandshakeTest : public StrangersTest {
 protected:
  // A stranger's preamble and the length of the message that would follow.
  ConnectionName announce(HandshakePattern pattern, std::size_t size) {
    const ConnectionName name = crowd->connect();
    settle();
    const auto preamble =
        protocol::encode({.pattern = pattern, .suite = protocol::HandshakeSuite::aesgcm_sha256});
    std::array<std::uint8_t, 7> head;
    std::ranges::copy(preamble, head.begin());
    protocol::write_frame_length(MutableBytes(head).subspan(4), size);
    crowd->send(name, head);
    settle();
    return name;
  }
};

TEST_F(HandshakeTest, AMessageOverTheLimitIsRefusedAtItsLength) {
  start(GatewayWorld::Options{});
  for (const HandshakePattern pattern : all_patterns) {
    const std::size_t most = protocol::is_hybrid(pattern)
                                 ? protocol::hybrid_handshake_message_size_max
                                 : protocol::handshake_message_size_max;
    for (const std::size_t size : {most - 1, most, most + 1, std::size_t{0xffffff}}) {
      const std::uint64_t before = metric(ShardMetric::frames_malformed);
      const ConnectionName name = announce(pattern, size);
      EXPECT_EQ(crowd->closed(name), size > most) << size;
      EXPECT_EQ(metric(ShardMetric::frames_malformed), before + (size > most ? 1 : 0));
      crowd->close(name);
      settle();
    }
  }
}

// Whoever announces much and sends none of it, or half, or the whole of what is no handshake and
// never answers, holds no more than what has come, and the whole of them no more than they may.
TEST_F(HandshakeTest, HalfAHandshakeCostsWhatHasComeOfIt) {
  constexpr std::size_t peers = 64;
  GatewayWorld::Options options;
  options.settings.unauthenticated_max = peers;
  start(options);
  const std::size_t most = protocol::hybrid_handshake_message_size_max;
  const std::uint64_t before = metric(ShardMetric::buffer_pool_bytes);
  std::vector<ConnectionName> names;
  for (std::size_t i = 0; i < peers; ++i) names.push_back(announce(HandshakePattern::ik_hfs, most));
  EXPECT_LE(metric(ShardMetric::buffer_pool_bytes), before + peers * 1024) << "only lengths";
  const std::uint64_t started = metric(ShardMetric::buffer_pool_bytes);
  const std::vector<std::uint8_t> bytes(most - 1, 5);
  for (const ConnectionName name : names) crowd->send(name, bytes);
  settle();
  EXPECT_LE(metric(ShardMetric::buffer_pool_bytes), started + peers * 2048 + 65'536);
  const ConnectionName above = crowd->connect();
  settle();
  EXPECT_TRUE(crowd->closed(above));
  // The last byte: no handshake, so each is answered with the first message of a fallback.
  for (const ConnectionName name : names) {
    EXPECT_EQ(crowd->received(name), 0u);
    crowd->send(name, Bytes(bytes).first(1));
  }
  settle();
  for (const ConnectionName name : names) EXPECT_GT(crowd->received(name), 1200u);
  pass(world->settings.handshake_timeout);
  for (const ConnectionName name : names) EXPECT_TRUE(crowd->closed(name));
  alice->hybrid = true;
  log_in(alice);
}

TEST_F(HandshakeTest, BothKindsMakeASessionAndTheOlderIsCounted) {
  start(GatewayWorld::Options{});
  alice->hybrid = true;
  log_in(alice);
  EXPECT_EQ(metric(ShardMetric::handshakes_completed), 1u);
  EXPECT_EQ(metric(ShardMetric::handshakes_classical), 0u);
  log_in(bob);
  EXPECT_EQ(metric(ShardMetric::handshakes_completed), 2u);
  EXPECT_EQ(metric(ShardMetric::handshakes_classical), 1u);
  alice->say_messages({"bob", "example.org", 0}, 1, 1, "to whoever came the other way");
  settle();
  EXPECT_EQ(bob->texts().size(), 1u);
}

TEST_F(HandshakeTest, AnOperatorMayRequireTheHybridOnes) {
  for (const bool at_start : {true, false}) {
    GatewayWorld::Options options;
    options.settings.require_hybrid = at_start;
    start(options);
    if (!at_start) {
      log_in(bob);
      world->set_live({.addresses = options.settings.addresses, .require_hybrid = true});
      settle();
      EXPECT_FALSE(bob->closed) << "what has begun goes on";
    }
    for (const HandshakePattern pattern : all_patterns) {
      const std::uint64_t failed = metric(ShardMetric::handshakes_failed);
      const ConnectionName name = announce(pattern, 100);
      EXPECT_EQ(crowd->closed(name), !protocol::is_hybrid(pattern));
      EXPECT_EQ(crowd->received(name), protocol::is_hybrid(pattern) ? 0u : 5u);
      if (!protocol::is_hybrid(pattern)) {
        EXPECT_EQ(crowd->last_byte(name),
                  static_cast<std::uint8_t>(StreamCondition::policy_violation));
      }
      EXPECT_EQ(metric(ShardMetric::handshakes_failed),
                failed + (protocol::is_hybrid(pattern) ? 0 : 1));
    }
    alice->hybrid = true;
    log_in(alice);
    world->set_live({.addresses = options.settings.addresses});
    settle();
    log_in(bob);
  }
}

// What was never a pattern is refused as before.
TEST_F(HandshakeTest, UnknownPatternsAreRefusedByVersion) {
  for (const bool required : {false, true}) {
    GatewayWorld::Options options;
    options.settings.require_hybrid = required;
    start(options);
    for (const std::uint8_t pattern : {0, 5, 15}) {
      const ConnectionName name = announce(HandshakePattern{pattern}, 100);
      EXPECT_TRUE(crowd->closed(name));
      EXPECT_EQ(crowd->last_byte(name),
                static_cast<std::uint8_t>(StreamCondition::unsupported_version));
    }
  }
}

}  // namespace
}  // namespace godwit::dataplane
