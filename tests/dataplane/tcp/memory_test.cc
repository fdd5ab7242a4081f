// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/tcp/lone_stack.h"

// What a stack says it has taken from the system is all of it.

namespace godwit::dataplane::tcp {
namespace {

void open_many(LoneStack& world, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t number = world.log.opened.size();
    Peer peer{LoneStack::flow(static_cast<std::uint16_t>(1000 + number % 50'000),
                              static_cast<std::uint8_t>(1 + number / 50'000))};
    world.in(peer, Flags::syn);
    peer.ack = world.out().at(0).segment.seq + 1;
    world.in(peer, Flags::ack);
    world.out();
  }
}

TEST(Memory, AnIdleConnectionCostsAtMost512BytesWithItsShareOfTheTables) {
  LoneStack world;
  open_many(world, 1);  // the pools' first chunks
  const std::size_t before = world.tcp.memory_bytes();
  // The share is largest just after a table or a list has grown.
  for (const std::size_t count : {1'600U, 3'100U, 6'200U, 12'300U}) {
    open_many(world, count - world.log.opened.size());
    ASSERT_EQ(world.tcp.open_connections(), count);
    EXPECT_LE(world.tcp.memory_bytes() - before, count * 512) << count;
  }
  EXPECT_EQ(world.tcp.armed_timers(), 0u);
  EXPECT_EQ(world.tcp.buffers_in_use(), 0u);
}

TEST(Memory, TheFlowTableTheSynCacheAndTimeWaitCount) {
  LoneStack world;
  const std::size_t empty = world.tcp.memory_bytes();
  EXPECT_GT(empty, sizeof(Tcp));
  for (std::uint16_t port = 1; port <= 2000; ++port) {
    Peer peer{LoneStack::flow(port)};
    world.in(peer, Flags::syn);
  }
  world.out();
  const std::size_t half_open = world.tcp.memory_bytes();
  EXPECT_GE(half_open - empty, 2000 * (sizeof(HalfOpen) + 8));
  open_many(world, 100);
  const std::size_t open = world.tcp.memory_bytes();
  EXPECT_GT(open, half_open);
}

TEST(Memory, ATuningIsTakenWhenSomethingIsWantedAndGivenBack) {
  LoneStack world;
  open_many(world, 2);
  const std::size_t before = world.tcp.memory_bytes();
  Tuning tuning = world.tcp.tuning(world.name());
  world.tcp.tune(world.name(), tuning);
  EXPECT_EQ(world.tcp.memory_bytes(), before);  // nothing is wanted that the settings have not
  tuning.keepalive_idle = std::chrono::seconds(9);
  world.tcp.tune(world.name(), tuning);
  world.flush();
  EXPECT_GT(world.tcp.memory_bytes(), before);
  EXPECT_EQ(world.tcp.tuning(world.name()), tuning);
  EXPECT_NE(world.tcp.tuning(world.log.opened.front()), tuning);
  EXPECT_EQ(world.tcp.first_broken_invariant(), "");
  world.tcp.close(world.name(), io::CloseMode::abort);
  world.tcp.close(world.log.opened.front(), io::CloseMode::abort);
  world.flush();
  EXPECT_EQ(world.tcp.first_broken_invariant(), "");  // no tuning without a connection
  EXPECT_EQ(world.tcp.tuning(world.name()), Tuning(Settings{}));
}

}  // namespace
}  // namespace godwit::dataplane::tcp
