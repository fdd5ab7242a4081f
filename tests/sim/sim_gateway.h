// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "control/control.h"
#include "crypto/certificate.h"
#include "crypto/keyed_hash.h"
#include "dataplane/io/memory/memory_backend.h"
#include "dataplane/shard.h"
#include "queues/storage_worker.h"
#include "tests/sim/sim_disk.h"

// One life of a gateway's process, with the parts that ship: shards on a network in memory, storage
// workers on a simulated disk, control on the accounts that outlive it. Each part takes its turn
// when told to. Destroying it is kill -9: nothing is flushed, connections are reset.

namespace godwit::sim {

class SimGateway {
 public:
  // What stays the same from one life to the next.
  struct Site {
    dataplane::Settings settings;
    crypto::KeyPair node_key;
    std::vector<std::uint8_t> certificate;
    crypto::HashKey hash_key;
    dataplane::io::MemoryNetwork& network;
    SimDisk& disk;
    control::AccountStore& accounts;
    control::KeyDirectory& keys;  // as the accounts
  };
  struct Options {
    std::uint16_t shards = 1;
    std::uint16_t storage_threads = 1;
    std::uint32_t start_epoch = 1;
    std::size_t mesh_ring = 4096;
    std::size_t store_ring = 8192;
    std::size_t store_requests_waiting_max = std::size_t{1} << 18;
    std::size_t storage_pool_bytes = std::size_t{256} << 20;
    std::size_t send_queue_max = std::size_t{1} << 20;
    std::size_t receive_buffer_size = 4096;
    std::uint64_t seed = 0;
  };

  SimGateway(Site& site, const Options& options, Now now);
  ~SimGateway();
  SimGateway(const SimGateway&) = delete;
  SimGateway& operator=(const SimGateway&) = delete;

  std::size_t shard_count() const { return shards_.size(); }
  std::size_t storage_count() const { return storage_.size(); }
  std::size_t turn_shard(std::size_t index, Now now);
  std::size_t turn_storage(std::size_t index, Now now);
  std::size_t turn_control(Now now) { return control_->do_work(now); }
  Instant next_deadline(Now now) const;
  bool kick(const std::string& jid, Now now);

  // Empty while every limit holds.
  std::string broken_limit() const;
  // Empty when nobody is connected and nothing of a message is in memory.
  std::string above_floor();
  std::uint64_t sum(queues::ShardMetric metric) const;

 private:
  struct Storage;
  struct Shard;

  void make_rings(const Options& options);
  void start(const Options& options, Now now);

  Site& site_;
  dataplane::NodeIdentity identity_;
  queues::Parker parker_{[] {}};
  std::vector<std::unique_ptr<Storage>> storage_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<queues::Mesh> mesh_;
  queues::BufferPool control_pool_{std::size_t{8} << 20};
  std::vector<std::unique_ptr<queues::Outbox<queues::Command>>> control_outboxes_;
  std::unique_ptr<control::Control> control_;
};

}  // namespace godwit::sim
