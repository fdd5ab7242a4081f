// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/io/memory/memory_network.h"
#include "dataplane/io/stream.h"

// A shard's or a client's end of a MemoryNetwork. It never sleeps: a driver looks at has_work() and
// next_deadline() to know when virtual time may move on.
//
// Thread safety: none, wake() included; everything on a network is driven by one thread.

namespace godwit::dataplane::io {

class MemoryBackend {
 public:
  struct Options {
    std::uint16_t shard = 0;
    std::uint32_t connections_max = 100'000;
    std::size_t send_queue_max = std::size_t{1} << 20;  // bytes, per connection
    std::size_t send_pool_bytes = std::size_t{64} << 20;
    std::size_t receive_buffer_size = 4096;
    Duration linger = std::chrono::seconds(5);
    std::string host;  // its own address; empty: 127.0.0.0/8, by shard
  };

  MemoryBackend(MemoryNetwork& network, const Options& options);
  // Resets every connection without a word to the handler, as a process that dies.
  ~MemoryBackend();
  MemoryBackend(const MemoryBackend&) = delete;
  MemoryBackend& operator=(const MemoryBackend&) = delete;

  Result<std::uint16_t> listen(const Endpoint& endpoint);
  void stop_listening();
  Result<ConnectionName> connect(const Endpoint& endpoint);
  void set_user(ConnectionName name, std::uint64_t user);
  std::size_t send(ConnectionName name, std::span<const Bytes> chunks);
  void pause_receive(ConnectionName name);
  void resume_receive(ConnectionName name);
  void close(ConnectionName name, CloseMode mode);
  IpAddress peer_ip(ConnectionName name);
  std::string peer_address(ConnectionName name);
  void wake() { woken_ = true; }
  std::size_t open_connections() const { return open_; }

  template <StreamHandler Handler>
  std::size_t poll(Now now, std::size_t budget, Instant deadline, Handler& handler);

  // The next poll would find something, or wake() was called since the last.
  bool has_work() const { return woken_ || !ready_.empty() || !arrivals_.empty(); }
  // When a close has lingered long enough; `never` without one.
  Instant next_deadline() const;
  // Connections closed at once because connections_max was reached.
  std::uint64_t refused_connections() const { return refused_; }
  std::size_t send_pool_in_use() const { return pool_used_; }
  // For MemoryNetwork::hold and its kin; 0 for a stale name or one not connected yet.
  std::uint64_t link(ConnectionName name);

 private:
  friend struct memory::Link;

  enum class Phase : std::uint8_t {
    unused,
    connecting,
    open,
    draining,  // the peer's FIN has come; what is queued still leaves
    closing,   // closed by us: the queue leaves, then FIN, then the peer's FIN is awaited
    dying,     // on_closed is due
  };
  struct Connection {
    std::uint64_t user = 0;
    std::shared_ptr<memory::Link> link;
    std::size_t side = 0;
    memory::ByteQueue queue;
    Endpoint target;
    std::uint16_t generation = 1;
    Phase phase = Phase::unused;
    CloseReason reason = CloseReason::local;
    bool paused = false;
    bool ready = false;  // in the list of those to look at
    bool want_writable = false;
    bool fin_sent = false;
  };
  struct Lingering {
    ConnectionName name;
    Instant until;
  };

  ConnectionName name_of(std::uint32_t slot) const;
  Connection* find(ConnectionName name);
  std::uint32_t take_slot();
  void release_slot(std::uint32_t slot);
  void mark_ready(std::uint32_t slot);
  void detach(Connection& connection, bool reset);
  void die(std::uint32_t slot, CloseReason reason);
  void expire_lingering();

  std::optional<ConnectionName> accept_next();
  bool finish_connect(std::uint32_t slot);
  void check_reset(std::uint32_t slot);
  void flush(std::uint32_t slot);
  void return_to_pool(std::size_t size);
  bool take_writable(std::uint32_t slot);
  MutableBytes take_arrived(std::uint32_t slot);
  void settle(std::uint32_t slot);
  bool held(std::uint32_t slot) const;
  // One look at one connection; returns the events handled.
  template <StreamHandler Handler>
  std::size_t step(std::uint32_t slot, Handler& handler);

  MemoryNetwork& network_;
  const Options options_;
  std::deque<Connection> connections_;  // references stay good while it grows
  std::vector<std::uint32_t> free_slots_;
  std::deque<std::uint32_t> ready_;
  std::deque<std::shared_ptr<memory::Link>> arrivals_;
  std::deque<Lingering> lingering_;
  std::vector<ConnectionName> pool_waiters_;
  std::vector<std::uint8_t> receive_buffer_;
  Now now_{};
  std::size_t open_ = 0;
  std::size_t pool_used_ = 0;
  std::uint64_t refused_ = 0;
  bool listening_ = false;
  bool woken_ = false;
};

template <StreamHandler Handler>
std::size_t MemoryBackend::poll(Now now, std::size_t budget, Instant, Handler& handler) {
  now_ = now;
  woken_ = false;
  expire_lingering();
  std::size_t events = 0;
  while (events < budget && !arrivals_.empty()) {
    if (const auto name = accept_next()) {
      ++events;
      handler.on_open(*name, false);
    }
  }
  // Those that become ready meanwhile wait for the next poll, so that two ends cannot keep each
  // other busy in one.
  for (std::size_t count = ready_.size(); count > 0 && events < budget; --count) {
    const std::uint32_t slot = ready_.front();
    ready_.pop_front();
    events += step(slot, handler);
  }
  return events;
}

template <StreamHandler Handler>
std::size_t MemoryBackend::step(std::uint32_t slot, Handler& handler) {
  Connection& connection = connections_[slot];
  connection.ready = false;
  if (connection.phase == Phase::unused || held(slot)) return 0;
  const ConnectionName name = name_of(slot);
  std::size_t events = 0;
  if (connection.phase == Phase::connecting && finish_connect(slot)) {
    ++events;
    handler.on_open(name, true);
  }
  check_reset(slot);
  flush(slot);
  if (take_writable(slot)) {
    ++events;
    handler.on_writable(name, connection.user);
  }
  if (const MutableBytes lease = take_arrived(slot); !lease.empty()) {
    ++events;
    handler.on_bytes(name, connection.user, lease);
  }
  settle(slot);
  if (connection.phase != Phase::dying) return events;
  const std::uint64_t user = connection.user;
  const CloseReason reason = connection.reason;
  release_slot(slot);
  handler.on_closed(name, user, reason);
  return events + 1;
}

}  // namespace godwit::dataplane::io
