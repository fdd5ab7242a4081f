// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/random.h"
#include "dataplane/tcp/stack.h"

// A stack over raw IP on virtual time, with a user that reads everything and writes down what it is
// told.

namespace godwit::dataplane::tcp::script {

// The byte at a place of either stream.
inline std::uint8_t stream_byte(std::uint64_t place) {
  return static_cast<std::uint8_t>(place * 7 + (place >> 8) * 13);
}

struct User {
  struct Connection {
    ConnectionName name;
    bool connected = false;
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    bool corrupt = false;
    bool finished = false;
    int writable = 0;
    std::optional<io::CloseReason> closed;
  };
  std::vector<Connection> connections;
  std::vector<io::CloseReason> failed;  // closed without having been opened

  Connection* find(ConnectionName name) {
    for (Connection& connection : connections) {
      if (connection.name == name) return &connection;
    }
    return nullptr;
  }
  void on_open(ConnectionName name, bool connected) {
    connections.push_back({name, connected, 0, 0, false, false, 0, {}});
  }
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    Connection* connection = find(name);
    GODWIT_CHECK(connection != nullptr && !connection->closed);
    for (std::uint8_t& byte : lease) {
      if (byte != stream_byte(connection->received++)) connection->corrupt = true;
      byte = 0xdd;  // the lease is ours
    }
  }
  void on_writable(ConnectionName name, std::uint64_t) {
    if (Connection* connection = find(name)) ++connection->writable;
  }
  void on_closed(ConnectionName name, std::uint64_t, io::CloseReason reason) {
    Connection* connection = find(name);
    if (connection == nullptr) return failed.push_back(reason);
    GODWIT_CHECK(!connection->closed);
    connection->closed = reason;
  }
};

// Goes on sending after the peer's FIN.
struct HalfClosingUser {
  User* user;
  void on_open(ConnectionName name, bool connected) { user->on_open(name, connected); }
  void on_bytes(ConnectionName name, std::uint64_t id, MutableBytes lease) {
    user->on_bytes(name, id, lease);
  }
  void on_writable(ConnectionName name, std::uint64_t id) { user->on_writable(name, id); }
  void on_closed(ConnectionName name, std::uint64_t id, io::CloseReason reason) {
    user->on_closed(name, id, reason);
  }
  void on_peer_finished(ConnectionName name, std::uint64_t) {
    if (User::Connection* connection = user->find(name)) connection->finished = true;
  }
};

class World {
 public:
  struct Sent {
    std::vector<std::uint8_t> packet;
    Instant at;
  };

  World(const StackSettings& settings, bool half_close)
      : events_(half_close ? Events(half_closing_) : Events(user)),
        stack(settings, 0, random_, *this) {}

  // The port.
  PortFeatures features() const { return {}; }
  MutableBytes frame(std::size_t size) {
    making_.assign(size, 0);
    return making_;
  }
  void send(const TxHints&) { sent.push_back({std::move(making_), now}); }

  // Runs what is due until `end`, or until something has been sent when `until_sent`.
  void run(Instant end, bool until_sent) {
    for (int guard = 0; guard < 200'000; ++guard) {
      if (until_sent && !sent.empty()) return;
      const Instant due = stack.next_deadline();
      if (due > end) break;
      now = std::max(now, due);
      turn();
    }
    now = std::max(now, end);
  }
  void turn() {
    stack.expire(now, events_);
    stack.flush(now, events_);
  }
  void receive(std::vector<std::uint8_t> packet, RxHints hints = {}) {
    stack.receive(packet, hints, now, events_);
  }

  User user;
  std::deque<Sent> sent;
  Instant now{std::chrono::hours(1)};

 private:
  SeededRandom random_{1};
  HalfClosingUser half_closing_{&user};
  Events events_;
  std::vector<std::uint8_t> making_;

 public:
  Stack stack;
};

}  // namespace godwit::dataplane::tcp::script
