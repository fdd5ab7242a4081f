// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <atomic>
#include <thread>

#include "bench/queues/two_cores.h"
#include "queues/command.h"
#include "queues/spsc_ring.h"

// What a hop between two shards costs. The two-threaded ones need two cores, and their label says
// which they had and which cache is between them.

namespace godwit::queues {
namespace {

// There and back, one descriptor at a time; a hop is half of it.
void ring_round_trip(benchmark::State& state) {
  const auto cores = bench::two_cores();
  if (!cores) return state.SkipWithError("needs two cores");
  SpscRing<Command> there(1024);
  SpscRing<Command> back(1024);
  std::atomic<bool> stop = false;
  std::thread echo([&] {
    const bench::Pinned pinned(cores->second);
    while (!stop.load(std::memory_order_relaxed)) {
      const auto got =
          there.drain(64, [&](const Command& command) { (void)back.try_push(command); });
      if (got > 0) back.flush();
    }
  });
  const bench::Pinned pinned(cores->first);
  const Command command{};
  for (auto _ : state) {
    if (!there.try_push(command)) state.SkipWithError("a ring of one item is full");
    there.flush();
    while (back.drain(64, [](const Command& item) { benchmark::DoNotOptimize(item); }) == 0) {
    }
  }
  stop = true;
  echo.join();
  state.SetLabel(bench::between(*cores));
}
BENCHMARK(ring_round_trip)->UseRealTime();

// As fast as one thread can fill and the other empty it; the ring fills, so the producer meets full
// rings too and says how often.
void ring_throughput(benchmark::State& state) {
  const auto cores = bench::two_cores();
  if (!cores) return state.SkipWithError("needs two cores");
  const auto batch = static_cast<std::size_t>(state.range(0));
  SpscRing<Command> ring(1024);
  std::atomic<bool> stop = false;
  std::uint64_t consumed = 0;
  std::thread consumer([&] {
    const bench::Pinned pinned(cores->second);
    for (;;) {
      const bool last = stop.load(std::memory_order_acquire);
      const auto got =
          ring.drain(batch, [](const Command& item) { benchmark::DoNotOptimize(item); });
      consumed += got;
      if (got == 0 && last) return;
    }
  });
  const bench::Pinned pinned(cores->first);
  const Command command{};
  std::uint64_t produced = 0;
  std::uint64_t full = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < batch; ++i) {
      while (!ring.try_push(command)) {
        ring.flush();
        ++full;
      }
    }
    ring.flush();
    produced += batch;
  }
  stop.store(true, std::memory_order_release);
  consumer.join();
  if (consumed != produced) state.SkipWithError("the ring lost items");
  state.SetItemsProcessed(static_cast<std::int64_t>(produced));
  state.SetLabel(bench::between(*cores));
  state.counters["full_per_item"] = static_cast<double>(full) / static_cast<double>(produced);
}
BENCHMARK(ring_throughput)->Arg(1)->Arg(32)->UseRealTime();

// Both ends on one thread: what the instructions alone cost.
void ring_push_and_drain(benchmark::State& state) {
  SpscRing<Command> ring(1024);
  const Command command{};
  for (auto _ : state) {
    for (int i = 0; i < 32; ++i) (void)ring.try_push(command);
    ring.flush();
    ring.drain(32, [](const Command& item) { benchmark::DoNotOptimize(item); });
  }
  state.SetItemsProcessed(state.iterations() * 32);
}
BENCHMARK(ring_push_and_drain);

}  // namespace
}  // namespace godwit::queues
