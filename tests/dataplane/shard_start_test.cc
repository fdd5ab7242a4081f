// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/shard_fixture.h"

// What comes before a session: strangers, names, keys, the login.

namespace godwit::dataplane {
namespace {

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

}  // namespace
}  // namespace godwit::dataplane
