// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/syn_cookie.h"
#include "dataplane/tcp/tcp.h"

// From decisions to segments: the one place where a header is filled in.

namespace godwit::dataplane::tcp {

namespace {

// Beside itself.
void count_uncut(Counters& counters, const SegmentOut& segment) {
  ++counters.uncut_out;
  counters.segments_out += (payload_size(segment) - 1) / segment.segment_size;
}

}  // namespace

// As many as fit (RFC 2018, 3): 40 bytes of options hold four, or three beside timestamps, and a
// segment with data has what its data leaves of the MSS (RFC 6691).
void Tcp::add_sack_blocks(Connection& connection, SegmentOut& segment) {
  std::size_t payload = 0;
  for (const Bytes piece : segment.payload) payload += piece.size();
  const std::size_t left = connection.mss - std::min<std::size_t>(payload, connection.mss);
  std::size_t room = connection.timestamps ? 3 : 4;
  if (payload > 0) room = std::min(room, left < 4 ? 0 : (left - 4) / 8);
  if (room == 0) return;
  Options& options = segment.options;
  std::size_t count = 0;
  if (connection.dsack_due) options.sack[count++] = connection.dsack;
  connection.dsack_due = false;
  if (connection.receiver != 0) {
    count += receivers_[connection.receiver].out_of_order.sack_blocks(
        hold_memory_, std::span(options.sack).subspan(count, room - count));
  }
  options.sack_count = static_cast<std::uint8_t>(count);
}

void Tcp::emit(Connection& connection, const Output& output, Instant now) {
  SegmentOut segment;
  segment.flow = connection.flow;
  segment.seq = output.seq;
  segment.flags = output.flags;
  segment.ecn = output.ecn;
  segment.payload = output.payload;
  if ((output.flags & Flags::ack) != 0) {
    segment.ack = connection.rcv_nxt;
    segment.window = window_to_offer(connection, true);
    connection.last_ack_sent = connection.rcv_nxt;
    connection.unacked_bytes = 0;
    connection.ack_now = false;
    connection.ack_at = never;
    if (connection.ecn && connection.ecn_echo) segment.flags |= Flags::ece;
  }
  if (connection.timestamps) {
    segment.options.timestamps =
        Timestamps{timestamp_clock(now) + connection.timestamp_offset, connection.ts_recent};
  }
  if (connection.sack && (connection.receiver != 0 || connection.dsack_due) &&
      (output.flags & Flags::ack) != 0) {
    add_sack_blocks(connection, segment);
  }
  segment.segment_size = output.segment_size;
  if (output.segment_size > 0) count_uncut(counters_, segment);
  ++counters_.segments_out;
  sink_.transmit(segment);
}

void Tcp::emit_ack(Connection& connection, Instant now) {
  if (connection.quick_acks > 0) --connection.quick_acks;
  emit(connection, {.seq = connection.snd_nxt, .flags = Flags::ack}, now);
}

// A SYN, or in SYN-RECEIVED after a simultaneous open a SYN and ACK (RFC 9293, figure 8).
void Tcp::emit_syn(Connection& connection, Instant now) {
  SegmentOut segment;
  segment.flow = connection.flow;
  segment.seq = connection.iss;
  segment.flags = Flags::syn;
  if (connection.state == State::syn_received) {
    segment.flags |= Flags::ack;
    segment.ack = connection.rcv_nxt;
    connection.last_ack_sent = connection.rcv_nxt;
    if (connection.ecn) segment.flags |= Flags::ece;
  } else if (connection.ecn) {
    // A SYN sent again asks no more: middle boxes drop such (RFC 3168, 6.1.1.1).
    if (connection.backoff == 0) {
      segment.flags |= Flags::ece | Flags::cwr;
    } else {
      connection.ecn = false;
    }
  }
  segment.window = window_to_offer(connection, false);
  segment.options.mss = std::min(own_mss(connection.flow), tuning_of(connection).mss_max);
  if (connection.scaling) segment.options.window_scale = connection.rcv_scale;
  segment.options.sack_permitted = connection.sack;
  if (connection.timestamps) {
    segment.options.timestamps =
        Timestamps{timestamp_clock(now) + connection.timestamp_offset, connection.ts_recent};
  }
  connection.syn_due = false;
  ++counters_.segments_out;
  sink_.transmit(segment);
}

// RFC 9293, 3.10.5: of a connection the peer knows. With a timestamp where they are agreed (RFC
// 7323, 3.2).
void Tcp::emit_reset(const Connection& connection, Instant now) {
  SegmentOut segment;
  segment.flow = connection.flow;
  segment.seq = connection.snd_nxt;
  segment.ack = connection.rcv_nxt;
  segment.flags = Flags::rst | Flags::ack;
  if (connection.timestamps) {
    segment.options.timestamps =
        Timestamps{timestamp_clock(now) + connection.timestamp_offset, connection.ts_recent};
  }
  ++counters_.segments_out;
  ++counters_.resets_out;
  sink_.transmit(segment);
}

void Tcp::send_syn_ack(const HalfOpen& half_open, Instant now, bool cookie) {
  SegmentOut segment;
  segment.flow = half_open.flow;
  segment.seq = half_open.iss;
  segment.ack = half_open.irs + 1;
  segment.flags = Flags::syn | Flags::ack;
  if (half_open.ecn) segment.flags |= Flags::ece;
  const Tuning& tuning = tuning_at(half_open.flow);
  segment.window = first_window(tuning);
  segment.options.mss = std::min(own_mss(half_open.flow), tuning.mss_max);
  segment.options.sack_permitted = half_open.sack;
  if (half_open.scaling) segment.options.window_scale = window_scale(tuning);
  if (half_open.timestamps) {
    const std::uint32_t clock = timestamp_clock(now) + hash_.timestamp_offset(half_open.flow);
    segment.options.timestamps =
        Timestamps{cookie ? cookie_timestamp(clock, half_open) : clock, half_open.ts_recent};
  }
  ++counters_.segments_out;
  sink_.transmit(segment);
}

// RFC 9293, 3.10.7.1: to a segment of no connection.
void Tcp::answer_unknown(const SegmentIn& segment, Instant now) {
  ++counters_.dropped_no_connection;
  if (segment.has(Flags::rst)) return;
  if (!reset_limit_.take(now, random_)) {
    ++counters_.resets_limited;
    return;
  }
  answer_with_reset(segment);
}

// RFC 9293, 3.5.2: with a number that its sender takes, whatever we know of him.
void Tcp::answer_with_reset(const SegmentIn& segment) {
  SegmentOut answer;
  answer.flow = segment.flow;
  if (segment.has(Flags::ack)) {
    answer.seq = segment.ack;
    answer.flags = Flags::rst;
  } else {
    answer.ack = segment.seq + segment.length();
    answer.flags = Flags::rst | Flags::ack;
  }
  ++counters_.segments_out;
  ++counters_.resets_out;
  sink_.transmit(answer);
}

}  // namespace godwit::dataplane::tcp
