// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/budget/counted_io.h"
#include "bench/budget/storage.h"
#include "client/load/load_client.h"
#include "crypto/keyed_hash.h"
#include "dataplane/shard.h"

// A gateway's shards as they ship, in one thread and on virtual time, over a network in memory.
// Control's place is taken by one that knows all accounts, and storage's by one that answers at
// once.
//
// Thread safety: none.

namespace godwit::bench {

// The functions that scripts/budget has callgrind look for. Counted is what runs below the first;
// the second ends a part of the profile.
std::size_t counted_turn(dataplane::Shard<CountedIo>& shard, Now now);
void end_counted_part(std::string_view name);

class Gateway {
 public:
  struct Options {
    std::uint16_t shards = 1;
    std::span<const client::load::LoadAccount> accounts;
  };
  static constexpr std::uint16_t port = 5210;
  static constexpr std::string_view domain = "localhost";

  explicit Gateway(const Options& options);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // One turn of every shard, counted or not, then of control and storage.
  void turn(Now now, bool counted);

  dataplane::io::MemoryNetwork& network() { return network_; }
  std::uint64_t sum(queues::ShardMetric metric) const;
  std::size_t stored_messages() const;
  // What the shards hold that an idle gateway does not: their heap, of which buffers count only
  // when they are in use.
  std::int64_t memory_in_use();

 private:
  struct Unit;

  void answer(queues::Command command, std::size_t from);

  const Options options_;
  dataplane::io::MemoryNetwork network_;
  SeededRandom random_{1};
  crypto::KeyPair key_ = crypto::KeyPair::generate(random_);
  std::vector<std::uint8_t> certificate_;
  dataplane::Settings settings_;
  dataplane::NodeIdentity identity_;
  crypto::HashKey hash_key_{};
  queues::Parker parker_{[] {}};
  queues::BufferPool control_pool_{std::size_t{8} << 20};
  queues::Mesh mesh_;
  queues::CommandPort control_port_;
  std::vector<std::unique_ptr<Unit>> units_;
};

}  // namespace godwit::bench
