// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "dataplane/front.h"
#include "dataplane/home.h"
#include "queues/mesh.h"
#include "queues/parker.h"

// One core's loop: a front, a home, and everything they own.
//
// A turn has fixed phases, each bounded: poll the network, drain the rings, expire timers, flush
// sends, answer handshakes, publish rings. It reads no clock: the caller hands it one reading a turn. It returns how
// much it did, from which the caller climbs down the idle ladder.
//
// Thread safety: the owning thread only.

namespace godwit::dataplane {

template <io::StreamBackend Io>
class Shard {
 public:
  struct Options {
    std::uint16_t index = 0;
    std::uint16_t shards = 1;
    const Settings& settings;
    const NodeIdentity& identity;
    const crypto::HashKey& hash_key;
    Io& io;
    queues::BufferPool& pool;  // outlives every shard: homes hold each other's buffers
    queues::Mesh& mesh;
    std::vector<queues::Parker*> parkers;  // one a participant of the mesh
    std::vector<queues::SpscRing<queues::StoreReply>*> store_replies;  // one a storage thread
    std::vector<queues::Outbox<queues::StoreRequest>*> store_requests;
    queues::ShardCounters& counters;
    RandomSource& random;
    std::uint64_t sequence_base = 0;
    Instant start{};
  };

  explicit Shard(const Options& options)
      : options_(options),
        port_(options.mesh, options.index, options.parkers),
        home_({.shard = options.index,
               .control = options.shards,
               .settings = options.settings,
               .pool = options.pool,
               .port = port_,
               .storage = options.store_requests,
               .counters = options.counters,
               .sequence_base = options.sequence_base,
               .start = options.start}),
        front_({.shard = options.index,
                .control = options.shards,
                .shards = options.shards,
                .settings = options.settings,
                .identity = options.identity,
                .hash_key = options.hash_key,
                .io = options.io,
                .pool = options.pool,
                .port = port_,
                .counters = options.counters,
                .random = options.random}) {}

  // `may_sleep_until`: how long the network may be waited for when there is nothing to do; now or
  // earlier for not at all.
  std::size_t turn(Now now, Instant may_sleep_until) {
    constexpr std::size_t io_budget = 512;
    constexpr std::size_t ring_budget = 1024;
    constexpr std::size_t storage_budget = 128;  // a large mailbox loaded takes turns with others
    front_.begin_turn(now);
    std::size_t done = options_.io.poll(now, io_budget, may_sleep_until, front_);
    done += port_.drain(
        ring_budget, [&](const queues::Command& command) { dispatch(command, now); },
        [&](std::size_t count) {
          options_.counters.record(queues::ShardHistogram::ring_commands, count);
        });
    for (auto* replies : options_.store_replies) {
      done += replies->drain(storage_budget,
                             [&](const queues::StoreReply& reply) { home_.handle(reply, now); });
    }
    done += front_.expire();
    done += home_.expire(now);
    front_.flush();
    done += front_.answer_handshakes();
    port_.flush();
    for (auto* requests : options_.store_requests) requests->flush();
    options_.counters.add(queues::ShardMetric::turns);
    if (done > 0) front_.turn_worked();
    if (done == 0 || ++turns_ % 64 == 0) publish_gauges();
    return done;
  }

  // Waits for the network until something is there, and leaves it for the next turn: so that one
  // reads the clock after the wait.
  std::size_t sleep(Now now, Instant until) {
    front_.begin_turn(now);
    return options_.io.poll(now, 0, until, front_);
  }

  // When the next turn is due although nothing comes.
  Instant next_deadline() const { return std::min(front_.next_deadline(), home_.next_deadline()); }

  // Nothing waits in a ring, in either direction; looked at between Parker::prepare and sleep.
  bool rings_empty() const {
    if (!port_.empty() || port_.waiting()) return false;
    return std::ranges::all_of(options_.store_replies,
                               [](auto* ring) { return ring->consumer_empty(); }) &&
           std::ranges::all_of(options_.store_requests,
                               [](auto* box) { return box->waiting() == 0; });
  }
  // Sends every client away, to come back within `spread`, and takes no new one. Done when
  // drained().
  void drain(Duration spread) { front_.drain(spread); }
  bool drained() const { return front_.drained() && home_.quiet(); }

 private:
  void dispatch(const queues::Command& command, Now now) {
    using queues::CommandKind;
    switch (command.kind) {
      case CommandKind::message:
      case CommandKind::relay:
      case CommandKind::acknowledge:
      case CommandKind::window:
        front_.session_served();
        return home_.handle(command, now);
      case CommandKind::attach:
      case CommandKind::detach:
      case CommandKind::account_found:
      case CommandKind::account_missing:
      case CommandKind::account_changed:
      case CommandKind::account_removed:
        return home_.handle(command, now);
      case CommandKind::admin_query:
        return on_admin_query(command, now);
      case CommandKind::settings:
        return on_settings(command);
      case CommandKind::drain:
        return front_.drain(std::chrono::milliseconds(command.number));
      default:
        return front_.handle(command);
    }
  }

  void on_settings(queues::Command command) {
    const queues::Buffer buffer = command.take_buffer();
    LiveSettings live;
    GODWIT_CHECK(buffer.bytes().size() == sizeof live);
    std::memcpy(&live, buffer.bytes().data(), sizeof live);
    front_.set_live(live);
  }

  void on_admin_query(queues::Command command, Now now) {
    const auto query = static_cast<queues::AdminQuery>(command.detail);
    if (query == queues::AdminQuery::sessions) {
      const queues::Buffer argument = command.take_buffer();
      const auto jid = protocol::parse_jid(as_text(argument.bytes()));
      return front_.list_sessions(command.id, jid ? jid->user : std::string_view());
    }
    const auto argument = command.buffer == nullptr
                              ? std::string_view()
                              : as_text(Bytes{command.buffer->data(), command.buffer->size});
    const auto jid = protocol::parse_jid(argument);
    if (query == queues::AdminQuery::kick && jid) command.number = front_.kick(*jid);
    if (query == queues::AdminQuery::purge) {
      if (jid) command.account = front_.hash_user(jid->user);
      if (!jid || front_.home_of(command.account) != options_.index) {
        command.take_buffer();
        return home_.end_query(command.id, 0);
      }
    }
    home_.handle(command, now);
  }

  void publish_gauges() {
    front_.publish_gauges();
    home_.publish_gauges();
    options_.counters.set(queues::ShardMetric::ring_full, port_.full_count());
    options_.counters.set(queues::ShardMetric::buffer_pool_bytes, options_.pool.in_use());
    options_.counters.set(queues::ShardMetric::memory_buffers, options_.pool.memory_bytes());
  }

  const Options options_;
  queues::CommandPort port_;
  Home home_;
  Front<Io> front_;
  std::uint64_t turns_ = 0;
};

}  // namespace godwit::dataplane
