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

using Watch = std::function<void(const Carried&, Instant)>;

// On a link this bad a close takes its time, and nobody gives up. `uncut` is
// how many packets were left to the port to cut.
void transfer(const Case& test, std::uint64_t seed, Settings settings,
              const Flow& flow = TwoStacks::flow(), const Watch& watch = {},
              std::size_t* uncut = nullptr) {
  settings.linger = std::chrono::minutes(30);
  settings.give_up = std::chrono::minutes(30);
  settings.orphan_time = std::chrono::minutes(10);
  SCOPED_TRACE(std::string(test.name) + ", seed " + std::to_string(seed));
  TwoStacks world(settings, test.impairment, seed);
  world.watch(watch);
  StreamUser client(1, 2, test.up);
  StreamUser server(2, 1, test.down);
  client.attach(world.client());
  server.attach(world.server());
  client.close_after(test.down);
  ASSERT_TRUE(world.server().listen({}, 5222));
  const auto name = world.client().connect(flow);
  ASSERT_TRUE(name);

  ASSERT_TRUE(world.run(client, server, std::chrono::hours(2), [&] {
    if (!settings.segmentation.any()) return false;
    EXPECT_EQ(world.client().first_broken_invariant(), "");
    EXPECT_EQ(world.server().first_broken_invariant(), "");
    return false;
  }));
  if (uncut != nullptr) *uncut = world.uncut();
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

Impairment with(void (*change)(Impairment&)) {
  Impairment impairment;
  change(impairment);
  return impairment;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"good", {}, 300'000, 500'000},
      {"loss 1 %", with([](Impairment& i) { i.loss = 0.01; }), 300'000, 500'000},
      {"loss 10 %", with([](Impairment& i) { i.loss = 0.1; }), 100'000, 200'000},
      {"loss 30 %", with([](Impairment& i) { i.loss = 0.3; }), 30'000, 30'000},
      {"bursts", with([](Impairment& i) {
         i.burst_begin = 0.01;
         i.burst_end = 0.4;
       }),
       100'000, 200'000},
      {"duplicates", with([](Impairment& i) { i.duplicate = 0.3; }), 100'000, 200'000},
      {"reordering", with([](Impairment& i) { i.reorder = 0.2; }), 200'000, 200'000},
      {"jitter", with([](Impairment& i) { i.jitter = std::chrono::milliseconds(10); }), 200'000,
       200'000},
      {"a narrow link", with([](Impairment& i) {
         i.bytes_per_second = 125'000;
         i.queue_bytes = 20'000;
         i.delay = std::chrono::milliseconds(30);
       }),
       300'000, 300'000},
      {"all at once", with([](Impairment& i) {
         i.loss = 0.1;
         i.duplicate = 0.1;
         i.reorder = 0.1;
         i.jitter = std::chrono::milliseconds(3);
         i.burst_begin = 0.005;
         i.burst_end = 0.3;
       }),
       60'000, 60'000},
  };
  return all;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t seeds = 2;
#else
constexpr std::uint64_t seeds = 6;
#endif

TEST(Transfer, EverythingArrivesWhateverTheLinkDoes) {
  for (const Case& test : cases()) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) transfer(test, seed, {});
  }
}

TEST(Transfer, EverythingArrivesOverIpv6) {
  for (const Case& test : cases()) transfer(test, 1, {}, TwoStacks::flow_v6());
}

TEST(Transfer, EverythingArrivesWithoutSack) {
  Settings settings;
  settings.sack = false;
  for (const Case& test : cases()) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) transfer(test, seed, settings);
  }
}

TEST(Transfer, EverythingArrivesWithoutAnyOption) {
  Settings settings;
  settings.sack = settings.timestamps = settings.window_scale = false;
  for (const Case& test : cases()) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) transfer(test, seed, settings);
  }
}

TEST(Transfer, EverythingArrivesWithEveryOption) {
  Settings settings;
  settings.ecn = EcnMode::request;
  settings.nagle = true;
  settings.receive_window = 8000;
  settings.keepalive_idle = std::chrono::seconds(1);
  for (const Case& test : cases()) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) transfer(test, seed, settings);
  }
}

constexpr Segmentation by_the_port{.v4 = uncut_bytes_max, .v6 = uncut_bytes_max};

TEST(Transfer, EverythingArrivesWhereThePortCuts) {
  Settings settings;
  settings.segmentation = by_the_port;
  Settings plain = settings;
  plain.sack = plain.timestamps = plain.window_scale = false;
  for (const Case& test : cases()) {
    std::size_t uncut = 0;
    transfer(test, 1, plain, TwoStacks::flow(), {}, &uncut);
    EXPECT_GT(uncut, 0u);
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      transfer(test, seed, settings, TwoStacks::flow_v6(), {}, &uncut);
      EXPECT_GT(uncut, 0u);
    }
  }
}

// All that a network sees of the stacks, in a line each.
std::vector<std::string> wire_of(const Case& test, std::uint64_t seed, const Settings& settings) {
  std::vector<std::string> lines;
  transfer(test, seed, settings, TwoStacks::flow(), [&](const Carried& carried, Instant now) {
    const SegmentIn& segment = carried.segment;
    std::string line = std::to_string(now.time_since_epoch().count());
    for (const std::uint32_t number :
         {segment.seq, segment.ack, std::uint32_t{segment.window}, std::uint32_t{segment.flags},
          static_cast<std::uint32_t>(segment.ecn),
          segment.options.timestamps ? segment.options.timestamps->value : 0,
          segment.options.timestamps ? segment.options.timestamps->echo : 0,
          static_cast<std::uint32_t>(carried.bytes.size())}) {
      line += " " + std::to_string(number);
    }
    for (const SequenceRange& block : segment.options.sack_blocks()) {
      line += " [" + std::to_string(block.begin) + "," + std::to_string(block.end) + ")";
    }
    lines.push_back(std::move(line));
  });
  return lines;
}

// What is cut is what would have left one by one: neither windows, nor recovery, nor a peer can
// tell.
TEST(Transfer, TheNetworkSeesTheSameWhetherThePortCutsOrNot) {
  for (const bool nagle : {false, true}) {
    Settings settings;
    settings.nagle = nagle;
    settings.ecn = EcnMode::request;
    Settings cutting = settings;
    cutting.segmentation = by_the_port;
    for (const Case& test : cases()) {
      for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const auto alone = wire_of(test, seed, settings);
        const auto cut = wire_of(test, seed, cutting);
        EXPECT_GT(alone.size(), 20u);
        ASSERT_EQ(alone.size(), cut.size()) << test.name << ", seed " << seed;
        for (std::size_t i = 0; i < cut.size(); ++i) {
          ASSERT_EQ(alone[i], cut[i]) << test.name << ", seed " << seed << ", segment " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace godwit::dataplane::tcp
