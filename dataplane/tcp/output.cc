// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/tcp.h"

// What a connection sends in a turn: what was lost, then what is new as far as both windows go,
// then FIN, then an acknowledgement if none has left with these (RFC 9293, 3.8).

namespace godwit::dataplane::tcp {

void Tcp::flush(Instant now, Events events) {
  // What the handler sends while he is called leaves too; rounds end when two users play ball.
  constexpr int rounds_max = 4;
  now_ = now;
  buffers_.collect();
  if (!memory_waiters_.empty() && buffers_.in_use() <= buffers_.limit() / 4 * 3) {
    for (const std::uint32_t index : memory_waiters_) {
      connections_[index].waits_for_memory = false;
      into_turn(index);
    }
    memory_waiters_.clear();
  }
  for (int round = 0; round < rounds_max && !turn_.empty(); ++round) {
    turning_.swap(turn_);
    for (const std::uint32_t index : turning_) {
      if (connections_[index].in_turn) turn(index, now, events);
    }
    turning_.clear();
  }
}

void Tcp::turn(std::uint32_t index, Instant now, Events events) {
  Connection& connection = connections_[index];
  connection.in_turn = false;
  if (connection.state == State::closed) return;
  if (!connection.abort_requested && connection.synchronized()) {
    if (connection.receiver != 0 || connection.fin_taken) deliver_ready(index, events);
    if (connection.fin_taken && settle(index, now, events)) return;
  }
  if (connection.abort_requested ||
      (connection.close_requested && connection.state == State::syn_sent)) {
    reset(index, now, connection.close_reason, events);
    return;
  }
  if (connection.close_requested && !connection.lingering && !connection.reported) {
    connection.lingering = true;
    connection.state_at = now + settings_.linger;
  }
  if (connection.syn_due) {
    if (connection.trying_since == never) connection.trying_since = now;
    emit_syn(connection, now);
    connection.retransmit_at = now + timeout_of(connection);
  } else if (connection.synchronized()) {
    send_queued(index, now);
    if (connection.ack_now) emit_ack(connection, now);
    set_retransmit_timer(connection, now);
  }
  // The peer has closed, and has been sent what was queued to it (stream.h, rule 8).
  if (connection.fin_sent && connection.close_reason == io::CloseReason::peer_closed &&
      !connection.reported) {
    make_orphan(index, now, events);
    if (connection.state != State::closed) arm(index);
    return;
  }
  arm(index);
  const std::uint32_t queued =
      connection.sender == 0 ? 0 : senders_[connection.sender].queue.size();
  if (connection.want_writable && !connection.waits_for_memory && !connection.close_requested &&
      queued < settings_.send_queue_max / 2) {
    connection.want_writable = false;
    events.on_writable(name_of(index), connection.user);
  }
}

void Tcp::send_queued(std::uint32_t index, Instant now) {
  Connection& connection = connections_[index];
  if (connection.sender == 0 && (!connection.fin_wanted || connection.fin_sent)) return;
  Sender& sender = sender_of(connection);
  if (sender.board.empty() && now - connection.last_data_sent > timeout_of(connection)) {
    connection.congestion.restart_idle(initial_window(connection, false));
  }
  while (sender.board.lost() > 0 && send_lost(connection, sender, now)) {
  }
  sender.window_limited = false;
  for (std::uint32_t sent = 0; send_new(connection, sender, sent, now);) ++sent;
  // RFC 7661: a slow start doubles, so half used is used.
  if (connection.congestion.in_slow_start() &&
      pipe(connection, sender) > connection.congestion.window() / 2) {
    sender.window_limited = true;
  }
  const bool fin_left = connection.fin_wanted && !connection.fin_sent;
  if (sender.queue.empty() && sender.board.empty() && !fin_left) drop_sender(connection);
}

bool Tcp::send_lost(Connection& connection, Sender& sender, Instant now) {
  const std::uint32_t record = sender.board.first_lost(sent_);
  if (record == 0) return false;
  if (sent_[record].size() > connection.mss) {
    sender.board.split(sent_, record, sent_[record].begin + connection.mss);
  }
  const std::uint32_t in_pipe = pipe(connection, sender);
  if (in_pipe > 0 && in_pipe + sent_[record].size() > connection.congestion.window()) return false;
  retransmit(connection, sender, record, now);
  return true;
}

// `before`: how many have left in this burst.
bool Tcp::send_new(Connection& connection, Sender& sender, std::uint32_t before, Instant now) {
  if (connection.fin_sent) return false;
  if (connection.snd_nxt == sender.queue.end()) {
    if (!connection.fin_wanted) return false;
    transmit_new(connection, sender, 0, now);
    return false;
  }
  const std::uint32_t size = sendable(connection, sender, 0);
  if (size == 0) return false;
  if (size == connection.mss && settings_.segmentation.any()) {
    transmit_new(connection, sender, uncut_size(connection, sender), now);
    return true;
  }
  const bool even = before % 2 == 1;
  const bool push = settings_.push_bursts && even && sendable(connection, sender, size) == 0;
  transmit_new(connection, sender, size, now, push);
  return true;
}

// Of the next segment, once `ahead` more bytes have left; 0 when it may not leave.
std::uint32_t Tcp::sendable(const Connection& connection, Sender& sender,
                            std::uint32_t ahead) const {
  const std::uint32_t next = connection.snd_nxt + ahead;
  const std::uint32_t unsent = distance(next, sender.queue.end());
  const std::uint32_t edge = connection.snd_una + connection.snd_wnd;
  const std::uint32_t records = sender.board.count() + (ahead > 0 ? 1 : 0);
  if (unsent == 0 || records >= settings_.in_flight_segments_max) return 0;
  if (!after(edge, next)) return 0;
  const std::uint32_t size =
      std::min({unsent, distance(next, edge), std::uint32_t{connection.mss}});
  const std::uint32_t in_pipe = pipe(connection, sender) + ahead;
  if (in_pipe > 0 && in_pipe + size > connection.congestion.window()) {
    sender.window_limited = true;
    return 0;
  }
  return worth_sending(connection, sender, size, unsent) ? size : 0;
}

// Bytes that leave as one, for the port to cut: what would leave as single segments in this turn,
// of which the first may leave and is full. CWR is for one segment alone (RFC 3168, 6.1.2), and not
// every card knows.
std::uint32_t Tcp::uncut_size(const Connection& connection, const Sender& sender) const {
  const std::uint32_t mss = connection.mss;
  const std::uint32_t unsent = distance(connection.snd_nxt, sender.queue.end());
  const bool v4 = connection.flow.remote.is_v4();
  const std::uint32_t headers = (v4 ? 40U : 60U) + (connection.timestamps ? 12U : 0U);
  const std::uint32_t limit = settings_.segmentation.of(v4);
  if (unsent == mss || limit < headers + 2 * mss || connection.cwr_due) return mss;
  const std::uint32_t usable =
      distance(connection.snd_nxt, connection.snd_una + connection.snd_wnd);
  const std::uint32_t window = connection.congestion.window();
  const std::uint32_t records = settings_.in_flight_segments_max - sender.board.count();
  const std::uint32_t room =
      std::min({usable, window - std::min(window, pipe(connection, sender)), limit - headers,
                std::min(records, uncut_segments_max) * mss});
  std::uint32_t size = std::max(std::min(unsent, room) / mss, 1U) * mss;
  // The end of what is queued, unless it has something to tell that a full segment has no room for.
  const std::uint32_t end = unsent - size;
  if (end > 0 && end < mss && unsent <= room && connection.receiver == 0 && !connection.dsack_due &&
      worth_sending(connection, sender, end, end)) {
    size = unsent;
  }
  return size;
}

// Silly-window avoidance of the sender and Nagle's rule (RFC 9293, 3.8.6.2.1, 3.7.4): what is not a
// full segment waits while another that was not full is on its way. The end of a larger write does
// not wait for the full ones before it, as kernels have it.
bool Tcp::worth_sending(const Connection& connection, const Sender& sender, std::uint32_t size,
                        std::uint32_t unsent) const {
  if (size >= connection.mss) return true;
  if (size == unsent) {
    if (connection.fin_wanted) return true;
    if (connection.cork) return false;
    return !connection.nagle || !sender.small_out || sender.board.empty();
  }
  return size >= connection.snd_wnd_max / 2;
}

void Tcp::transmit_new(Connection& connection, Sender& sender, std::uint32_t size, Instant now,
                       bool push) {
  const std::uint32_t mss = connection.mss;
  Pieces pieces = sender.queue.gather(send_memory(), connection.snd_nxt, size);
  if (pieces.size > mss && pieces.size < size) pieces.limit(pieces.size / mss * mss);
  const bool last = connection.snd_nxt + pieces.size == sender.queue.end();
  Output output{.seq = connection.snd_nxt, .flags = Flags::ack, .payload = pieces.span()};
  if (pieces.size > mss) output.segment_size = connection.mss;
  if (last && pieces.size > 0) output.flags |= Flags::psh;
  if (last && connection.fin_wanted) {
    output.flags |= Flags::fin;
    connection.fin_sent = true;
    connection.state = connection.state == State::close_wait ? State::last_ack : State::fin_wait_1;
  }
  record_sent(connection, sender, pieces.size, output.flags, now);
  if (push) output.flags |= Flags::psh;
  if (connection.ecn && pieces.size > 0) {
    output.ecn = Ecn::capable_0;
    if (connection.cwr_due) output.flags |= Flags::cwr;
    connection.cwr_due = false;
  }
  connection.probe_sent = false;
  // The user answers what he gets: acknowledgements may wait for his next answer.
  if (connection.unacked_bytes > 0) connection.quick_acks = 0;
  connection.last_data_sent = now;
  emit(connection, output, now);
}

// Each segment has a record of its own, however many leave as one.
void Tcp::record_sent(Connection& connection, Sender& sender, std::uint32_t size,
                      std::uint8_t flags, Instant now) {
  if (sender.board.empty()) {
    sender.timeout_from = now;
    connection.trying_since = now;
  }
  const std::uint32_t end = connection.snd_nxt + size;
  SentSegment segment;
  segment.begin = connection.snd_nxt;
  segment.sent_at = now;
  for (; distance(segment.begin, end) > connection.mss; segment.begin = segment.end) {
    segment.end = segment.begin + connection.mss;
    sender.board.add(sent_, segment);
  }
  segment.end = end;
  if (size > 0 && segment.size() < connection.mss) {
    sender.small_out = true;
    sender.small_end = end;
  }
  segment.has_push = (flags & Flags::psh) != 0;
  segment.has_fin = (flags & Flags::fin) != 0;
  if (segment.has_fin) ++segment.end;
  sender.board.add(sent_, segment);
  if (sender.phase == Sender::Phase::recovery) {
    sender.reduction.out += distance(connection.snd_nxt, segment.end);
  }
  connection.snd_nxt = segment.end;
}

void Tcp::retransmit(Connection& connection, Sender& sender, std::uint32_t record, Instant now) {
  const std::uint32_t begin = sent_[record].begin;
  const std::uint32_t size = sent_[record].size() - (sent_[record].has_fin ? 1 : 0);
  const Pieces pieces = sender.queue.gather(send_memory(), begin, size);
  if (pieces.size < size) sender.board.split(sent_, record, begin + pieces.size);
  const SentSegment& segment = sent_[record];
  Output output{.seq = begin, .flags = Flags::ack, .payload = pieces.span()};
  if (segment.has_push) output.flags |= Flags::psh;
  if (segment.has_fin) output.flags |= Flags::fin;
  if (sender.phase == Sender::Phase::recovery) sender.reduction.out += segment.size();
  // The oldest was just sent: it has a whole timeout to be answered (RFC 6675, 5, as deployed).
  if (record == sender.board.head()) sender.timeout_from = now;
  if (sender.phase == Sender::Phase::recovery && sender.undo.copies++ == 0) {
    sender.undo.stamp = timestamp_clock(now) + connection.timestamp_offset;
  }
  sender.board.sent_again(sent_, record, now);
  ++counters_.retransmits;
  ++connection.retransmitted;
  if (sender.unanswered_since == never) sender.unanswered_since = now;
  connection.last_data_sent = now;
  emit(connection, output, now);
}

// RFC 9293, 3.8.6.1. The byte is not counted as sent: the peer may take it or not.
void Tcp::send_window_probe(Connection& connection, Sender& sender, Instant now) {
  ++counters_.window_probes;
  if (!settings_.probe_with_data) {
    emit(connection, {.seq = connection.snd_una - 1, .flags = Flags::ack}, now);
    return;
  }
  const Pieces pieces = sender.queue.gather(send_memory(), connection.snd_nxt, 1);
  connection.probe_sent = true;
  emit(connection, {.seq = connection.snd_nxt, .flags = Flags::ack, .payload = pieces.span()}, now);
}

}  // namespace godwit::dataplane::tcp
