// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/dataplane/tcp/two_stacks.h"

// Two stacks over a bad link: every byte arrives intact and in order, both sides end, and nothing
// is left but TIME-WAIT.

namespace godwit::dataplane::tcp {
namespace {

struct Case {
  const char* name;
  Impairment impairment;
  std::uint64_t up;    // bytes the client sends
  std::uint64_t down;  // bytes the server sends
};

void expect_empty(const Tcp& stack) {
  EXPECT_EQ(stack.control_blocks(), 0u);
  EXPECT_EQ(stack.open_connections(), 0u);
  EXPECT_EQ(stack.orphans(), 0u);
  EXPECT_EQ(stack.half_open(), 0u);
  EXPECT_EQ(stack.time_waits(), 0u);
  EXPECT_EQ(stack.armed_timers(), 0u);
  EXPECT_EQ(stack.senders(), 0u);
  EXPECT_EQ(stack.receivers(), 0u);
  EXPECT_EQ(stack.buffers_in_use(), 0u);
}

void transfer(const Case& test, std::uint64_t seed, const Settings& settings) {
  SCOPED_TRACE(std::string(test.name) + ", seed " + std::to_string(seed));
  TwoStacks world(settings, test.impairment, seed);
  StreamUser client(1, 2, test.up);
  StreamUser server(2, 1, test.down);
  client.attach(world.client());
  server.attach(world.server());
  client.close_after(test.down);
  ASSERT_TRUE(world.server().listen({}, 5222));
  const auto name = world.client().connect(world.flow());
  ASSERT_TRUE(name);

  ASSERT_TRUE(world.run(client, server, std::chrono::hours(2), [] { return false; }));
  ASSERT_EQ(client.names().size(), 1u);
  ASSERT_EQ(server.names().size(), 1u);
  const auto& at_client = client.stream(*name);
  const auto& at_server = server.stream(server.names().front());
  EXPECT_TRUE(at_client.connected);
  EXPECT_FALSE(at_server.connected);
  EXPECT_EQ(at_client.received, test.down);
  EXPECT_EQ(at_server.received, test.up);
  EXPECT_EQ(client.wrong_bytes() + server.wrong_bytes(), 0u);
  EXPECT_EQ(client.closed(), 1u);
  EXPECT_EQ(server.closed(), 1u);
  EXPECT_EQ(client.closed_twice() + server.closed_twice(), 0u);
  EXPECT_EQ(at_client.reason, io::CloseReason::local);
  EXPECT_EQ(at_server.reason, io::CloseReason::peer_closed);
  expect_empty(world.client());
  expect_empty(world.server());
}

TEST(Transfer, OverAGoodLink) {
  transfer({"good", {}, 300'000, 500'000}, 1, {});
}

}  // namespace
}  // namespace godwit::dataplane::tcp
