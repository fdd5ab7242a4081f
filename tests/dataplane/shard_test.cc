// SPDX-License-Identifier: Apache-2.0
#include "dataplane/shard.h"

#include <gtest/gtest.h>

#include "tests/dataplane/raw_device.h"

// A whole shard against devices that say what the test tells them to: handshakes, numbering,
// acknowledgement, limits, goodbyes. On a network in memory and virtual time.

namespace godwit::dataplane {
namespace {

using protocol::StanzaType;
using protocol::StreamCondition;
using std::chrono::milliseconds;
using Texts = std::vector<std::string>;

constexpr protocol::JidView alice_jid{"alice", "example.org", 1};
constexpr protocol::JidView alice_2_jid{"alice", "example.org", 2};
constexpr protocol::JidView bob_jid{"bob", "example.org", 1};
constexpr protocol::JidView bob_account{"bob", "example.org", 0};

class ShardTest : public testing::Test {
 public:
  // The network's events.
  void on_open(ConnectionName name, bool) {
    for (RawDevice* device : devices_) {
      if (device->name() == name) device->open();
    }
  }
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    for (RawDevice* device : devices_) {
      if (device->name() == name) device->receive(lease);
    }
  }
  void on_closed(ConnectionName name, std::uint64_t, io::CloseReason reason) {
    for (RawDevice* device : devices_) {
      if (device->name() == name) device->closed = reason;
    }
  }

 protected:
  // Until nobody has anything to do at this instant.
  void settle() {
    for (int quiet = 0, turns = 0; quiet < 2; ++turns) {
      ASSERT_LT(turns, 100'000);
      const std::size_t done =
          world.turn() + world.client.poll(world.now, 512, world.now.instant, *this);
      quiet = done == 0 ? quiet + 1 : 0;
    }
  }
  // First all that is due now, then all that is due after so long.
  void pass(Duration time) {
    settle();
    world.pass(time);
    settle();
  }
  void connect(RawDevice& device) {
    device.connect();
    settle();
  }
  void log_in(RawDevice& device) {
    connect(device);
    device.log_in();
    settle();
    ASSERT_EQ(device.count(StanzaType::session_ready), 1u);
  }
  void both_log_in() {
    log_in(alice);
    log_in(bob);
    alice.said.clear();
    bob.said.clear();
  }
  std::uint64_t metric(queues::ShardMetric metric) const { return world.metrics().get(metric); }

  GatewayWorld world;
  RawDevice alice{world, world.device_keys[0], alice_jid};
  RawDevice alice_2{world, world.device_keys[1], alice_2_jid};
  RawDevice bob{world, world.device_keys[2], bob_jid};
  RawDevice stranger{world, world.device_keys[2], alice_jid};  // bob's key under alice's name

 private:
  std::vector<RawDevice*> devices_{&alice, &alice_2, &bob, &stranger};
};

TEST_F(ShardTest, AcknowledgesWhenTheRecipientHas) {
  both_log_in();
  alice.say_messages(bob_account, 1, 1, "hello");
  settle();
  EXPECT_EQ(bob.texts(), Texts{"hello"});
  pass(milliseconds(50));
  EXPECT_EQ(alice.acknowledged(), 0u) << "neither with bob nor on disk";
  bob.acknowledge(1);
  settle();
  EXPECT_EQ(alice.acknowledged(), 0u) << "an acknowledgement waits for company";
  pass(milliseconds(10));
  EXPECT_EQ(alice.acknowledged(), 1u);
}

TEST_F(ShardTest, AcknowledgesWhatIsOnDisk) {
  both_log_in();
  alice.say_messages(bob_account, 1, 3);
  settle();
  EXPECT_EQ(bob.texts().size(), 3u);
  pass(milliseconds(120));  // bob says nothing: persist_after
  pass(milliseconds(10));
  EXPECT_EQ(alice.acknowledged(), 3u);
}

TEST_F(ShardTest, AnAcknowledgementRidesOnTheNextFrame) {
  both_log_in();
  alice.say_messages(bob_account, 1, 1);
  settle();
  bob.acknowledge(1);
  bob.say_messages({"alice", "example.org", 1}, 1, 1, "back");
  settle();  // at the same instant, long before ack_delay
  EXPECT_EQ(alice.texts(), Texts{"back"});
  EXPECT_EQ(alice.acknowledged(), 1u);
  EXPECT_EQ(alice.last(StanzaType::ack)->frame, alice.last(StanzaType::message)->frame);
}

TEST_F(ShardTest, AcknowledgementsLeaveWhenEnoughHaveGathered) {
  for (const std::size_t count : {63, 64, 65}) {
    both_log_in();
    alice.say_messages(bob_account, 1000 * count, count, "");
    settle();
    bob.acknowledge(count);
    settle();
    EXPECT_EQ(alice.acknowledged(), count < 64 ? 0u : count) << count;
    pass(milliseconds(10));
    EXPECT_EQ(alice.acknowledged(), count);
  }
}

TEST_F(ShardTest, OtherDevicesAreNamedBeforeTheAcknowledgement) {
  both_log_in();
  const auto say = [&](std::uint64_t id, std::uint16_t digest, std::uint16_t device) {
    std::array<std::uint8_t, 64> bytes;
    ByteWriter out(bytes);
    const protocol::JidView to{"bob", "example.org", device};
    ASSERT_TRUE(write(out, protocol::Message{.id = id, .peer = to, .device_digest = digest},
                      {"example.org"}));
    alice.say_plain(out.written());
    settle();
  };
  say(1, 3, 1);  // as it is
  say(2, 4, 1);
  ASSERT_EQ(alice.count(StanzaType::device_list), 1u);
  const auto list = protocol::read_device_list(alice.said[0].content);
  EXPECT_TRUE(list->number == 2 && !list->gone && list->count == 1);
  EXPECT_EQ(list->list()[0], (protocol::DeviceTag{1, 0x00010002}));
  say(3, 4, 7);
  EXPECT_TRUE(protocol::read_device_list(alice.last(StanzaType::device_list)->content)->gone);
  bob.acknowledge(2);
  pass(milliseconds(10));
  EXPECT_EQ(alice.acknowledged(), 3u);
}

TEST_F(ShardTest, BytesMayComeOneByOne) {
  world.network.set_transfer_hook([](const Network::Transfer&) { return std::size_t{1}; });
  both_log_in();
  const std::string large(3000, 'x');
  alice.say_messages(bob_account, 1, 2, large);
  settle();
  EXPECT_EQ(bob.texts(), (Texts{large, large}));
}

TEST_F(ShardTest, TheLargestPayload) {
  both_log_in();
  const std::string largest(protocol::payload_size_max, 'x');
  alice.say_messages(bob_account, 1, 1, largest);
  alice.say_messages(bob_account, 2, 1, "small");
  settle();
  EXPECT_EQ(bob.texts(), (Texts{largest, "small"}));
}

TEST_F(ShardTest, EveryDeviceOfAnAccountHasItsMailbox) {
  log_in(alice);
  log_in(alice_2);
  log_in(bob);
  bob.say_messages({"alice", "example.org", 0}, 1, 1, "both");
  bob.say_messages({"alice", "example.org", 2}, 2, 1, "second");
  settle();
  EXPECT_EQ(alice.texts(), Texts{"both"});
  EXPECT_EQ(alice_2.texts(), (Texts{"both", "second"}));
  alice.acknowledge(1);
  pass(milliseconds(20));
  EXPECT_EQ(bob.acknowledged(), 0u) << "alice's second device has neither";
  alice_2.acknowledge(2);
  pass(milliseconds(20));
  EXPECT_EQ(bob.acknowledged(), 2u);
}

TEST_F(ShardTest, ResumesBehindTheLastSequence) {
  both_log_in();
  alice.say_messages(bob_account, 1, 3);
  settle();
  const auto ready_base = [&] {
    return protocol::read_session_ready(bob.last(StanzaType::session_ready)->content)
        ->sequence_base;
  };
  connect(bob);
  bob.log_in();
  settle();
  const std::uint64_t base = ready_base();
  EXPECT_EQ(bob.texts().size(), 3u) << "none was acknowledged";
  EXPECT_EQ(bob.count(StanzaType::backlog_end), 1u);
  EXPECT_EQ(bob.said.back().type, StanzaType::backlog_end);
  connect(bob);
  bob.log_in(base + 2);
  settle();
  EXPECT_EQ(bob.texts().size(), 1u);
}

TEST_F(ShardTest, SendsNoMoreThanTheWindow) {
  log_in(alice);
  connect(bob);
  bob.log_in(0, 2);
  settle();
  alice.say_messages(bob_account, 1, 5);
  settle();
  EXPECT_EQ(bob.texts().size(), 2u);
  bob.acknowledge(1);
  settle();
  EXPECT_EQ(bob.texts().size(), 3u);
  bob.say(protocol::Window{.window = 4});
  settle();
  EXPECT_EQ(bob.texts().size(), 5u);
}

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

TEST_F(ShardTest, StrangersAreFewAndHaveLittleTime) {
  world.settings.unauthenticated_max = 2;
  alice.connect_silently();
  bob.connect_silently();
  settle();
  EXPECT_FALSE(alice.closed);
  EXPECT_FALSE(bob.closed);
  alice_2.connect_silently();
  settle();
  EXPECT_TRUE(alice_2.closed);
  EXPECT_EQ(metric(queues::ShardMetric::connections_refused_full), 1u);
  pass(world.settings.handshake_timeout - milliseconds(1));
  EXPECT_FALSE(alice.closed);
  pass(milliseconds(1));
  EXPECT_TRUE(alice.closed);
  EXPECT_TRUE(bob.closed);
  log_in(alice_2);  // there is room again, and a session does not count
  log_in(bob);
  connect(alice);
  pass(world.settings.handshake_timeout);
  EXPECT_EQ(alice.stream_error(), StreamCondition::connection_timeout) << "no login came";
  EXPECT_EQ(bob.stream_error(), std::nullopt);
}

TEST_F(ShardTest, AnotherProtocolIsNotAnswered) {
  alice.connect_silently();
  alice.send(as_bytes("GET / HTTP/1.1\r\n\r\n"));
  settle();
  EXPECT_TRUE(alice.closed);
  EXPECT_EQ(metric(queues::ShardMetric::bytes_sent), 0u);
  EXPECT_EQ(metric(queues::ShardMetric::handshakes_failed), 1u);
}

TEST_F(ShardTest, WrongNamesAndKeys) {
  connect(stranger);
  stranger.log_in();
  settle();
  EXPECT_EQ(stranger.stream_error(), StreamCondition::not_authorized);
  for (const auto& [jid, condition] :
       {std::pair{protocol::JidView{"nobody", "example.org", 1}, StreamCondition::not_authorized},
        std::pair{protocol::JidView{"alice", "example.org", 3}, StreamCondition::not_authorized},
        std::pair{protocol::JidView{"alice", "example.net", 1}, StreamCondition::host_unknown}}) {
    connect(alice);
    alice.say(protocol::Login{.jid = jid, .window = 1});
    settle();
    EXPECT_EQ(alice.stream_error(), condition) << jid.user << jid.domain;
    EXPECT_TRUE(alice.closed);
  }
}

TEST_F(ShardTest, NothingButALoginComesFirst) {
  connect(alice);
  alice.say_messages(bob_account, 1, 1);
  settle();
  EXPECT_EQ(alice.stream_error(), StreamCondition::not_authorized);
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

TEST_F(ShardTest, TheSecondConnectionOfADeviceReplacesTheFirst) {
  both_log_in();
  const ConnectionName first = bob.name();
  bob.connect();  // the test's object now follows the second
  settle();
  bob.log_in();
  settle();
  EXPECT_EQ(bob.count(StanzaType::session_ready), 1u);
  EXPECT_EQ(metric(queues::ShardMetric::sessions_replaced), 1u);
  EXPECT_EQ(world.client.link(first), 0u) << "closed";
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

TEST_F(ShardTest, AReaderThatNeverReadsHoldsLittleAndLosesNothing) {
  both_log_in();
  world.network.hold(world.client.link(bob.name()));
  const std::string payload(2000, 'x');
  std::uint64_t id = 1;
  for (int round = 0; round < 40; ++round) {
    alice.say_messages(bob_account, id, 25, payload);
    id += 25;
    pass(milliseconds(150));
    pass(milliseconds(10));
  }
  EXPECT_EQ(alice.acknowledged(), 1000u) << "what bob has not taken is on disk";
  EXPECT_LE(metric(queues::ShardMetric::messages_delivered), 400u);
  world.network.release(world.client.link(bob.name()));
  std::uint64_t received = 0;
  for (int round = 0; round < 100 && received < 1000; ++round) {
    settle();
    if (bob.texts().size() > received) bob.acknowledge(received = bob.texts().size());
    pass(milliseconds(10));
  }
  EXPECT_EQ(received, 1000u);
}

TEST_F(ShardTest, AConnectionThatEndsWithUnsentOutputLeavesNothingBehind) {
  both_log_in();
  world.network.hold(world.client.link(bob.name()));
  const std::string payload(2000, 'x');
  for (std::uint64_t id = 1; id <= 176; id += 25) alice.say_messages(bob_account, id, 25, payload);
  pass(milliseconds(150));
  pass(milliseconds(10));
  ASSERT_EQ(alice.acknowledged(), 200u) << "all on disk";
  EXPECT_GT(world.buffers_in_use(), 0u) << "some wait for bob's connection to take them";
  world.network.release(world.client.link(bob.name()));
  world.network.reset(world.client.link(bob.name()));
  settle();
  EXPECT_EQ(world.buffers_in_use(), 0u);
}

TEST_F(ShardTest, DrainSendsEveryoneAway) {
  both_log_in();
  connect(alice_2);
  world.gateway().drain(milliseconds(500));
  settle();
  for (const RawDevice* device : {&alice, &bob}) {
    const auto* error = device->last(StanzaType::stream_error);
    ASSERT_NE(error, nullptr);
    const auto read = protocol::read_stream_error(error->content);
    EXPECT_EQ(read->condition, StreamCondition::system_shutdown);
    EXPECT_GE(read->retry_after_ms, 1u);
    EXPECT_LE(read->retry_after_ms, 500u);
  }
  stranger.connect_silently();
  settle();
  EXPECT_TRUE(stranger.closed) << "nobody new";
}

TEST_F(ShardTest, ByeEndsASessionAtOnce) {
  both_log_in();
  std::array<std::uint8_t, 8> bytes;
  ByteWriter out(bytes);
  ASSERT_TRUE(protocol::write_empty(out, StanzaType::bye));
  bob.say_plain(out.written());
  settle();
  EXPECT_TRUE(bob.closed);
  alice.say_messages(bob_account, 1, 1);
  settle();
  pass(milliseconds(10));
  EXPECT_EQ(alice.acknowledged(), 1u) << "stored at once: nobody is there to wait for";
}

}  // namespace
}  // namespace godwit::dataplane
