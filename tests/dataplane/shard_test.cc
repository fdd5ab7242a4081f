// SPDX-License-Identifier: Apache-2.0
#include "dataplane/shard.h"

#include "tests/dataplane/shard_fixture.h"

// Messages between devices of a whole shard, and how sessions end.

namespace godwit::dataplane {
namespace {

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
