// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/tcp.h"

// What an acknowledgement says: bytes and FIN taken, blocks held, window, round trip (RFC 9293,
// 3.10.7.4, fifth; RFC 2018, 2883, 6298).

namespace godwit::dataplane::tcp {

void Tcp::take_ack(std::uint32_t index, const SegmentIn& segment, Instant now) {
  Connection& connection = connections_[index];
  Acked acked;
  if (connection.sender != 0) acked = acknowledge(connection, segment, now);
  take_window(connection, segment);
  if (connection.sender != 0) react(connection, segment, acked, now);
  set_retransmit_timer(connection, now);
}

Tcp::Acked Tcp::acknowledge(Connection& connection, const SegmentIn& segment, Instant now) {
  Sender& sender = senders_[connection.sender];
  Acked acked;
  acked.duplicate = !sender.board.empty() && segment.length() == 0 &&
                    segment.ack == connection.snd_una &&
                    (std::uint32_t{segment.window} << connection.snd_scale) == connection.snd_wnd;
  if (after(segment.ack, connection.snd_nxt)) connection.snd_nxt = segment.ack;  // a probe's byte
  if (after(segment.ack, connection.snd_una)) {
    acked.advanced = true;
    acked.bytes = distance(connection.snd_una, segment.ack);
    acked.delivered = sender.board.acknowledge(sent_, segment.ack, [&](const SentSegment& taken) {
      ++acked.segments;
      delivered(connection, taken, segment, acked, now);
    });
    connection.snd_una = segment.ack;
    sender.queue.release_before(send_memory(), earlier_of(segment.ack, sender.queue.end()));
    connection.fin_acked = connection.fin_sent && segment.ack == connection.snd_nxt;
    connection.probe_sent = false;
    connection.large_timeouts = 0;
    connection.trying_since = sender.board.empty() ? never : now;
    sender.timeout_from = now;
    sender.unanswered_since = never;
    if (sender.small_out && !before(segment.ack, sender.small_end)) sender.small_out = false;
  }
  if (connection.sack && segment.options.sack_count > 0) {
    take_sacks(connection, segment, acked, now);
  }
  // A longer timeout stands until there is a measurement (RFC 6298, 5; Karn).
  if (acked.has_newest) {
    connection.rtt.add(now - acked.newest_sent, now);
    connection.backoff = 0;
  } else if (acked.advanced && connection.timestamps && segment.options.timestamps) {
    // RFC 7323, 4.1: the echo tells apart what Karn cannot.
    const std::uint32_t clock = timestamp_clock(now) + connection.timestamp_offset;
    const std::uint32_t waited = clock - segment.options.timestamps->echo;
    if (waited < 60'000) {
      connection.rtt.add(std::chrono::milliseconds(waited), now);
      connection.backoff = 0;
    }
  }
  return acked;
}

// RFC 2018, 4 and 2883, 4; blocks that cannot be are skipped.
void Tcp::take_sacks(Connection& connection, const SegmentIn& segment, Acked& acked, Instant now) {
  Sender& sender = senders_[connection.sender];
  const auto blocks = segment.options.sack_blocks();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const SequenceRange block = blocks[i];
    if (!before(block.begin, block.end)) continue;
    const bool known_before = at_or_before(block.end, segment.ack);
    const bool within_next = i == 0 && blocks.size() > 1 && !before(block.begin, blocks[1].begin) &&
                             !after(block.end, blocks[1].end);
    if (i == 0 && (known_before || within_next)) {
      acked.dsack = true;
      acked.dsack_end = block.end;
      ++counters_.spurious_retransmits;
      continue;
    }
    if (before(block.begin, connection.snd_una) || after(block.end, connection.snd_nxt)) continue;
    acked.delivered += sender.board.sack(
        sent_, block, settings_.in_flight_segments_max,
        [&](const SentSegment& taken) { delivered(connection, taken, segment, acked, now); });
  }
}

void Tcp::delivered(Connection& connection, const SentSegment& segment, const SegmentIn& from,
                    Acked& acked, Instant now) {
  if (!segment.sent_again) {
    if (!acked.has_newest || segment.sent_at > acked.newest_sent) {
      acked.newest_sent = segment.sent_at;
    }
    acked.has_newest = true;
  }
  rack_delivered(connection, senders_[connection.sender], segment, from, now);
}

void Tcp::take_window(Connection& connection, const SegmentIn& segment) {
  if (segment.ack != connection.snd_una) return;
  const bool newer =
      before(connection.snd_wl1, segment.seq) ||
      (connection.snd_wl1 == segment.seq && at_or_before(connection.snd_wl2, segment.ack));
  if (!newer) return;
  const bool was_closed = connection.snd_wnd == 0;
  connection.snd_wnd = std::uint32_t{segment.window} << connection.snd_scale;
  connection.snd_wnd_max = std::max(connection.snd_wnd_max, connection.snd_wnd);
  connection.snd_wl1 = segment.seq;
  connection.snd_wl2 = segment.ack;
  if (was_closed && connection.snd_wnd > 0) {
    connection.backoff = 0;
    connection.probe_sent = false;
  }
}

// RFC 9293, 3.10.7.4, fifth, by state. True when the connection is gone.
bool Tcp::own_fin_acked(std::uint32_t index, Instant now, Events events) {
  Connection& connection = connections_[index];
  if (!connection.fin_acked) return false;
  if (connection.state == State::fin_wait_1) connection.state = State::fin_wait_2;
  return settle(index, now, events);
}

}  // namespace godwit::dataplane::tcp
