// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "crypto/certificate.h"
#include "dataplane/io/memory/memory_backend.h"
#include "dataplane/shard.h"

// One shard on a network in memory and virtual time. Control knows alice (devices 1 and 2) and bob
// (device 1) and no question; storage is a map that can be told to fail. One thread.

namespace godwit::dataplane {

using Network = io::MemoryNetwork;
using Backend = io::MemoryBackend;

class StorageInMemory {
 public:
  explicit StorageInMemory(queues::BufferPool& pool) : pool_(pool) {}

  bool failing = false;

  std::size_t work() {
    const std::size_t done =
        requests.drain(SIZE_MAX, [&](const queues::StoreRequest& request) { handle(request); });
    replies.flush();
    return done;
  }

  queues::Parker parker{[] {}};
  queues::SpscRing<queues::StoreRequest> requests{256};
  queues::SpscRing<queues::StoreReply> replies{2048};
  queues::Outbox<queues::StoreRequest> outbox{requests, parker, 4096};

 private:
  struct Stored {
    std::uint32_t accepted_s = 0;
    std::vector<std::uint8_t> bytes;
  };
  using Mailbox = std::map<std::uint64_t, Stored>;  // by sequence

  void reply(queues::StoreReply reply, const queues::StoreRequest& request) {
    reply.mailbox = request.mailbox;
    reply.file = request.file;
    GODWIT_CHECK(replies.try_push(reply));
  }

  void handle(const queues::StoreRequest& request) {
    using Kind = queues::StoreRequestKind;
    using Reply = queues::StoreReplyKind;
    const queues::Buffer buffer = queues::Buffer::adopt(request.buffer);
    Mailbox& mailbox = stored_[{request.account_id, request.device}];
    bool& refusing = refusing_[request.file];
    switch (request.kind) {
      case Kind::put:
        refusing = refusing || failing;
        if (refusing) {
          return reply(
              {.kind = Reply::failed, .error = ErrorCode::full, .sequence = request.sequence},
              request);
        }
        mailbox[request.sequence] = {request.accepted_s,
                                     {buffer.bytes().begin(), buffer.bytes().end()}};
        return reply({.kind = Reply::committed, .sequence = request.sequence}, request);
      case Kind::erase:
        mailbox.erase(mailbox.begin(), mailbox.upper_bound(request.sequence));
        return;
      case Kind::load:
        return load(request, mailbox);
      case Kind::summarize:
        return summarize(request);
      case Kind::purge:
        std::erase_if(stored_, [&](const auto& item) {
          return item.first.first == request.account_id &&
                 (request.device == 0 || item.first.second == request.device);
        });
        return;
      case Kind::resume:
        refusing = false;
        return;
    }
  }

  void load(const queues::StoreRequest& request, const Mailbox& mailbox) {
    using Reply = queues::StoreReplyKind;
    if (failing) return reply({.kind = Reply::load_failed, .error = ErrorCode::io}, request);
    auto next = mailbox.upper_bound(request.sequence);
    for (std::uint32_t count = 0; next != mailbox.end() && count < request.limit; ++count, ++next) {
      reply({.kind = Reply::loaded,
             .accepted_s = next->second.accepted_s,
             .sequence = next->first,
             .buffer = pool_.copy(next->second.bytes).release()},
            request);
    }
    reply({.kind = Reply::load_end, .sequence = next == mailbox.end() ? 0 : next->first}, request);
  }

  void summarize(const queues::StoreRequest& request) {
    using Reply = queues::StoreReplyKind;
    if (failing) return reply({.kind = Reply::summary_failed, .error = ErrorCode::io}, request);
    for (const auto& [key, mailbox] : stored_) {
      if (key.first != request.account_id || mailbox.empty()) continue;
      std::uint64_t bytes = 0;
      for (const auto& [sequence, message] : mailbox) bytes += message.bytes.size();
      reply({.kind = Reply::summary,
             .device = key.second,
             .sequence = mailbox.begin()->first,
             .high = mailbox.rbegin()->first,
             .count = mailbox.size(),
             .bytes = bytes},
            request);
    }
    reply({.kind = Reply::summary_end}, request);
  }

  queues::BufferPool& pool_;
  std::map<std::pair<std::uint64_t, std::uint16_t>, Mailbox> stored_;
  std::array<bool, queues::store_file_count> refusing_{};
};

class GatewayWorld {
 public:
  static constexpr std::size_t shard_count = 1;
  static constexpr std::size_t control = shard_count;

  struct Options {
    Settings settings;
    Backend::Options server;
  };
  GatewayWorld() : GatewayWorld(Options{}) {}
  explicit GatewayWorld(const Options& options)
      : settings(options.settings), server(network, options.server) {
    settings.domain = "example.org";
    certificate = crypto::encode(
        crypto::sign_certificate(crypto::OperatorKey::generate(random), node_key.public_key,
                                 settings.domain, WallTime{}, now.wall + std::chrono::days(1)));
    identity.certificate = certificate;
    for (auto& key : device_keys) key = crypto::KeyPair::generate(random);
    shard = std::make_unique<Shard<Backend>>(
        Shard<Backend>::Options{.settings = settings,
                                .identity = identity,
                                .hash_key = hash_key,
                                .io = server,
                                .pool = pool,
                                .mesh = mesh,
                                .parkers = {&parker, &parker},
                                .store_replies = {&storage.replies},
                                .store_requests = {&storage.outbox},
                                .counters = counters,
                                .random = random,
                                .sequence_base = std::uint64_t{1000} << 24,
                                .start = now.instant});
    const auto listening = server.listen({"127.0.0.1", 5210});
    GODWIT_CHECK(listening.has_value());
  }

  // With the shard and what is on its rings all buffers are back.
  ~GatewayWorld() {
    shard.reset();
    for (const std::size_t from : {std::size_t{0}, control}) {
      for (const std::size_t to : {std::size_t{0}, control}) {
        mesh.ring(from, to).drain(SIZE_MAX, [](queues::Command command) { command.take_buffer(); });
      }
    }
    storage.requests.drain(SIZE_MAX, [](const queues::StoreRequest& request) {
      queues::Buffer::adopt(request.buffer);
    });
    storage.replies.drain(
        SIZE_MAX, [](const queues::StoreReply& reply) { queues::Buffer::adopt(reply.buffer); });
    pool.collect();
    GODWIT_CHECK(pool.in_use() == 0);
  }
  GatewayWorld(const GatewayWorld&) = delete;
  GatewayWorld& operator=(const GatewayWorld&) = delete;

  // One round of everything but the clients.
  std::size_t turn() {
    std::size_t done = shard->turn(now, now.instant);
    done +=
        mesh.ring(0, control).drain(SIZE_MAX, [&](queues::Command command) { answer(command); });
    port.flush();
    return done + storage.work();
  }

  void pass(Duration time) {
    now.instant += time;
    now.wall += std::chrono::floor<WallTime::duration>(time);
  }

  Now now{Instant{std::chrono::seconds(50)}, WallTime{std::chrono::seconds(2'000'000'000)}};
  SeededRandom random{1};
  Settings settings;
  crypto::KeyPair node_key = crypto::KeyPair::generate(random);
  std::vector<std::uint8_t> certificate;
  std::array<crypto::KeyPair, 3> device_keys;  // alice 1, alice 2, bob 1
  Network network;
  Backend client{network, {.shard = 9}};
  StorageInMemory& store() { return storage; }
  // As control does when the configuration is read again.
  void set_rules(const AddressRules& rules) { set_live({.addresses = rules}); }
  void set_live(const LiveSettings& live) {
    const Bytes bytes{reinterpret_cast<const std::uint8_t*>(&live), sizeof live};
    port.answer(0, {.kind = queues::CommandKind::settings, .buffer = pool.copy(bytes).release()});
    port.flush();
  }
  Shard<Backend>& gateway() { return *shard; }
  const queues::ShardCounters& metrics() const { return counters; }
  std::size_t buffers_in_use() {
    pool.collect();
    return pool.in_use();
  }

 private:
  void answer(queues::Command command) {
    using Kind = queues::CommandKind;
    const queues::Buffer buffer = command.take_buffer();
    switch (command.kind) {
      case Kind::account_lookup: {
        queues::AccountRecord record{.user = std::string(as_text(buffer.bytes()))};
        if (record.user == "alice") {
          record.account_id = 1;
          record.devices = {{.id = 1, .key = device_keys[0].public_key},
                            {.id = 2, .key = device_keys[1].public_key}};
        } else if (record.user == "bob") {
          record.account_id = 2;
          record.devices = {{.id = 1, .tag = 0x00010002, .key = device_keys[2].public_key}};
        }
        const bool known = record.account_id != 0;
        port.answer(0, {.kind = known ? Kind::account_found : Kind::account_missing,
                        .account = command.account,
                        .id = command.id,
                        .buffer = known ? encode(pool, record).release() : nullptr});
        return;
      }
      case Kind::register_:
        port.answer(0, {.kind = Kind::register_refused,
                        .detail = static_cast<std::uint8_t>(protocol::Condition::conflict),
                        .session = command.session,
                        .buffer = pool.copy(as_bytes("taken")).release()});
        return;
      case Kind::server_iq: {
        queues::Buffer reply = pool.allocate(64);
        ByteWriter out(reply.writable());
        GODWIT_CHECK(
            write(out, protocol::StanzaError{.kind = protocol::StanzaType::iq,
                                             .id = queues::decode_server_iq(buffer.bytes()).id,
                                             .number = command.number}));
        reply.resize(out.size());
        port.answer(0, {.kind = Kind::server_iq_reply,
                        .number = command.number,
                        .session = command.session,
                        .buffer = reply.release()});
        return;
      }
      default:
        broken_invariant("a command that is not for control", __FILE__, __LINE__);
    }
  }

  queues::BufferPool pool{std::size_t{64} << 20};
  queues::Mesh mesh{shard_count + 1, 256};
  queues::Parker parker{[] {}};
  queues::CommandPort port{mesh, control, {&parker, &parker}};
  StorageInMemory storage{pool};
  queues::ShardCounters counters;
  crypto::HashKey hash_key;
  NodeIdentity identity{node_key, {}};
  Backend server;
  std::unique_ptr<Shard<Backend>> shard;
};

}  // namespace godwit::dataplane
