// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/client.h"
#include "dataplane/io/memory/memory_backend.h"
#include "tests/sim/ledger.h"

// A device with its application: the client that ships, on a state in a folder, over a connection
// in memory. The application sends what it is told to, and shows to the ledger what comes into its
// inbox. It can be killed between two steps; the folder stays.

namespace godwit::sim {

class SimDevice {
 public:
  struct Options {
    std::string home;
    std::string user;
    std::string domain;
    std::string invite;
    dataplane::io::MemoryNetwork& network;
    Ledger& ledger;
    Trace& trace;
    std::uint16_t number = 0;  // names its end of the network
    std::uint64_t seed = 0;
    std::size_t send_queue_max = std::size_t{1} << 20;
  };

  explicit SimDevice(const Options& options);
  ~SimDevice();

  // Starts the process; asks for a device when the folder has none yet.
  void start();
  // kill -9.
  void kill();
  // Says goodbye and stays away until it is killed and started again.
  void close();
  bool running() const { return client_ != nullptr; }
  bool has_session() const { return running() && client_->trouble().empty(); }
  bool outbox_empty() const { return running() && client_->outbox_empty(); }

  // Returns how much it did.
  std::size_t step(Now now);
  Instant deadline() const { return running() ? client_->deadline() : never; }
  void send(const std::string& to_user, std::uint16_t to_device,
            const std::vector<std::size_t>& sizes);

  // Ends it, and returns who it was.
  std::pair<protocol::Jid, crypto::KeyPair> give_away_identity();

  std::size_t ledger_index() const { return index_; }
  const std::string& user() const { return options_.user; }
  std::string describe() const;
  // The connection's name on the network; 0 without one.
  std::uint64_t link();

 private:
  class Wire;
  struct Network;

  void show_inbox();

  const Options options_;
  const std::size_t index_;  // in the ledger
  SeededRandom random_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<client::Client> client_;
  bool inbox_filled_ = false;
};

}  // namespace godwit::sim
