// SPDX-License-Identifier: Apache-2.0
#include "dataplane/home.h"

#include <benchmark/benchmark.h>

#include <string>

// A home alone, with the bench as front, control and storage at the other ends of its rings: a
// message from accept to its acknowledgement, by how many senders the account remembers, and one
// that has been seen before.

namespace godwit::dataplane {
namespace {

using queues::Command;
using queues::CommandKind;

constexpr std::uint64_t bob = 0x1234;
constexpr ConnectionName bob_session{.slot = 8, .shard = 0, .generation = 1};
constexpr ConnectionName sender_session{.slot = 7, .shard = 0, .generation = 1};

class World {
 public:
  World() {
    queues::Buffer attach = encode(
        pool_,
        queues::AttachRequest{.user = "bob", .device = 1, .window = 256, .key = {std::uint8_t{1}}});
    handle({.kind = CommandKind::attach,
            .session = bob_session,
            .account = bob,
            .buffer = attach.release()});
    mesh_.ring(0, 1).drain(16, [&](Command lookup) {
      lookup.take_buffer();
      const queues::AccountRecord record{
          .account_id = 5, .user = "bob", .devices = {{.id = 1, .key = {std::uint8_t{1}}}}};
      handle({.kind = CommandKind::account_found,
              .account = bob,
              .id = lookup.id,
              .buffer = encode(pool_, record).release()});
    });
    requests_.drain(16, [&](const queues::StoreRequest& request) {
      home_.handle(queues::StoreReply{.kind = queues::StoreReplyKind::summary_end,
                                      .mailbox = request.mailbox},
                   now_);
    });
    turn();
    GODWIT_CHECK(mailbox_ != 0);
  }
  ~World() { turn(); }

  void message(std::uint64_t sender, std::uint64_t id) {
    queues::Buffer buffer = pool_.allocate(150);
    queues::write_envelope(buffer.writable(), 0, 1, false, "bob");
    home_.handle(Command{.kind = CommandKind::message,
                         .number = 1,
                         .session = sender_session,
                         .account = bob,
                         .id = id,
                         .sender = sender,
                         .sender_device = 1,
                         .buffer = buffer.release()},
                 now_);
  }
  void acknowledge_delivered() {
    home_.handle(Command{.kind = CommandKind::acknowledge,
                         .session = bob_session,
                         .account = bob,
                         .sequence = last_sequence_,
                         .id = mailbox_},
                 now_);
  }
  // What a shard's turn does between commands; the front's ring is emptied.
  void turn() {
    now_.instant += std::chrono::microseconds(10);
    home_.expire(now_);
    port_.flush();
    storage_.flush();
    mesh_.ring(0, 0).drain(4096, [&](Command command) {
      command.take_buffer();
      if (command.kind == CommandKind::attached) mailbox_ = command.id;
      if (command.kind == CommandKind::deliver) last_sequence_ = command.sequence;
      if (command.kind == CommandKind::settled) ++settled_;
    });
  }
  std::uint64_t settled() const { return settled_; }

 private:
  void handle(const Command& command) {
    home_.handle(command, now_);
    port_.flush();
    storage_.flush();
  }

  Now now_{Instant{std::chrono::seconds(50)}, WallTime{std::chrono::seconds(2'000'000'000)}};
  Settings settings_;
  queues::BufferPool pool_{std::size_t{64} << 20};
  queues::Parker parker_{[] {}};
  queues::Mesh mesh_{2, 8192};
  queues::CommandPort port_{mesh_, 0, {&parker_, &parker_}};
  queues::SpscRing<queues::StoreRequest> requests_{1024};
  queues::Outbox<queues::StoreRequest> storage_{requests_, parker_, 1024};
  queues::ShardCounters counters_;
  Home home_{{.shard = 0,
              .control = 1,
              .settings = settings_,
              .pool = pool_,
              .port = port_,
              .storage = {&storage_},
              .counters = counters_,
              .sequence_base = std::uint64_t{1000} << 24,
              .start = now_.instant}};
  std::uint64_t mailbox_ = 0;
  std::uint64_t last_sequence_ = 0;
  std::uint64_t settled_ = 0;
};

// Senders take turns, so that the one at hand is never the last one's neighbour in the list of
// those remembered.
void home_message(benchmark::State& state) {
  const auto senders = static_cast<std::uint64_t>(state.range(0));
  World world;
  std::uint64_t count = 0;
  for (auto _ : state) {
    world.message(100 + count % senders, 1 + count / senders);
    world.turn();
    world.acknowledge_delivered();
    world.turn();
    ++count;
  }
  if (world.settled() != count) state.SkipWithError("messages are not settled");
}
BENCHMARK(home_message)->Arg(1)->Arg(16)->Arg(256)->Arg(1024);

void home_duplicate(benchmark::State& state) {
  const auto senders = static_cast<std::uint64_t>(state.range(0));
  World world;
  for (std::uint64_t i = 0; i < senders; ++i) {
    world.message(100 + i, 1);
    world.turn();
    world.acknowledge_delivered();
    world.turn();
  }
  std::uint64_t count = 0;
  const std::uint64_t before = world.settled();
  for (auto _ : state) {
    world.message(100 + count % senders, 1);
    world.turn();
    ++count;
  }
  if (world.settled() != before + count) state.SkipWithError("duplicates are not settled");
}
BENCHMARK(home_duplicate)->Arg(1)->Arg(1024);

}  // namespace
}  // namespace godwit::dataplane
