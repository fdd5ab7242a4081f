// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/uring/uring_backend.h"

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "dataplane/io/uring/sockets.h"

// Down calls, and what a poll() does around its callbacks.

namespace godwit::dataplane::io {

using uring::Connection;
using uring::Phase;

static_assert(StreamBackend<UringBackend>);

UringBackend::UringBackend(const Options& options)
    : options_(options),
      send_pool_(options.send_pool_bytes),
      wake_descriptor_(::eventfd(0, EFD_CLOEXEC)) {
  GODWIT_CHECK(wake_descriptor_ >= 0);
}

UringBackend::~UringBackend() {
  if (listener_ >= 0) ::close(listener_);
  ring_.reset();  // ends every operation before the memory it uses goes
  for (std::uint32_t slot = 0; slot < connections_.size(); ++slot) {
    const Connection& connection = connections_[slot];
    if (connection.descriptor >= 0 && !connection.fixed) ::close(connection.descriptor);
  }
  ::close(wake_descriptor_);
}

Result<void> UringBackend::start() {
  if (ring_) return {};
  if (options_.send_pool_bytes / 4 < options_.send_queue_max) {
    return godwit::fail(ErrorCode::invalid,
                        "the send pool must be at least four send queues large");
  }
  uring::RingOptions ring = options_.ring;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  // Some more than connections: for those to be refused, and those whose descriptor is just being
  // closed.
  constexpr std::uint64_t spare = 64;
  ring.direct_descriptors = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(options_.connections_max + spare, limit.rlim_cur));
  auto made = uring::Ring::create(ring);
  if (!made) return std::unexpected(made.error());
  ring_ = std::move(*made);
  description_ = ring_->describe();
  arm_wake();
  return {};
}

Result<std::uint16_t> UringBackend::listen(const Endpoint& endpoint) {
  if (listener_ >= 0) return godwit::fail(ErrorCode::exists, "this shard listens already");
  if (auto started = start(); !started) return std::unexpected(started.error());
  const auto listener = uring::open_listener(endpoint);
  if (!listener) return std::unexpected(listener.error());
  listener_ = listener->descriptor;
  ++listener_generation_;
  arm_accepts();
  return listener->port;
}

void UringBackend::stop_listening() {
  if (listener_ < 0) return;
  for (std::uint32_t i = 0; i < accepts_.size(); ++i) {
    if (!std::exchange(accepts_[i].armed, false)) continue;
    io_uring_sqe* sqe = ring_->sqe();
    io_uring_prep_cancel64(sqe, tag(Op::accept, i, listener_generation_), 0);
    io_uring_sqe_set_data64(sqe, 0);
  }
  ring_->submit();  // the operations hold the socket open until then
  ::close(listener_);
  listener_ = -1;
  accept_again_ = never;
}

Result<ConnectionName> UringBackend::connect(const Endpoint& endpoint,
                                             const std::string& source) {
  if (auto started = start(); !started) return std::unexpected(started.error());
  if (connections_.used() >= options_.connections_max) {
    return godwit::fail(ErrorCode::limit, "no room for another connection");
  }
  const auto address = uring::socket_address(endpoint);
  if (!address) return std::unexpected(address.error());
  const auto descriptor = uring::open_socket(endpoint, *address);
  if (!descriptor) return std::unexpected(descriptor.error());
  if (!source.empty()) {
    if (auto bound = uring::bind_source(*descriptor, source); !bound) {
      ::close(*descriptor);
      return std::unexpected(bound.error());
    }
  }
  const std::uint32_t slot = connections_.take();
  connections_[slot].descriptor = *descriptor;
  connections_[slot].phase = Phase::connecting;
  io_uring_sqe* sqe = ring_->sqe();
  io_uring_prep_connect(sqe, *descriptor, address->get(), address->size);
  submit_for(sqe, slot, Op::connect);
  ring_->submit();  // the address is ours only until here
  return name_of(slot);
}

Connection* UringBackend::find(ConnectionName name) {
  if (name.shard != options_.shard || name.slot >= connections_.size()) return nullptr;
  Connection& connection = connections_[name.slot];
  const bool current =
      connection.generation == name.generation && connection.phase != Phase::unused;
  return current ? &connection : nullptr;
}

void UringBackend::submit_for(io_uring_sqe* sqe, std::uint32_t slot, Op op) {
  Connection& connection = connections_[slot];
  if (connection.fixed) sqe->flags |= IOSQE_FIXED_FILE;
  io_uring_sqe_set_data64(sqe, tag(op, slot, connection.generation));
  connection.set(op);
}

void UringBackend::set_user(ConnectionName name, std::uint64_t user) {
  if (Connection* connection = find(name)) connection->user = user;
}

IpAddress UringBackend::peer_ip(ConnectionName name) const {
  return name.valid() && name == opening_ ? opening_address_ : IpAddress{};
}

std::string UringBackend::peer_address(ConnectionName name) {
  const Connection* connection = find(name);
  if (connection == nullptr || connection->phase == Phase::dying) return "";
  if (!connection->fixed) return uring::peer_of(connection->descriptor);
  const int descriptor = ring_->install(connection->descriptor, tag(Op::install, 0, 0));
  if (descriptor < 0) return "";
  std::string address = uring::peer_of(descriptor);
  ::close(descriptor);
  return address;
}

void UringBackend::wake() {
  // One write until the shard has seen it.
  if (wake_pending_.exchange(true, std::memory_order_acq_rel)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_descriptor_, &one, sizeof one);
}

void UringBackend::arm_wake() {
  io_uring_sqe* sqe = ring_->sqe();
  io_uring_prep_read(sqe, wake_descriptor_, &wake_value_, sizeof wake_value_, 0);
  io_uring_sqe_set_data64(sqe, tag(Op::wake, 0, 0));
}

void UringBackend::begin_poll(Now now, Instant deadline) {
  now_ = now;
  now_s_ = static_cast<std::uint32_t>(now.instant.time_since_epoch() / std::chrono::seconds(1));
  GODWIT_CHECK(start().has_value());
  flush_sends();  // first: what sessions say does not wait for strangers
  submit_closes();
  if (accept_again_ == never || accept_again_ <= now.instant) arm_accepts();
  Duration wait{};
  const bool relief = !awaiting_pool_.empty() && send_pool_.is_relieved();
  if (resumed_.empty() && finished_.empty() && !relief && deadline > now.instant) {
    Instant until = std::min(deadline, accept_again_);
    if (!lingering_.empty()) until = std::min(until, lingering_.front().at);
    if (hot_ > 0) until = std::min(until, next_sweep_);
    wait = until == never ? std::chrono::hours(1) : until - now.instant;
  }
  ring_->enter(wait);
}

UringBackend::Completion UringBackend::on_completion(const io_uring_cqe& cqe) {
  const auto op = static_cast<Op>(cqe.user_data >> 56);
  const auto slot = static_cast<std::uint32_t>(cqe.user_data);
  switch (op) {
    case Op::none:  // a cancellation or a close
      return {};
    case Op::accept:
      return on_accept(cqe);
    case Op::wake:
      // What was published before the wake-up is seen after this: it pairs with wake().
      wake_pending_.exchange(false, std::memory_order_acq_rel);
      arm_wake();
      return {};
    case Op::install:  // too late for whoever asked
      if (cqe.res >= 0) ::close(cqe.res);
      return {};
    default:
      break;
  }
  Connection& connection = connections_[slot];
  // A slot is used again only after every operation on it has completed.
  GODWIT_CHECK(connection.generation == static_cast<std::uint16_t>(cqe.user_data >> 32));
  if (op == Op::receive) return on_receive(slot, cqe);
  connection.clear(op);
  if (op == Op::poll) --cold_;
  if (connection.phase == Phase::dying) {
    note_if_quiet(slot);
    return {};
  }
  if (op == Op::send) return on_sent(slot, cqe.res);
  if (op == Op::connect) return on_connect(slot, cqe.res);
  if (op == Op::poll) rearm(slot);
  return {};
}

void UringBackend::house_keep() {
  ring_->publish_buffers();
  rearm_starved();
  expire_lingering();
  if (hot_ > 0 && now_.instant >= next_sweep_) cool_idle();
}

}  // namespace godwit::dataplane::io
