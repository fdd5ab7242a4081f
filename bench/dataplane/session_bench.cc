// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <vector>

#include "base/random.h"
#include "dataplane/front.h"

// A front's table of connections by how many there are: one taken, and one found and flushed
// although it has nothing to say, in an order that leaves little of it in the caches.

namespace godwit::dataplane {
namespace {

// A network on which nothing happens.
class SilentIo {
 public:
  Result<std::uint16_t> listen(const io::Endpoint&) { return std::uint16_t{1}; }
  void stop_listening() {}
  Result<ConnectionName> connect(const io::Endpoint&) { return ConnectionName{}; }
  void set_user(ConnectionName, std::uint64_t) {}
  std::size_t send(ConnectionName, std::span<const Bytes>) { return 0; }
  void pause_receive(ConnectionName) {}
  void resume_receive(ConnectionName) {}
  void close(ConnectionName, io::CloseMode) {}
  IpAddress peer_ip(ConnectionName) { return {}; }
  std::string peer_address(ConnectionName) { return {}; }
  template <io::StreamHandler Handler>
  std::size_t poll(Now, std::size_t, Instant, Handler&) {
    return 0;
  }
  void wake() {}
  std::size_t open_connections() const { return 0; }
  std::uint64_t refused_connections() const { return 0; }
};

struct World {
  World() {
    settings.unauthenticated_max = SIZE_MAX;
    front.begin_turn(now);
  }
  void open(std::uint32_t slot) { front.on_open(name(slot), false); }
  static ConnectionName name(std::uint32_t slot) {
    return {.slot = slot, .shard = 0, .generation = 1};
  }

  Now now{Instant{std::chrono::seconds(50)}, WallTime{std::chrono::seconds(2'000'000'000)}};
  Settings settings;
  SeededRandom random{1};
  crypto::KeyPair key = crypto::KeyPair::generate(random);
  NodeIdentity identity{key, {}};
  crypto::HashKey hash_key{};
  SilentIo io;
  queues::BufferPool pool{std::size_t{64} << 20};
  queues::Parker parker{[] {}};
  queues::Mesh mesh{2, 1024};
  queues::CommandPort port{mesh, 0, {&parker, &parker}};
  queues::ShardCounters counters;
  Front<SilentIo> front{{.shard = 0,
                         .control = 1,
                         .shards = 1,
                         .settings = settings,
                         .identity = identity,
                         .hash_key = hash_key,
                         .io = io,
                         .pool = pool,
                         .port = port,
                         .counters = counters,
                         .random = random}};
};

void session_find(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  World world;
  for (std::uint32_t slot = 0; slot < count; ++slot) world.open(slot);
  std::uint32_t slot = 0;
  std::uint32_t gathered = 0;
  for (auto _ : state) {
    world.front.on_writable(World::name(slot), 0);
    slot = (slot + 7919) % count;
    if (++gathered < 64) continue;
    gathered = 0;
    world.front.flush();
  }
}
BENCHMARK(session_find)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

// A connection that comes and goes, beside so many others.
void session_open_and_close(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  World world;
  for (std::uint32_t slot = 0; slot < count; ++slot) world.open(slot);
  for (auto _ : state) {
    world.open(count);
    world.front.on_closed(World::name(count), 0, io::CloseReason::peer_closed);
  }
}
BENCHMARK(session_open_and_close)->Arg(1)->Arg(1'000'000);

}  // namespace
}  // namespace godwit::dataplane
