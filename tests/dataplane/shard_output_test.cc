// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/shard_fixture.h"

// What leaves for a session: acknowledgements, their company, windows, and readers that do not
// read.

namespace godwit::dataplane {
namespace {

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

}  // namespace
}  // namespace godwit::dataplane
