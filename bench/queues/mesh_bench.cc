// SPDX-License-Identifier: Apache-2.0
#include "queues/mesh.h"

#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

// What the mesh costs a shard by the number of its participants, on one thread: looking at every
// ring although nothing came, and commands spread over all of them.

namespace godwit::queues {
namespace {

struct Participants {
  explicit Participants(std::size_t count) : mesh(count, 1024) {
    const std::vector<Parker*> parkers(count, &parker);
    for (std::size_t i = 0; i < count; ++i) {
      ports.push_back(std::make_unique<CommandPort>(mesh, i, parkers));
    }
  }
  Parker parker{[] {}};
  Mesh mesh;
  std::vector<std::unique_ptr<CommandPort>> ports;
};

void mesh_idle_turn(benchmark::State& state) {
  Participants all(static_cast<std::size_t>(state.range(0)));
  CommandPort& port = *all.ports.front();
  for (auto _ : state) {
    benchmark::DoNotOptimize(port.drain(1024, [](const Command&) {}));
    port.flush();
  }
}
BENCHMARK(mesh_idle_turn)->Arg(2)->Arg(9)->Arg(33)->Arg(65);

// 64 commands out of one participant to all in turn, each of which drains its own; a command.
void mesh_post_and_drain(benchmark::State& state) {
  constexpr std::size_t commands = 64;
  Participants all(static_cast<std::size_t>(state.range(0)));
  const Command command{};
  for (auto _ : state) {
    for (std::size_t i = 0; i < commands; ++i) {
      if (!all.ports.front()->post(i % all.ports.size(), command)) {
        return state.SkipWithError("a ring of 1024 is full");
      }
    }
    all.ports.front()->flush();
    std::size_t drained = 0;
    for (auto& port : all.ports) {
      drained += port->drain(1024, [](const Command& item) { benchmark::DoNotOptimize(item); });
    }
    if (drained != commands) return state.SkipWithError("commands are missing");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(commands));
}
BENCHMARK(mesh_post_and_drain)->Arg(2)->Arg(9)->Arg(33)->Arg(65);

}  // namespace
}  // namespace godwit::queues
