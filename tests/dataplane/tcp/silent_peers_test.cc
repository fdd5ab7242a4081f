// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/dataplane/tcp/lone_stack.h"

// Peers that answer nothing, or only that they take nothing: how long that is borne.

namespace godwit::dataplane::tcp {
namespace {

using io::CloseReason;
using std::chrono::seconds;

TEST(BlackHole, FullSegmentsThatNeverArriveGetSmaller) {  // RFC 4821, 7.7
  LoneStack world;
  world.open(1, {.mss = 1460});
  world.send(world.name(), std::string(14'600, 'x'));
  world.flush();
  world.out();
  world.wait(seconds(10));
  EXPECT_EQ(world.tcp.counters().black_holes, 1u);
  EXPECT_EQ(world.tcp.info(world.name())->mss, 730);
  EXPECT_LE(world.out().back().bytes.size(), 730u);
}

TEST(GivingUp, APeerThatAnswersNothingIsGivenUpAfterR2) {  // RFC 9293, 3.8.3
  Settings settings;
  LoneStack world(settings);
  world.open(1);
  world.send(world.name(), "hello");
  world.flush();
  world.wait(settings.give_up - seconds(1));
  EXPECT_TRUE(world.log.closed.empty());
  world.wait(seconds(70));
  ASSERT_EQ(world.log.closed.size(), 1u);
  EXPECT_EQ(world.log.closed[0].reason, CloseReason::reset);
  EXPECT_EQ(world.tcp.control_blocks(), 0u);
  EXPECT_EQ(world.tcp.buffers_in_use(), 0u);
}

struct ClosedWindow {
  explicit ClosedWindow(const Settings& settings) : world(settings) {
    peer = world.open(1);
    peer.window = 0;
    world.in(peer, Flags::ack);
    EXPECT_GT(world.send(world.name(), std::string(1000, 'x')), 0u);
    world.flush();
    EXPECT_TRUE(sent_bytes().empty());
  }
  std::vector<std::size_t> sent_bytes() {
    std::vector<std::size_t> sizes;
    for (const Carried& carried : world.out()) {
      if (!carried.bytes.empty()) sizes.push_back(carried.bytes.size());
    }
    return sizes;
  }
  LoneStack world;
  Peer peer;
};

TEST(ZeroWindow, IsProbedEverMoreRarelyAndForEverWhileThePeerAnswers) {  // RFC 9293, 3.8.6.1
  ClosedWindow test{{}};
  std::size_t probes = 0;
  for (int second = 0; second < 3600; ++second) {
    test.world.wait(seconds(1));
    for (const std::size_t size : test.sent_bytes()) {
      EXPECT_EQ(size, 1u);
      ++probes;
      test.world.in(test.peer, Flags::ack);
    }
  }
  EXPECT_TRUE(test.world.log.closed.empty());
  EXPECT_GE(probes, 60u);
  EXPECT_LE(probes, 75u);
  test.peer.window = 60000;
  test.world.in(test.peer, Flags::ack);
  EXPECT_EQ(test.sent_bytes(), (std::vector<std::size_t>{536, 464}));
}

TEST(ZeroWindow, TheProbesByteMayBeTaken) {
  ClosedWindow test{{}};
  test.world.wait(seconds(2));
  EXPECT_FALSE(test.sent_bytes().empty());
  test.peer.ack += 1;
  test.peer.window = 60000;
  test.world.in(test.peer, Flags::ack);
  EXPECT_EQ(test.sent_bytes(), (std::vector<std::size_t>{536, 463}));
}

TEST(ZeroWindow, APeerThatDoesNotAnswerProbesIsGivenUp) {
  ClosedWindow test{{}};
  test.world.wait(std::chrono::minutes(5));
  EXPECT_EQ(test.world.log.closed.size(), 1u);
}

TEST(ZeroWindow, AHoarderIsEndedWhenMemoryIsShort) {  // RFC 6429
  Settings settings;
  settings.buffer_bytes = 256 * 1024;
  ClosedWindow test{settings};
  const ConnectionName name = test.world.name();
  while (test.world.send(name, std::string(16'000, 'x')) > 0) {
  }
  test.world.flush();
  for (int i = 0; i < 40; ++i) {
    test.world.wait(seconds(1));
    if (!test.sent_bytes().empty()) test.world.in(test.peer, Flags::ack);
  }
  EXPECT_TRUE(test.world.log.closed.empty());
  for (int i = 0; i < 80; ++i) {
    test.world.wait(seconds(1));
    if (!test.sent_bytes().empty()) test.world.in(test.peer, Flags::ack);
  }
  EXPECT_EQ(test.world.log.closed.size(), 1u);
  EXPECT_EQ(test.world.tcp.buffers_in_use(), 0u);
}

TEST(KeepAlive, FindsADeadPeerAndLeavesALiveOne) {  // RFC 9293, 3.8.4
  Settings settings;
  settings.keepalive_idle = std::chrono::hours(2);
  LoneStack world(settings);
  Peer peer = world.open(1);
  world.out();
  world.wait(std::chrono::hours(2) - seconds(1));
  EXPECT_TRUE(world.out().empty());
  world.wait(seconds(2));
  const auto probe = world.out();
  ASSERT_EQ(probe.size(), 1u);
  EXPECT_EQ(probe[0].segment.seq, peer.ack - 1);
  world.in(peer, Flags::ack);
  world.wait(std::chrono::hours(2) + 8 * settings.keepalive_interval + seconds(1));
  EXPECT_TRUE(world.log.closed.empty());
  EXPECT_EQ(world.out().size(), 9u);
  world.wait(2 * settings.keepalive_interval);
  EXPECT_EQ(world.log.closed.size(), 1u);
}

}  // namespace
}  // namespace godwit::dataplane::tcp
