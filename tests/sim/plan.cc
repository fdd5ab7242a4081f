// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/plan.h"

#include <initializer_list>

namespace godwit::sim {

namespace {

template <typename T>
T pick(SeededRandom& random, std::initializer_list<T> values) {
  return values.begin()[random.below(values.size())];
}

void draw_faults(SeededRandom& random, Plan& plan) {
  plan.pass_long = pick<std::uint64_t>(random, {0, 0, 200, 50});
  plan.cut = pick<std::uint64_t>(random, {0, 400, 100, 40});
  plan.hold = pick<std::uint64_t>(random, {0, 0, 200});
  plan.kill_device = pick<std::uint64_t>(random, {0, 0, 400, 150});
  plan.stall_device = pick<std::uint64_t>(random, {0, 0, 200});
  plan.crash = pick<std::uint64_t>(random, {0, 1000, 500, 200});
  plan.crash_in_commit = pick<std::uint64_t>(random, {0, 0, 400});
  plan.kick = pick<std::uint64_t>(random, {0, 0, 0, 300});
  plan.disk = pick<std::uint64_t>(random, {0, 0, 100, 30});
  plan.stall_gateway = pick<std::uint64_t>(random, {0, 0, 200, 60});
  plan.partial = random.below(2) == 0;
}

// Small enough to be met; large enough that a client which keeps the rules gets on.
void draw_limits(SeededRandom& random, Plan& plan) {
  dataplane::Settings& settings = plan.settings;
  settings.persist_after =
      pick<Duration>(random, {std::chrono::milliseconds(100), std::chrono::milliseconds(5),
                              std::chrono::milliseconds(1000)});
  settings.stanza_rate.rate_per_second = pick<std::uint32_t>(random, {10'000, 10'000, 50});
  settings.stanza_rate.burst = pick<std::uint32_t>(random, {20'000, 10});
  // Blocks stay in their size class, so a pool must hold a slab of each beside the largest
  // messages.
  const std::size_t small_pool = plan.payload_max > 200 ? 1u << 24 : 1u << 21;
  settings.buffer_pool_bytes = pick<std::size_t>(random, {1u << 28, 1u << 28, small_pool});
  settings.mailbox_messages_max = pick<std::uint32_t>(random, {100'000, 100'000, 30, 3});
  settings.mailbox_bytes_max = pick<std::uint64_t>(random, {1u << 26, 1u << 26, 100'000});
  settings.account_messages_max = settings.mailbox_messages_max * 4;
  settings.entries_in_memory_max = pick<std::uint32_t>(random, {4'000'000, 4'000'000, 40});
  settings.in_flight_bytes_max = pick<std::uint32_t>(random, {256 * 1024, 256 * 1024, 1000});
  settings.parked_per_account_max = pick<std::uint32_t>(random, {1024, 1024, 2});
  settings.idle_accounts_max = pick<std::size_t>(random, {100'000, 1, 2});
  settings.refusals_max = pick<std::size_t>(random, {65'536, 65'536, 4});
  settings.senders_per_account_max = pick<std::size_t>(random, {1024, 1024, 1});
  plan.gateway.mesh_ring = pick<std::size_t>(random, {4096, 16, 2, 1});
  plan.gateway.store_ring = pick<std::size_t>(random, {8192, 8, 2, 1});
  plan.gateway.store_requests_waiting_max = pick<std::size_t>(random, {1u << 18, 1u << 18, 4});
  plan.gateway.storage_pool_bytes = pick<std::size_t>(random, {1u << 26, 1u << 26, small_pool});
  plan.gateway.send_queue_max = pick<std::size_t>(random, {1u << 20, 70'000});
  const std::size_t small_read = plan.payload_max > 200 ? 1000 : 7;
  plan.gateway.receive_buffer_size = pick<std::size_t>(random, {4096, 65'536, small_read});
  plan.device_send_queue_max = pick<std::size_t>(random, {1u << 20, 2048});
}

}  // namespace

Plan Plan::draw(SeededRandom& random) {
  Plan plan;
  plan.settings.domain = "example.org";
  plan.accounts = static_cast<unsigned>(2 + random.below(3));
  plan.devices_per_account_max = pick<unsigned>(random, {1, 1, 2, 3});
  plan.liars = pick<unsigned>(random, {0, 0, 1});
  plan.steps = static_cast<unsigned>(500 + random.below(3000));
  plan.send = pick<std::uint64_t>(random, {20, 60});
  plan.burst_max = pick<std::uint64_t>(random, {1, 4, 30});
  plan.payload_max = pick<std::uint64_t>(random, {60, 200, 200, 3000, 61'000});
  plan.messages_max = plan.payload_max > 1000 ? 60 : 400;
  plan.pass_time = pick<std::uint64_t>(random, {2, 5, 20});
  plan.shards_max = pick<std::uint16_t>(random, {1, 2, 4});
  plan.storage_threads_max = pick<std::uint16_t>(random, {1, 1, 3});
  draw_faults(random, plan);
  draw_limits(random, plan);
  return plan;
}

std::string Plan::describe() const {
  std::string text;
  const auto say = [&](const char* name, auto value) {
    text += std::string(text.empty() ? "" : ", ") + name + " " + std::to_string(value);
  };
  say("steps", steps);
  say("payload", payload_max);
  say("pool", settings.buffer_pool_bytes);
  say("mailbox", settings.mailbox_messages_max);
  say("mailbox bytes", settings.mailbox_bytes_max);
  say("entries", settings.entries_in_memory_max);
  say("in flight bytes", settings.in_flight_bytes_max);
  say("parked", settings.parked_per_account_max);
  say("idle accounts", settings.idle_accounts_max);
  say("refusals", settings.refusals_max);
  say("senders", settings.senders_per_account_max);
  say("persist after ms", settings.persist_after / std::chrono::milliseconds(1));
  say("rate", settings.stanza_rate.rate_per_second);
  say("burst", settings.stanza_rate.burst);
  say("mesh ring", gateway.mesh_ring);
  say("store ring", gateway.store_ring);
  say("store wait", gateway.store_requests_waiting_max);
  say("storage pool", gateway.storage_pool_bytes);
  say("gateway sends", gateway.send_queue_max);
  say("gateway reads", gateway.receive_buffer_size);
  say("device sends", device_send_queue_max);
  return text;
}

}  // namespace godwit::sim
