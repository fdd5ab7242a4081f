// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <array>
#include <atomic>
#include <thread>

#include "queues/buffer.h"
#include "queues/spsc_ring.h"

// What a payload's memory costs: taken and dropped where it belongs, and dropped on another core.

namespace godwit::queues {
namespace {

void buffer_own_thread(benchmark::State& state) {
  BufferPool pool(std::size_t{1} << 26);
  const std::array<std::uint8_t, 130> body{};
  for (auto _ : state) {
    Buffer buffer = pool.copy(body);
    benchmark::DoNotOptimize(buffer);
  }
}
BENCHMARK(buffer_own_thread);

void buffer_other_thread(benchmark::State& state) {
  BufferPool pool(std::size_t{1} << 26);
  SpscRing<BufferBlock*> ring(1024);
  std::atomic<bool> stop = false;
  std::thread other([&] {
    for (;;) {
      const bool last = stop.load(std::memory_order_acquire);
      const auto got = ring.drain(64, [](BufferBlock* block) { Buffer::adopt(block).reset(); });
      if (got == 0 && last) return;
    }
  });
  const std::array<std::uint8_t, 130> body{};
  for (auto _ : state) {
    Buffer buffer = pool.copy(body);
    BufferBlock* block = buffer.release();
    while (!ring.try_push(block)) ring.flush();
    ring.flush();
  }
  stop.store(true, std::memory_order_release);
  other.join();
}
BENCHMARK(buffer_other_thread)->UseRealTime();

}  // namespace
}  // namespace godwit::queues
