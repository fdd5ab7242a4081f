// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/tcp.h"

// Bytes and FIN of the peer (RFC 9293, 3.10.7.4, seventh and eighth). In order they go to the user
// as they lie in the segment; what cannot is held in pool memory. Urgent data is data (RFC 6093).

namespace godwit::dataplane::tcp {

void Tcp::take_data(std::uint32_t index, const SegmentIn& segment, Instant now, Events events) {
  Connection& connection = connections_[index];
  if (connection.fin_taken) return;
  const Trimmed part = trim(connection, segment);
  // RFC 9293, 3.6.1: nobody will read it.
  if (!part.bytes.empty() && connection.close_requested &&
      (connection.reported || settings_.reset_late_data)) {
    answer_with_reset(segment);
    finish(index, connection.close_reason, events);
    return;
  }
  if (connection.ecn) {  // RFC 3168, 6.1.3
    if (segment.has(Flags::cwr)) connection.ecn_echo = false;
    if (segment.ecn == Ecn::congested) connection.ecn_echo = connection.ack_now = true;
  }
  if (part.has_fin && !connection.fin_known) {
    connection.fin_known = true;
    connection.fin_sequence = part.sequence + static_cast<std::uint32_t>(part.bytes.size());
  }
  if (part.sequence == segment.seq) note_known(connection, part);
  if (part.sequence != connection.rcv_nxt) {
    if (!part.bytes.empty()) hold(index, part.sequence, part.bytes);
    emit_ack(connection, now);  // RFC 5681, 4.2: at once
    return;
  }
  if (!part.bytes.empty()) {
    const bool fills_gap =
        connection.receiver != 0 && !receivers_[connection.receiver].out_of_order.empty();
    if (!deliver(index, part.bytes, events)) {
      ++counters_.dropped_no_memory;
      return;
    }
    const auto size = std::min<std::size_t>(part.bytes.size(), own_mss(connection.flow));
    connection.rcv_mss = std::max(connection.rcv_mss, static_cast<std::uint16_t>(size));
    if (fills_gap) drain_held(index, events);
    measure_window(connection, now);
    acknowledge_later(index, fills_gap, now);
  }
  if (connection.fin_known && connection.fin_sequence == connection.rcv_nxt) {
    peer_fin(index, now, events);
  }
}

// What of the segment is new and inside the window. Bytes that came before are told as D-SACK.
Tcp::Trimmed Tcp::trim(Connection& connection, const SegmentIn& segment) const {
  Trimmed part{segment.seq, segment.payload, segment.has(Flags::fin)};
  if (before(part.sequence, connection.rcv_nxt)) {
    const std::uint32_t known = distance(part.sequence, connection.rcv_nxt);
    const std::size_t size = std::min<std::size_t>(known, part.bytes.size());
    if (connection.sack && size > 0) {
      connection.dsack = {part.sequence, part.sequence + static_cast<std::uint32_t>(size)};
      connection.dsack_due = true;
    }
    part.bytes = part.bytes.subspan(size);
    part.sequence = connection.rcv_nxt;
    connection.ack_now = true;
  }
  std::uint32_t room = distance(part.sequence, connection.rcv_edge);
  if (connection.fin_known) room = std::min(room, distance(part.sequence, connection.fin_sequence));
  if (part.bytes.size() > room) {
    part.bytes = part.bytes.first(room);
    part.has_fin = false;
    connection.ack_now = true;
  }
  return part;
}

// RFC 2883, 4: what of it is held already is told, whether the rest is new or not.
void Tcp::note_known(Connection& connection, const Trimmed& part) const {
  if (!connection.sack || connection.receiver == 0 || part.bytes.empty()) return;
  const SequenceRange known = receivers_[connection.receiver].out_of_order.known(
      hold_memory_, {part.sequence, part.sequence + static_cast<std::uint32_t>(part.bytes.size())});
  if (known.begin == known.end) return;
  connection.dsack = known;
  connection.dsack_due = true;
}

// RFC 9293, 3.8.6.3: every second full segment, what fills a gap, and none later than the delay.
void Tcp::acknowledge_later(std::uint32_t index, bool fills_gap, Instant now) {
  Connection& connection = connections_[index];
  const std::uint32_t full = connection.rcv_mss;
  const std::uint32_t enough = settings_.acks_beyond_one_segment ? full + 1 : 2 * full;
  if (fills_gap || connection.quick_acks > 0 || connection.unacked_bytes >= enough) {
    connection.ack_now = true;
  } else {
    // Its turn, which is still to come, arms the timer if no answer carries the acknowledgement.
    connection.ack_at = std::min(connection.ack_at, now + settings_.delayed_ack);
  }
}

// In order, to the user or behind what waits for him; false when there is no memory to wait in.
bool Tcp::deliver(std::uint32_t index, MutableBytes bytes, Events events) {
  Connection& connection = connections_[index];
  const auto size = static_cast<std::uint32_t>(bytes.size());
  const bool waits = !connection.close_requested &&
                     (connection.paused ||
                      (connection.receiver != 0 && !receivers_[connection.receiver].ready.empty()));
  if (waits && !keep_ready(index, bytes)) return false;
  connection.rcv_nxt += size;
  connection.rcv_edge = later_of(connection.rcv_edge, connection.rcv_nxt);
  connection.unacked_bytes += size;
  if (waits || connection.close_requested) return true;
  counters_.bytes_in += size;
  events.on_bytes(name_of(index), connection.user, bytes);
  return true;
}

bool Tcp::keep_ready(std::uint32_t index, Bytes bytes) {
  Receiver& receiver = receiver_of(index);
  const bool memory_short = buffers_.in_use() > buffers_.limit() / 2;
  const bool enough = memory_short && receiver.ready.size() >= settings_.paused_bytes_short;
  const bool kept = !enough && receiver.ready.append(hold_memory_, bytes);
  if (receiver.empty()) drop_receiver(connections_[index]);
  return kept;
}

// RFC 2018, 8, allows to throw away what was held, when memory is short: the longest holder goes
// first, so that gaps nobody fills do not keep others from holding theirs.
void Tcp::hold(std::uint32_t index, std::uint32_t sequence, Bytes bytes) {
  Connection& connection = connections_[index];
  Reassembly& held = receiver_of(index).out_of_order;
  Reassembly::Insert answer = held.insert(hold_memory_, sequence, bytes);
  while (answer == Reassembly::Insert::no_memory && discard_oldest_held(index)) {
    answer = held.insert(hold_memory_, sequence, bytes);
  }
  list_held(connection);
  switch (answer) {
    case Reassembly::Insert::held:
      ++counters_.out_of_order_held;
      return;
    case Reassembly::Insert::duplicate:
      ++counters_.duplicate_segments;
      return;
    case Reassembly::Insert::no_room:
    case Reassembly::Insert::no_memory:
      ++counters_.dropped_out_of_order;
      if (receivers_[connection.receiver].empty()) drop_receiver(connection);
      return;
  }
}

// False when there is none but `but` itself.
bool Tcp::discard_oldest_held(std::uint32_t but) {
  const std::uint32_t oldest = holders_.front();
  if (oldest == 0 || receivers_[oldest].owner == but) return false;
  Connection& connection = connections_[receivers_[oldest].owner];
  ++counters_.out_of_order_discarded;
  receivers_[oldest].out_of_order.clear(hold_memory_);
  list_held(connection);
  if (receivers_[oldest].empty()) drop_receiver(connection);
  buffers_.collect();
  return true;
}

// Into the list of holders, or out of it.
void Tcp::list_held(Connection& connection) {
  Receiver& receiver = receivers_[connection.receiver];
  const bool holds = !receiver.out_of_order.empty();
  if (holds == receiver.listed) return;
  receiver.listed = holds;
  if (holds) {
    holders_.push_back(receivers_, connection.receiver);
  } else {
    holders_.remove(receivers_, connection.receiver);
  }
}

// What had been ahead and now is in order.
void Tcp::drain_held(std::uint32_t index, Events events) {
  Connection& connection = connections_[index];
  while (connection.receiver != 0) {
    Receiver& receiver = receivers_[connection.receiver];
    HeldRange range = receiver.out_of_order.take(hold_memory_, connection.rcv_nxt);
    if (!range.bytes) break;
    const std::uint32_t known = distance(range.begin, connection.rcv_nxt);
    const auto size = static_cast<std::uint32_t>(range.bytes.bytes().size());
    if (known >= size) continue;
    const bool waits =
        !connection.close_requested && (connection.paused || !receiver.ready.empty());
    if (waits) {
      connection.rcv_nxt += size - known;
      connection.unacked_bytes += size - known;
      receiver.ready.append(hold_memory_, std::move(range), known);
    } else {
      deliver(index, range.bytes.writable().subspan(known, size - known), events);
    }
  }
  if (connection.receiver != 0) {
    list_held(connection);
    if (receivers_[connection.receiver].empty()) drop_receiver(connection);
  }
}

// The user has resumed: what waited, until he pauses again.
void Tcp::deliver_ready(std::uint32_t index, Events events) {
  Connection& connection = connections_[index];
  bool drained = false;
  while (connection.receiver != 0 && !connection.paused && !connection.close_requested) {
    Receiver& receiver = receivers_[connection.receiver];
    if (receiver.ready.empty()) break;
    std::uint32_t skip = 0;
    queues::Buffer buffer = receiver.ready.take(hold_memory_, skip);
    const MutableBytes bytes = buffer.writable().subspan(skip, buffer.bytes().size() - skip);
    counters_.bytes_in += bytes.size();
    events.on_bytes(name_of(index), connection.user, bytes);
    drained = true;
  }
  if (connection.receiver != 0 && receivers_[connection.receiver].empty()) {
    drop_receiver(connection);
  }
  if (drained && connection.synchronized() && !connection.fin_taken &&
      window_update_due(connection)) {
    connection.ack_now = true;
  }
  if (connection.fin_taken) tell_peer_finished(index, events);
}

void Tcp::peer_fin(std::uint32_t index, Instant now, Events events) {
  Connection& connection = connections_[index];
  connection.fin_taken = true;
  const bool after_data = connection.rcv_nxt != connection.irs + 1;
  ++connection.rcv_nxt;
  connection.rcv_edge = later_of(connection.rcv_edge, connection.rcv_nxt);
  if (settings_.delay_fin_acks && connection.state == State::established && after_data &&
      connection.unacked_bytes < connection.rcv_mss) {
    connection.ack_at = std::min(connection.ack_at, now + settings_.delayed_ack);
    arm(index);
  } else {
    connection.ack_now = true;
  }
  if (connection.receiver != 0) {
    receivers_[connection.receiver].out_of_order.clear(hold_memory_);
    list_held(connection);
    if (receivers_[connection.receiver].empty()) drop_receiver(connection);
  }
  switch (connection.state) {
    case State::established:
      connection.state = State::close_wait;
      tell_peer_finished(index, events);
      break;
    case State::fin_wait_1:
      connection.state = State::closing;
      tell_peer_finished(index, events);
      break;
    case State::fin_wait_2:
      tell_peer_finished(index, events);
      settle(index, now, events);
      break;
    default:
      break;
  }
}

// Once, and not before the user has all bytes, nor while he wants to hear of none.
void Tcp::tell_peer_finished(std::uint32_t index, Events events) {
  Connection& connection = connections_[index];
  if (connection.peer_finished_told || connection.close_requested || connection.paused) return;
  if (connection.receiver != 0 && !receivers_[connection.receiver].ready.empty()) return;
  connection.peer_finished_told = true;
  if (events.knows_half_close()) {
    events.on_peer_finished(name_of(index), connection.user);
    return;
  }
  connection.close_reason = io::CloseReason::peer_closed;
  begin_close(connection);
}

}  // namespace godwit::dataplane::tcp
