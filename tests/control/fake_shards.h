// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "control/control.h"
#include "protocol/stanza.h"
#include "queues/mesh.h"

// Shards that are only their ends of the rings: a test posts commands as a shard does and looks at
// what comes back.

namespace godwit::control {

// What a command said, its buffer copied and given back.
struct Heard {
  queues::Command command{};
  std::vector<std::uint8_t> bytes;
  std::string text() const { return {bytes.begin(), bytes.end()}; }
};

class FakeShards {
 public:
  explicit FakeShards(unsigned count, std::size_t ring_capacity = 1024)
      : count_(count), mesh_(count + 1, ring_capacity) {
    for (unsigned i = 0; i <= count; ++i) {
      parkers_.push_back(std::make_unique<queues::Parker>([] {}));
      parker_list_.push_back(parkers_.back().get());
    }
    counters_ = std::make_unique<queues::ShardCounters[]>(count);
    for (unsigned i = 0; i <= count; ++i) {
      ports_.push_back(std::make_unique<queues::CommandPort>(mesh_, i, parker_list_));
    }
  }
  ~FakeShards() {
    for (unsigned shard = 0; shard < count_; ++shard) hear(shard);
  }

  std::vector<Control::ShardLink> links() {
    std::vector<Control::ShardLink> links;
    for (unsigned shard = 0; shard < count_; ++shard) {
      links.push_back(
          {&mesh_.ring(shard, count_), &ports_[count_]->outbox(shard), &counters_[shard]});
    }
    return links;
  }

  queues::BufferPool& pool() { return pool_; }
  queues::ShardCounters& counters(unsigned shard) { return counters_[shard]; }

  void post(unsigned shard, const queues::Command& command) {
    ports_[shard]->answer(count_, command);
    ports_[shard]->flush();
  }

  void look_up(unsigned shard, std::string_view user, std::uint64_t hash, std::uint64_t token) {
    post(shard, {.kind = queues::CommandKind::account_lookup,
                 .account = hash,
                 .id = token,
                 .buffer = pool_.copy(as_bytes(user)).release()});
  }
  void register_device(ConnectionName session, const queues::RegisterRequest& request) {
    post(session.shard, {.kind = queues::CommandKind::register_,
                         .session = session,
                         .buffer = queues::encode(pool_, request).release()});
  }

  struct ServerQuestion {
    ConnectionName session{};
    std::uint16_t device = 1;
    std::uint32_t number = 3;  // of the stanza
  };
  void ask_server(const ServerQuestion& question, const queues::ServerIq& iq) {
    post(question.session.shard, {.kind = queues::CommandKind::server_iq,
                                  .number = question.number,
                                  .session = question.session,
                                  .id = iq.id,
                                  .sender_device = question.device,
                                  .buffer = queues::encode(pool_, iq).release()});
  }

  // What control has sent to this shard and the test has not heard yet.
  std::vector<Heard> hear(unsigned shard) {
    std::vector<Heard> heard;
    mesh_.ring(count_, shard).drain(SIZE_MAX, [&](queues::Command command) {
      const queues::Buffer buffer = command.take_buffer();
      heard.push_back({command, {buffer.bytes().begin(), buffer.bytes().end()}});
    });
    return heard;
  }

 private:
  const unsigned count_;
  queues::BufferPool pool_{std::size_t{16} << 20};
  queues::Mesh mesh_;
  std::vector<std::unique_ptr<queues::Parker>> parkers_;
  std::vector<queues::Parker*> parker_list_;
  std::vector<std::unique_ptr<queues::CommandPort>> ports_;
  std::unique_ptr<queues::ShardCounters[]> counters_;
};

}  // namespace godwit::control
