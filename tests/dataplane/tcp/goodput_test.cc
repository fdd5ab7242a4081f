// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/dataplane/tcp/goodput_page.h"
#include "tests/dataplane/tcp/two_stacks.h"

// Goodput over loss and buffer size, in virtual time, as a table that is kept in
// docs/tcp-goodput.md: a change of the stack that changes it shows as a difference. The table this
// run found is written to goodput.md in the working directory; it is copied over the one in docs
// when the change is meant.

namespace godwit::dataplane::tcp {
namespace {

constexpr std::uint64_t link_rate = 1'250'000;  // bytes per second: 10 Mbit/s

struct Row {
  double loss;
  std::uint64_t bytes;
};
constexpr Row rows[] = {{0, 2'000'000}, {0.001, 2'000'000}, {0.01, 1'000'000}, {0.03, 500'000},
                        {0.1, 100'000}, {0.2, 40'000},      {0.3, 20'000}};
// A quarter of the path's bandwidth times its round trip, all of it, and eight times that.
constexpr std::size_t queues[] = {6'250, 25'000, 200'000};

// Of the rate of the link, in tenths of a percent, the mean of some seeds.
int goodput(double loss, std::size_t queue, std::uint64_t bytes, bool sack) {
  constexpr std::uint64_t seeds = 5;
  std::int64_t total = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Settings settings;
    settings.sack = sack;
    settings.give_up = std::chrono::hours(10);
    Impairment impairment;
    impairment.loss = loss;
    impairment.delay = std::chrono::milliseconds(10);
    impairment.bytes_per_second = link_rate;
    impairment.queue_bytes = queue;
    TwoStacks world(settings, impairment, seed);
    StreamUser client(1, 2, bytes);
    StreamUser server(2, 1, 0);
    client.attach(world.client());
    server.attach(world.server());
    EXPECT_TRUE(world.server().listen({}, 5222));
    EXPECT_TRUE(world.client().connect(world.flow()));
    const Instant start = world.now();
    EXPECT_TRUE(world.run(client, server, std::chrono::hours(5), [&] {
      return !server.names().empty() && server.stream(server.names()[0]).received == bytes;
    }));
    const auto micros =
        std::chrono::duration_cast<std::chrono::microseconds>(world.now() - start).count();
    total += static_cast<std::int64_t>(bytes) * 1'000'000'000 / micros /
             static_cast<std::int64_t>(link_rate);
  }
  return static_cast<int>(total / static_cast<std::int64_t>(seeds));
}

std::string table() {
  std::string text =
      "| Loss | SACK, ¼ BDP | 1 BDP | 8 BDP | no SACK, ¼ BDP | 1 BDP | 8 BDP |\n"
      "|---:|---:|---:|---:|---:|---:|---:|\n";
  char cell[64];
  for (const Row& row : rows) {
    std::snprintf(cell, sizeof cell, "| %.1f %% |", row.loss * 100);
    text += cell;
    for (const bool sack : {true, false}) {
      for (const std::size_t queue : queues) {
        const int share = goodput(row.loss, queue, row.bytes, sack);
        std::snprintf(cell, sizeof cell, " %d.%d %% |", share / 10, share % 10);
        text += cell;
      }
    }
    text += "\n";
  }
  return text;
}

TEST(Goodput, IsWhatTheTableSays) {
  expect_page_has(GODWIT_GOODPUT_PAGE, table(), "goodput.md");
}

}  // namespace
}  // namespace godwit::dataplane::tcp
