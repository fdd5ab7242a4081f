// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/dataplane/tcp/two_stacks.h"

// Two stacks that talk over a link which rewrites headers: every state meets segments that no peer
// sends. What arrives may be anything; what must hold are the stack's invariants, its bounds, and
// that all is over in the end.

namespace godwit::dataplane::tcp {
namespace {

void disturb(std::uint32_t& number, RandomSource& random) {
  switch (random.below(5)) {
    case 0:
      number += 1;
      break;
    case 1:
      number -= 1;
      break;
    case 2:
      number += static_cast<std::uint32_t>(random.below(70'000));
      break;
    case 3:
      number -= static_cast<std::uint32_t>(random.below(70'000));
      break;
    default:
      number = static_cast<std::uint32_t>(random.next_u64());
  }
}

void rewrite_header(Carried& carried, RandomSource& random) {
  SegmentIn& segment = carried.segment;
  switch (random.below(9)) {
    case 0:
      disturb(segment.seq, random);
      break;
    case 1:
      disturb(segment.ack, random);
      break;
    case 2:
      segment.flags = static_cast<std::uint8_t>(random.next_u64());
      break;
    case 3:
      segment.flags ^= static_cast<std::uint8_t>(1U << random.below(8));
      break;
    case 4:
      segment.window = static_cast<std::uint16_t>(random.below(2) == 0 ? 0 : random.next_u64());
      break;
    case 5:
      segment.options.sack_count = static_cast<std::uint8_t>(random.below(sack_blocks_max + 1));
      for (SequenceRange& block : segment.options.sack) {
        block.begin = segment.ack;
        block.end = segment.ack;
        disturb(block.begin, random);
        disturb(block.end, random);
      }
      break;
    case 6:
      if (segment.options.timestamps) disturb(segment.options.timestamps->value, random);
      break;
    case 7:
      segment.options.mss = static_cast<std::uint16_t>(random.next_u64());
      segment.options.window_scale = static_cast<std::uint8_t>(random.next_u64());
      segment.ecn = static_cast<Ecn>(random.below(4));
      break;
    default:
      carried.bytes.resize(random.below(3000));
  }
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t seeds = 30;
#else
constexpr std::uint64_t seeds = 300;
#endif

// Users that close, abort, pause and resume as it comes.
class RestlessUser {
 public:
  RestlessUser(Tcp& stack, std::uint64_t seed) : stack_(stack), random_(seed) {}

  void on_open(ConnectionName name, bool) {
    ++opened_;
    act(name);
  }
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes) { act(name); }
  void on_writable(ConnectionName name, std::uint64_t) { act(name); }
  void on_closed(ConnectionName, std::uint64_t, io::CloseReason) { ++closed_; }

  std::size_t opened() const { return opened_; }
  std::size_t closed() const { return closed_; }

 private:
  void act(ConnectionName name) {
    const std::vector<std::uint8_t> bytes(1 + random_.below(4000), 0x55);
    const Bytes chunk = bytes;
    switch (random_.below(40)) {
      case 0:
        stack_.close(name, io::CloseMode::graceful);
        break;
      case 1:
        if (random_.below(4) == 0) stack_.close(name, io::CloseMode::abort);
        break;
      case 2:
        stack_.pause_receive(name);
        break;
      case 3:
        stack_.resume_receive(name);
        break;
      case 4:
        stack_.shutdown_send(name);
        break;
      default:
        if (budget_ > 0) --budget_, stack_.send(name, std::span(&chunk, 1));
    }
  }

  Tcp& stack_;
  SeededRandom random_;
  std::size_t budget_ = 60;
  std::size_t opened_ = 0;
  std::size_t closed_ = 0;
};

// That the runs reach what they are meant to reach.
struct Reached {
  std::vector<std::uint64_t> sums = std::vector<std::uint64_t>(16);

  void add(const Counters& counters) {
    const std::array<std::uint64_t, 16> values = {
        counters.passive_opens,     counters.timeouts,        counters.fast_recoveries,
        counters.tail_probes,       counters.window_probes,   counters.spurious_retransmits,
        counters.cookies_accepted,  counters.challenge_acks,  counters.resets_in,
        counters.resets_out,        counters.dropped_bad_ack, counters.dropped_old_timestamp,
        counters.out_of_order_held, counters.orphans_dropped, counters.dropped_outside_window,
        counters.ecn_reductions};
    for (std::size_t i = 0; i < values.size(); ++i) sums[i] += values[i];
  }
};

TEST(StrangeSegments, InvariantsHoldAndEverythingEnds) {
  Reached reached;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Settings settings;
    settings.keepalive_idle = std::chrono::minutes(10);
    settings.receive_window = seed % 2 == 0 ? 20'000 : 250'000;
    settings.syn_cache_max = seed % 3 == 0 ? 0 : 100;
    settings.ecn = seed % 4 == 0 ? EcnMode::request : EcnMode::accept;
    Impairment impairment;
    impairment.loss = 0.05;
    impairment.duplicate = 0.05;
    impairment.reorder = 0.05;
    impairment.corrupt = 0.15;
    TwoStacks world(settings, impairment, seed);
    world.there().set_corrupt(rewrite_header);
    world.back().set_corrupt(rewrite_header);
    RestlessUser client(world.client(), seed);
    RestlessUser server(world.server(), seed + 1000);
    ASSERT_TRUE(world.server().listen({}, 5222));
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(world.client().connect(world.flow()));
    }
    std::size_t steps = 0;
    const Instant deadline = world.now() + std::chrono::hours(1);
    const bool quiet = world.run(client, server, std::chrono::hours(3), [&] {
      ++steps;
      if (world.now() > deadline) {  // what users left open is closed for them
        for (std::uint32_t slot = 1; slot < 64; ++slot) {
          for (std::uint16_t generation = 1; generation < 8; ++generation) {
            world.client().close({slot, 1, generation}, io::CloseMode::abort);
            world.server().close({slot, 2, generation}, io::CloseMode::abort);
          }
        }
      }
      EXPECT_EQ(world.client().first_broken_invariant(), "");
      EXPECT_EQ(world.server().first_broken_invariant(), "");
      return testing::Test::HasFailure() || steps > 200'000;
    });
    ASSERT_FALSE(testing::Test::HasFailure()) << steps;
    EXPECT_TRUE(quiet);
    EXPECT_EQ(world.client().control_blocks() + world.server().control_blocks(), 0u);
    EXPECT_EQ(world.client().armed_timers() + world.server().armed_timers(), 0u);
    EXPECT_EQ(world.client().buffers_in_use() + world.server().buffers_in_use(), 0u);
    EXPECT_EQ(client.closed(), 5u);
    EXPECT_EQ(server.closed(), server.opened());
    reached.add(world.client().counters());
    reached.add(world.server().counters());
  }
  for (std::size_t i = 0; i < reached.sums.size(); ++i) EXPECT_GT(reached.sums[i], 0u) << i;
}

}  // namespace
}  // namespace godwit::dataplane::tcp
