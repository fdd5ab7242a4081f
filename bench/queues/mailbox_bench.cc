// SPDX-License-Identifier: Apache-2.0
#include "queues/mailbox.h"

#include <benchmark/benchmark.h>

#include <array>
#include <vector>

// A message into a mailbox and out of it by acknowledgement, payload included: with so many
// mailboxes taking turns, each with so many messages waiting.

namespace godwit::queues {
namespace {

void mailbox_append_and_acknowledge(benchmark::State& state) {
  const auto devices = static_cast<std::uint32_t>(state.range(0));
  const auto waiting = static_cast<std::uint32_t>(state.range(1));
  BufferPool pool(std::size_t{1} << 30);
  MailboxSet set;
  const std::array<std::uint8_t, 130> body{};
  const auto append = [&](Mailbox& mailbox) {
    const std::uint32_t record = set.create_record({.buffer = pool.copy(body)});
    set.set_in_flight(mailbox, set.append(mailbox, record));
  };
  std::vector<std::uint32_t> names;
  for (std::uint32_t i = 0; i < devices; ++i) {
    names.push_back(set.create(i, 1, 1).index);
    for (std::uint32_t k = 0; k < waiting; ++k) append(set.at(names.back()));
  }
  std::size_t next = 0;
  for (auto _ : state) {
    // By a stride that leaves no neighbour in the caches.
    Mailbox& mailbox = set.at(names[next]);
    next = (next + 7919) % names.size();
    append(mailbox);
    set.remove(mailbox, mailbox.head);
    pool.collect();
  }
  if (set.entries_used() != std::size_t{devices} * waiting) state.SkipWithError("entries are lost");
}
BENCHMARK(mailbox_append_and_acknowledge)->Args({1, 1})->Args({1000, 8})->Args({100'000, 1});

}  // namespace
}  // namespace godwit::queues
