// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/uring/uring_backend.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace godwit::dataplane::io {

using uring::Connection;
using uring::Phase;

namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Result<SocketAddress> socket_address(const Endpoint& endpoint) {
  SocketAddress address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, endpoint.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    address.size = sizeof *v4;
  } else if (::inet_pton(AF_INET6, endpoint.host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    address.size = sizeof *v6;
  } else {
    return fail(ErrorCode::invalid, endpoint.host + " is not an IPv4 or IPv6 address");
  }
  return address;
}

std::unexpected<Error> socket_error(const std::string& what, const Endpoint& endpoint) {
  return fail(ErrorCode::io, what + " " + endpoint.host + ":" + std::to_string(endpoint.port) + ": " +
                                 std::strerror(errno));
}

}  // namespace

UringBackend::UringBackend(const Options& options)
    : options_(options),
      send_pool_(options.send_pool_bytes),
      wake_descriptor_(::eventfd(0, EFD_CLOEXEC)) {
  GODWIT_CHECK(wake_descriptor_ >= 0);
  connections_.emplace_back();  // slot 0 stands for the ring's own operations
}

UringBackend::~UringBackend() {
  if (listener_ >= 0) ::close(listener_);
  ring_.reset();  // ends every operation before the memory it uses goes
  for (const Connection& connection : connections_) {
    if (connection.descriptor >= 0 && !connection.fixed) ::close(connection.descriptor);
  }
  ::close(wake_descriptor_);
}

Result<void> UringBackend::start() {
  if (ring_) return {};
  uring::RingOptions ring = options_.ring;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  ring.direct_descriptors =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(options_.connections_max, limit.rlim_cur));
  auto made = uring::Ring::create(ring);
  if (!made) return std::unexpected(made.error());
  ring_ = std::move(*made);
  description_ = ring_->describe();
  arm_wake();
  return {};
}

Result<std::uint16_t> UringBackend::listen(const Endpoint& endpoint) {
  if (auto started = start(); !started) return std::unexpected(started.error());
  const auto address = socket_address(endpoint);
  if (!address) return std::unexpected(address.error());
  listener_ = ::socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener_ < 0) return socket_error("no socket for", endpoint);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  ::setsockopt(listener_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // accepted sockets inherit it
  SocketAddress bound = *address;
  if (::bind(listener_, bound.get(), bound.size) != 0 || ::listen(listener_, 4096) != 0) {
    const auto error = socket_error("cannot listen on", endpoint);
    ::close(listener_);
    listener_ = -1;
    return error;
  }
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&bound.storage), &bound.size);
  arm_accept();
  return ntohs(reinterpret_cast<sockaddr_in*>(&bound.storage)->sin_port);
}

void UringBackend::stop_listening() {
  if (listener_ < 0) return;
  io_uring_sqe* sqe = ring_->sqe();
  io_uring_prep_cancel64(sqe, tag(Op::accept, 0, 0), 0);
  io_uring_sqe_set_data64(sqe, tag(Op::cancel, 0, 0));
  accepting_ = false;
  ::close(listener_);
  listener_ = -1;
}

Result<ConnectionName> UringBackend::connect(const Endpoint& endpoint) {
  if (auto started = start(); !started) return std::unexpected(started.error());
  const auto address = socket_address(endpoint);
  if (!address) return std::unexpected(address.error());
  if (open_ >= options_.connections_max) {
    return godwit::fail(ErrorCode::limit, "no room for another connection");
  }
  const int descriptor = ::socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return socket_error("no socket for", endpoint);
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const std::uint32_t slot = take_slot();
  connections_[slot].descriptor = descriptor;
  connections_[slot].phase = Phase::connecting;
  io_uring_sqe* sqe = operation(slot, Op::connect);
  io_uring_prep_connect(sqe, descriptor, address->get(), address->size);
  target(sqe, connections_[slot]);
  io_uring_sqe_set_data64(sqe, tag(Op::connect, slot, connections_[slot].generation));
  ring_->enter(Duration::zero());  // the address is ours only until here
  return name_of(slot);
}

Connection* UringBackend::find(ConnectionName name) {
  if (name.shard != options_.shard || name.slot == 0 || name.slot >= connections_.size()) {
    return nullptr;
  }
  Connection& connection = connections_[name.slot];
  const bool current = connection.generation == name.generation && connection.phase != Phase::unused;
  return current ? &connection : nullptr;
}

std::uint32_t UringBackend::take_slot() {
  if (free_slots_.empty()) {
    connections_.emplace_back();
    connections_.back().generation = 1;
    free_slots_.push_back(static_cast<std::uint32_t>(connections_.size() - 1));
  }
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  ++open_;
  return slot;
}

void UringBackend::set_user(ConnectionName name, std::uint64_t user) {
  if (Connection* connection = find(name)) connection->user = user;
}

std::size_t UringBackend::send(ConnectionName name, std::span<const Bytes> chunks) {
  Connection* connection = find(name);
  if (connection == nullptr || connection->phase != Phase::open) return 0;
  std::size_t size = 0;
  for (const Bytes chunk : chunks) size += chunk.size();
  const std::size_t blocks = size / sizeof(uring::SendBlock::bytes) + 1;
  if (connection->queued + size > options_.send_queue_max || !send_pool_.has_room(blocks)) {
    connection->want_writable = true;
    if (connection->queued == 0) wanting_.push_back(name.slot);  // no completion will tell
    return 0;
  }
  for (Bytes chunk : chunks) {
    while (!chunk.empty()) {
      uring::SendBlock* tail = connection->send_tail;
      if (tail == nullptr || tail->end == tail->bytes.size()) {
        uring::SendBlock* block = send_pool_.take();
        GODWIT_CHECK(block != nullptr);
        (tail == nullptr ? connection->send_head : tail->next) = block;
        connection->send_tail = tail = block;
      }
      const std::size_t part = std::min(chunk.size(), tail->bytes.size() - tail->end);
      std::memcpy(tail->bytes.data() + tail->end, chunk.data(), part);
      tail->end += static_cast<std::uint32_t>(part);
      chunk = chunk.subspan(part);
    }
  }
  connection->queued += static_cast<std::uint32_t>(size);
  mark_dirty(name.slot);
  return size;
}

void UringBackend::mark_dirty(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  if (connection.dirty || connection.sending) return;
  connection.dirty = true;
  dirty_.push_back(slot);
}

void UringBackend::pause_receive(ConnectionName name) {
  Connection* connection = find(name);
  if (connection == nullptr || connection->phase != Phase::open || connection->paused) return;
  connection->paused = true;
  if (connection->receive == uring::Receive::hot) cancel_receive(name.slot);
}

void UringBackend::resume_receive(ConnectionName name) {
  Connection* connection = find(name);
  if (connection == nullptr || !connection->paused) return;
  connection->paused = false;
  if (connection->stashed) resumed_.push_back(name.slot);
  if (connection->receive == uring::Receive::none && connection->phase == Phase::open) {
    arm_receive(name.slot);
  }
}

void UringBackend::close(ConnectionName name, CloseMode mode) {
  Connection* connection = find(name);
  if (connection == nullptr || connection->phase >= Phase::draining) return;
  if (mode == CloseMode::abort || connection->phase == Phase::connecting) {
    // A direct descriptor cannot be told so; it closes with FIN, or RST where bytes were unread.
    const linger reset{.l_onoff = 1, .l_linger = 0};
    if (!connection->fixed) {
      ::setsockopt(connection->descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    return die(name.slot, CloseReason::local);
  }
  begin_drain(name.slot, CloseReason::local);
}

std::string UringBackend::peer_address(ConnectionName name) {
  const Connection* connection = find(name);
  // A direct descriptor has no number the socket calls would take.
  if (connection == nullptr || connection->fixed) return "";
  SocketAddress address;
  address.size = sizeof address.storage;
  if (::getpeername(connection->descriptor, reinterpret_cast<sockaddr*>(&address.storage),
                    &address.size) != 0) {
    return "";
  }
  char text[INET6_ADDRSTRLEN] = "";
  const bool is_v4 = address.storage.ss_family == AF_INET;
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
  const void* host = is_v4 ? static_cast<const void*>(&v4->sin_addr) : &v6->sin6_addr;
  ::inet_ntop(address.storage.ss_family, host, text, sizeof text);
  const std::string port = std::to_string(ntohs(is_v4 ? v4->sin_port : v6->sin6_port));
  return is_v4 ? std::string(text) + ":" + port : "[" + std::string(text) + "]:" + port;
}

void UringBackend::wake() {
  const std::uint64_t one = 1;
  // Full means that a wake-up is due already.
  [[maybe_unused]] const ssize_t written = ::write(wake_descriptor_, &one, sizeof one);
}

}  // namespace godwit::dataplane::io
