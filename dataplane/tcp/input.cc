// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/tcp.h"

// Where a segment goes (RFC 9293, 3.10.7), and the checks of one for a connection, in the order of
// 3.10.7.4. Each step has its function; what a step does is in the input_*.cc beside this.

namespace godwit::dataplane::tcp {

namespace {

// Nobody sends these (RFC 9293 gives them no meaning, scanners do).
bool is_nonsense(const SegmentIn& segment) {
  return segment.has(Flags::syn) && (segment.has(Flags::fin) || segment.has(Flags::rst));
}

constexpr std::uint32_t paws_idle_s = 24 * 24 * 3600;  // RFC 7323, 5.5
constexpr std::uint32_t challenge_window_s = 5;        // RFC 5961, 7

std::uint32_t seconds_of(Instant now) {
  return static_cast<std::uint32_t>(now.time_since_epoch() / std::chrono::seconds(1));
}

}  // namespace

void Tcp::expect(Expected& expected) const {
  expected.place = hash_.place(expected.flow);
  flows_.prefetch(expected.place);
}

void Tcp::fetch(const Expected& expected) const {
  // The first with half of the hash: to compare flows would wait for what is only to be fetched.
  const std::uint32_t index = flows_.find(expected.place, [](std::uint32_t) { return true; });
  if (index == 0) return;
  constexpr std::size_t line = 64;
  const auto* const from = reinterpret_cast<const std::uint8_t*>(&connections_[index]);
  for (std::size_t at = 0; at < sizeof(Connection); at += line) __builtin_prefetch(from + at);
}

void Tcp::on_segment_at(std::uint64_t place, const SegmentIn& segment, Instant now, Events events) {
  now_ = now;
  ++counters_.segments_in;
  if (is_nonsense(segment)) {
    ++counters_.dropped_malformed;
    return;
  }
  const std::uint32_t index = flows_.find(
      place, [&](std::uint32_t other) { return connections_[other].flow == segment.flow; });
  if (index == 0) {
    segment_without_connection(segment, place, now, events);
  } else if (connections_[index].state == State::syn_sent) {
    syn_sent_segment(index, segment, now, events);
  } else if (connections_[index].state == State::syn_received) {
    both_open_segment(index, segment, now, events);
  } else {
    connection_segment(index, segment, now, events);
  }
}

void Tcp::segment_without_connection(const SegmentIn& segment, std::uint64_t place, Instant now,
                                     Events events) {
  if (const std::uint32_t record = time_wait_.find(place, segment.flow)) {
    time_wait_segment(record, segment, place, now);
    return;
  }
  if (const std::uint32_t record = syn_cache_.find(place, segment.flow)) {
    half_open_segment(record, segment, place, now, events);
    return;
  }
  if (!listens(segment.flow)) {
    answer_unknown(segment, now);
    return;
  }
  // RFC 9293, 3.10.7.2.
  if (segment.has(Flags::rst)) return;
  if (segment.has(Flags::ack)) {
    if (!cookie_segment(segment, place, now, events)) answer_unknown(segment, now);
  } else if (segment.has(Flags::syn)) {
    listen_syn(segment, place, now);
  } else {
    ++counters_.dropped_no_connection;
  }
}

// Both sides have sent SYN: the peer's SYN and ACK stands where it has to (RFC 9293, figure 8).
void Tcp::both_open_segment(std::uint32_t index, const SegmentIn& arrived, Instant now,
                            Events events) {
  Connection& connection = connections_[index];
  SegmentIn segment = arrived;
  if (segment.has(Flags::syn) && segment.seq == connection.irs) {
    segment.flags &= static_cast<std::uint8_t>(~Flags::syn);
    ++segment.seq;
    connection.ack_now = true;
    into_turn(index);
  }
  connection_segment(index, segment, now, events);
}

void Tcp::connection_segment(std::uint32_t index, const SegmentIn& segment, Instant now,
                             Events events) {
  Connection& connection = connections_[index];
  if (!check_timestamp(index, segment, now) || !check_sequence(index, segment, now)) return;
  if (segment.has(Flags::rst)) {
    check_reset(index, segment, now, events);
    return;
  }
  if (segment.has(Flags::syn)) {  // RFC 5961, 4: whatever its number
    answer_or_limit(connection, now);
    return;
  }
  if (!segment.has(Flags::ack)) {
    ++counters_.dropped_malformed;
    return;
  }
  if (!check_ack(index, segment, now)) return;
  connection.last_heard = now;
  connection.keepalives = 0;
  // RFC 7323, 4.3 (2), with Last.ACK.sent.
  if (connection.timestamps && segment.options.timestamps &&
      at_or_before(segment.seq, connection.last_ack_sent) &&
      !before(segment.options.timestamps->value, connection.ts_recent)) {
    connection.ts_recent = segment.options.timestamps->value;
    connection.ts_recent_at = seconds_of(now);
  }
  if (connection.state == State::syn_received) establish(index, segment, now, events);
  take_ack(index, segment, now);
  if (own_fin_acked(index, now, events)) return;
  into_turn(index);
  if (segment.payload.empty() && !segment.has(Flags::fin)) return;
  take_data(index, segment, now, events);
}

// PAWS (RFC 7323, 5): false when the segment is from another time. Resets are exempt.
bool Tcp::check_timestamp(std::uint32_t index, const SegmentIn& segment, Instant now) {
  Connection& connection = connections_[index];
  if (!connection.timestamps || segment.has(Flags::rst)) return true;
  if (!segment.options.timestamps) {  // 3.2: once agreed, on every segment
    if (!settings_.drop_without_timestamp) return true;
    ++counters_.dropped_old_timestamp;
    return false;
  }
  if (!before(segment.options.timestamps->value, connection.ts_recent)) return true;
  if (seconds_of(now) - connection.ts_recent_at > paws_idle_s) return true;
  ++counters_.dropped_old_timestamp;
  if (segment.length() > 0) {
    connection.ack_now = true;
    into_turn(index);
  } else {
    answer_or_limit(connection, now);
  }
  return false;
}

// RFC 9293, 3.10.7.4, first: is any of it in the window? What comes twice is told as D-SACK.
bool Tcp::check_sequence(std::uint32_t index, const SegmentIn& segment, Instant now) {
  Connection& connection = connections_[index];
  const std::uint32_t length = segment.length();
  const std::uint32_t end = segment.seq + length;
  const std::uint32_t edge = connection.rcv_edge;
  const bool starts_inside =
      !before(segment.seq, connection.rcv_nxt) &&
      (before(segment.seq, edge) || (segment.seq == connection.rcv_nxt && segment.seq == edge));
  const bool reaches_inside = before(segment.seq, connection.rcv_nxt) &&
                              after(end, connection.rcv_nxt) && connection.rcv_nxt != edge;
  // An empty one at the edge says nothing beyond it.
  const bool touches_edge = length == 0 && segment.seq == edge;
  if (starts_inside || reaches_inside || touches_edge) return true;
  if (segment.has(Flags::rst)) return false;
  ++counters_.dropped_outside_window;
  if (segment.payload.empty() && !segment.has(Flags::fin)) {
    answer_or_limit(connection, now);
    return false;
  }
  if (at_or_before(end, connection.rcv_nxt)) {
    ++counters_.duplicate_segments;
    if (connection.sack && !segment.payload.empty()) {
      connection.dsack = {segment.seq,
                          segment.seq + static_cast<std::uint32_t>(segment.payload.size())};
      connection.dsack_due = true;
    }
  }
  // What the peer sends again without need, it sends because an acknowledgement was lost: what this
  // one acknowledges is good, and so is an answer.
  connection.ack_now = true;
  into_turn(index);
  return false;
}

// RFC 5961, 3.2: the exact number resets, another one in the window is challenged.
bool Tcp::check_reset(std::uint32_t index, const SegmentIn& segment, Instant now, Events events) {
  Connection& connection = connections_[index];
  if (segment.seq != connection.rcv_nxt) {
    answer_or_limit(connection, now);
    return false;
  }
  ++counters_.resets_in;
  const bool never_open = connection.connected && !connection.opened;
  finish(index, never_open ? io::CloseReason::failed : io::CloseReason::reset, events);
  return true;
}

// RFC 9293, 3.10.7.4, fifth, with RFC 5961, 5.2: what was never sent and what is too old to be
// the peer's.
bool Tcp::check_ack(std::uint32_t index, const SegmentIn& segment, Instant now) {
  Connection& connection = connections_[index];
  const std::uint32_t newest = connection.snd_nxt + (connection.probe_sent ? 1 : 0);
  if (connection.state == State::syn_received) {
    if (segment.ack == connection.snd_nxt) return true;
    answer_unknown(segment, now);
    return false;
  }
  if (!after(segment.ack, newest) &&
      !before(segment.ack, connection.snd_una - connection.snd_wnd_max)) {
    return true;
  }
  ++counters_.dropped_bad_ack;
  answer_or_limit(connection, now);
  return false;
}

// An acknowledgement that says where we are, for who may not be the peer: limited for each
// connection and for all (RFC 5961, 7).
void Tcp::answer_or_limit(Connection& connection, Instant now) {
  const std::uint32_t second = seconds_of(now);
  if (second - connection.challenges_at >= challenge_window_s) {
    connection.challenges_at = second;
    connection.challenges = 0;
  }
  if (connection.challenges >= settings_.challenge_acks_per_connection ||
      !challenge_limit_.take(now, random_)) {
    ++counters_.challenge_acks_limited;
    return;
  }
  ++connection.challenges;
  ++counters_.challenge_acks;
  emit(connection, {.seq = connection.snd_nxt, .flags = Flags::ack}, now);
}

}  // namespace godwit::dataplane::tcp
