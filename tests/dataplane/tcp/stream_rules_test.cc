// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/dataplane/tcp/lone_stack.h"

// The rules of dataplane/io/stream.h, as far as they are the stack's to keep.

namespace godwit::dataplane::tcp {
namespace {

using io::CloseMode;
using io::CloseReason;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(StreamRules, ADownCallMakesNoEventAndNoSegment) {  // rule 1
  LoneStack world;
  world.open(1);
  const std::size_t before = world.log.events();
  world.out();
  world.send(world.name(), "hello");
  world.tcp.pause_receive(world.name());
  world.tcp.resume_receive(world.name());
  world.tcp.close(world.name(), CloseMode::abort);
  ASSERT_TRUE(world.tcp.connect({IpAddress::v4({1, 1, 1, 1}), IpAddress::v4({1, 1, 1, 2}), 0, 7}));
  EXPECT_EQ(world.log.events(), before);
  EXPECT_TRUE(world.out().empty());
  EXPECT_LT(world.tcp.next_deadline(), world.now);
  world.flush();
  EXPECT_EQ(world.log.closed.size(), 1u);
}

TEST(StreamRules, WhatIsExpectedOfASegmentChangesNothing) {
  LoneStack world;
  Peer peer = world.open(1);
  const auto take = [&](std::string text, const Tcp::Expected& expected) {
    SegmentIn made = world.segment(peer, Flags::ack | Flags::psh);
    made.payload = {reinterpret_cast<std::uint8_t*>(text.data()), text.size()};
    peer.seq += made.length();
    world.tcp.on_segment(made, &expected, world.now, world.log);
  };
  Tcp::Expected right{peer.flow};
  Tcp::Expected other{LoneStack::flow(2)};
  Tcp::Expected nothing;
  for (Tcp::Expected* expected : {&right, &other, &nothing}) {
    world.tcp.expect(*expected);
    world.tcp.fetch(*expected);
  }
  EXPECT_EQ(world.tcp.first_broken_invariant(), "");
  take("one ", right);
  take("two ", other);
  take("three", nothing);
  EXPECT_EQ(world.log.bytes, "one two three");
  EXPECT_EQ(world.tcp.counters().dropped_no_connection, 0u);
}

TEST(StreamRules, ManyConnectionsAreLookedAheadFor) {
  Settings settings;
  settings.fetch_ahead_from = 2;
  LoneStack world(settings);
  world.open(1);
  EXPECT_FALSE(world.tcp.fetches_ahead());
  world.open(2);
  EXPECT_TRUE(world.tcp.fetches_ahead());
  world.open(3);
  EXPECT_TRUE(world.tcp.fetches_ahead());
}

TEST(StreamRules, AStaleNameDoesNothing) {  // rule 2
  LoneStack world;
  Peer peer = world.open(1);
  const ConnectionName old = world.name();
  world.in(peer, Flags::rst);
  ASSERT_EQ(world.log.closed.size(), 1u);
  EXPECT_EQ(world.log.closed[0].reason, CloseReason::reset);
  Peer next = world.open(2);
  ASSERT_EQ(world.name().slot, old.slot);
  ASSERT_NE(world.name().generation, old.generation);
  world.out();
  EXPECT_EQ(world.send(old, "hello"), 0u);
  world.tcp.close(old, CloseMode::abort);
  world.tcp.set_user(old, 99);
  world.flush();
  EXPECT_TRUE(world.out().empty());
  EXPECT_EQ(world.log.closed.size(), 1u);
  world.in(next, Flags::rst);
  EXPECT_EQ(world.log.closed.back().user, 0u);
}

TEST(StreamRules, ACallIsTakenWholeUpToTheLimitOfTheQueue) {  // rule 5
  Settings settings;
  settings.send_queue_max = 10'000;
  LoneStack world(settings);
  Peer peer = world.open(1);
  const ConnectionName name = world.name();
  EXPECT_EQ(world.send(name, std::string(10'001, 'x')), 0u);
  world.flush();
  EXPECT_EQ(world.log.writable, 1u);  // nothing waits, so there is room
  EXPECT_EQ(world.send(name, std::string(9'999, 'x')), 9'999u);
  EXPECT_EQ(world.send(name, std::string(2, 'x')), 0u);
  EXPECT_EQ(world.send(name, std::string(1, 'x')), 1u);
  EXPECT_EQ(world.send(name, std::string(1, 'x')), 0u);
  world.flush();
  EXPECT_EQ(world.log.writable, 1u);
  peer.ack += 5'000;
  world.in(peer, Flags::ack);
  EXPECT_EQ(world.log.writable, 1u);  // at half, not below it
  peer.ack += 1;
  world.in(peer, Flags::ack);
  EXPECT_EQ(world.log.writable, 2u);
  peer.ack += 1;
  world.in(peer, Flags::ack);
  EXPECT_EQ(world.log.writable, 2u);
}

TEST(StreamRules, AnEmptyPoolRefusesAndTellsWhenThereIsMemory) {  // rule 5
  Settings settings;
  settings.buffer_bytes = 256 * 1024;
  LoneStack world(settings);
  Peer peer = world.open(1, {.mss = 1460});
  const ConnectionName full = world.name();
  std::size_t sent = 0;
  while (world.send(full, std::string(16'000, 'x')) > 0) sent += 16'000;
  EXPECT_GT(sent, 100'000u);
  world.flush();
  const std::vector<Carried> first = world.out();
  world.open(2);
  const ConnectionName other = world.name();
  EXPECT_EQ(world.send(other, std::string(16'000, 'y')), 0u);
  world.flush();
  EXPECT_EQ(world.log.writable, 0u);
  std::vector<Carried> arrived = first;
  for (int i = 0; i < 100; ++i, arrived = world.out()) {
    for (const Carried& carried : arrived) {
      const std::uint32_t end =
          carried.segment.seq + static_cast<std::uint32_t>(carried.bytes.size());
      if (carried.segment.flow == peer.flow && after(end, peer.ack)) peer.ack = end;
    }
    world.in(peer, Flags::ack);
    world.wait(milliseconds(1));
  }
  EXPECT_EQ(world.log.writable, 2u);
  EXPECT_EQ(world.send(other, std::string(16'000, 'y')), 16'000u);
}

TEST(StreamRules, PausedBytesWaitAndTheWindowCloses) {  // rule 6
  Settings settings;
  settings.receive_window = settings.receive_window_max = 3000;
  LoneStack world(settings);
  Peer peer = world.open(1);
  world.tcp.pause_receive(world.name());
  world.out();
  world.in(peer, Flags::ack, std::string(1000, 'a'));
  world.in(peer, Flags::ack, std::string(1000, 'b'));
  world.in(peer, Flags::ack, std::string(1000, 'c'));
  world.in(peer, Flags::ack, std::string(1000, 'd'));  // beyond the window: not taken
  peer.seq -= 1000;
  EXPECT_TRUE(world.log.bytes.empty());
  const auto closed = world.out();
  ASSERT_FALSE(closed.empty());
  EXPECT_EQ(closed.back().segment.ack, peer.seq);
  EXPECT_EQ(closed.back().segment.window, 0u);
  EXPECT_EQ(world.tcp.info(world.name())->held, 3000u);
  world.tcp.resume_receive(world.name());
  EXPECT_TRUE(world.log.bytes.empty());
  world.flush();
  EXPECT_EQ(world.log.bytes,
            std::string(1000, 'a') + std::string(1000, 'b') + std::string(1000, 'c'));
  const auto opened = world.out();
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(opened[0].segment.window, 3000u);
  EXPECT_EQ(world.tcp.receivers(), 0u);
}

TEST(StreamRules, APauseInTheCallbackHolds) {  // rule 6
  LoneStack world;
  Peer peer = world.open(1);
  world.log.pauses = true;
  world.in(peer, Flags::ack, "first");
  world.in(peer, Flags::ack, "second");
  EXPECT_EQ(world.log.bytes, "first");
  // The peer's end comes after its bytes.
  world.in(peer, Flags::ack | Flags::fin);
  EXPECT_TRUE(world.log.closed.empty());
  world.log.pauses = false;
  world.tcp.resume_receive(world.name());
  world.flush();
  EXPECT_EQ(world.log.bytes, "firstsecond");
  ASSERT_EQ(world.log.closed.size(), 1u);
  EXPECT_EQ(world.log.closed[0].reason, CloseReason::peer_closed);
}

TEST(StreamRules, AGracefulCloseSendsTheQueueThenFinAndWaitsForThePeer) {  // rule 7
  LoneStack world;
  Peer peer = world.open(1);
  const ConnectionName name = world.name();
  world.tcp.set_user(name, 7);
  world.out();
  world.send(name, "goodbye");
  world.tcp.close(name, CloseMode::graceful);
  EXPECT_EQ(world.send(name, "more"), 0u);
  world.flush();
  const auto sent = world.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(as_text(sent[0].bytes), "goodbye");
  EXPECT_TRUE(sent[0].segment.has(Flags::fin));
  peer.ack += 8;
  world.in(peer, Flags::ack, "late");
  EXPECT_TRUE(world.log.bytes.empty());
  EXPECT_TRUE(world.log.closed.empty());
  world.in(peer, Flags::ack | Flags::fin);
  ASSERT_EQ(world.log.closed.size(), 1u);
  EXPECT_EQ(world.log.closed[0].user, 7u);
  EXPECT_EQ(world.log.closed[0].reason, CloseReason::local);
  EXPECT_EQ(world.tcp.control_blocks(), 0u);
  EXPECT_EQ(world.tcp.time_waits(), 1u);
  world.wait(seconds(61));
  EXPECT_EQ(world.tcp.time_waits(), 0u);
}

TEST(StreamRules, ASilentPeerHoldsACloseNoLongerThanTheLinger) {  // rule 7
  Settings settings;
  LoneStack world(settings);
  Peer peer = world.open(1);
  world.tcp.close(world.name(), CloseMode::graceful);
  world.flush();
  peer.ack += 1;
  world.in(peer, Flags::ack);
  world.wait(settings.linger - milliseconds(1));
  EXPECT_TRUE(world.log.closed.empty());
  world.wait(milliseconds(2));
  ASSERT_EQ(world.log.closed.size(), 1u);
  EXPECT_EQ(world.log.closed[0].reason, CloseReason::local);
  EXPECT_EQ(world.tcp.orphans(), 1u);
  EXPECT_EQ(world.tcp.open_connections(), 0u);
  world.out();
  world.wait(settings.orphan_time + milliseconds(1));
  EXPECT_EQ(world.tcp.control_blocks(), 0u);
  EXPECT_EQ(world.tcp.orphans(), 0u);
  EXPECT_EQ(world.tcp.armed_timers(), 0u);
}

TEST(StreamRules, AnAbortResetsAndIsReportedOnce) {  // rules 3 and 7
  LoneStack world;
  world.open(1);
  const ConnectionName name = world.name();
  world.out();
  world.tcp.close(name, CloseMode::abort);
  world.tcp.close(name, CloseMode::graceful);
  world.flush();
  const auto sent = world.out();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].segment.has(Flags::rst));
  world.wait(seconds(100));
  EXPECT_EQ(world.log.closed.size(), 1u);
  EXPECT_EQ(world.tcp.control_blocks(), 0u);
}

TEST(StreamRules, ThePeersFinIsItsClose) {  // rule 8
  LoneStack world;
  Peer peer = world.open(1);
  world.send(world.name(), "answer");
  world.in(peer, Flags::ack | Flags::fin, "question");
  EXPECT_EQ(world.log.bytes, "question");
  ASSERT_EQ(world.log.closed.size(), 1u);
  EXPECT_EQ(world.log.closed[0].reason, CloseReason::peer_closed);
  const auto sent = world.out();
  ASSERT_FALSE(sent.empty());
  EXPECT_EQ(as_text(sent.back().bytes), "answer");
  EXPECT_TRUE(sent.back().segment.has(Flags::fin));
  peer.ack += 7;
  world.in(peer, Flags::ack);
  EXPECT_EQ(world.tcp.control_blocks(), 0u);
  EXPECT_EQ(world.tcp.time_waits(), 0u);
}

struct HalfCloseLog : EventLog {
  std::size_t finished = 0;
  void on_peer_finished(ConnectionName, std::uint64_t) { ++finished; }
};

TEST(StreamRules, AHandlerThatKnowsHalfCloseGoesOnSending) {
  LoneStack world;
  Peer peer = world.open(1);
  const ConnectionName name = world.name();
  HalfCloseLog log;
  SegmentIn last = world.segment(peer, Flags::ack | Flags::fin);
  ++peer.seq;
  world.tcp.on_segment(last, world.now, log);
  world.tcp.flush(world.now, log);
  EXPECT_EQ(log.finished, 1u);
  EXPECT_TRUE(log.closed.empty());
  EXPECT_EQ(world.tcp.info(name)->state, State::close_wait);
  EXPECT_EQ(world.send(name, "still here"), 10u);
  world.tcp.flush(world.now, log);
  world.tcp.close(name, CloseMode::graceful);
  world.tcp.flush(world.now, log);
  peer.ack += 11;
  const SegmentIn answer = world.segment(peer, Flags::ack);
  world.tcp.on_segment(answer, world.now, log);
  EXPECT_EQ(log.closed.size(), 1u);
  EXPECT_EQ(log.finished, 1u);
}

TEST(StreamRules, AnIdleConnectionHoldsNothing) {  // rule 9
  LoneStack world;
  Peer peer = world.open(1, {.mss = 1460, .sack_permitted = true});
  world.send(world.name(), "hello");
  world.in(peer, Flags::ack, "hello");
  EXPECT_GT(world.tcp.senders(), 0u);
  peer.ack += 5;
  world.in(peer, Flags::ack);
  world.wait(seconds(1));
  EXPECT_EQ(world.tcp.senders(), 0u);
  EXPECT_EQ(world.tcp.receivers(), 0u);
  EXPECT_EQ(world.tcp.buffers_in_use(), 0u);
  EXPECT_EQ(world.tcp.armed_timers(), 0u);
  EXPECT_EQ(world.tcp.next_deadline(), never);
}

TEST(StreamRules, AsManyConnectionsAsAllowedAndNotOneMore) {
  Settings settings;
  settings.connections_max = 2;
  LoneStack world(settings);
  world.open(1);
  Peer second = world.open(2);
  Peer third{LoneStack::flow(3)};
  world.out();
  world.in(third, Flags::syn);
  third.ack = world.out().at(0).segment.seq + 1;
  world.in(third, Flags::ack);
  EXPECT_EQ(world.log.opened.size(), 2u);
  EXPECT_EQ(world.tcp.counters().refused_full, 1u);
  EXPECT_TRUE(world.out().back().segment.has(Flags::rst));
  EXPECT_FALSE(world.tcp.connect(LoneStack::flow(4)));
  world.in(second, Flags::rst);
  world.open(5);
}

TEST(StreamRules, AConnectionRefusedOrUnansweredFails) {
  Settings settings;
  LoneStack world(settings);
  Flow flow = LoneStack::flow(443);
  flow.local_port = 0;
  const auto name = world.tcp.connect(flow);
  ASSERT_TRUE(name);
  world.flush();
  const auto syn = world.out();
  ASSERT_EQ(syn.size(), 1u);
  Peer peer{syn[0].segment.flow};
  peer.ack = syn[0].segment.seq + 1;
  world.in(peer, Flags::rst | Flags::ack);
  ASSERT_EQ(world.log.closed.size(), 1u);
  EXPECT_EQ(world.log.closed[0].reason, CloseReason::failed);

  ASSERT_TRUE(world.tcp.connect(flow));
  world.flush();
  world.wait(settings.give_up_syn - seconds(1));
  EXPECT_EQ(world.log.closed.size(), 1u);
  world.wait(seconds(70));
  ASSERT_EQ(world.log.closed.size(), 2u);
  EXPECT_EQ(world.log.closed[1].reason, CloseReason::failed);
  EXPECT_EQ(world.tcp.control_blocks(), 0u);
}

}  // namespace
}  // namespace godwit::dataplane::tcp
