// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/syn_cookie.h"
#include "dataplane/tcp/tcp.h"

// Passive opens: the SYN cache and its cookies (RFC 9293, 3.10.7.2 and the SYN-RECEIVED parts of
// 3.10.7.4; RFC 4987), and TIME-WAIT, which a new SYN may cut short.

namespace godwit::dataplane::tcp {

namespace {

constexpr std::uint16_t mss_default_v4 = 536;  // RFC 9293, 3.7.1
constexpr std::uint16_t mss_default_v6 = 1220;
constexpr std::uint8_t scale_max = 14;  // RFC 7323, 2.3
constexpr std::uint8_t time_wait_answers_per_second = 5;
constexpr std::uint32_t reuse_distance = 65'536;

std::uint16_t mss_told(const SegmentIn& segment) {
  return segment.options.mss.value_or(segment.flow.remote.is_v4() ? mss_default_v4
                                                                  : mss_default_v6);
}

}  // namespace

bool Tcp::listens(const Flow& flow) const {
  return std::ranges::any_of(listeners_, [&](const Listener& listener) {
    return listener.port == flow.local_port &&
           (!listener.local.known() || listener.local == flow.local);
  });
}

void Tcp::listen_syn(const SegmentIn& segment, std::uint64_t place, Instant now,
                     std::optional<std::uint32_t> last_number) {
  ++counters_.syn_received;
  HalfOpen half_open;
  half_open.flow = segment.flow;
  half_open.irs = segment.seq;
  half_open.window = segment.window;
  half_open.mss = mss_told(segment);
  half_open.sack = settings_.sack && segment.options.sack_permitted;
  half_open.scaling = settings_.window_scale && segment.options.window_scale.has_value();
  half_open.snd_scale = std::min(segment.options.window_scale.value_or(0), scale_max);
  half_open.timestamps = settings_.timestamps && segment.options.timestamps.has_value();
  if (half_open.timestamps) half_open.ts_recent = segment.options.timestamps->value;
  half_open.ecn =
      settings_.ecn != EcnMode::off && segment.has(Flags::ece) && segment.has(Flags::cwr);
  if (!syn_cache_.full()) {
    half_open.iss = hash_.initial_sequence(segment.flow, now);
    // Behind all that the connection before it sent, should it have been faster than the clock.
    if (last_number && !after(half_open.iss, *last_number)) {
      half_open.iss = *last_number + reuse_distance;
    }
    syn_cache_.add(place, half_open, now);
    send_syn_ack(half_open, now, false);
  } else if (settings_.syn_cookies) {
    half_open.iss = cookie_of({hash_, now}, half_open);
    cookie_sent_at_ = now;
    ++counters_.cookies_sent;
    send_syn_ack(half_open, now, true);
  } else {
    ++counters_.syn_dropped;
  }
}

// Of a record what RFC 9293, 3.10.7.4 says of SYN-RECEIVED, its steps in order.
void Tcp::half_open_segment(std::uint32_t record, const SegmentIn& segment, std::uint64_t place,
                            Instant now, Events events) {
  HalfOpen& half_open = syn_cache_[record];
  const std::uint32_t rcv_nxt = half_open.irs + 1;
  const bool inside = distance(rcv_nxt, segment.seq) < first_window(tuning_at(half_open.flow));
  const auto& stamp = segment.options.timestamps;
  if (segment.has(Flags::rst)) {  // RFC 5961, 3.2
    if (segment.seq == rcv_nxt) {
      ++counters_.resets_in;
      syn_cache_.remove(place, record);
    } else if (inside) {
      challenge_half_open(half_open, now);
    }
  } else if (segment.has(Flags::syn)) {
    if (segment.seq != half_open.irs || segment.has(Flags::ack)) {
      challenge_half_open(half_open, now);
      return;
    }
    // Sent again: ours may have been lost.
    if (half_open.timestamps && stamp) half_open.ts_recent = stamp->value;
    send_syn_ack(half_open, now, false);
  } else if (!segment.has(Flags::ack)) {
    ++counters_.dropped_malformed;
  } else if (half_open.timestamps && (stamp ? before(stamp->value, half_open.ts_recent)
                                            : settings_.drop_without_timestamp)) {
    ++counters_.dropped_old_timestamp;
  } else if (!inside) {
    ++counters_.dropped_outside_window;
    challenge_half_open(half_open, now);
  } else if (segment.ack != half_open.iss + 1) {
    ++counters_.dropped_bad_ack;
    answer_unknown(segment, now);
  } else {
    const HalfOpen complete = half_open;
    syn_cache_.remove(place, record);
    if (listens(segment.flow)) {
      accept(complete, segment, place, now, events);
    } else {  // not any more
      answer_unknown(segment, now);
    }
  }
}

void Tcp::challenge_half_open(const HalfOpen& half_open, Instant now) {
  if (!challenge_limit_.take(now, random_)) {
    ++counters_.challenge_acks_limited;
    return;
  }
  ++counters_.challenge_acks;
  SegmentOut answer;
  answer.flow = half_open.flow;
  answer.seq = half_open.iss + 1;
  answer.ack = half_open.irs + 1;
  answer.flags = Flags::ack;
  const Tuning& tuning = tuning_at(half_open.flow);
  const unsigned scale = half_open.scaling ? window_scale(tuning) : 0;
  answer.window = static_cast<std::uint16_t>(first_window(tuning) >> scale);
  if (half_open.timestamps) {
    answer.options.timestamps = Timestamps{
        timestamp_clock(now) + hash_.timestamp_offset(half_open.flow), half_open.ts_recent};
  }
  ++counters_.segments_out;
  sink_.transmit(answer);
}

bool Tcp::cookie_segment(const SegmentIn& segment, std::uint64_t place, Instant now,
                         Events events) {
  if (segment.has(Flags::syn) || cookie_sent_at_ == Instant::min()) return false;
  if (now - cookie_sent_at_ > cookie_life) return false;
  auto half_open = read_cookie({hash_, now}, segment);
  if (!half_open) {
    ++counters_.cookies_wrong;
    return false;
  }
  ++counters_.cookies_accepted;
  half_open->timestamps = half_open->timestamps && settings_.timestamps;
  accept(*half_open, segment, place, now, events);
  return true;
}

// The handshake is complete: now it gets a control block.
void Tcp::accept(const HalfOpen& half_open, const SegmentIn& segment, std::uint64_t place,
                 Instant now, Events events) {
  if (connections_.used() >= settings_.connections_max) {
    ++counters_.refused_full;
    answer_unknown(segment, now);
    return;
  }
  const std::uint32_t index = allocate(half_open.flow, place);
  Connection& connection = connections_[index];
  connection.state = State::established;
  connection.irs = half_open.irs;
  connection.rcv_nxt = connection.last_ack_sent = half_open.irs + 1;
  take_tuning(connection, tuning_at(half_open.flow));
  start_receive_window(connection, now);
  connection.iss = half_open.iss;
  connection.snd_una = connection.snd_nxt = half_open.iss + 1;
  connection.mss_peer = half_open.mss;
  connection.timestamps = half_open.timestamps;
  connection.sack = half_open.sack;
  connection.scaling = half_open.scaling;
  connection.ecn = half_open.ecn;
  connection.snd_scale = half_open.scaling ? half_open.snd_scale : 0;
  connection.rcv_scale = half_open.scaling ? window_scale(tuning_of(connection)) : 0;
  connection.ts_recent = half_open.ts_recent;
  connection.ts_recent_at =
      static_cast<std::uint32_t>(now.time_since_epoch() / std::chrono::seconds(1));
  connection.snd_wnd = std::uint32_t{segment.window} << connection.snd_scale;
  connection.snd_wnd_max = std::max<std::uint32_t>(connection.snd_wnd, half_open.window);
  connection.snd_wl1 = segment.seq;
  connection.snd_wl2 = segment.ack;
  connection.last_heard = connection.last_data_sent = now;
  if (half_open.retries == 0 && half_open.sent_at != Instant{}) {
    connection.rtt.add(now - half_open.sent_at, now);
  }
  if (half_open.retries > 0) connection.rtt.distrust();
  set_mss(connection);
  connection.congestion.start(initial_window(connection, half_open.retries > 0));
  connection.opened = true;
  ++counters_.passive_opens;
  set_keepalive(connection);
  arm(index);
  events.on_open(name_of(index), false);
  connection_segment(index, segment, now, events);
}

// A FIN that comes again is answered, a new SYN may begin another connection (RFC 6191; RFC 9293,
// 3.6.1).
void Tcp::time_wait_segment(std::uint32_t record, const SegmentIn& segment, std::uint64_t place,
                            Instant now) {
  Waiting& waiting = time_wait_[record];
  // RFC 1337: a reset does not end the wait, it may be an echo of old segments.
  if (segment.has(Flags::rst)) return;
  const auto& stamp = segment.options.timestamps;
  if (segment.has(Flags::syn) && !segment.has(Flags::ack)) {
    const bool newer = waiting.timestamps && stamp ? after(stamp->value, waiting.ts_recent)
                                                   : after(segment.seq, waiting.rcv_nxt);
    if (newer && listens(segment.flow)) {
      ++counters_.time_wait_reused;
      const std::uint32_t last_number = waiting.snd_nxt;
      time_wait_.remove(place, record);
      listen_syn(segment, place, now, last_number);
      return;
    }
  }
  const bool old_stamp = waiting.timestamps && stamp && before(stamp->value, waiting.ts_recent);
  if (!old_stamp && segment.seq == waiting.rcv_nxt && segment.length() == 0) return;
  const bool fin_again =
      segment.has(Flags::fin) && segment.seq + segment.length() == waiting.rcv_nxt && !old_stamp;
  const auto second = static_cast<std::uint32_t>(now.time_since_epoch() / std::chrono::seconds(1));
  if (second != waiting.answered_at) {
    waiting.answered_at = second;
    waiting.answers = 0;
  }
  if (waiting.answers < time_wait_answers_per_second) {
    ++waiting.answers;
    SegmentOut answer;
    answer.flow = waiting.flow;
    answer.seq = waiting.snd_nxt;
    answer.ack = waiting.rcv_nxt;
    answer.flags = Flags::ack;
    answer.window = waiting.window;
    if (waiting.timestamps) {
      answer.options.timestamps =
          Timestamps{timestamp_clock(now) + waiting.timestamp_offset, waiting.ts_recent};
    }
    ++counters_.segments_out;
    sink_.transmit(answer);
  }
  if (fin_again) time_wait_.restart(record, now);
}

}  // namespace godwit::dataplane::tcp
