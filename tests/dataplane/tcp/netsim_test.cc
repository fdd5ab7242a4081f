// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "tests/dataplane/tcp/goodput_page.h"
#include "tests/dataplane/tcp/two_stacks.h"

// Goodput over loss and the buffers of the two ends, in virtual time, as a table that is kept in
// docs/tcp-netsim.md: a change of the stack that changes it shows as a difference. The table this
// run found is written to netsim.md in the working directory, whence it is copied when the change
// is meant. (goodput_test.cc does the same over the buffer in front of the link.)

namespace godwit::dataplane::tcp {
namespace {

constexpr std::uint64_t link_rate = 12'500'000;  // bytes per second: 100 Mbit/s

struct Row {
  double loss;
  std::uint64_t bytes;
};
constexpr Row rows[] = {{0, 4'000'000}, {0.001, 4'000'000}, {0.01, 2'000'000}, {0.05, 400'000},
                        {0.1, 150'000}, {0.2, 40'000},      {0.3, 20'000}};
constexpr std::uint32_t buffers[] = {16 * 1024, 64 * 1024, 256 * 1024, 1024 * 1024};

// In kbit/s, the mean of some seeds.
std::uint64_t goodput(const Row& row, std::uint32_t buffer) {
  constexpr std::uint64_t seeds = 3;
  std::uint64_t total = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Settings settings;
    settings.send_queue_max = buffer;
    settings.receive_window = settings.receive_window_max = buffer;
    settings.give_up = std::chrono::hours(10);
    Impairment impairment;
    impairment.loss = row.loss;
    impairment.delay = std::chrono::milliseconds(10);
    impairment.bytes_per_second = link_rate;
    impairment.queue_bytes = 250'000;  // bandwidth times round trip
    TwoStacks world(settings, impairment, seed);
    StreamUser client(1, 2, row.bytes);
    StreamUser server(2, 1, 0);
    // Small beside the buffer, which takes a chunk whole or not at all.
    client.set_chunk(std::min<std::size_t>(buffer / 8, 7000));
    client.attach(world.client());
    server.attach(world.server());
    EXPECT_TRUE(world.server().listen({}, 5222));
    EXPECT_TRUE(world.client().connect(world.flow()));
    const Instant start = world.now();
    EXPECT_TRUE(world.run(client, server, std::chrono::hours(5), [&] {
      return !server.names().empty() && server.stream(server.names()[0]).received == row.bytes;
    }));
    EXPECT_EQ(server.wrong_bytes(), 0U);
    const auto micros =
        std::chrono::duration_cast<std::chrono::microseconds>(world.now() - start).count();
    total += row.bytes * 8'000 / static_cast<std::uint64_t>(micros);
  }
  return total / seeds;
}

std::string table() {
  std::string text = "| Loss | 16 KiB | 64 KiB | 256 KiB | 1 MiB |\n|---:|---:|---:|---:|---:|\n";
  char cell[64];
  for (const Row& row : rows) {
    std::snprintf(cell, sizeof cell, "| %.1f %% |", row.loss * 100);
    text += cell;
    for (const std::uint32_t buffer : buffers) {
      const auto found = static_cast<unsigned long long>(goodput(row, buffer));
      std::snprintf(cell, sizeof cell, " %llu.%02llu |", found / 1000, found % 1000 / 10);
      text += cell;
    }
    text += "\n";
  }
  return text;
}

TEST(Netsim, IsWhatTheTableSays) {
  expect_page_has(GODWIT_NETSIM_PAGE, table(), "netsim.md");
}

}  // namespace
}  // namespace godwit::dataplane::tcp
