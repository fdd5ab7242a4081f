// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/tcp.h"

// RACK-TLP (RFC 8985): losses by time. The names of its text are given where they differ.

namespace godwit::dataplane::tcp {

namespace {

constexpr std::uint32_t duplicates_max = 3;  // DupThresh
constexpr std::uint32_t window_persist = 16;

// RACK_sent_after().
bool sent_after(Instant a, std::uint32_t a_end, Instant b, std::uint32_t b_end) {
  return a > b || (a == b && after(a_end, b_end));
}

}  // namespace

// RACK_update() and RACK_detect_reordering(), 6.2 steps 2 and 3.
void Tcp::rack_delivered(Connection& connection, Sender& sender, const SentSegment& segment,
                         const SegmentIn& from, Instant now) {
  RackState& rack = sender.rack;
  if (rack.known && !segment.sent_again && before(segment.end, rack.highest)) {
    connection.reordering_seen = true;
  }
  if (!rack.known || after(segment.end, rack.highest)) rack.highest = segment.end;
  const Duration rtt = now - segment.sent_at;
  if (segment.sent_again) {
    // Is it the copy or the first one that arrived?
    if (connection.timestamps && from.options.timestamps) {
      const std::uint32_t sent = timestamp_clock(segment.sent_at) + connection.timestamp_offset;
      if (before(from.options.timestamps->echo, sent)) return;
    } else if (rtt < connection.rtt.least()) {
      return;
    }
  }
  if (rack.known && !sent_after(segment.sent_at, segment.end, rack.sent_at, rack.end)) return;
  rack.known = true;
  rack.rtt = rtt;
  rack.sent_at = segment.sent_at;
  rack.end = segment.end;
}

// RACK_update_reo_wnd(), step 4.
Duration Tcp::rack_window(const Connection& connection, const Sender& sender) const {
  if (!connection.reordering_seen) {
    if (sender.phase != Sender::Phase::open) return Duration{0};
    if (sender.board.sacked_count() >= duplicates_max) return Duration{0};
  }
  const Duration window = connection.rtt.least() * sender.rack.window_factor / 4;
  return std::min(window, connection.rtt.smoothed());
}

// A D-SACK says that something was sent again for nothing: bear more reordering, by a quarter of
// the least round trip for each round trip that had one.
void Tcp::rack_dsack(Connection& connection, Sender& sender) {
  RackState& rack = sender.rack;
  if (rack.dsack_round_open && !before(connection.snd_una, rack.dsack_round_end)) {
    rack.dsack_round_open = false;
  }
  if (rack.dsack_round_open) return;
  rack.dsack_round_open = true;
  rack.dsack_round_end = connection.snd_nxt;
  rack.window_factor = std::min(rack.window_factor + 1, 255U);
  rack.window_persist = window_persist;
}

// RACK_detect_loss(), step 5. What is not lost yet is looked at again when it may be.
bool Tcp::rack_detect(Connection& connection, Sender& sender, Instant now) {
  RackState& rack = sender.rack;
  rack.check_at = never;
  if (!rack.known) return false;
  const Duration patience = rack.rtt + rack_window(connection, sender);
  bool found = false;
  Duration longest{0};
  for (std::uint32_t index = sender.board.head(); index != 0; index = sent_[index].next) {
    const SentSegment& segment = sent_[index];
    if (segment.status != SentSegment::Status::in_network) continue;
    if (!sent_after(rack.sent_at, rack.end, segment.sent_at, segment.end)) continue;
    const Duration left = segment.sent_at + patience - now;
    if (left <= Duration{0}) {
      sender.board.mark_lost(sent_, index);
      found = true;
    } else {
      longest = std::max(longest, left);
    }
  }
  if (longest > Duration{0}) rack.check_at = now + longest;
  return found;
}

// 7.3: something new if there is any and the peer has room, else the last segment once more.
void Tcp::send_tail_probe(Connection& connection, Sender& sender, Instant now) {
  ++counters_.tail_probes;
  const std::uint32_t unsent = distance(connection.snd_nxt, sender.queue.end());
  const std::uint32_t edge = connection.snd_una + connection.snd_wnd;
  const std::uint32_t room =
      after(edge, connection.snd_nxt) ? distance(connection.snd_nxt, edge) : 0;
  const std::uint32_t size = std::min({unsent, room, std::uint32_t{connection.mss}});
  if (!connection.fin_sent && size > 0) {
    transmit_new(connection, sender, size, now);
    sender.probe.was_retransmit = false;
  } else {
    std::uint32_t last = sender.board.tail();
    if (sent_[last].size() > connection.mss &&
        sender.board.count() < settings_.in_flight_segments_max) {
      sender.board.split(sent_, last, sent_[last].end - connection.mss);
      last = sender.board.tail();
    }
    retransmit(connection, sender, last, now);
    sender.probe.was_retransmit = true;
  }
  sender.probe.out = true;
  sender.probe.end = connection.snd_nxt;
  sender.timeout_from = now;
}

// 7.4.2: a probe that repaired a loss hid it, so the window is reduced for it.
void Tcp::tail_probe_acked(Connection& connection, Sender& sender, const SegmentIn& segment,
                           const Acked& acked) {
  if (before(segment.ack, sender.probe.end)) return;
  if (!sender.probe.was_retransmit || acked.dsack) {
    sender.probe.out = false;
  } else if (after(segment.ack, sender.probe.end)) {
    sender.probe.out = false;
    connection.congestion.reduce(connection.congestion.window(), connection.mss);
    connection.congestion.set_window(connection.congestion.threshold());
  } else if (!acked.advanced && segment.length() == 0 && segment.options.sack_count == 0) {
    sender.probe.out = false;  // both copies arrived
  }
}

}  // namespace godwit::dataplane::tcp
