// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "dataplane/io/stream.h"
#include "dataplane/io/uring/connection.h"
#include "dataplane/io/uring/ring.h"

// The kernel's TCP over io_uring, one ring a shard.
//
// A connection is hot (a multishot receive armed) or cold (one poll armed, no more); it starts hot,
// turns cold after some idle seconds and hot again when bytes come. One send is under way at a
// time, of all that had gathered by the start of a poll(). To close, each armed operation is
// cancelled, their last completions are awaited, and only then is the descriptor closed and the
// slot used again, under the next generation.
//
// Connections are accepted by a few operations, each of which takes one, says from where, and is
// armed again by the next poll(): so a flood of connections gets no more than its share of a turn.
// The first receive of an accepted connection fires once, so that one whose first bytes are its
// last has nothing armed that had to be cancelled.
//
// A poll() makes one system call, which submits what gathered and fetches what is ready, and more
// only while the kernel says there is more; none when there is nothing to do either way. It
// allocates nothing in a steady state.
//
// Thread safety: as dataplane/io/stream.h; the ring is made by the first call on the owning thread.

namespace godwit::dataplane::io {

class UringBackend {
 public:
  struct Options {
    std::uint16_t shard = 0;
    std::uint32_t connections_max = 100'000;
    std::uint32_t send_queue_max = 1 << 20;                // bytes, per connection
    std::size_t send_pool_bytes = std::size_t{256} << 20;  // at least 4 times send_queue_max
    Duration linger = std::chrono::seconds(5);             // for any close, from its start
    Duration cold_after = std::chrono::seconds(10);        // whole seconds
    uring::RingOptions ring{};
  };

  explicit UringBackend(const Options& options);
  ~UringBackend();
  UringBackend(const UringBackend&) = delete;
  UringBackend& operator=(const UringBackend&) = delete;

  // Makes the ring. Called by the others when need be; worth calling alone to hear of an error
  // early. Errors: invalid for options that cannot be, io when the kernel lacks io_uring.
  Result<void> start();
  // Errors: exists when it listens already, invalid for a host that is no address, io.
  Result<std::uint16_t> listen(const Endpoint& endpoint);
  void stop_listening();
  // From `source`, or where it is empty from the address that the kernel chooses; one address
  // reaches a server's port from as many ports as the kernel lends it, 28 232 mostly. Errors: limit
  // at connections_max, invalid for a host that is no address, io.
  Result<ConnectionName> connect(const Endpoint& endpoint, const std::string& source = {});
  void set_user(ConnectionName name, std::uint64_t user);
  std::size_t send(ConnectionName name, std::span<const Bytes> chunks);
  void pause_receive(ConnectionName name);
  void resume_receive(ConnectionName name);
  void close(ConnectionName name, CloseMode mode);
  IpAddress peer_ip(ConnectionName name) const;
  // Costs system calls. Empty where direct descriptors are used and the kernel is older than 6.8.
  std::string peer_address(ConnectionName name);
  void wake();
  std::size_t open_connections() const { return connections_.used(); }
  // Connections closed at once because connections_max, or the number of descriptors, was reached.
  std::uint64_t refused_connections() const { return refused_; }
  // Which of the kernel's features are used, for the log; empty before start().
  const std::string& describe() const { return description_; }
  // Connections with a receive armed and with only a poll, for tests and metrics.
  std::size_t hot_connections() const { return hot_; }
  std::size_t cold_connections() const { return cold_; }

  template <StreamHandler Handler>
  std::size_t poll(Now now, std::size_t budget, Instant deadline, Handler& handler);

 private:
  using Op = uring::Op;
  // What a completion means for the handler.
  enum class Event : std::uint8_t { none, opened, connected, bytes, writable };
  struct Completion {
    Event event = Event::none;
    bool rearm = false;  // see to the receive after the callback, which may pause or close
    std::uint32_t slot = 0;
    std::int32_t buffer = -1;  // to recycle after the callback
    MutableBytes lease{};
  };
  struct Accept {
    sockaddr_in6 address{};  // large enough for IPv4's
    socklen_t size = 0;
    bool armed = false;
  };
  struct Closing {
    std::int32_t descriptor;  // a direct one
    bool aborted;
  };
  struct Deadline {
    Instant at;
    ConnectionName name;
  };
  struct Stash {
    std::vector<std::uint8_t> bytes;
    bool ends = false;  // the peer's FIN follows
  };

  static std::uint64_t tag(Op op, std::uint32_t slot, std::uint16_t generation) {
    return std::uint64_t{static_cast<std::uint8_t>(op)} << 56 | std::uint64_t{generation} << 32 |
           slot;
  }
  ConnectionName name_of(std::uint32_t slot) const {
    return {slot, options_.shard, connections_[slot].generation};
  }
  uring::Connection* find(ConnectionName name);
  void submit_for(io_uring_sqe* sqe, std::uint32_t slot, Op op);

  // uring_receive.cc
  static bool wants_receive(const uring::Connection& connection);
  void arm_receive(std::uint32_t slot);
  void arm_poll(std::uint32_t slot);
  void rearm(std::uint32_t slot);
  void cancel_receive(std::uint32_t slot);
  Completion on_receive(std::uint32_t slot, const io_uring_cqe& cqe);
  void on_fin(std::uint32_t slot);
  void stash(std::uint32_t slot, Bytes bytes, bool ends);
  Completion take_stash(std::uint32_t slot, Stash& stash);
  void return_stash(std::uint32_t slot, const Stash& stash);
  void rearm_starved();
  void cool_idle();

  // uring_send.cc
  void append(uring::Connection& connection, Bytes chunk);
  void mark_dirty(std::uint32_t slot);
  void flush_sends();
  void start_send(std::uint32_t slot);
  Completion on_sent(std::uint32_t slot, int result);
  void on_send_failed(std::uint32_t slot);
  void drop_queue(uring::Connection& connection);
  bool takes_writable(std::uint32_t slot);

  // uring_close.cc
  void arm_accepts();
  void arm_accept(std::uint32_t index);
  Completion on_accept(const io_uring_cqe& cqe);
  void drop_accepted(std::int32_t descriptor);
  void submit_closes();
  Completion on_connect(std::uint32_t slot, int result);
  void begin_drain(std::uint32_t slot);
  void send_fin(std::uint32_t slot);
  void die(std::uint32_t slot, CloseReason reason, bool abort = false);
  void cancel(std::uint32_t slot, Op op);
  void note_if_quiet(std::uint32_t slot);
  void close_descriptor(const uring::Connection& connection);
  void expire_lingering();

  // uring_backend.cc
  void arm_wake();
  void begin_poll(Now now, Instant deadline);
  Completion on_completion(const io_uring_cqe& cqe);
  void house_keep();

  template <StreamHandler Handler>
  void dispatch(const Completion& completion, Handler& handler);
  template <StreamHandler Handler>
  std::size_t deliver_stashes(Handler& handler);
  template <StreamHandler Handler>
  std::size_t report_relief(Handler& handler);
  template <StreamHandler Handler>
  std::size_t report_finished(Handler& handler);

  const Options options_;
  std::unique_ptr<uring::Ring> ring_;
  std::string description_;
  uring::ConnectionTable connections_;
  uring::SendPool send_pool_;
  // Slots with something to do. A slot may have ended or begun anew meanwhile: each entry is looked
  // at afresh.
  std::vector<std::uint32_t> dirty_;
  std::vector<std::uint32_t> starved_;
  std::vector<std::uint32_t> resumed_;
  std::vector<std::uint32_t> awaiting_pool_;
  std::vector<std::uint32_t> finished_;
  std::vector<Closing> closing_;  // at the next poll(), behind what is sent
  std::vector<std::uint32_t> scratch_;
  std::unordered_map<std::uint32_t, Stash> stashes_;
  std::deque<Deadline> lingering_;
  Now now_{};
  std::uint32_t now_s_ = 0;
  int listener_ = -1;
  std::uint16_t listener_generation_ = 0;
  std::array<Accept, 2> accepts_;
  ConnectionName opening_{};  // the connection last accepted, and from where
  IpAddress opening_address_;
  Instant accept_again_ = never;  // the kernel was out of descriptors: none is armed until then
  int wake_descriptor_ = -1;
  std::uint64_t wake_value_ = 0;
  std::atomic<bool> wake_pending_{false};
  std::uint32_t sweep_hand_ = 0;
  Instant next_sweep_{};
  std::size_t hot_ = 0;
  std::size_t cold_ = 0;
  std::uint64_t refused_ = 0;
};

template <StreamHandler Handler>
std::size_t UringBackend::poll(Now now, std::size_t budget, Instant deadline, Handler& handler) {
  begin_poll(now, deadline);
  std::size_t events = deliver_stashes(handler);
  io_uring_cqe cqe;
  for (;;) {
    const std::size_t before = events;
    for (; events < budget && ring_->next(cqe); ++events) dispatch(on_completion(cqe), handler);
    // More only after progress, so that a turn ends whatever the kernel says.
    if (events == before || events >= budget || !ring_->has_more()) break;
    ring_->publish_buffers();
    ring_->enter(Duration::zero());
  }
  house_keep();
  events += report_relief(handler);
  events += report_finished(handler);
  return events;
}

template <StreamHandler Handler>
void UringBackend::dispatch(const Completion& completion, Handler& handler) {
  if (completion.event != Event::none) {
    const ConnectionName name = name_of(completion.slot);
    const std::uint64_t user = connections_[completion.slot].user;
    switch (completion.event) {
      case Event::bytes:
        handler.on_bytes(name, user, completion.lease);
        break;
      case Event::writable:
        handler.on_writable(name, user);
        break;
      case Event::opened:
      case Event::connected:
        handler.on_open(name, completion.event == Event::connected);
        break;
      case Event::none:
        break;
    }
  }
  if (completion.buffer >= 0) ring_->recycle(static_cast<std::uint16_t>(completion.buffer));
  if (completion.rearm) rearm(completion.slot);
}

// What came while they were paused, for those that go on.
template <StreamHandler Handler>
std::size_t UringBackend::deliver_stashes(Handler& handler) {
  if (resumed_.empty()) return 0;
  std::size_t events = 0;
  scratch_.swap(resumed_);
  for (const std::uint32_t slot : scratch_) {
    Stash stash;
    const Completion completion = take_stash(slot, stash);
    dispatch(completion, handler);
    return_stash(slot, stash);
    ++events;
  }
  scratch_.clear();
  return events;
}

// The pool has memory again for those it had to refuse.
template <StreamHandler Handler>
std::size_t UringBackend::report_relief(Handler& handler) {
  if (awaiting_pool_.empty() || !send_pool_.is_relieved()) return 0;
  std::size_t events = 0;
  scratch_.swap(awaiting_pool_);
  for (const std::uint32_t slot : scratch_) {
    connections_[slot].awaits_pool = false;
    if (!takes_writable(slot)) continue;
    dispatch({.event = Event::writable, .slot = slot}, handler);
    ++events;
  }
  scratch_.clear();
  return events;
}

template <StreamHandler Handler>
std::size_t UringBackend::report_finished(Handler& handler) {
  std::size_t events = 0;
  // Callbacks may end more of them.
  for (; events < finished_.size(); ++events) {
    const std::uint32_t slot = finished_[events];
    const ConnectionName name = name_of(slot);
    const uring::Connection last = connections_[slot];
    if (last.stashed) stashes_.erase(slot);
    close_descriptor(last);
    connections_.give_back(slot);
    handler.on_closed(name, last.user, last.reason);
  }
  finished_.clear();
  return events;
}

}  // namespace godwit::dataplane::io
