// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "dataplane/io/uring/uring_backend.h"

// Operations of io/uring and what their completions lead to.

namespace godwit::dataplane::io {

using uring::Connection;
using uring::Phase;
using uring::Receive;

io_uring_sqe* UringBackend::operation(std::uint32_t slot, Op) {
  ++connections_[slot].operations;
  return ring_->sqe();
}

void UringBackend::target(io_uring_sqe* sqe, const Connection& connection) {
  if (connection.fixed) sqe->flags |= IOSQE_FIXED_FILE;
}

void UringBackend::arm_accept() {
  io_uring_sqe* sqe = ring_->sqe();
  if (ring_->has_direct_descriptors()) {
    io_uring_prep_multishot_accept_direct(sqe, listener_, nullptr, nullptr, 0);
  } else {
    io_uring_prep_multishot_accept(sqe, listener_, nullptr, nullptr, SOCK_CLOEXEC);
  }
  io_uring_sqe_set_data64(sqe, tag(Op::accept, 0, 0));
  accepting_ = true;
}

void UringBackend::arm_receive(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  io_uring_sqe* sqe = operation(slot, Op::receive);
  io_uring_prep_recv(sqe, connection.descriptor, nullptr, 0, 0);
  sqe->ioprio |= IORING_RECV_MULTISHOT;
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = uring::Ring::buffer_group;
  target(sqe, connection);
  io_uring_sqe_set_data64(sqe, tag(Op::receive, slot, connection.generation));
  connection.receive = Receive::hot;
}

void UringBackend::arm_poll(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  io_uring_sqe* sqe = operation(slot, Op::poll);
  io_uring_prep_poll_add(sqe, connection.descriptor, POLLIN);
  target(sqe, connection);
  io_uring_sqe_set_data64(sqe, tag(Op::poll, slot, connection.generation));
  connection.receive = Receive::cold;
}

void UringBackend::arm_wake() {
  io_uring_sqe* sqe = ring_->sqe();
  io_uring_prep_read(sqe, wake_descriptor_, &wake_value_, sizeof wake_value_, 0);
  io_uring_sqe_set_data64(sqe, tag(Op::wake, 0, 0));
}

void UringBackend::cancel_receive(std::uint32_t slot) {
  io_uring_sqe* sqe = operation(slot, Op::cancel);
  io_uring_prep_cancel64(sqe, tag(Op::receive, slot, connections_[slot].generation), 0);
  io_uring_sqe_set_data64(sqe, tag(Op::cancel, slot, connections_[slot].generation));
}

void UringBackend::flush_sends() {
  for (const std::uint32_t slot : dirty_) start_send(slot);
  dirty_.clear();
}

void UringBackend::start_send(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  connection.dirty = false;
  const bool may_send = connection.phase == Phase::open || connection.phase == Phase::draining;
  if (connection.sending || connection.queued == 0 || !may_send) return;
  io_uring_sqe* sqe = operation(slot, Op::send);
  uring::SendBlock* block = connection.send_head;
  if (block->next == nullptr) {
    io_uring_prep_send(sqe, connection.descriptor, block->bytes.data() + block->begin,
                       block->end - block->begin, MSG_NOSIGNAL);
  } else {
    auto& vectors = vectors_.emplace_back();
    std::size_t count = 0;
    for (; block != nullptr && count < vectors.size(); block = block->next) {
      vectors[count++] = {block->bytes.data() + block->begin, block->end - block->begin};
    }
    msghdr& header = headers_.emplace_back();
    header = {};
    header.msg_iov = vectors.data();
    header.msg_iovlen = count;
    io_uring_prep_sendmsg(sqe, connection.descriptor, &header, MSG_NOSIGNAL);
  }
  target(sqe, connection);
  io_uring_sqe_set_data64(sqe, tag(Op::send, slot, connection.generation));
  connection.sending = true;
}

UringBackend::Completion UringBackend::on_completion(const io_uring_cqe& cqe) {
  const auto op = static_cast<Op>(cqe.user_data >> 56);
  const auto slot = static_cast<std::uint32_t>(cqe.user_data);
  if (op == Op::accept) return on_accept(cqe);
  if (op == Op::wake) {
    arm_wake();
    return {};
  }
  if (slot == 0) return {};  // the listener's cancellation
  Connection& connection = connections_[slot];
  // A slot is used again only after every operation on it has completed.
  GODWIT_CHECK(connection.generation == static_cast<std::uint16_t>(cqe.user_data >> 32));
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) --connection.operations;
  Completion completion{.slot = slot};
  switch (op) {
    case Op::connect:
      completion = on_connect(slot, cqe.res);
      break;
    case Op::poll:
      connection.receive = Receive::none;
      if (cqe.res >= 0 && connection.phase < Phase::dying && !connection.paused) arm_receive(slot);
      break;
    case Op::receive:
      completion = on_receive(slot, cqe);
      break;
    case Op::send:
      completion = on_sent(slot, cqe.res);
      break;
    case Op::close:
      return {.event = Event::closed, .slot = slot};
    default:
      break;
  }
  if (connections_[slot].phase == Phase::dying) close_when_quiet(slot);
  return completion;
}

UringBackend::Completion UringBackend::on_accept(const io_uring_cqe& cqe) {
  if ((cqe.flags & IORING_CQE_F_MORE) == 0 && accepting_) arm_accept();
  if (cqe.res < 0) {
    refused_ += cqe.res == -ENFILE;
    return {};
  }
  const std::uint32_t slot = take_slot();
  Connection& connection = connections_[slot];
  connection.descriptor = cqe.res;
  connection.fixed = ring_->has_direct_descriptors();
  connection.phase = Phase::open;
  connection.active_s = static_cast<std::uint32_t>(now_.instant.time_since_epoch() / std::chrono::seconds(1));
  arm_receive(slot);
  if (open_ > options_.connections_max) ++refused_;
  Completion completion{.event = Event::opened, .slot = slot};
  if (open_ > options_.connections_max) die(slot, CloseReason::local);
  return completion;
}

UringBackend::Completion UringBackend::on_connect(std::uint32_t slot, int result) {
  if (connections_[slot].phase != Phase::connecting) return {.slot = slot};
  if (result < 0) {
    die(slot, CloseReason::failed);
    return {.slot = slot};
  }
  connections_[slot].phase = Phase::open;
  arm_receive(slot);
  return {.event = Event::connected, .slot = slot};
}

UringBackend::Completion UringBackend::on_receive(std::uint32_t slot, const io_uring_cqe& cqe) {
  Connection& connection = connections_[slot];
  const bool ended = (cqe.flags & IORING_CQE_F_MORE) == 0;
  if (ended) connection.receive = Receive::none;
  const bool has_buffer = (cqe.flags & IORING_CQE_F_BUFFER) != 0;
  const auto buffer = static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
  const std::int32_t recycle = has_buffer ? buffer : -1;
  const bool reading = connection.phase == Phase::open;
  if (cqe.res > 0) {
    if (ended && connection.phase < Phase::dying && !connection.paused) arm_receive(slot);
    connection.active_s = static_cast<std::uint32_t>(now_.instant.time_since_epoch() / std::chrono::seconds(1));
    if (!reading) return {.slot = slot, .buffer = recycle};
    const MutableBytes lease = ring_->receive_buffer(buffer, static_cast<std::size_t>(cqe.res));
    if (connection.paused || connection.stashed) return hold_back(slot, lease, recycle);
    return {.event = Event::bytes, .slot = slot, .lease = lease, .buffer = recycle};
  }
  if (connection.phase >= Phase::dying) return {.slot = slot, .buffer = recycle};
  if (cqe.res == 0) {
    if (connection.paused || connection.stashed) return hold_back(slot, {}, recycle);
    if (reading) {
      begin_drain(slot, CloseReason::peer_closed);
    } else if (connection.phase == Phase::lingering || connection.queued == 0) {
      die(slot, connection.reason);
    }
    return {.slot = slot, .buffer = recycle};
  }
  if (cqe.res == -ENOBUFS) {
    if (!connection.starved) starved_.push_back(slot);
    connection.starved = true;
  } else if (cqe.res == -ECANCELED) {
    // Paused, or idle for long; resumed meanwhile, perhaps.
    if (!connection.paused && ended) arm_poll(slot);
  } else {
    die(slot, CloseReason::reset);
  }
  return {.slot = slot, .buffer = recycle};
}

// Bytes that were on their way when the connection was paused. An empty entry is the peer's FIN.
UringBackend::Completion UringBackend::hold_back(std::uint32_t slot, MutableBytes lease,
                                                 std::int32_t buffer) {
  stashes_[slot].emplace_back(lease.begin(), lease.end());
  connections_[slot].stashed = true;
  if (!connections_[slot].paused) resumed_.push_back(slot);
  return {.slot = slot, .buffer = buffer};
}

UringBackend::Completion UringBackend::on_sent(std::uint32_t slot, int result) {
  Connection& connection = connections_[slot];
  connection.sending = false;
  if (connection.phase >= Phase::dying) return {.slot = slot};
  if (result < 0 && result != -EAGAIN && result != -EINTR) {
    die(slot, CloseReason::reset);
    return {.slot = slot};
  }
  auto sent = static_cast<std::uint32_t>(std::max(result, 0));
  connection.queued -= sent;
  while (sent > 0) {
    uring::SendBlock* head = connection.send_head;
    const std::uint32_t part = std::min(sent, head->end - head->begin);
    head->begin += part;
    sent -= part;
    if (head->begin < head->end) break;
    connection.send_head = head->next;
    if (connection.send_head == nullptr) connection.send_tail = nullptr;
    send_pool_.give_back(head);
  }
  if (connection.queued > 0) {
    mark_dirty(slot);
  } else if (connection.phase == Phase::draining) {
    drained(slot);
    return {.slot = slot};
  }
  if (connection.want_writable && connection.queued < options_.send_queue_max / 2) {
    connection.want_writable = false;
    return {.event = Event::writable, .slot = slot};
  }
  return {.slot = slot};
}

void UringBackend::begin_drain(std::uint32_t slot, CloseReason reason) {
  Connection& connection = connections_[slot];
  connection.phase = Phase::draining;
  connection.reason = reason;
  connection.paused = false;
  lingering_.push_back({now_.instant + options_.linger, name_of(slot)});
  if (connection.queued == 0 && !connection.sending) return drained(slot);
  if (connection.receive == Receive::none && reason == CloseReason::local) arm_receive(slot);
}

// Everything queued has left. After the peer's FIN that is the end; after our close the peer's FIN is awaited, because
// closing with bytes unread would reset the connection and take our last bytes with it.
void UringBackend::drained(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  if (connection.reason == CloseReason::peer_closed) return die(slot, CloseReason::peer_closed);
  connection.phase = Phase::lingering;
  io_uring_sqe* sqe = operation(slot, Op::shutdown);
  io_uring_prep_shutdown(sqe, connection.descriptor, SHUT_WR);
  target(sqe, connection);
  io_uring_sqe_set_data64(sqe, tag(Op::shutdown, slot, connection.generation));
  if (connection.receive == Receive::none) arm_receive(slot);
}

void UringBackend::die(std::uint32_t slot, CloseReason reason) {
  Connection& connection = connections_[slot];
  if (connection.phase >= Phase::dying) return;
  connection.phase = Phase::dying;
  connection.reason = reason;
  if (connection.operations > 0) {
    io_uring_sqe* sqe = operation(slot, Op::cancel);
    io_uring_prep_cancel_fd(sqe, connection.descriptor,
                            IORING_ASYNC_CANCEL_ALL |
                                (connection.fixed ? IORING_ASYNC_CANCEL_FD_FIXED : 0));
    io_uring_sqe_set_data64(sqe, tag(Op::cancel, slot, connection.generation));
  }
  close_when_quiet(slot);
}

void UringBackend::close_when_quiet(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  if (connection.operations > 0 || connection.phase != Phase::dying) return;
  connection.phase = Phase::closing;
  drop_queue(connection);
  if (connection.stashed) stashes_.erase(slot);
  io_uring_sqe* sqe = operation(slot, Op::close);
  if (connection.fixed) {
    io_uring_prep_close_direct(sqe, static_cast<unsigned>(connection.descriptor));
  } else {
    io_uring_prep_close(sqe, connection.descriptor);
  }
  io_uring_sqe_set_data64(sqe, tag(Op::close, slot, connection.generation));
}

void UringBackend::drop_queue(Connection& connection) {
  while (connection.send_head != nullptr) {
    uring::SendBlock* head = connection.send_head;
    connection.send_head = head->next;
    send_pool_.give_back(head);
  }
  connection.send_tail = nullptr;
  connection.queued = 0;
}

// Buffers have come back, closes have waited long enough, and the idle turn cold.
void UringBackend::house_keep() {
  std::vector<std::uint32_t> starved;
  starved.swap(starved_);
  for (const std::uint32_t slot : starved) {
    Connection& connection = connections_[slot];
    connection.starved = false;
    const bool wants = connection.phase == Phase::open || connection.phase == Phase::lingering;
    if (wants && connection.receive == Receive::none && !connection.paused) arm_receive(slot);
  }
  for (; !lingering_.empty() && lingering_.front().at <= now_.instant; lingering_.pop_front()) {
    if (Connection* connection = find(lingering_.front().name)) {
      die(lingering_.front().name.slot, connection->reason);
    }
  }
  if (now_.instant < next_sweep_) return;
  constexpr std::uint32_t steps = 256;
  const auto now_s = static_cast<std::uint32_t>(now_.instant.time_since_epoch() / std::chrono::seconds(1));
  const auto cold_after_s = static_cast<std::uint32_t>(options_.cold_after / std::chrono::seconds(1));
  for (std::uint32_t i = 0; i < steps; ++i) {
    if (++sweep_hand_ >= connections_.size()) {
      sweep_hand_ = 0;
      next_sweep_ = now_.instant + std::chrono::seconds(1);
      break;
    }
    Connection& connection = connections_[sweep_hand_];
    if (connection.phase == Phase::open && connection.receive == Receive::hot &&
        !connection.paused && now_s - connection.active_s >= cold_after_s) {
      connection.active_s = now_s;  // not again before the cancellation has come
      cancel_receive(sweep_hand_);
    }
  }
}

}  // namespace godwit::dataplane::io
