// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/random.h"
#include "client/load/load_client.h"
#include "dataplane/io/memory/memory_backend.h"

// The clients of a measured gateway: in pairs, accounts 2n and 2n + 1, real ones over the network
// in memory. When `replying`, one message leaves for each that arrived, and the acknowledgement
// rides on it.
//
// An error of a client ends the program. Thread safety: none.

namespace godwit::bench {

class Clients {
 public:
  struct Options {
    dataplane::io::MemoryNetwork& network;
    std::span<client::load::LoadAccount> accounts;  // an even number
    std::size_t payload_size = 100;
  };
  explicit Clients(const Options& options);

  void connect(std::size_t account, bool backlog = false);
  // Handles what has arrived, and sends what is due.
  void turn(Now now);
  // Has a client send so many messages in its next frame.
  void send(std::size_t account, unsigned messages);
  void set_replying(bool replying) { replying_ = replying; }
  // Silent ones send no frames, also not the acknowledgements that are due.
  void set_silent(bool silent) { silent_ = silent; }

  std::size_t logged_in() const;
  std::uint64_t delivered() const { return delivered_; }
  std::uint64_t frames_sent() const { return frames_sent_; }
  // Everything sent has been settled.
  bool settled() const;

  // Events of the network.
  void on_open(ConnectionName name, bool connected);
  void on_bytes(ConnectionName name, std::uint64_t user, MutableBytes lease);
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName name, std::uint64_t user, dataplane::io::CloseReason reason);

 private:
  struct Member {
    std::unique_ptr<client::load::LoadClient> client;
    ConnectionName name;
    unsigned due = 0;
  };
  void flush(Member& member);

  const Options options_;
  std::vector<std::uint8_t> payload_;
  SeededRandom random_{2};
  dataplane::io::MemoryBackend io_;
  std::vector<Member> members_;
  std::uint64_t delivered_ = 0;
  std::uint64_t frames_sent_ = 0;
  bool replying_ = false;
  bool silent_ = false;
};

}  // namespace godwit::bench
