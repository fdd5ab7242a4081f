// SPDX-License-Identifier: Apache-2.0
#include "bench/budget/gateway.h"

#include <algorithm>

#include "crypto/certificate.h"
#include "queues/records.h"

namespace godwit::bench {

using queues::Command;
using queues::CommandKind;

[[gnu::noinline]] std::size_t counted_turn(dataplane::Shard<CountedIo>& shard, Now now) {
  return shard.turn(now, now.instant);
}

[[gnu::noinline]] void end_counted_part(std::string_view name) {
  asm volatile("" ::"r"(name.data()) : "memory");  // the call is what counts
}

struct Gateway::Unit {
  Unit(dataplane::io::MemoryNetwork& network, std::uint16_t index)
      : io(network, {.shard = index}) {}

  CountedIo io;
  queues::BufferPool pool{std::size_t{256} << 20};
  InstantStorage storage{pool};
  queues::ShardCounters counters;
  std::unique_ptr<dataplane::Shard<CountedIo>> shard;
};

Gateway::Gateway(const Options& options)
    : options_(options),
      certificate_(crypto::encode(crypto::sign_certificate(
          crypto::OperatorKey::generate(random_), key_.public_key, std::string(domain), WallTime{},
          WallTime{std::chrono::seconds(4'000'000'000)}))),
      identity_{key_, certificate_},
      mesh_(options.shards + std::size_t{1}, 8192),
      control_port_(mesh_, options.shards,
                    std::vector<queues::Parker*>(options.shards + std::size_t{1}, &parker_)) {
  settings_.domain = domain;
  settings_.buffer_pool_bytes = std::size_t{256} << 20;
  for (std::uint16_t i = 0; i < options.shards; ++i) {
    units_.push_back(std::make_unique<Unit>(network_, i));
    Unit& unit = *units_.back();
    const HeapScope scope(Owner::gateway);
    unit.shard = std::make_unique<dataplane::Shard<CountedIo>>(dataplane::Shard<CountedIo>::Options{
        .index = i,
        .shards = options.shards,
        .settings = settings_,
        .identity = identity_,
        .hash_key = hash_key_,
        .io = unit.io,
        .pool = unit.pool,
        .mesh = mesh_,
        .parkers = std::vector<queues::Parker*>(options.shards + std::size_t{1}, &parker_),
        .store_replies = {&unit.storage.replies()},
        .store_requests = {&unit.storage.outbox()},
        .counters = unit.counters,
        .random = random_,
        .sequence_base = std::uint64_t{1000} << 24,
        .start = Instant{}});
    GODWIT_CHECK(unit.io.listen({"127.0.0.1", port}).has_value());
  }
}

Gateway::~Gateway() {
  for (auto& unit : units_) unit->shard.reset();
  for (std::size_t from = 0; from < mesh_.participants(); ++from) {
    for (std::size_t to = 0; to < mesh_.participants(); ++to) {
      mesh_.ring(from, to).drain(SIZE_MAX, [](Command command) { command.take_buffer(); });
    }
  }
}

void Gateway::turn(Now now, bool counted) {
  for (auto& unit : units_) {
    const HeapScope scope(Owner::gateway);
    if (counted) {
      counted_turn(*unit->shard, now);
    } else {
      unit->shard->turn(now, now.instant);
    }
  }
  for (std::size_t from = 0; from < units_.size(); ++from) {
    mesh_.ring(from, units_.size()).drain(SIZE_MAX, [&](const Command& command) {
      answer(command, from);
    });
    units_[from]->storage.work();
  }
  control_port_.flush();
}

// Accounts are looked up by their number, as their users are named.
void Gateway::answer(Command command, std::size_t from) {
  const queues::Buffer buffer = command.take_buffer();
  GODWIT_CHECK(command.kind == CommandKind::account_lookup);
  const auto found = std::ranges::lower_bound(options_.accounts, as_text(buffer.bytes()), {},
                                              &client::load::LoadAccount::user);
  GODWIT_CHECK(found != options_.accounts.end() && found->user == as_text(buffer.bytes()));
  const queues::AccountRecord record{.account_id = std::uint64_t{found->number} + 1,
                                     .user = found->user,
                                     .devices = {{.id = 1, .key = found->identity.public_key}}};
  control_port_.answer(from, {.kind = CommandKind::account_found,
                              .account = command.account,
                              .id = command.id,
                              .buffer = encode(control_pool_, record).release()});
}

std::uint64_t Gateway::sum(queues::ShardMetric metric) const {
  std::uint64_t total = 0;
  for (const auto& unit : units_) total += unit->counters.get(metric);
  return total;
}

std::size_t Gateway::stored_messages() const {
  std::size_t total = 0;
  for (const auto& unit : units_) total += unit->storage.messages();
  return total;
}

std::int64_t Gateway::memory_in_use() {
  std::int64_t bytes = heap_bytes(Owner::gateway);
  for (const auto& unit : units_) {
    unit->pool.collect();
    bytes += static_cast<std::int64_t>(unit->pool.in_use());
    bytes -= static_cast<std::int64_t>(unit->pool.memory_bytes());
  }
  return bytes;
}

}  // namespace godwit::bench
