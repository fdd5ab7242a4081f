// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/tcp.h"

// Active opens: RFC 9293, 3.10.7.3.

namespace godwit::dataplane::tcp {

void Tcp::syn_sent_segment(std::uint32_t index, const SegmentIn& segment, Instant now,
                           Events events) {
  Connection& connection = connections_[index];
  const bool acknowledges = segment.has(Flags::ack);
  if (acknowledges && (segment.ack != connection.snd_nxt || connection.syn_due)) {
    ++counters_.dropped_bad_ack;
    answer_unknown(segment, now);
    return;
  }
  if (segment.has(Flags::rst)) {
    if (!acknowledges) return;
    ++counters_.resets_in;
    finish(index, io::CloseReason::failed, events);
    return;
  }
  if (!segment.has(Flags::syn)) return;

  connection.irs = segment.seq;
  connection.rcv_nxt = connection.last_ack_sent = segment.seq + 1;
  start_receive_window(connection, now);
  take_syn_options(connection, segment, now);
  connection.snd_wnd = connection.snd_wnd_max = segment.window;  // never scaled in a SYN
  connection.snd_wl1 = segment.seq;
  connection.snd_wl2 = segment.ack;
  connection.last_heard = now;
  if (!acknowledges) {  // both dial at once
    connection.state = State::syn_received;
    connection.syn_due = true;
    into_turn(index);
    return;
  }
  establish(index, segment, now, events);
  connection.ack_now = true;
  into_turn(index);
  if (segment.payload.empty() && !segment.has(Flags::fin)) return;
  SegmentIn rest = segment;
  rest.flags &= static_cast<std::uint8_t>(~Flags::syn);
  ++rest.seq;
  take_data(index, rest, now, events);
}

// What both sides want is agreed.
void Tcp::take_syn_options(Connection& connection, const SegmentIn& segment, Instant now) {
  const Options& options = segment.options;
  const std::uint16_t by_default = segment.flow.remote.is_v4() ? 536 : 1220;
  connection.mss_peer = options.mss.value_or(by_default);
  connection.sack = connection.sack && options.sack_permitted;
  connection.scaling = connection.scaling && options.window_scale.has_value();
  connection.snd_scale = connection.scaling ? std::min<std::uint8_t>(*options.window_scale, 14) : 0;
  if (!connection.scaling) connection.rcv_scale = 0;
  connection.timestamps = connection.timestamps && options.timestamps.has_value();
  if (connection.timestamps) {
    connection.ts_recent = options.timestamps->value;
    connection.ts_recent_at =
        static_cast<std::uint32_t>(now.time_since_epoch() / std::chrono::seconds(1));
  }
  // RFC 3168, 6.1.1: a SYN asks with both bits, its answer has ECE alone.
  const bool echo = segment.has(Flags::ece);
  const bool reduced = segment.has(Flags::cwr);
  const bool wanted = segment.has(Flags::ack) ? connection.ecn && echo && !reduced
                                              : settings_.ecn != EcnMode::off && echo && reduced;
  connection.ecn = wanted;
  set_mss(connection);
}

// Our SYN is acknowledged.
void Tcp::establish(std::uint32_t index, const SegmentIn& segment, Instant now, Events events) {
  Connection& connection = connections_[index];
  if (connection.backoff == 0) {
    connection.rtt.add(now - connection.trying_since, now);
  } else if (connection.timestamps && segment.options.timestamps) {
    const std::uint32_t clock = timestamp_clock(now) + connection.timestamp_offset;
    const std::uint32_t waited = clock - segment.options.timestamps->echo;
    if (waited < 60'000) connection.rtt.add(std::chrono::milliseconds(waited), now);
  }
  if (connection.backoff > 0) connection.rtt.distrust();
  connection.state = State::established;
  connection.snd_una = segment.ack;
  connection.congestion.start(initial_window(connection, connection.backoff > 0));
  connection.backoff = 0;
  connection.retransmit_at = never;
  connection.trying_since = never;
  connection.opened = true;
  connection.last_data_sent = now;
  if (!segment.has(Flags::syn)) {
    connection.snd_wnd = std::uint32_t{segment.window} << connection.snd_scale;
    connection.snd_wnd_max = std::max(connection.snd_wnd_max, connection.snd_wnd);
  }
  set_keepalive(connection);
  arm(index);
  events.on_open(name_of(index), true);
}

}  // namespace godwit::dataplane::tcp
