// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/tcp.h"

#include <algorithm>

#include "dataplane/tcp/sequence.h"

namespace godwit::dataplane::tcp {

namespace {

constexpr std::uint32_t headers_v4 = 40;
constexpr std::uint32_t headers_v6 = 60;

}  // namespace

Tcp::Tcp(const Settings& settings, std::uint16_t shard, RandomSource& random, SinkView sink)
    : settings_(settings),
      default_tuning_(settings),
      shard_(shard),
      random_(random),
      sink_(sink),
      hash_(random),
      buffers_(settings.buffer_bytes),
      hold_memory_{buffers_, ranges_, 0, settings.reassembly_bytes, settings.held_ranges_max},
      wheel_(EntryOf{&connections_}),
      syn_cache_(settings_),
      time_wait_(settings_),
      challenge_limit_(settings.challenge_acks_per_second),
      reset_limit_(settings.resets_per_second) {
  GODWIT_CHECK(settings.receive_window > 0 && settings.receive_window <= window_limit);
  GODWIT_CHECK(settings.receive_window_max <= window_limit);
  GODWIT_CHECK(settings.mtu >= 576 && settings.mtu <= 65535);
  GODWIT_CHECK(settings.send_queue_max > 0 && settings.send_queue_max <= std::size_t{1} << 30);
  GODWIT_CHECK(settings.in_flight_segments_max > 0);
  GODWIT_CHECK(settings.segmentation.packet_max == 0 || settings.segmentation.packet_max >= 576);
  port_counter_ = static_cast<std::uint32_t>(random.next_u64());
}

std::uint32_t Tcp::find(ConnectionName name) const {
  if (name.shard != shard_ || name.slot == 0 || name.slot >= generations_.size()) return 0;
  const Connection& connection = connections_[name.slot];
  const bool current = generations_[name.slot] == name.generation && name.valid() &&
                       connection.state != State::closed && !connection.reported;
  return current ? name.slot : 0;
}

// The caller has seen that there is a place.
std::uint32_t Tcp::allocate(const Flow& flow, std::uint64_t place) {
  const std::uint32_t index = connections_.allocate();
  if (generations_.size() < connections_.end()) generations_.resize(connections_.end(), 1);
  Connection& connection = connections_[index];
  connection.flow = flow;
  connection.nagle = settings_.nagle;
  connection.quick_acks = settings_.quick_acks;
  connection.timestamp_offset = hash_.timestamp_offset(flow);
  flows_.insert(place, index);
  ++open_;
  return index;
}

void Tcp::release(std::uint32_t index) {
  Connection& connection = connections_[index];
  drop_sender(connection);
  drop_receiver(connection);
  if (connection.tuning != 0) tunings_.release(connection.tuning);
  wheel_.disarm(index);
  flows_.erase(hash_.place(connection.flow), index);
  if (connection.reported) --orphans_;
  connections_.release(index);
}

Sender& Tcp::make_sender(Connection& connection) {
  connection.sender = senders_.allocate();
  Sender& sender = senders_[connection.sender];
  sender.queue.start(connection.snd_nxt);
  return sender;
}

Receiver& Tcp::receiver_of(std::uint32_t index) {
  Connection& connection = connections_[index];
  if (connection.receiver == 0) {
    connection.receiver = receivers_.allocate();
    receivers_[connection.receiver].owner = index;
  }
  return receivers_[connection.receiver];
}

void Tcp::drop_sender(Connection& connection) {
  if (connection.sender == 0) return;
  Sender& sender = senders_[connection.sender];
  sender.queue.clear(send_memory());
  sender.board.clear(sent_);
  senders_.release(connection.sender);
  connection.sender = 0;
}

void Tcp::drop_receiver(Connection& connection) {
  if (connection.receiver == 0) return;
  Receiver& receiver = receivers_[connection.receiver];
  receiver.out_of_order.clear(hold_memory_);
  receiver.ready.clear(hold_memory_);
  list_held(connection);
  receivers_.release(connection.receiver);
  connection.receiver = 0;
}

// What we tell the peer (RFC 6691: options are not counted).
std::uint16_t Tcp::own_mss(const Flow& flow) const {
  const std::uint32_t headers = flow.remote.is_v4() ? headers_v4 : headers_v6;
  return static_cast<std::uint16_t>(sink_.mtu_from(flow.local, settings_.mtu) - headers);
}

// From what the peer told and the path carries; the timestamps of every segment are taken off.
void Tcp::set_mss(Connection& connection) {
  std::uint32_t limit = own_mss(connection.flow);
  limit = std::min<std::uint32_t>(limit, std::max(connection.mss_peer, settings_.mss_floor));
  limit = std::min<std::uint32_t>(limit, tuning_of(connection).mss_max);
  const Segmentation& port = settings_.segmentation;
  if (const bool v4 = connection.flow.remote.is_v4(); port.of(v4) != 0 && port.packet_max != 0) {
    limit = std::min(limit, port.packet_max - (v4 ? headers_v4 : headers_v6));
  }
  if (connection.timestamps) limit -= 12;
  connection.mss = static_cast<std::uint16_t>(limit);
}

// RFC 6928, 2; one segment when the handshake had a loss (RFC 5681, 3.1).
std::uint32_t Tcp::initial_window(const Connection& connection, bool handshake_lost) const {
  const std::uint32_t mss = connection.mss;
  if (handshake_lost) return mss;
  return std::min(settings_.initial_window_segments * mss, std::max(2 * mss, 14600U));
}

Result<std::uint16_t> Tcp::listen(const IpAddress& local, std::uint16_t port) {
  if (listeners_.size() >= settings_.listeners_max) {
    return fail(ErrorCode::limit, "as many ports as allowed are listened on");
  }
  const auto taken = [&](std::uint16_t candidate) {
    return std::ranges::any_of(listeners_, [&](const Listener& other) {
      return other.port == candidate &&
             (other.local == local || !other.local.known() || !local.known());
    });
  };
  while (port == 0) {
    const auto candidate = static_cast<std::uint16_t>(32768 + random_.below(28232));
    if (!taken(candidate)) port = candidate;
  }
  if (taken(port)) {
    return fail(ErrorCode::exists, "port " + std::to_string(port) + " is listened on already");
  }
  listeners_.push_back({local, port, default_tuning_});
  return port;
}

void Tcp::stop_listening() {
  listeners_.clear();
}

void Tcp::stop_listening(const IpAddress& local, std::uint16_t port) {
  std::erase_if(listeners_,
                [&](const Listener& other) { return other.port == port && other.local == local; });
}

// RFC 6056, 3.3.3: a keyed start for each peer and a counter, so that ports cannot be foretold and
// are not used again soon. 0: none free.
std::uint16_t Tcp::free_port(const Flow& flow) {
  constexpr std::uint32_t first = 32768;
  constexpr std::uint32_t count = 28232;
  constexpr std::uint32_t tries = 1024;
  const std::uint32_t offset = hash_.port_offset(flow);
  Flow candidate = flow;
  for (std::uint32_t i = 0; i < tries; ++i) {
    candidate.local_port = static_cast<std::uint16_t>(first + (offset + port_counter_++) % count);
    const std::uint64_t place = hash_.place(candidate);
    const auto same = [&](std::uint32_t index) { return connections_[index].flow == candidate; };
    if (flows_.find(place, same) == 0 && time_wait_.find(place, candidate) == 0) {
      return candidate.local_port;
    }
  }
  return 0;
}

Result<ConnectionName> Tcp::connect(Flow flow) {
  return connect(flow, default_tuning_);
}

Result<ConnectionName> Tcp::connect(Flow flow, const Tuning& tuning) {
  if (!flow.local.known() || !flow.remote.known() || flow.remote_port == 0) {
    return fail(ErrorCode::invalid, "a connection needs both addresses and the peer's port");
  }
  if (connections_.used() >= settings_.connections_max) {
    return fail(ErrorCode::limit, "as many connections as allowed are open");
  }
  if (flow.local_port == 0) flow.local_port = free_port(flow);
  if (flow.local_port == 0) return fail(ErrorCode::limit, "no port is free towards this peer");
  const std::uint64_t place = hash_.place(flow);
  const auto same = [&](std::uint32_t index) { return connections_[index].flow == flow; };
  if (flows_.find(place, same) != 0) {
    return fail(ErrorCode::exists, "a connection between these addresses and ports is open");
  }
  // Sequence numbers and timestamps go on from the last one's (RFC 6528, 6191).
  if (const std::uint32_t old = time_wait_.find(place, flow)) {
    if (!time_wait_[old].timestamps) {
      return fail(ErrorCode::exists,
                  "a connection between these addresses and ports was just open");
    }
    time_wait_.remove(place, old);
  }
  const std::uint32_t index = allocate(flow, place);
  Connection& connection = connections_[index];
  connection.state = State::syn_sent;
  connection.iss = hash_.initial_sequence(flow, now_);
  connection.snd_una = connection.iss;
  connection.snd_nxt = connection.iss + 1;
  connection.connected = true;
  connection.syn_due = true;
  connection.timestamps = settings_.timestamps;
  connection.sack = settings_.sack;
  connection.scaling = settings_.window_scale;
  connection.ecn = settings_.ecn == EcnMode::request;
  take_tuning(connection, tuning);
  connection.rcv_space = tuning.receive_window;
  connection.rcv_scale = connection.scaling ? window_scale(tuning) : 0;
  ++counters_.active_opens;
  into_turn(index);
  return name_of(index);
}

void Tcp::set_user(ConnectionName name, std::uint64_t user) {
  if (const std::uint32_t index = find(name)) connections_[index].user = user;
}

std::size_t Tcp::send(ConnectionName name, std::span<const Bytes> chunks) {
  const std::uint32_t index = find(name);
  if (index == 0) return 0;
  Connection& connection = connections_[index];
  if (!connection.opened || connection.close_requested || connection.fin_wanted) return 0;
  std::size_t total = 0;
  for (const Bytes chunk : chunks) total += chunk.size();
  if (total == 0) return 0;
  Sender& sender = sender_of(connection);
  if (total > settings_.send_queue_max || sender.queue.size() > settings_.send_queue_max - total) {
    connection.want_writable = true;
    into_turn(index);
    return 0;
  }
  if (!sender.queue.append(send_memory(), chunks, total)) {
    connection.want_writable = true;
    if (!connection.waits_for_memory) memory_waiters_.push_back(index);
    connection.waits_for_memory = true;
    into_turn(index);
    return 0;
  }
  counters_.bytes_out += total;
  into_turn(index);
  return total;
}

void Tcp::pause_receive(ConnectionName name) {
  if (const std::uint32_t index = find(name)) connections_[index].paused = true;
}

void Tcp::resume_receive(ConnectionName name) {
  const std::uint32_t index = find(name);
  if (index == 0) return;
  connections_[index].paused = false;
  if (connections_[index].receiver != 0 || connections_[index].fin_taken) into_turn(index);
}

void Tcp::close(ConnectionName name, io::CloseMode mode) {
  const std::uint32_t index = find(name);
  if (index == 0) return;
  Connection& connection = connections_[index];
  if (mode == io::CloseMode::abort) {
    connection.abort_requested = true;
  } else if (connection.close_requested) {
    return;
  }
  // RFC 9293, 3.6.1: bytes that nobody will read.
  if (settings_.reset_late_data && connection.receiver != 0 &&
      !receivers_[connection.receiver].ready.empty()) {
    connection.abort_requested = true;
  }
  connection.close_reason = io::CloseReason::local;
  begin_close(connection);
  into_turn(index);
}

void Tcp::shutdown_send(ConnectionName name) {
  const std::uint32_t index = find(name);
  if (index == 0) return;
  connections_[index].fin_wanted = true;
  into_turn(index);
}

Flow Tcp::flow_of(ConnectionName name) const {
  const std::uint32_t index = find(name);
  return index == 0 ? Flow{} : connections_[index].flow;
}

std::optional<ConnectionInfo> Tcp::info(ConnectionName name) const {
  const std::uint32_t index = find(name);
  if (index == 0) return std::nullopt;
  const Connection& connection = connections_[index];
  ConnectionInfo info;
  info.state = connection.state;
  info.mss = connection.mss;
  info.send_window = connection.snd_wnd;
  info.congestion_window = connection.congestion.window();
  info.slow_start_threshold = connection.congestion.threshold();
  if (connection.sender != 0) {
    const Sender& sender = senders_[connection.sender];
    info.queued = sender.queue.size();
    info.in_flight = pipe(connection, sender);
    info.unacked = sender.board.count();
    info.sacked = sender.board.sacked_count();
    info.lost = sender.board.lost() / std::max<std::uint32_t>(connection.mss, 1);
    info.unsent = connection.fin_sent ? 0 : distance(connection.snd_nxt, sender.queue.end());
    info.phase = sender.phase;
  }
  if (connection.receiver != 0) info.held = receivers_[connection.receiver].ready.size();
  info.retransmitted = connection.retransmitted;
  info.acknowledged = connection.snd_una - connection.iss - 1;
  info.received = connection.rcv_nxt - connection.irs - 1;
  info.receive_window = distance(connection.rcv_nxt, connection.rcv_edge);
  info.receive_space = connection.rcv_space;
  info.receive_mss = connection.rcv_mss;
  info.mss_told = std::min(own_mss(connection.flow), tuning_of(connection).mss_max);
  info.backoff = connection.backoff;
  info.probes = connection.keepalives;
  info.send_scale = connection.snd_scale;
  info.receive_scale = connection.rcv_scale;
  info.reno = connection.congestion.reno();
  info.quick_acks = connection.quick_acks > 0;
  info.rtt_least = connection.rtt.least();
  info.rtt_variance = connection.rtt.variance();
  info.last_sent = connection.last_data_sent;
  info.last_heard = connection.last_heard;
  info.rtt = connection.rtt.smoothed();
  info.timeout = connection.rtt.timeout(settings_);
  info.timestamps = connection.timestamps;
  info.sack = connection.sack;
  info.scaling = connection.scaling;
  info.ecn = connection.ecn;
  return info;
}

std::size_t Tcp::memory_bytes() const {
  const auto of_list = [](const auto& list) { return list.capacity() * sizeof(list[0]); };
  return sizeof *this + buffers_.memory_bytes() + connections_.memory_bytes() +
         of_list(generations_) + flows_.memory_bytes() + tunings_.memory_bytes() +
         senders_.memory_bytes() + receivers_.memory_bytes() + blocks_.memory_bytes() +
         sent_.memory_bytes() + ranges_.memory_bytes() + syn_cache_.memory_bytes() +
         time_wait_.memory_bytes() + of_list(listeners_) + of_list(turn_) + of_list(turning_) +
         of_list(memory_waiters_);
}

}  // namespace godwit::dataplane::tcp
