// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dataplane/io/uring/uring_backend.h"

// Bytes out: queued in blocks, one send under way a connection.

namespace godwit::dataplane::io {

using uring::Connection;
using uring::Phase;
using uring::SendBlock;

std::size_t UringBackend::send(ConnectionName name, std::span<const Bytes> chunks) {
  Connection* connection = find(name);
  if (connection == nullptr || connection->phase != Phase::open || connection->broken) return 0;
  std::size_t size = 0;
  for (const Bytes chunk : chunks) size += chunk.size();
  if (size > options_.send_queue_max - connection->queued) [[unlikely]] {
    connection->want_writable = true;
    // An empty queue tells nothing by its sends.
    if (connection->queued != 0) return 0;
  } else if (send_pool_.has_room(size / sizeof(SendBlock::bytes) + 1)) [[likely]] {
    for (const Bytes chunk : chunks) append(*connection, chunk);
    connection->queued += static_cast<std::uint32_t>(size);
    mark_dirty(name.slot);
    return size;
  }
  connection->want_writable = true;
  if (!connection->awaits_pool) awaiting_pool_.push_back(name.slot);
  connection->awaits_pool = true;
  return 0;
}

void UringBackend::append(Connection& connection, Bytes chunk) {
  while (!chunk.empty()) {
    if (connection.blocks.empty() || connection.blocks.last()->is_full()) {
      connection.blocks.push(send_pool_.take());
    }
    SendBlock* const tail = connection.blocks.last();
    const std::size_t part = std::min(chunk.size(), tail->bytes.size() - tail->end);
    std::memcpy(tail->bytes.data() + tail->end, chunk.data(), part);
    tail->end += static_cast<std::uint32_t>(part);
    chunk = chunk.subspan(part);
  }
}

void UringBackend::mark_dirty(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  if (connection.dirty || connection.has(Op::send)) return;
  connection.dirty = true;
  dirty_.push_back(slot);
}

void UringBackend::flush_sends() {
  for (const std::uint32_t slot : dirty_) start_send(slot);
  dirty_.clear();
}

void UringBackend::start_send(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  connection.dirty = false;
  if (connection.has(Op::send) || connection.queued == 0 || connection.phase == Phase::dying)
    return;
  SendBlock* block = connection.blocks.first();
  SendBlock* const last = connection.blocks.last();
  if (block == last) {
    io_uring_sqe* sqe = ring_->sqe();
    io_uring_prep_send(sqe, connection.descriptor, block->bytes.data() + block->begin,
                       block->end - block->begin, MSG_NOSIGNAL | MSG_WAITALL);
    return submit_for(sqe, slot, Op::send);
  }
  uring::Ring::Scatter& scatter = ring_->scatter();
  std::size_t count = 0;
  for (bool more = true; more && count < scatter.vectors.size(); block = block->next) {
    scatter.vectors[count++] = {block->bytes.data() + block->begin, block->end - block->begin};
    more = block != last;
  }
  scatter.header = {};
  scatter.header.msg_iov = scatter.vectors.data();
  scatter.header.msg_iovlen = count;
  io_uring_sqe* sqe = ring_->sqe();
  io_uring_prep_sendmsg(sqe, connection.descriptor, &scatter.header, MSG_NOSIGNAL | MSG_WAITALL);
  submit_for(sqe, slot, Op::send);
}

UringBackend::Completion UringBackend::on_sent(std::uint32_t slot, int result) {
  Connection& connection = connections_[slot];
  if (result < 0 && result != -EAGAIN && result != -EINTR) {
    on_send_failed(slot);
    return {};
  }
  auto sent = static_cast<std::uint32_t>(std::max(result, 0));
  connection.queued -= sent;
  while (sent > 0) {
    SendBlock* const head = connection.blocks.first();
    const std::uint32_t part = std::min(sent, head->end - head->begin);
    head->begin += part;
    sent -= part;
    if (head->begin < head->end) break;
    send_pool_.give_back(connection.blocks.pop());
  }
  if (connection.queued > 0) {
    mark_dirty(slot);
  } else if (connection.phase == Phase::draining) {
    die(slot, CloseReason::peer_closed);
  } else if (connection.phase == Phase::closing) {
    send_fin(slot);
  }
  if (connection.want_writable && !connection.awaits_pool && takes_writable(slot)) {
    return {.event = Event::writable, .slot = slot};
  }
  return {};
}

// The peer is gone, but bytes of it may still wait to be received, and are: the receive ends with
// its FIN or reset.
void UringBackend::on_send_failed(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  drop_queue(connection);
  connection.broken = true;
  connection.want_writable = false;
  if (connection.phase == Phase::closing) return die(slot, CloseReason::local);
  if (connection.phase == Phase::draining || connection.paused || connection.fin_seen) {
    return die(slot, CloseReason::reset);
  }
  lingering_.push_back({now_.instant + options_.linger, name_of(slot)});
  rearm(slot);
}

void UringBackend::drop_queue(Connection& connection) {
  while (!connection.blocks.empty()) send_pool_.give_back(connection.blocks.pop());
  connection.queued = 0;
}

// Whether on_writable is due, which it then no longer is.
bool UringBackend::takes_writable(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  if (!connection.want_writable || connection.phase != Phase::open) return false;
  if (connection.queued >= options_.send_queue_max / 2) return false;
  connection.want_writable = false;
  return true;
}

}  // namespace godwit::dataplane::io
