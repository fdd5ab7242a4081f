// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include "queues/counters.h"

// What measuring costs the thread that is measured, and the one that reads.

namespace godwit::queues {
namespace {

void counter_add(benchmark::State& state) {
  ShardCounters counters;
  for (auto _ : state) {
    counters.add(ShardMetric::messages_received);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(counter_add);

// Values over many buckets, as latencies are.
void histogram_record(benchmark::State& state) {
  ShardCounters counters;
  std::uint64_t value = 1;
  for (auto _ : state) {
    counters.record(ShardHistogram::delivery, value & 0xffff'ffff);
    value = value * 6364136223846793005 + 1442695040888963407;
    benchmark::ClobberMemory();
  }
}
BENCHMARK(histogram_record);

void histogram_snapshot_and_quantile(benchmark::State& state) {
  ShardCounters counters;
  for (std::uint64_t i = 0; i < 100'000; ++i) counters.record(ShardHistogram::delivery, i * i);
  for (auto _ : state) {
    benchmark::DoNotOptimize(counters.snapshot(ShardHistogram::delivery).quantile(0.99));
  }
}
BENCHMARK(histogram_snapshot_and_quantile);

}  // namespace
}  // namespace godwit::queues
