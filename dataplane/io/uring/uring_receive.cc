// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "dataplane/io/uring/uring_backend.h"

// Bytes in: arming, pausing, running out of buffers, turning cold.

namespace godwit::dataplane::io {

using uring::Connection;
using uring::Phase;

bool UringBackend::wants_receive(const Connection& connection) {
  if (connection.phase == Phase::open) return !connection.paused && !connection.fin_seen;
  return connection.phase == Phase::closing && !connection.fin_seen;
}

void UringBackend::arm_receive(std::uint32_t slot) {
  io_uring_sqe* sqe = ring_->sqe();
  io_uring_prep_recv(sqe, connections_[slot].descriptor, nullptr, 0, 0);
  if (ring_->has_multishot_receive() && connections_[slot].heard)
    sqe->ioprio |= IORING_RECV_MULTISHOT;
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = uring::Ring::buffer_group;
  submit_for(sqe, slot, Op::receive);
  ++hot_;
}

void UringBackend::arm_poll(std::uint32_t slot) {
  io_uring_sqe* sqe = ring_->sqe();
  io_uring_prep_poll_add(sqe, connections_[slot].descriptor, POLLIN);
  submit_for(sqe, slot, Op::poll);
  ++cold_;
}

// Sees to it that a connection that wants bytes has something armed.
void UringBackend::rearm(std::uint32_t slot) {
  const Connection& connection = connections_[slot];
  if (!wants_receive(connection) || connection.starved) return;
  if (!connection.has(Op::receive) && !connection.has(Op::poll)) arm_receive(slot);
}

void UringBackend::cancel_receive(std::uint32_t slot) {
  if (!connections_[slot].has(Op::receive) || connections_[slot].cancelling) return;
  connections_[slot].cancelling = true;
  cancel(slot, Op::receive);
}

void UringBackend::pause_receive(ConnectionName name) {
  Connection* connection = find(name);
  if (connection == nullptr || connection->phase != Phase::open || connection->paused) return;
  connection->paused = true;
  cancel_receive(name.slot);
}

void UringBackend::resume_receive(ConnectionName name) {
  Connection* connection = find(name);
  if (connection == nullptr || connection->phase != Phase::open || !connection->paused) return;
  connection->paused = false;
  if (connection->stashed && !connection->resuming) {
    connection->resuming = true;
    resumed_.push_back(name.slot);
  }
  rearm(name.slot);
}

UringBackend::Completion UringBackend::on_receive(std::uint32_t slot, const io_uring_cqe& cqe) {
  Connection& connection = connections_[slot];
  Completion completion{.slot = slot};
  if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
    completion.buffer = static_cast<std::int32_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
  }
  const bool ended = (cqe.flags & IORING_CQE_F_MORE) == 0;
  bool cooling = false;
  if (ended) {
    cooling = connection.cooling;
    connection.clear(Op::receive);
    connection.cancelling = connection.cooling = false;
    --hot_;
  }
  if (connection.phase == Phase::dying) {
    note_if_quiet(slot);
    return completion;
  }
  if (cqe.res > 0) {
    completion.rearm = ended;
    connection.heard = true;
    connection.active_s = now_s_;
    if (connection.phase != Phase::open) return completion;
    completion.lease = ring_->receive_buffer(static_cast<std::uint16_t>(completion.buffer),
                                             static_cast<std::size_t>(cqe.res));
    if (connection.paused || connection.stashed) [[unlikely]] {
      stash(slot, completion.lease, false);
    } else {
      completion.event = Event::bytes;
    }
    return completion;
  }
  if (cqe.res == 0) {
    if (connection.paused || connection.stashed) {
      stash(slot, {}, true);
    } else {
      on_fin(slot);
    }
  } else if (cqe.res == -ENOBUFS) {
    // Not an error of the connection: again when buffers have come back, at the end of this poll().
    if (!connection.starved) starved_.push_back(slot);
    connection.starved = true;
  } else if (cqe.res == -ECANCELED || cqe.res == -EINTR || cqe.res == -EAGAIN) {
    if (cooling && wants_receive(connection)) {
      arm_poll(slot);
    } else {
      completion.rearm = true;
    }
  } else {
    die(slot, connection.phase == Phase::closing ? CloseReason::local : CloseReason::reset);
  }
  return completion;
}

void UringBackend::on_fin(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  if (connection.fin_seen) return;
  connection.fin_seen = true;
  if (connection.broken) return die(slot, CloseReason::reset);
  if (connection.phase == Phase::open) return begin_drain(slot);
  // Closed by us: the end, once our queue has left.
  if (connection.phase == Phase::closing && connection.queued == 0) die(slot, CloseReason::local);
}

// Keeps what the kernel had on its way when the connection was paused.
void UringBackend::stash(std::uint32_t slot, Bytes bytes, bool ends) {
  Stash& stash = stashes_[slot];
  stash.bytes.insert(stash.bytes.end(), bytes.begin(), bytes.end());
  stash.ends = stash.ends || ends;
  Connection& connection = connections_[slot];
  connection.stashed = true;
  connection.fin_seen = stash.ends;  // nothing more to receive
  if (connection.paused || connection.resuming) return;
  connection.resuming = true;
  resumed_.push_back(slot);
}

UringBackend::Completion UringBackend::take_stash(std::uint32_t slot, Stash& stash) {
  Connection& connection = connections_[slot];
  connection.resuming = false;
  if (!connection.stashed || connection.paused || connection.phase != Phase::open) return {};
  const auto found = stashes_.find(slot);
  stash = std::move(found->second);
  stashes_.erase(found);
  connection.stashed = false;
  if (stash.bytes.empty()) return {};
  return {.event = Event::bytes, .slot = slot, .lease = stash.bytes};
}

// After the callback: the peer's FIN follows its bytes, unless it was paused again.
void UringBackend::return_stash(std::uint32_t slot, const Stash& delivered) {
  Connection& connection = connections_[slot];
  if (!delivered.ends || connection.phase != Phase::open) return;
  if (connection.paused) return stash(slot, {}, true);
  connection.fin_seen = false;
  on_fin(slot);
}

void UringBackend::rearm_starved() {
  if (starved_.empty()) return;
  scratch_.swap(starved_);
  for (const std::uint32_t slot : scratch_) {
    connections_[slot].starved = false;
    rearm(slot);
  }
  scratch_.clear();
}

// Looks at some connections a time, at each about once a second.
void UringBackend::cool_idle() {
  constexpr std::uint32_t steps = 256;
  const auto idle_s = static_cast<std::uint32_t>(options_.cold_after / std::chrono::seconds(1));
  for (std::uint32_t i = 0; i < steps; ++i, ++sweep_hand_) {
    if (sweep_hand_ >= connections_.size()) {
      sweep_hand_ = 0;
      next_sweep_ = now_.instant + std::chrono::seconds(1);
      return;
    }
    Connection& connection = connections_[sweep_hand_];
    if (connection.phase != Phase::open || !connection.has(Op::receive) || connection.cancelling)
      continue;
    if (now_s_ - connection.active_s < idle_s) continue;
    connection.cooling = true;
    cancel_receive(sweep_hand_);
  }
}

}  // namespace godwit::dataplane::io
