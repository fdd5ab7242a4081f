// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "apps/dpdk_network.h"
#include "apps/operations.h"
#include "apps/shard_thread.h"
#include "base/random.h"
#include "control/account_store.h"
#include "control/admin_commands.h"
#include "control/admin_server.h"
#include "control/config.h"
#include "control/control.h"
#include "control/control_loop.h"
#include "control/files.h"
#include "control/metrics_server.h"
#include "control/node_keys.h"
#include "queues/mesh.h"
#include "queues/sqlite_store.h"
#include "queues/storage_thread.h"

// Puts a whole gateway together: rings first, then storage, control and shards, each on its thread,
// and takes it apart in the opposite order. The only place that knows every part.

namespace godwit::apps {

class Gateway {
 public:
  // `config` has passed check_config. `read_again` is called on control's thread.
  static Result<std::unique_ptr<Gateway>> start(const control::Config& config,
                                                Operations::ReadConfig read_again,
                                                std::function<std::uint64_t()> log_lines_left_out);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Sends clients away, gives what is at risk to storage, ends the threads. A crash at any instant
  // loses nothing acknowledged either; this only saves clients and senders time.
  void stop();
  // As Operations::reload. Any thread, until stop().
  void reload() { operations_->reload(*control_); }

  // Every shard and control have gone on since the last call; asked at least two seconds apart, in
  // which an idle thread wakes too. One thread.
  bool turning();

  std::uint16_t port() const { return port_; }
  const control::NodeKeys& keys() const { return keys_; }
  std::string metrics_address() const;
  const std::string& io_description() const { return io_description_; }

 private:
  struct StorageUnit;
  struct ShardUnit;

  Gateway(const control::Config& config, Operations::ReadConfig read_again,
          std::function<std::uint64_t()> log_lines_left_out);
  Result<void> open();
  Result<void> open_control();
  Result<void> open_admin();
  void set_limits(const control::Config::Limits& limits);
  void make_rings();
  void start_storage();
  template <typename Io>
  std::unique_ptr<ShardThread> make_thread(ShardUnit& unit, std::unique_ptr<Io> io);
  Result<void> start_shards();

  const control::Config config_;  // as started
  const Operations::ReadConfig read_again_;
  const std::function<std::uint64_t()> log_lines_left_out_;
  dataplane::Settings settings_;
  std::optional<control::DirectoryLock> lock_;  // of the data folder
  control::NodeKeys keys_;
  dataplane::NodeIdentity identity_{keys_.node_key, {}};
  SystemRandom random_;
  std::uint16_t shard_count_ = 1;
  std::uint16_t port_ = 0;
  std::string io_description_;
  StopRequest stop_request_;
  bool stopped_ = false;
  std::vector<std::uint64_t> turns_seen_;
  std::shared_ptr<std::atomic<bool>> control_answered_ = std::make_shared<std::atomic<bool>>(true);

  // Made before every thread and destroyed after it: rings, pools, parkers.
  std::unique_ptr<control::ControlLoop> control_loop_;
  std::unique_ptr<DpdkNetwork> dpdk_;  // when that is what carries the bytes
  std::vector<std::unique_ptr<StorageUnit>> storage_;
  std::vector<std::unique_ptr<ShardUnit>> shards_;
  std::vector<queues::Parker*> parkers_;
  std::unique_ptr<queues::Mesh> mesh_;
  std::unique_ptr<queues::BufferPool> control_pool_;
  std::vector<std::unique_ptr<queues::Outbox<queues::Command>>> control_outboxes_;
  std::unique_ptr<control::AccountStore> accounts_;
  std::unique_ptr<control::KeyDirectory> key_directory_;
  std::unique_ptr<control::Control> control_;
  std::unique_ptr<Operations> operations_;
  std::unique_ptr<control::AdminCommands> admin_commands_;
  std::unique_ptr<control::AdminServer> admin_server_;
  std::unique_ptr<control::MetricsServer> metrics_server_;
};

}  // namespace godwit::apps
