// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "dataplane/home.h"

// A home alone: the test is the front, control and storage at the other ends of its rings, on
// virtual time. Alice is a session somewhere; bob's mailboxes are at this home.

namespace godwit::dataplane {

using protocol::Condition;
using queues::Command;
using queues::CommandKind;
using queues::MailboxName;
using queues::StoreReply;
using queues::StoreReplyKind;
using queues::StoreRequest;
using queues::StoreRequestKind;

inline constexpr std::uint64_t bob = 0x1234;
inline constexpr std::uint64_t alice_hash = 0x9999;
inline constexpr std::uint64_t base = std::uint64_t{1000} << 24;
inline constexpr ConnectionName alice_session{.slot = 7, .shard = 0, .generation = 1};
inline constexpr ConnectionName bob_session{.slot = 8, .shard = 0, .generation = 1};

class HomeTest : public testing::Test {
 protected:
  HomeTest() { restart(); }

  void restart() {
    home_.reset();
    home_ = std::make_unique<Home>(Home::Options{.shard = 0,
                                                 .control = 1,
                                                 .settings = settings_,
                                                 .pool = pool_,
                                                 .port = port_,
                                                 .storage = {&storage_},
                                                 .counters = counters_,
                                                 .sequence_base = base,
                                                 .start = now_.instant});
  }

  void handle(Command command) {
    home_->handle(command, now_);
    gather();
  }
  void reply(StoreReply answer) {
    home_->handle(answer, now_);
    gather();
  }
  void advance(Duration by) {
    now_.instant += by;
    home_->expire(now_);
    gather();
  }
  void gather() {
    port_.flush();
    storage_.flush();
    for (std::size_t to = 0; to < 2; ++to) {
      mesh_.ring(0, to).drain(10000, [&](const Command& command) {
        (to == 0 ? to_front_ : to_control_).push_back(command);
        queues::Buffer::adopt(command.buffer);
      });
    }
    requests_.drain(10000, [&](const StoreRequest& request) {
      to_store_.push_back(request);
      queues::Buffer::adopt(request.buffer);
    });
  }

  void send(std::uint32_t number, std::uint64_t id, std::uint32_t confirmed = 0,
            std::uint16_t device = 0, ConnectionName session = alice_session) {
    queues::Buffer buffer = pool_.allocate(100);
    queues::write_envelope(buffer.writable(), device, 1, false, "bob");
    handle({.kind = CommandKind::message,
            .number = number,
            .session = session,
            .account = bob,
            .id = id,
            .sender = alice_hash,
            .sender_device = 1,
            .confirmed = confirmed,
            .buffer = buffer.release()});
  }
  void attach(std::uint64_t last_sequence = 0, std::uint8_t key = 1, std::uint16_t device = 1,
              ConnectionName session = bob_session, std::uint32_t login_ms = 0) {
    queues::PublicKeyBytes bytes{key};
    queues::Buffer buffer = encode(pool_, queues::AttachRequest{.user = "bob",
                                                                .device = device,
                                                                .window = 16,
                                                                .last_sequence = last_sequence,
                                                                .key = bytes});
    handle({.kind = CommandKind::attach,
            .number = login_ms,
            .session = session,
            .account = bob,
            .buffer = buffer.release()});
  }
  // Control finds bob with so many devices, and storage has nothing.
  void load(std::uint16_t devices = 1, std::vector<StoreReply> stored = {}) {
    ASSERT_FALSE(to_control_.empty());
    queues::AccountRecord record{.account_id = 5, .user = "bob"};
    for (std::uint16_t i = 1; i <= devices; ++i)
      record.devices.push_back({.id = i, .key = {std::uint8_t(i)}});
    handle({.kind = CommandKind::account_found,
            .account = bob,
            .id = to_control_.back().id,
            .buffer = encode(pool_, record).release()});
    ASSERT_FALSE(to_store_.empty());
    const MailboxName token = to_store_.back().mailbox;
    for (StoreReply& summary : stored) {
      summary.kind = StoreReplyKind::summary;
      summary.mailbox = token;
      reply(summary);
    }
    reply({.kind = StoreReplyKind::summary_end, .mailbox = token});
  }
  void ask_to_purge(std::string_view jid) {
    handle({.kind = CommandKind::admin_query,
            .detail = static_cast<std::uint8_t>(queues::AdminQuery::purge),
            .account = bob,
            .id = 77,
            .buffer = pool_.copy(as_bytes(jid)).release()});
  }
  void answer_puts(StoreReplyKind kind) {
    const std::vector<StoreRequest> requests = std::exchange(to_store_, {});
    for (const StoreRequest& request : requests) {
      if (request.kind != StoreRequestKind::put) continue;
      reply({.kind = kind,
             .mailbox = request.mailbox,
             .sequence = request.sequence,
             .file = request.file});
    }
  }
  std::vector<Command> front(CommandKind kind) const {
    std::vector<Command> found;
    for (const Command& command : to_front_) {
      if (command.kind == kind) found.push_back(command);
    }
    return found;
  }
  std::size_t store_count(StoreRequestKind kind) const {
    return static_cast<std::size_t>(std::ranges::count(to_store_, kind, &StoreRequest::kind));
  }
  void acknowledge(std::uint64_t sequence) {
    Command command{.kind = CommandKind::acknowledge,
                    .session = bob_session,
                    .account = bob,
                    .sequence = sequence};
    command.id = front(CommandKind::attached).back().id;
    handle(command);
  }
  void detach() {
    Command command{.kind = CommandKind::detach, .session = bob_session, .account = bob};
    command.id = front(CommandKind::attached).back().id;
    handle(command);
  }

  Settings settings_;
  Now now_{Instant{std::chrono::seconds(50)}, WallTime{std::chrono::seconds(2000)}};
  queues::BufferPool pool_{16 << 20};
  queues::Mesh mesh_{2, 4096};
  queues::Parker parker_{[] {}};
  queues::CommandPort port_{mesh_, 0, {&parker_, &parker_}};
  queues::SpscRing<StoreRequest> requests_{4096};
  queues::Outbox<StoreRequest> storage_{requests_, parker_, 4096};
  queues::ShardCounters counters_;
  std::unique_ptr<Home> home_;
  std::vector<Command> to_front_;
  std::vector<Command> to_control_;
  std::vector<StoreRequest> to_store_;
};

}  // namespace godwit::dataplane
