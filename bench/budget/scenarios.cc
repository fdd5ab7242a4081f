// SPDX-License-Identifier: Apache-2.0
#include "bench/budget/scenarios.h"

#include <utility>

#include "bench/budget/clients.h"
#include "bench/budget/gateway.h"

namespace godwit::bench {
namespace {

using client::load::LoadAccount;
using queues::ShardMetric;

constexpr std::size_t session_count = 64;
constexpr Duration step_time = std::chrono::microseconds(500);

std::vector<LoadAccount> registered_accounts(std::size_t count) {
  SeededRandom random(3);
  auto accounts = client::load::make_accounts(count, random);
  for (LoadAccount& account : accounts) account.device = 1;
  return accounts;
}

// A gateway and its clients, taking turns.
struct World {
  World(std::size_t accounts_count, std::uint16_t shards)
      : accounts(registered_accounts(accounts_count)),
        gateway({.shards = shards, .accounts = accounts}),
        clients({.network = gateway.network(), .accounts = accounts}) {}

  void step(bool counted, Duration time = step_time) {
    gateway.turn(now, counted);
    clients.turn(now);
    now.instant += time;
    now.wall = WallTime{std::chrono::seconds(2'000'000'000)} +
               std::chrono::floor<WallTime::duration>(now.instant.time_since_epoch());
  }
  template <typename Done>
  void step_until(bool counted, Done&& done) {
    for (int i = 0; !done(); ++i) {
      GODWIT_CHECK(i < 1'000'000);
      step(counted);
    }
  }
  // Accounts first, first + every, ...; a few at a time, as the sessions behind them get by.
  void log_in(std::size_t first, std::size_t end, std::size_t every = 1) {
    for (std::size_t i = first; i < end; i += every) {
      const std::size_t before = clients.logged_in();
      clients.connect(i);
      step_until(false, [&] { return clients.logged_in() > before; });
    }
  }
  double sum(ShardMetric metric) const { return static_cast<double>(gateway.sum(metric)); }

  std::vector<LoadAccount> accounts;
  Gateway gateway;
  Clients clients;
  Now now{Instant{std::chrono::seconds(50)}, WallTime{std::chrono::seconds(2'000'000'050)}};
};

}  // namespace

CountedPart count_messages(std::string name, std::uint16_t shards, unsigned window) {
  World world(session_count, shards);
  world.log_in(0, session_count);
  world.clients.set_replying(true);
  for (std::size_t i = 0; i < session_count; ++i) world.clients.send(i, window);
  for (int i = 0; i < 300; ++i) world.step(false);

  const std::uint64_t delivered = world.clients.delivered();
  const double frames_in = world.sum(ShardMetric::frames_received);
  const double frames_out = world.sum(ShardMetric::frames_sent);
  for (int i = 0; i < 600; ++i) world.step(true);
  end_counted_part(name);
  const std::uint64_t count = world.clients.delivered() - delivered;
  const auto each = static_cast<double>(count);
  CountedPart part{std::move(name), "message", count, {}};
  part.facts = {{"frames_in", (world.sum(ShardMetric::frames_received) - frames_in) / each},
                {"frames_out", (world.sum(ShardMetric::frames_sent) - frames_out) / each}};

  world.clients.set_replying(false);
  world.step_until(false, [&] { return world.clients.settled(); });
  return part;
}

std::vector<CountedPart> count_offline() {
  constexpr unsigned warm = 8;
  constexpr unsigned rounds = 400;
  World world(session_count, 1);
  world.log_in(0, session_count, 2);
  const auto send_to_all = [&](bool counted) {
    for (std::size_t i = 0; i < session_count; i += 2) world.clients.send(i, 1);
    world.step(counted);
  };
  const auto all_stored = [&](std::uint64_t count) {
    return [&world, count] {
      return world.gateway.stored_messages() == count && world.clients.settled();
    };
  };
  constexpr std::uint64_t receivers = session_count / 2;
  for (unsigned i = 0; i < warm; ++i) send_to_all(false);
  world.step_until(false, all_stored(receivers * warm));
  for (unsigned i = 0; i < rounds; ++i) send_to_all(true);
  world.step_until(true, all_stored(receivers * (warm + rounds)));
  end_counted_part("offline_store");
  std::vector<CountedPart> parts;
  parts.push_back({"offline_store", "message", receivers * rounds, {}});

  // A login with its first window of messages is not counted; the windows after it are, which begin
  // when clients acknowledge.
  world.clients.set_silent(true);
  for (std::size_t i = 1; i < session_count; i += 2) {
    world.clients.connect(i, true);
    const std::size_t before = world.clients.logged_in();
    world.step_until(false, [&] { return world.clients.logged_in() > before; });
  }
  for (int i = 0; i < 10; ++i) world.step(false);
  world.clients.set_silent(false);
  const std::uint64_t delivered = world.clients.delivered();
  world.step_until(true, [&] {
    return world.clients.delivered() == receivers * (warm + rounds) &&
           world.gateway.stored_messages() == 0;
  });
  end_counted_part("offline_fetch");
  parts.push_back({"offline_fetch", "message", world.clients.delivered() - delivered, {}});
  return parts;
}

CountedPart count_logins() {
  constexpr std::size_t count = 16;
  World world(session_count + count, 1);
  world.log_in(0, session_count);
  for (std::size_t i = 0; i < count; ++i) world.clients.connect(session_count + i);
  world.step_until(true, [&] { return world.clients.logged_in() == session_count + count; });
  end_counted_part("login");
  return {"login", "login", count, {}};
}

IdleMemory measure_idle() {
  constexpr std::size_t half = 1024;
  World world(2 * half, 1);
  const auto rest = [&] {
    for (int i = 0; i < 120; ++i) world.step(false, std::chrono::milliseconds(100));
    return world.gateway.memory_in_use();
  };
  world.log_in(0, half);
  const std::int64_t before = rest();
  world.log_in(half, 2 * half);
  const std::int64_t bytes = rest() - before;
  return {half, static_cast<double>(bytes) / static_cast<double>(half)};
}

}  // namespace godwit::bench
