// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/shard_fixture.h"

// What a session may say, how much and how fast, and what is refused.

namespace godwit::dataplane {
namespace {

TEST_F(ShardTest, UnacknowledgedStanzasHaveALimit) {
  both_log_in();
  for (std::uint64_t first = 1; first <= 1024; first += 128) {
    alice.say_messages(bob_account, first, 128, "");
  }
  settle();
  EXPECT_EQ(alice.stream_error(), std::nullopt) << "1024 may be outstanding";
  alice.say_messages(bob_account, 1025, 1, "");
  settle();
  EXPECT_EQ(alice.stream_error(), StreamCondition::policy_violation);
  EXPECT_TRUE(alice.closed);
  EXPECT_EQ(bob.stream_error(), std::nullopt);
}

TEST_F(ShardTest, AFastSenderIsReadNoFurtherForAWhile) {
  world.settings.stanza_rate = {.rate_per_second = 10, .burst = 5};
  both_log_in();
  alice.say_messages(bob_account, 1, 5, "");
  settle();
  EXPECT_EQ(metric(queues::ShardMetric::senders_paused), 0u);
  alice.say_messages(bob_account, 6, 2, "");  // in debt by two: 200 ms
  settle();
  EXPECT_EQ(metric(queues::ShardMetric::senders_paused), 1u);
  EXPECT_EQ(bob.texts().size(), 7u) << "what has been read is taken";
  EXPECT_EQ(world.metrics().snapshot(queues::ShardHistogram::delivery).count(), 7u);
  EXPECT_GT(world.metrics().snapshot(queues::ShardHistogram::ring_commands).count(), 0u);
  alice.say_messages(bob_account, 8, 1, "");
  pass(milliseconds(190));
  EXPECT_EQ(bob.texts().size(), 7u);
  pass(milliseconds(20));
  EXPECT_EQ(bob.texts().size(), 8u);
  EXPECT_EQ(alice.stream_error(), std::nullopt);
}

TEST_F(ShardTest, APausedSenderMayLeave) {
  world.settings.stanza_rate = {.rate_per_second = 1, .burst = 1};
  both_log_in();
  alice.say_messages(bob_account, 1, 5, "");
  settle();
  world.network.reset(world.client.link(alice.name()));
  settle();
  log_in(alice);  // perhaps in the same slot
  pass(std::chrono::seconds(10));
  alice.ping(5);
  settle();
  EXPECT_EQ(alice.count(StanzaType::pong), 1u);
}

TEST_F(ShardTest, WhatIsNotTheProtocolEndsTheSession) {
  using Say = void (*)(RawDevice&);
  for (const Say say : std::initializer_list<Say>{
           [](RawDevice& device) {
             device.say_plain(std::vector<std::uint8_t>{0x7f, 0});
           },
           [](RawDevice& device) {
             device.say_plain(std::vector<std::uint8_t>{5, 9, 1});
           },
           [](RawDevice& device) { device.say(protocol::Registered{.device = 1}); },
           [](RawDevice& device) { device.acknowledge(1); },  // nothing has been sent
           [](RawDevice& device) { device.send(std::vector<std::uint8_t>(3 + 18, 18)); },
           [](RawDevice& device) {
             device.send(std::vector<std::uint8_t>{0, 0, 17});
           },
           [](RawDevice& device) { device.log_in(); }}) {
    log_in(alice);
    say(alice);
    settle();
    EXPECT_EQ(alice.stream_error(), StreamCondition::bad_format);
    EXPECT_TRUE(alice.closed);
  }
}

TEST_F(ShardTest, RelaysPresenceAndIq) {
  both_log_in();
  alice.ping(77);
  settle();
  EXPECT_EQ(protocol::read_ping(alice.last(StanzaType::pong)->content)->token, 77u);
  std::array<std::uint8_t, 64> bytes;
  ByteWriter out(bytes);
  ASSERT_TRUE(write(out, protocol::Presence{.peer = bob_account}, {"example.org"}));
  ASSERT_TRUE(write(out, protocol::Iq{.id = 9, .peer = bob_jid}, {"example.org"}));
  ASSERT_TRUE(write(out, protocol::Iq{.id = 10}, {"example.org"}));
  for (const auto answer : {protocol::IqType::result, protocol::IqType::error}) {
    ASSERT_TRUE(write(out, protocol::Iq{.type = answer, .id = 11}, {"example.org"}));
  }
  alice.say_plain(out.written());
  pass(milliseconds(20));
  protocol::JidScratch scratch;
  ASSERT_EQ(bob.count(StanzaType::presence), 1u);
  EXPECT_EQ(
      protocol::read_presence(bob.last(StanzaType::presence)->content, {"example.org"}, scratch)
          ->peer,
      alice_jid);
  ASSERT_EQ(bob.count(StanzaType::iq), 1u);
  EXPECT_EQ(protocol::read_iq(bob.last(StanzaType::iq)->content, {"example.org"}, scratch)->id, 9u);
  EXPECT_EQ(alice.count(StanzaType::error), 1u) << "this control answers each question so";
  EXPECT_EQ(alice.acknowledged(), 5u);
}

TEST_F(ShardTest, AnotherDomainIsRefusedBeforeItsAcknowledgement) {
  both_log_in();
  alice.say_messages({"bob", "example.net", 0}, 1, 1);
  settle();
  ASSERT_EQ(alice.count(StanzaType::error), 1u);
  const auto error = protocol::read_error(alice.last(StanzaType::error)->content);
  EXPECT_EQ(error->condition, protocol::Condition::remote_server_not_found);
  EXPECT_EQ(error->number, 1u);
  pass(milliseconds(10));
  EXPECT_EQ(alice.acknowledged(), 1u);
}

TEST_F(ShardTest, TheEndOfASessionDoesNotTurnARefusalIntoAnAcceptance) {
  both_log_in();
  // A refused message, and what ends the session, in one frame.
  std::array<std::uint8_t, 200> bytes;
  ByteWriter out(bytes);
  ASSERT_TRUE(protocol::write(out, protocol::Message{.id = 1, .peer = {"bob", "example.com", 1}},
                              {"example.org"}));
  ASSERT_TRUE(protocol::write_empty(out, StanzaType::backlog_end));
  alice.say_plain(out.written());
  pass(milliseconds(10));
  EXPECT_EQ(alice.stream_error(), StreamCondition::bad_format);
  EXPECT_EQ(alice.count(StanzaType::error), 1u);
  EXPECT_EQ(alice.said.back().type, StanzaType::stream_error) << "nothing comes behind it";
}

}  // namespace
}  // namespace godwit::dataplane
