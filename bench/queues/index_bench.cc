// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <vector>

#include "base/random.h"
#include "queues/hash_index.h"
#include "queues/slab.h"
#include "queues/tick_wheel.h"

// How a home finds an account by its hash, and how timers are set and fire: by how many there are.

namespace godwit::queues {
namespace {

struct Entry {
  std::uint64_t hash = 0;
  std::array<std::uint64_t, 9> rest{};  // as large as an account
};

void hash_index_find(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  Slab<Entry, 256> entries;
  HashIndex index;
  SeededRandom random(1);
  std::vector<std::uint64_t> hashes(count);
  for (std::uint64_t& hash : hashes) {
    hash = random.next_u64();
    const std::uint32_t entry = entries.allocate();
    entries[entry].hash = hash;
    index.insert(hash, entry);
  }
  std::size_t next = 0;
  for (auto _ : state) {
    const std::uint64_t hash = hashes[next];
    next = (next + 7919) % count;
    const std::uint32_t found =
        index.find(hash, [&](std::uint32_t i) { return entries[i].hash == hash; });
    if (found == 0) return state.SkipWithError("an entry is missing");
  }
}
BENCHMARK(hash_index_find)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

// One timer set for 100 ms later and one that fires, while so many are armed.
void timer_schedule_and_fire(benchmark::State& state) {
  const auto armed = static_cast<std::int64_t>(state.range(0));
  constexpr Duration ahead = std::chrono::milliseconds(100);
  TickWheel<std::uint64_t> wheel;
  Instant now{std::chrono::seconds(1)};
  wheel.advance(now, [](std::uint64_t) {});
  for (std::int64_t i = 0; i < armed; ++i) {
    wheel.schedule(now + ahead * i / armed, static_cast<std::uint64_t>(i));
  }
  const Duration step = ahead / armed;
  std::uint64_t fired = 0;
  for (auto _ : state) {
    now += step;
    wheel.advance(now, [&](std::uint64_t) { ++fired; });
    wheel.schedule(now + ahead, fired);
  }
  benchmark::DoNotOptimize(fired);
}
BENCHMARK(timer_schedule_and_fire)->Arg(1)->Arg(1000)->Arg(1'000'000);

// What a shard pays for its timers in a turn in which none is due.
void timer_next_deadline(benchmark::State& state) {
  TickWheel<std::uint64_t> wheel;
  const Instant now{std::chrono::seconds(1)};
  wheel.advance(now, [](std::uint64_t) {});
  wheel.schedule(now + std::chrono::milliseconds(state.range(0)), 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(wheel.advance(now, [](std::uint64_t) {}));
    benchmark::DoNotOptimize(wheel.next_deadline());
  }
}
BENCHMARK(timer_next_deadline)->Arg(5)->Arg(1000);

}  // namespace
}  // namespace godwit::queues
