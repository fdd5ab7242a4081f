// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_gateway.h"

#include <algorithm>

namespace godwit::sim {

using Backend = dataplane::io::MemoryBackend;
using queues::Command;
using queues::Outbox;
using queues::ShardMetric;
using queues::SpscRing;
using queues::StoreReply;
using queues::StoreRequest;

struct SimGateway::Storage {
  queues::StorageCounters counters;
  std::vector<std::unique_ptr<SpscRing<StoreRequest>>> requests;  // one a home
  std::vector<std::unique_ptr<SpscRing<StoreReply>>> replies;
  std::vector<std::unique_ptr<Outbox<StoreReply>>> reply_boxes;
  std::unique_ptr<queues::StorageWorker> worker;
};

struct SimGateway::Shard {
  queues::ShardCounters counters;
  std::unique_ptr<queues::BufferPool> pool;
  std::unique_ptr<Backend> io;
  std::vector<std::unique_ptr<Outbox<StoreRequest>>> request_boxes;
  std::unique_ptr<SeededRandom> random;
  std::unique_ptr<dataplane::Shard<Backend>> shard;
};

SimGateway::SimGateway(Site& site, const Options& options, Now now)
    : site_(site), identity_{site.node_key, site.certificate} {
  make_rings(options);
  start(options, now);
}

// Homes before pools, as the gateway does; what is on the rings is given back to no one.
SimGateway::~SimGateway() {
  for (auto& unit : shards_) unit->shard.reset();
  control_.reset();
  for (auto& unit : storage_) unit->worker.reset();
  for (auto& unit : shards_) unit->io.reset();
}

void SimGateway::make_rings(const Options& options) {
  for (std::uint16_t i = 0; i < options.storage_threads; ++i) {
    storage_.push_back(std::make_unique<Storage>());
  }
  for (std::uint16_t i = 0; i < options.shards; ++i) {
    auto unit = std::make_unique<Shard>();
    unit->io = std::make_unique<Backend>(
        site_.network, Backend::Options{.shard = i,
                                        .send_queue_max = options.send_queue_max,
                                        .receive_buffer_size = options.receive_buffer_size});
    unit->pool = std::make_unique<queues::BufferPool>(site_.settings.buffer_pool_bytes);
    unit->random = std::make_unique<SeededRandom>(options.seed + i);
    for (auto& storage : storage_) {
      storage->requests.push_back(std::make_unique<SpscRing<StoreRequest>>(options.store_ring));
      storage->replies.push_back(std::make_unique<SpscRing<StoreReply>>(options.store_ring));
      storage->reply_boxes.push_back(std::make_unique<Outbox<StoreReply>>(
          *storage->replies.back(), parker_, std::size_t{1} << 21));
      unit->request_boxes.push_back(std::make_unique<Outbox<StoreRequest>>(
          *storage->requests.back(), parker_, options.store_requests_waiting_max));
    }
    shards_.push_back(std::move(unit));
  }
  mesh_ = std::make_unique<queues::Mesh>(options.shards + 1u, options.mesh_ring);
}

void SimGateway::start(const Options& options, Now now) {
  std::vector<control::Control::ShardLink> links;
  for (std::uint16_t i = 0; i < options.shards; ++i) {
    control_outboxes_.push_back(std::make_unique<Outbox<Command>>(
        mesh_->ring(options.shards, i), parker_, queues::CommandPort::waiting_max));
    links.push_back({.from_shard = &mesh_->ring(i, options.shards),
                     .to_shard = control_outboxes_.back().get(),
                     .counters = &shards_[i]->counters});
  }
  control_ = std::make_unique<control::Control>(control::Control::Options{
      .domain = site_.settings.domain,
      .registration = {},
      .hash_user =
          [this](std::string_view user) {
            return crypto::keyed_hash(site_.hash_key, as_bytes(user));
          },
      .home_shard =
          [this](std::uint64_t hash) {
            return static_cast<unsigned>(queues::store_file_of(hash) % shards_.size());
          },
      .accounts = site_.accounts,
      .keys = site_.keys,
      .pool = control_pool_,
      .shards = std::move(links)});
  for (unsigned index = 0; index < storage_.size(); ++index) {
    Storage& unit = *storage_[index];
    std::vector<queues::StorageWorker::Link> homes;
    std::vector<unsigned> files;
    for (unsigned file = index; file < queues::store_file_count; file += storage_.size()) {
      files.push_back(file);
    }
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      homes.push_back({unit.requests[i].get(), unit.reply_boxes[i].get()});
    }
    unit.worker = std::make_unique<queues::StorageWorker>(queues::StorageWorker::Options{
        .homes = std::move(homes),
        .open = [this](unsigned file) { return site_.disk.open(file); },
        .files = std::move(files),
        .counters = unit.counters,
        .buffer_pool_bytes = options.storage_pool_bytes});
  }
  const std::vector<queues::Parker*> parkers(shards_.size() + 1, &parker_);
  for (std::uint16_t i = 0; i < shards_.size(); ++i) {
    Shard& unit = *shards_[i];
    std::vector<SpscRing<StoreReply>*> replies;
    std::vector<Outbox<StoreRequest>*> requests;
    for (auto& storage : storage_) replies.push_back(storage->replies[i].get());
    for (auto& box : unit.request_boxes) requests.push_back(box.get());
    unit.shard = std::make_unique<dataplane::Shard<Backend>>(dataplane::Shard<Backend>::Options{
        .index = i,
        .shards = options.shards,
        .settings = site_.settings,
        .identity = identity_,
        .hash_key = site_.hash_key,
        .io = *unit.io,
        .pool = *unit.pool,
        .mesh = *mesh_,
        .parkers = parkers,
        .store_replies = std::move(replies),
        .store_requests = std::move(requests),
        .counters = unit.counters,
        .random = *unit.random,
        .sequence_base = std::uint64_t{options.start_epoch} << 24,
        .start = now.instant});
    GODWIT_CHECK(unit.io->listen({"127.0.0.1", 5210}).has_value());
  }
}

std::size_t SimGateway::turn_shard(std::size_t index, Now now) {
  return shards_[index]->shard->turn(now, now.instant);
}

std::size_t SimGateway::turn_storage(std::size_t index, Now now) {
  return storage_[index]->worker->do_work(now);
}

Instant SimGateway::next_deadline(Now now) const {
  Instant next = control_->next_deadline(now);
  for (const auto& unit : shards_) {
    next = std::min({next, unit->shard->next_deadline(), unit->io->next_deadline()});
  }
  return next;
}

bool SimGateway::kick(const std::string& jid, Now now) {
  return control_->queries().start(queues::AdminQuery::kick, jid, now,
                                   [](const control::QueryResult&) {});
}

std::uint64_t SimGateway::sum(ShardMetric metric) const {
  std::uint64_t total = 0;
  for (const auto& unit : shards_) total += unit->counters.get(metric);
  return total;
}

std::string SimGateway::broken_limit() const {
  for (const auto& unit : shards_) {
    if (unit->pool->in_use() > unit->pool->limit()) return "a buffer pool is over its limit";
    if (unit->counters.get(ShardMetric::messages_in_memory) >
        site_.settings.entries_in_memory_max + protocol::devices_per_account_max +
            protocol::delivery_window_max * protocol::devices_per_account_max) {
      return "a home has more messages in memory than it may";
    }
  }
  return {};
}

std::string SimGateway::above_floor() {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const auto gauge = [&](ShardMetric metric) { return shards_[i]->counters.get(metric); };
    const std::string where = "shard " + std::to_string(i) + ": ";
    if (gauge(ShardMetric::connections_open) > 0) return where + "connections are open";
    if (gauge(ShardMetric::sessions) > 0) return where + "sessions are left";
    if (gauge(ShardMetric::messages_in_memory) > 0) return where + "messages are in memory";
    if (gauge(ShardMetric::messages_at_risk) > 0) return where + "messages are at risk";
    if (!shards_[i]->shard->rings_empty()) return where + "something is on the rings";
    shards_[i]->pool->collect();
    if (const std::size_t bytes = shards_[i]->pool->in_use(); bytes > 0) {
      return where + std::to_string(bytes) + " bytes of buffers are in use";
    }
  }
  control_pool_.collect();
  if (control_pool_.in_use() > 0) return "control has buffers in use";
  return {};
}

}  // namespace godwit::sim
