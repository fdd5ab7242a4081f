// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "dataplane/io/uring/sockets.h"
#include "dataplane/io/uring/uring_backend.h"

// How connections begin and end.

namespace godwit::dataplane::io {

using uring::Connection;
using uring::Phase;

namespace {

// Connecting to no family takes a TCP connection apart with a reset; it is how a direct descriptor,
// which has no number for setsockopt, is told to.
constexpr sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};

}  // namespace

void UringBackend::arm_accepts() {
  accept_again_ = never;
  if (listener_ < 0) return;
  for (std::uint32_t i = 0; i < accepts_.size(); ++i) {
    if (!accepts_[i].armed) arm_accept(i);
  }
}

void UringBackend::arm_accept(std::uint32_t index) {
  Accept& accept = accepts_[index];
  accept.armed = true;
  accept.size = sizeof accept.address;
  auto* address = reinterpret_cast<sockaddr*>(&accept.address);
  io_uring_sqe* sqe = ring_->sqe();
  const bool direct = ring_->has_direct_descriptors();
  io_uring_prep_accept(sqe, listener_, address, &accept.size, direct ? 0 : SOCK_CLOEXEC);
  // Not by liburing's call: before 2.4 that one adds 1 to it.
  if (direct) sqe->file_index = IORING_FILE_INDEX_ALLOC;
  io_uring_sqe_set_data64(sqe, tag(Op::accept, index, listener_generation_));
}

UringBackend::Completion UringBackend::on_accept(const io_uring_cqe& cqe) {
  const bool current =
      listener_ >= 0 && static_cast<std::uint16_t>(cqe.user_data >> 32) == listener_generation_;
  const auto index = static_cast<std::uint32_t>(cqe.user_data);
  if (current) accepts_[index].armed = false;
  if (cqe.res < 0) {
    // A full table of direct descriptors cost a connection; ordinary ones leave it in the backlog.
    const bool exhausted = cqe.res == -ENFILE || cqe.res == -EMFILE || cqe.res == -ENOMEM;
    refused_ += exhausted && ring_->has_direct_descriptors();
    if (current && exhausted) accept_again_ = now_.instant + std::chrono::milliseconds(50);
    return {};
  }
  const IpAddress address = current ? uring::ip_of(accepts_[index].address) : IpAddress{};
  if (connections_.used() >= options_.connections_max) {
    ++refused_;
    drop_accepted(cqe.res);
    return {};
  }
  const std::uint32_t slot = connections_.take();
  Connection& connection = connections_[slot];
  connection.descriptor = cqe.res;
  connection.fixed = ring_->has_direct_descriptors();
  connection.phase = Phase::open;
  connection.active_s = now_s_;
  opening_ = name_of(slot);
  opening_address_ = address;
  return {.event = Event::opened, .rearm = true, .slot = slot};
}

void UringBackend::drop_accepted(std::int32_t descriptor) {
  if (!ring_->has_direct_descriptors()) {
    ::close(descriptor);
    return;
  }
  closing_.push_back({descriptor, false});
}

void UringBackend::submit_closes() {
  for (const Closing& closing : closing_) {
    ring_->reserve(2);
    if (closing.aborted) {
      io_uring_sqe* sqe = ring_->sqe();
      io_uring_prep_connect(sqe, closing.descriptor, &nowhere, sizeof nowhere);
      sqe->flags |= IOSQE_FIXED_FILE | IOSQE_IO_HARDLINK | IOSQE_CQE_SKIP_SUCCESS;
      io_uring_sqe_set_data64(sqe, 0);
    }
    io_uring_sqe* sqe = ring_->sqe();
    io_uring_prep_close_direct(sqe, static_cast<unsigned>(closing.descriptor));
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, 0);
  }
  closing_.clear();
}

UringBackend::Completion UringBackend::on_connect(std::uint32_t slot, int result) {
  Connection& connection = connections_[slot];
  if (result < 0) {
    die(slot, CloseReason::failed);
    return {};
  }
  connection.phase = Phase::open;
  connection.heard = true;
  connection.active_s = now_s_;
  return {.event = Event::connected, .rearm = true, .slot = slot};
}

void UringBackend::close(ConnectionName name, CloseMode mode) {
  Connection* connection = find(name);
  if (connection == nullptr || connection->phase == Phase::dying) return;
  if (mode == CloseMode::abort || connection->phase == Phase::connecting) {
    return die(name.slot, CloseReason::local, mode == CloseMode::abort);
  }
  if (connection->phase != Phase::open) return;
  if (connection->broken) return die(name.slot, CloseReason::local);
  connection->phase = Phase::closing;
  connection->paused = false;
  lingering_.push_back({now_.instant + options_.linger, name});
  if (connection->queued == 0) return send_fin(name.slot);
  rearm(name.slot);
}

// The peer closed first: what is queued still leaves.
void UringBackend::begin_drain(std::uint32_t slot) {
  connections_[slot].phase = Phase::draining;
  if (connections_[slot].queued == 0) return die(slot, CloseReason::peer_closed);
  lingering_.push_back({now_.instant + options_.linger, name_of(slot)});
}

// Our queue has left. The peer's FIN is awaited and what it sends meanwhile read, because closing
// with bytes unread would reset the connection and take our last bytes with it.
void UringBackend::send_fin(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  if (connection.fin_seen) return die(slot, CloseReason::local);
  io_uring_sqe* sqe = ring_->sqe();
  io_uring_prep_shutdown(sqe, connection.descriptor, SHUT_WR);
  submit_for(sqe, slot, Op::shutdown);
  rearm(slot);
}

void UringBackend::die(std::uint32_t slot, CloseReason reason, bool abort) {
  Connection& connection = connections_[slot];
  if (connection.phase == Phase::dying) return;
  connection.phase = Phase::dying;
  connection.reason = reason;
  connection.aborted = abort;
  for (const Op op : {Op::connect, Op::poll, Op::receive, Op::send, Op::shutdown}) {
    if (connection.has(op)) cancel(slot, op);
  }
  note_if_quiet(slot);
}

void UringBackend::cancel(std::uint32_t slot, Op op) {
  io_uring_sqe* sqe = ring_->sqe();
  io_uring_prep_cancel64(sqe, tag(op, slot, connections_[slot].generation), 0);
  io_uring_sqe_set_data64(sqe, 0);
}

// The last completion has come: on_closed is due at the end of this poll().
void UringBackend::note_if_quiet(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  if (connection.operations != 0) return;
  drop_queue(connection);
  finished_.push_back(slot);
}

void UringBackend::close_descriptor(const Connection& connection) {
  if (!connection.fixed) {
    if (connection.aborted) uring::reset_on_close(connection.descriptor);
    ::close(connection.descriptor);
    return;
  }
  closing_.push_back({connection.descriptor, connection.aborted});
}

void UringBackend::expire_lingering() {
  for (; !lingering_.empty() && lingering_.front().at <= now_.instant; lingering_.pop_front()) {
    const ConnectionName name = lingering_.front().name;
    const Connection* connection = find(name);
    if (connection == nullptr) continue;
    if (connection->phase == Phase::closing) die(name.slot, CloseReason::local, true);
    if (connection->phase == Phase::draining) die(name.slot, CloseReason::peer_closed, true);
    if (connection->broken) die(name.slot, CloseReason::reset, true);
  }
}

}  // namespace godwit::dataplane::io
