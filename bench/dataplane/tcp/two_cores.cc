// SPDX-License-Identifier: Apache-2.0
#include "bench/dataplane/tcp/two_cores.h"

#include <atomic>
#include <thread>
#include <vector>

#include "bench/dataplane/tcp/pair.h"
#include "bench/dataplane/tcp/ring_wire.h"

namespace godwit::bench {

namespace {

constexpr std::size_t message_size = 150;
constexpr std::uint32_t opening_max = 256;  // handshakes under way
constexpr Duration patience = std::chrono::seconds(10);

// One end, turned by one thread.
template <typename User>
class End {
 public:
  End(const tcp::StackSettings& settings, std::uint16_t shard, RingWire& in, RingWire& out)
      : in_(in), out_(out), stack_(settings, shard, random_, out) {
    user.tcp = &stack_.tcp();
  }
  void start() { stack_.start(monotonic_now()); }
  void turn() {
    const Instant now = monotonic_now();
    in_.drain(batch, [&](MutableBytes frame) { stack_.receive(frame, {}, now, user); });
    stack_.expire(now, user);
    stack_.flush(now, user);
    out_.flush();
  }
  tcp::Tcp& tcp() { return stack_.tcp(); }

  User user;

 private:
  SeededRandom random_{1};
  RingWire& in_;
  RingWire& out_;
  tcp::Stack stack_;
};

// Closes what it has opened, or asks again as soon as it is answered.
struct Asker {
  tcp::Tcp* tcp = nullptr;
  bool close_at_once = false;
  std::vector<std::uint8_t> message = std::vector<std::uint8_t>(message_size, 'm');
  std::vector<ConnectionName> names;
  std::size_t next = 0;
  std::uint64_t opened = 0;
  std::uint64_t closed = 0;
  std::uint64_t replies = 0;

  void ask(ConnectionName name) {
    const Bytes whole(message);
    tcp->send(name, {&whole, 1});
  }
  void on_open(ConnectionName name, bool) {
    ++opened;
    if (close_at_once) return tcp->close(name, dataplane::io::CloseMode::graceful);
    names.push_back(name);
  }
  // The next question goes to the one that was heard longest ago, in an order that no prefetcher
  // knows.
  void on_bytes(ConnectionName, std::uint64_t, MutableBytes) {
    constexpr std::size_t stride = 611'953;  // a prime
    ++replies;
    ask(names[next]);
    next = (next + stride) % names.size();
  }
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName, std::uint64_t, dataplane::io::CloseReason) { ++closed; }
};

struct World {
  explicit World(const TwoCoresOptions& wanted)
      : options(wanted),
        pair_options{.connections = wanted.connections + opening_max, .v6 = wanted.v6},
        server(settings_of(pair_options, true), 1, to_server, to_client),
        client(settings_of(pair_options, false), 2, to_client, to_server) {
    for (std::uint32_t port = 0; port < server_ports; ++port) {
      const auto number = static_cast<std::uint16_t>(server_port_first + port);
      GODWIT_CHECK(server.tcp().listen({}, number).has_value());
    }
    client.start();
  }

  // The client's thread: until `done`. False when `progress` has stood still for too long.
  template <typename Done, typename Progress>
  bool run(Done&& done, Progress&& progress) {
    Instant moved = monotonic_now();
    std::uint64_t last = progress();
    for (std::uint32_t turn = 1; !done(); ++turn) {
      client.turn();
      if (turn % 1024 != 0) continue;
      const Instant now = monotonic_now();
      if (const std::uint64_t reached = progress(); reached != last) {
        last = reached;
        moved = now;
      }
      if (now - moved > patience) return false;
    }
    return true;
  }

  void connect(std::uint32_t index) {
    GODWIT_CHECK(client.tcp().connect(Pair::flow_of(index, options.v6)).has_value());
  }

  const TwoCoresOptions options;
  const Pair::Options pair_options;
  RingWire to_server;
  RingWire to_client;
  End<EchoServer> server;
  End<Asker> client;
  std::uint32_t begun = 0;
};

double seconds_since(Instant start) {
  return std::chrono::duration<double>(monotonic_now() - start).count();
}

bool measure_opens(World& world, TwoCoresResult& result) {
  Asker& user = world.client.user;
  user.close_at_once = true;
  // The first one alone: the two ends learn each other's link address.
  world.connect(world.begun++);
  if (!world.run([&] { return user.closed == 1; }, [&] { return user.closed; })) return false;
  const Instant start = monotonic_now();
  const std::uint32_t count = world.options.opens;
  const bool all = world.run(
      [&] {
        while (world.begun - user.closed < opening_max && world.begun <= count) {
          world.connect(world.begun++);
        }
        return user.closed == count + 1;
      },
      [&] { return user.closed; });
  result.opens_per_second = count / seconds_since(start);
  user.close_at_once = false;
  return all;
}

bool measure_exchanges(World& world, TwoCoresResult& result) {
  Asker& user = world.client.user;
  const std::uint32_t count = world.options.connections;
  const std::uint32_t first = world.begun;
  const std::uint64_t opened_before = user.opened;
  const auto opened = [&] { return user.opened - opened_before; };
  const bool open = world.run(
      [&] {
        while (world.begun - first - opened() < opening_max && world.begun - first < count) {
          world.connect(world.begun++);
        }
        return opened() == count;
      },
      opened);
  if (!open) return false;
  // As many questions are open as there are connections, or as a ring holds with ease.
  const std::size_t asking = std::min<std::size_t>(user.names.size(), RingWire::frames_max / 4);
  for (std::size_t i = 0; i < asking; ++i) {
    user.ask(user.names[i * (user.names.size() / asking)]);
  }
  const auto replies = [&] { return user.replies; };
  const std::uint64_t warm = 20 * asking;
  if (!world.run([&] { return user.replies >= warm; }, replies)) return false;
  const Instant start = monotonic_now();
  const std::uint64_t before = user.replies;
  std::uint32_t turns = 0;
  const bool all = world.run(
      [&] { return ++turns % 256 == 0 && monotonic_now() - start >= world.options.time; }, replies);
  result.exchanges_per_second = static_cast<double>(user.replies - before) / seconds_since(start);
  return all;
}

}  // namespace

TwoCoresResult two_cores(const TwoCoresOptions& options) {
  World world(options);
  std::atomic<bool> stopping = false;
  std::thread server([&] {
    world.server.start();
    while (!stopping.load(std::memory_order_relaxed)) world.server.turn();
  });
  TwoCoresResult result;
  result.complete = measure_opens(world, result) && measure_exchanges(world, result);
  stopping = true;
  server.join();
  result.lost = world.to_server.lost() + world.to_client.lost();
  return result;
}

}  // namespace godwit::bench
