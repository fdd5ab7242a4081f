// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/memory/memory_backend.h"

#include <algorithm>

namespace godwit::dataplane::io {

using memory::Link;

static_assert(StreamBackend<MemoryBackend>);

MemoryBackend::MemoryBackend(MemoryNetwork& network, const Options& options)
    : network_(network), options_(options), receive_buffer_(options.receive_buffer_size) {
  GODWIT_CHECK(options.receive_buffer_size > 0);
}

MemoryBackend::~MemoryBackend() {
  stop_listening();
  for (Connection& connection : connections_) detach(connection, true);
  for (const auto& link : arrivals_) {
    link->ends[1] = {};
    link->reset = true;
    link->poke(0);
  }
}

Result<std::uint16_t> MemoryBackend::listen(const Endpoint& endpoint) {
  if (listening_) return fail(ErrorCode::exists, "this shard listens already");
  auto port = network_.listen(*this, endpoint);
  listening_ = port.has_value();
  return port;
}

void MemoryBackend::stop_listening() {
  network_.stop_listening(*this);
  listening_ = false;
}

Result<ConnectionName> MemoryBackend::connect(const Endpoint& endpoint) {
  if (open_ >= options_.connections_max) {
    return fail(ErrorCode::limit, "no room for another connection");
  }
  const std::uint32_t slot = take_slot();
  connections_[slot].phase = Phase::connecting;
  connections_[slot].target = endpoint;
  mark_ready(slot);
  return name_of(slot);
}

void MemoryBackend::set_user(ConnectionName name, std::uint64_t user) {
  if (Connection* connection = find(name)) connection->user = user;
}

std::size_t MemoryBackend::send(ConnectionName name, std::span<const Bytes> chunks) {
  Connection* connection = find(name);
  if (connection == nullptr || connection->phase != Phase::open) return 0;
  std::size_t size = 0;
  for (const Bytes chunk : chunks) size += chunk.size();
  mark_ready(name.slot);
  if (size > options_.send_queue_max - connection->queue.size() ||
      size > options_.send_pool_bytes - pool_used_) {
    connection->want_writable = true;
    return 0;
  }
  for (const Bytes chunk : chunks) connection->queue.push(chunk);
  pool_used_ += size;
  return size;
}

void MemoryBackend::pause_receive(ConnectionName name) {
  if (Connection* connection = find(name)) connection->paused = true;
}

void MemoryBackend::resume_receive(ConnectionName name) {
  Connection* connection = find(name);
  if (connection == nullptr) return;
  connection->paused = false;
  mark_ready(name.slot);
}

void MemoryBackend::close(ConnectionName name, CloseMode mode) {
  Connection* connection = find(name);
  if (connection == nullptr || connection->phase == Phase::dying) return;
  if (mode == CloseMode::abort || connection->phase == Phase::connecting) {
    detach(*connection, true);
    return die(name.slot, CloseReason::local);
  }
  if (connection->phase != Phase::open) return;
  connection->phase = Phase::closing;
  lingering_.push_back({name, now_.instant + options_.linger});
  mark_ready(name.slot);
}

std::string MemoryBackend::peer_address(ConnectionName name) {
  const Connection* connection = find(name);
  if (connection == nullptr || !connection->link) return "";
  return connection->side == 0 ? connection->link->acceptor : connection->link->connector;
}

IpAddress MemoryBackend::peer_ip(ConnectionName name) {
  const Connection* connection = find(name);
  if (connection == nullptr || !connection->link || connection->side == 0) return {};
  const std::string& text = connection->link->connector;
  return parse_ip_address(std::string_view(text).substr(0, text.rfind(':'))).value_or(IpAddress{});
}

std::uint64_t MemoryBackend::link(ConnectionName name) {
  const Connection* connection = find(name);
  return connection == nullptr || !connection->link ? 0 : connection->link->id;
}

Instant MemoryBackend::next_deadline() const {
  return lingering_.empty() ? never : lingering_.front().until;
}

ConnectionName MemoryBackend::name_of(std::uint32_t slot) const {
  return {slot, options_.shard, connections_[slot].generation};
}

MemoryBackend::Connection* MemoryBackend::find(ConnectionName name) {
  if (name.shard != options_.shard || name.slot >= connections_.size()) return nullptr;
  Connection& connection = connections_[name.slot];
  const bool current =
      connection.phase != Phase::unused && connection.generation == name.generation;
  return current ? &connection : nullptr;
}

std::uint32_t MemoryBackend::take_slot() {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(connections_.size()));
    connections_.emplace_back();
  }
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  ++open_;
  return slot;
}

void MemoryBackend::release_slot(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  return_to_pool(connection.queue.size());
  const auto next = static_cast<std::uint16_t>(connection.generation + 1);
  const bool ready =
      connection.ready;  // its entry in the list stays, and finds the slot unused or anew
  connection = Connection{};
  connection.generation = std::max<std::uint16_t>(next, 1);
  connection.ready = ready;
  free_slots_.push_back(slot);
  --open_;
}

void MemoryBackend::mark_ready(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  if (connection.ready) return;
  connection.ready = true;
  ready_.push_back(slot);
}

// Leaves the link; the other side sees a reset, or whatever it was sent before.
void MemoryBackend::detach(Connection& connection, bool reset) {
  if (!connection.link) return;
  const std::shared_ptr<Link> link = std::move(connection.link);
  connection.link = nullptr;
  link->ends[connection.side] = {};
  link->reset = link->reset || reset;
  link->poke(1 - connection.side);
}

void MemoryBackend::die(std::uint32_t slot, CloseReason reason) {
  Connection& connection = connections_[slot];
  connection.phase = Phase::dying;
  connection.reason = reason;
  mark_ready(slot);
}

void MemoryBackend::expire_lingering() {
  for (; !lingering_.empty() && lingering_.front().until <= now_.instant; lingering_.pop_front()) {
    const ConnectionName name = lingering_.front().name;
    Connection* connection = find(name);
    if (connection == nullptr || connection->phase == Phase::dying) continue;
    const bool ours = connection->phase == Phase::closing;
    detach(*connection, true);
    die(name.slot, ours ? CloseReason::local : CloseReason::peer_closed);
  }
}

std::optional<ConnectionName> MemoryBackend::accept_next() {
  const std::shared_ptr<Link> link = std::move(arrivals_.front());
  arrivals_.pop_front();
  if (link->ends[0].backend == nullptr) return std::nullopt;  // gave up while it waited
  if (open_ >= options_.connections_max) {
    ++refused_;
    link->ends[1] = {};
    link->towards[0].finished = true;
    link->poke(0);
    return std::nullopt;
  }
  const std::uint32_t slot = take_slot();
  Connection& connection = connections_[slot];
  connection.phase = Phase::open;
  connection.link = link;
  connection.side = 1;
  link->ends[1] = {this, slot};
  mark_ready(slot);
  link->poke(0);
  return name_of(slot);
}

// The connector is open once the connection waits at a listener, as with a kernel's backlog.
bool MemoryBackend::finish_connect(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  MemoryBackend* listener = network_.choose_listener(connection.target);
  if (listener == nullptr) {
    die(slot, CloseReason::failed);
    return false;
  }
  connection.link = network_.make_link();
  const std::string host =
      options_.host.empty() ? "127.0.0." + std::to_string(options_.shard % 250 + 1) : options_.host;
  connection.link->connector = host + ":" + std::to_string(slot % 60'000 + 1024);
  connection.link->acceptor = connection.target.host + ":" + std::to_string(connection.target.port);
  connection.link->ends[0] = {this, slot};
  connection.link->ends[1] = {listener, Link::not_accepted};
  connection.phase = Phase::open;
  listener->arrivals_.push_back(connection.link);
  return true;
}

bool MemoryBackend::held(std::uint32_t slot) const {
  const Connection& connection = connections_[slot];
  return connection.phase != Phase::dying && connection.link && connection.link->held;
}

void MemoryBackend::check_reset(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  if (!connection.link) return;
  const bool nobody_there = connection.link->ends[1 - connection.side].backend == nullptr;
  if (!connection.link->reset && (!nobody_there || connection.queue.empty())) return;
  const CloseReason reason =
      connection.phase == Phase::closing ? CloseReason::local : CloseReason::reset;
  detach(connection, true);
  die(slot, reason);
}

void MemoryBackend::flush(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  if (!connection.link || connection.queue.empty()) return;
  memory::Pipe& pipe = connection.link->towards[1 - connection.side];
  const std::size_t window = network_.options_.window;
  const std::size_t room = window - std::min(window, pipe.bytes.size());
  const std::size_t available = std::min(room, connection.queue.size());
  if (available == 0) return;  // the peer pokes when it has taken some
  const std::size_t size = network_.allowed({.link = connection.link->id,
                                             .arriving = false,
                                             .to_acceptor = connection.side == 0,
                                             .available = available});
  pipe.bytes.push(connection.queue.front(size));
  connection.queue.pop(size);
  return_to_pool(size);
  if (size > 0) connection.link->poke(1 - connection.side);
  if (size < available) mark_ready(slot);
}

void MemoryBackend::return_to_pool(std::size_t size) {
  pool_used_ -= size;
  if (pool_used_ > options_.send_pool_bytes / 4 * 3) return;
  for (const ConnectionName waiter : pool_waiters_) {
    if (find(waiter) != nullptr) mark_ready(waiter.slot);
  }
  pool_waiters_.clear();
}

bool MemoryBackend::take_writable(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  if (!connection.want_writable || connection.phase != Phase::open) return false;
  if (connection.queue.size() * 2 >= options_.send_queue_max) return false;  // flush() comes again
  if (pool_used_ > options_.send_pool_bytes / 4 * 3) {
    pool_waiters_.push_back(name_of(slot));
    return false;
  }
  connection.want_writable = false;
  return true;
}

// What has come for an open connection, at most one receive buffer full; what comes for a closing
// one is dropped.
MutableBytes MemoryBackend::take_arrived(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  const bool open = connection.phase == Phase::open && !connection.paused;
  if (!connection.link || (!open && connection.phase != Phase::closing)) return {};
  memory::Pipe& pipe = connection.link->towards[connection.side];
  const std::size_t available = std::min(pipe.bytes.size(), receive_buffer_.size());
  if (available == 0) return {};
  const std::size_t size = network_.allowed({.link = connection.link->id,
                                             .arriving = true,
                                             .to_acceptor = connection.side == 1,
                                             .available = available});
  const Bytes bytes = pipe.bytes.front(size);
  std::ranges::copy(bytes, receive_buffer_.begin());
  pipe.bytes.pop(size);
  if (size > 0) connection.link->poke(1 - connection.side);
  if (!pipe.bytes.empty() || pipe.finished) mark_ready(slot);
  return open ? MutableBytes(receive_buffer_).first(size) : MutableBytes{};
}

// FINs, in both directions.
void MemoryBackend::settle(std::uint32_t slot) {
  Connection& connection = connections_[slot];
  if (!connection.link) return;
  const memory::Pipe& arriving = connection.link->towards[connection.side];
  const bool ended = arriving.finished && arriving.bytes.empty();
  if (connection.phase == Phase::open && ended && !connection.paused) {
    connection.phase = Phase::draining;
    lingering_.push_back({name_of(slot), now_.instant + options_.linger});
  }
  const bool leaving = connection.phase == Phase::draining || connection.phase == Phase::closing;
  if (!leaving || !connection.queue.empty()) return;
  if (!connection.fin_sent) {
    connection.fin_sent = true;
    connection.link->towards[1 - connection.side].finished = true;
    connection.link->poke(1 - connection.side);
  }
  if (!ended) return;
  const bool ours = connection.phase == Phase::closing;
  detach(connection, false);
  connection.phase = Phase::dying;
  connection.reason = ours ? CloseReason::local : CloseReason::peer_closed;
}

}  // namespace godwit::dataplane::io
