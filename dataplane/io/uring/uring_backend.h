// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "dataplane/io/stream.h"
#include "dataplane/io/uring/connection.h"
#include "dataplane/io/uring/ring.h"

// The kernel's TCP over io_uring, one ring a shard.
//
// A connection is cold (one poll armed, no buffer) or hot (a multishot receive armed); it turns hot when bytes come and
// cold again after some idle seconds. One send is under way at a time, of all that had gathered by then. To
// close, its operations are cancelled by descriptor, their last completions awaited, and only then is the
// descriptor closed and the slot used again under the next generation.
//
// Thread safety: as dataplane/io/stream.h; the ring is made by the first call on the owning thread.

namespace godwit::dataplane::io {

class UringBackend {
 public:
  struct Options {
    std::uint16_t shard = 0;
    std::uint32_t connections_max = 100'000;
    std::uint32_t send_queue_max = 1 << 20;               // bytes, per connection
    std::size_t send_pool_bytes = std::size_t{256} << 20;
    Duration linger = std::chrono::seconds(5);
    Duration cold_after = std::chrono::seconds(10);
    uring::RingOptions ring{};
  };

  explicit UringBackend(const Options& options);
  ~UringBackend();
  UringBackend(const UringBackend&) = delete;
  UringBackend& operator=(const UringBackend&) = delete;

  // Makes the ring. Called by the others when need be; worth calling alone to hear of an error early.
  Result<void> start();
  Result<std::uint16_t> listen(const Endpoint& endpoint);
  void stop_listening();
  Result<ConnectionName> connect(const Endpoint& endpoint);
  void set_user(ConnectionName name, std::uint64_t user);
  std::size_t send(ConnectionName name, std::span<const Bytes> chunks);
  void pause_receive(ConnectionName name);
  void resume_receive(ConnectionName name);
  void close(ConnectionName name, CloseMode mode);
  std::string peer_address(ConnectionName name);
  void wake();
  std::size_t open_connections() const { return open_; }
  // Connections closed at once because connections_max was reached.
  std::uint64_t refused_connections() const { return refused_; }
  const std::string& describe() const { return description_; }

  template <StreamHandler Handler>
  std::size_t poll(Now now, std::size_t budget, Instant deadline, Handler& handler);

 private:
  enum class Op : std::uint8_t { accept = 1, connect, poll, receive, send, shutdown, cancel, close, wake };
  // What a completion means for the handler.
  enum class Event : std::uint8_t { none, opened, connected, bytes, writable, closed };
  struct Completion {
    Event event = Event::none;
    std::uint32_t slot = 0;
    MutableBytes lease{};
    std::int32_t buffer = -1;  // to recycle after the callback
  };
  struct Deadline {
    Instant at;
    ConnectionName name;
  };

  static std::uint64_t tag(Op op, std::uint32_t slot, std::uint16_t generation) {
    return std::uint64_t{static_cast<std::uint8_t>(op)} << 56 | std::uint64_t{generation} << 32 | slot;
  }
  ConnectionName name_of(std::uint32_t slot) const {
    return {slot, options_.shard, connections_[slot].generation};
  }
  uring::Connection* find(ConnectionName name);
  std::uint32_t take_slot();
  io_uring_sqe* operation(std::uint32_t slot, Op op);
  void target(io_uring_sqe* sqe, const uring::Connection& connection);

  void arm_accept();
  void arm_receive(std::uint32_t slot);
  void arm_poll(std::uint32_t slot);
  void arm_wake();
  void cancel_receive(std::uint32_t slot);
  void start_send(std::uint32_t slot);
  void mark_dirty(std::uint32_t slot);
  void drop_queue(uring::Connection& connection);
  void begin_drain(std::uint32_t slot, CloseReason reason);
  void drained(std::uint32_t slot);
  void die(std::uint32_t slot, CloseReason reason);
  void close_when_quiet(std::uint32_t slot);

  Completion on_completion(const io_uring_cqe& cqe);
  Completion on_accept(const io_uring_cqe& cqe);
  Completion on_connect(std::uint32_t slot, int result);
  Completion on_receive(std::uint32_t slot, const io_uring_cqe& cqe);
  Completion on_sent(std::uint32_t slot, int result);
  Completion on_closed(std::uint32_t slot);
  Completion hold_back(std::uint32_t slot, MutableBytes lease, std::int32_t buffer);
  void flush_sends();
  void house_keep();

  const Options options_;
  std::unique_ptr<uring::Ring> ring_;
  std::string description_;
  std::deque<uring::Connection> connections_;
  std::vector<std::uint32_t> free_slots_;
  uring::SendPool send_pool_;
  std::vector<std::uint32_t> dirty_;
  std::vector<std::uint32_t> starved_;
  std::vector<std::uint32_t> resumed_;
  std::vector<std::uint32_t> wanting_;  // refused for want of memory with nothing under way
  std::unordered_map<std::uint32_t, std::deque<std::vector<std::uint8_t>>> stashes_;
  std::deque<Deadline> lingering_;
  // Scatter lists of the sends being submitted; the kernel has read them when enter returns.
  std::deque<msghdr> headers_;
  std::deque<std::array<iovec, 16>> vectors_;
  Now now_{};
  int listener_ = -1;
  bool accepting_ = false;
  int wake_descriptor_ = -1;
  std::uint64_t wake_value_ = 0;
  std::uint32_t sweep_hand_ = 0;
  Instant next_sweep_{};
  std::size_t open_ = 0;
  std::uint64_t refused_ = 0;
};

template <StreamHandler Handler>
std::size_t UringBackend::poll(Now now, std::size_t budget, Instant deadline, Handler& handler) {
  now_ = now;
  GODWIT_CHECK(start().has_value());
  flush_sends();
  const bool busy = !resumed_.empty() || !wanting_.empty();
  Duration wait{};
  if (!busy && deadline > now.instant) {
    wait = std::min<Duration>(deadline - now.instant, std::chrono::seconds(1));
  }
  ring_->enter(wait);
  headers_.clear();
  vectors_.clear();

  const auto dispatch = [&](const Completion& completion) {
    const ConnectionName name = name_of(completion.slot);
    const std::uint64_t user = connections_[completion.slot].user;
    switch (completion.event) {
      case Event::none:
        break;
      case Event::opened:
      case Event::connected:
        handler.on_open(name, completion.event == Event::connected);
        break;
      case Event::bytes:
        handler.on_bytes(name, user, completion.lease);
        break;
      case Event::writable:
        handler.on_writable(name, user);
        break;
      case Event::closed: {
        const CloseReason reason = connections_[completion.slot].reason;
        uring::Connection& connection = connections_[completion.slot];
        const std::uint16_t generation = connection.generation == UINT16_MAX
                                             ? std::uint16_t{1}
                                             : static_cast<std::uint16_t>(connection.generation + 1);
        connection = uring::Connection{};
        connection.generation = generation;
        free_slots_.push_back(completion.slot);
        --open_;
        handler.on_closed(name, user, reason);
        break;
      }
    }
    if (completion.buffer >= 0) ring_->recycle(static_cast<std::uint16_t>(completion.buffer));
  };

  std::size_t events = ring_->drain(budget, [&](const io_uring_cqe& cqe) { dispatch(on_completion(cqe)); });
  std::vector<std::uint32_t> resumed;
  resumed.swap(resumed_);
  for (const std::uint32_t slot : resumed) {
    const auto found = stashes_.find(slot);
    if (found == stashes_.end()) continue;
    std::deque<std::vector<std::uint8_t>> stash = std::move(found->second);
    stashes_.erase(found);
    connections_[slot].stashed = false;
    while (!stash.empty()) {
      if (connections_[slot].phase != uring::Phase::open) break;
      if (connections_[slot].paused) {  // again, from the callback
        connections_[slot].stashed = true;
        stashes_[slot] = std::move(stash);
        break;
      }
      std::vector<std::uint8_t> bytes = std::move(stash.front());
      stash.pop_front();
      if (bytes.empty()) {
        begin_drain(slot, CloseReason::peer_closed);
      } else {
        dispatch({.event = Event::bytes, .slot = slot, .lease = bytes});
      }
      ++events;
    }
  }
  std::vector<std::uint32_t> wanting;
  wanting.swap(wanting_);
  for (const std::uint32_t slot : wanting) {
    uring::Connection& connection = connections_[slot];
    if (connection.phase != uring::Phase::open || !connection.want_writable) continue;
    connection.want_writable = false;
    dispatch({.event = Event::writable, .slot = slot});
  }
  ring_->publish_buffers();
  house_keep();
  return events;
}

}  // namespace godwit::dataplane::io
