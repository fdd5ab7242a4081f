// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/tcp.h"

// What an acknowledgement means for the network: losses found, the window reduced and grown (RFC
// 5681, 6582, 6675, 6937, 9438, 3168).

namespace godwit::dataplane::tcp {

namespace {

constexpr std::uint32_t duplicates_max = 3;  // RFC 5681, 3.2; 6675, 2 (DupThresh)
constexpr std::uint32_t timeouts_black_hole = 3;

// What a packet of `mtu` bytes holds, but never less than one that every path carries.
std::uint32_t payload_on(const Settings& settings, const Connection& connection,
                         std::uint32_t mtu) {
  const bool v4 = connection.flow.remote.is_v4();
  mtu = std::max(mtu, v4 ? settings.mtu_floor_v4 : settings.mtu_floor_v6);
  return mtu - (v4 ? 40U : 60U) - (connection.timestamps ? 12U : 0U);
}

}  // namespace

void Tcp::react(Connection& connection, const SegmentIn& segment, const Acked& acked, Instant now) {
  Sender& sender = senders_[connection.sender];
  if (acked.dsack) rack_dsack(connection, sender);
  if (sender.probe.out) tail_probe_acked(connection, sender, segment, acked);
  const bool newly_lost = detect_losses(connection, sender, acked, now);
  if (connection.ecn) take_congestion_mark(connection, sender, segment, acked);

  const bool passed = acked.advanced && !before(connection.snd_una, sender.recovery_point);
  switch (sender.phase) {
    case Sender::Phase::open:
      if (sender.board.lost() > 0) {
        enter_recovery(connection, sender);
        reduce_proportionally(connection, sender, acked, newly_lost);
        return;
      }
      if (every_copy_came_twice(sender, acked)) {
        ++counters_.recoveries_undone;
        undo_reduction(connection, sender);
      }
      break;
    case Sender::Phase::recovery:
      if ((acked.advanced && echo_is_older(sender, segment)) ||
          every_copy_came_twice(sender, acked)) {
        ++counters_.recoveries_undone;
        undo_reduction(connection, sender);
        return;
      }
      if (!passed) {
        reduce_proportionally(connection, sender, acked, newly_lost);
        return;
      }
      sender.phase = Sender::Phase::open;
      sender.duplicate_acks = 0;
      connection.congestion.set_window(connection.congestion.threshold());
      return;
    case Sender::Phase::loss:
      if (acked.advanced && echo_is_older(sender, segment)) {
        ++counters_.timeouts_undone;
        undo_reduction(connection, sender);
        return;
      }
      if (passed) {
        sender.phase = Sender::Phase::open;
        sender.duplicate_acks = 0;
      }
      break;
  }
  // Growth only of a window that is used (RFC 9438, 5.8; 7661).
  if (!acked.advanced || acked.bytes == 0) return;
  if (!sender.window_limited && sender.phase == Sender::Phase::open) return;
  connection.congestion.grow({acked.bytes, connection.mss, connection.rtt.smoothed(), now});
}

// True when something was found lost that was not before.
bool Tcp::detect_losses(Connection& connection, Sender& sender, const Acked& acked, Instant now) {
  if (sender.board.empty()) {
    sender.rack.check_at = never;
    return false;
  }
  if (connection.sack) {
    if (!sender.board.any_sacked() && sender.phase == Sender::Phase::open) {
      sender.rack.check_at = never;
      return false;
    }
    return rack_detect(connection, sender, now);
  }
  // RFC 6582: three duplicates, and then a partial acknowledgement, name the first segment.
  if (acked.advanced) {
    const bool partial = sender.phase == Sender::Phase::recovery &&
                         before(connection.snd_una, sender.recovery_point);
    sender.duplicate_acks -=
        std::min(sender.duplicate_acks,
                 partial && acked.segments > 0 ? acked.segments - 1 : sender.duplicate_acks);
    if (!partial) return false;
    sender.board.mark_lost(sent_, sender.board.head());
    return true;
  }
  if (!acked.duplicate) return false;
  ++sender.duplicate_acks;
  if (sender.phase != Sender::Phase::open || sender.duplicate_acks < duplicates_max) return false;
  // 3.2, step 2: duplicates of what an earlier recovery sent twice do not begin another.
  if (sender.recovery_point_known && before(connection.snd_una, sender.recovery_point)) {
    return false;
  }
  sender.board.mark_lost(sent_, sender.board.head());
  return true;
}

void Tcp::enter_recovery(Connection& connection, Sender& sender) {
  ++counters_.fast_recoveries;
  sender.phase = Sender::Phase::recovery;
  sender.recovery_point = connection.snd_nxt;
  sender.recovery_point_known = true;
  const std::uint32_t flight = distance(connection.snd_una, connection.snd_nxt);
  // Without SACK, what an earlier recovery sent twice looks the same.
  sender.undo = {connection.timestamps && connection.sack, 0, 0, connection.sack,
                 connection.congestion};
  connection.congestion.reduce(flight, connection.mss);
  sender.reduction = {0, 0, flight};
  sender.probe.out = false;
  if (sender.rack.window_persist > 0 && --sender.rack.window_persist == 0) {
    sender.rack.window_factor = 1;
  }
}

// RFC 6937: the window follows what the peer has got.
void Tcp::reduce_proportionally(Connection& connection, Sender& sender, const Acked& acked,
                                bool newly_lost) {
  RateReduction& reduction = sender.reduction;
  std::uint32_t delivered = acked.delivered;
  if (!connection.sack && acked.duplicate) delivered = connection.mss;
  reduction.delivered += delivered;
  const std::uint32_t threshold = connection.congestion.threshold();
  const std::uint32_t in_pipe = pipe(connection, sender);
  std::int64_t allowed = 0;
  if (in_pipe > threshold) {
    const std::uint64_t product = std::uint64_t{reduction.delivered} * threshold;
    const std::uint64_t flight = std::max(reduction.flight, 1U);
    allowed = static_cast<std::int64_t>((product + flight - 1) / flight) - reduction.out;
  } else {
    // Slow start while this recovery goes well, else no more than was delivered.
    std::int64_t limit =
        std::max<std::int64_t>(std::int64_t{reduction.delivered} - reduction.out, delivered);
    if (acked.advanced && !newly_lost) limit += connection.mss;
    allowed = std::min<std::int64_t>(std::int64_t{threshold} - in_pipe, limit);
  }
  // The first retransmission leaves at once.
  if (reduction.out == 0) allowed = std::max<std::int64_t>(allowed, connection.mss);
  allowed = std::max<std::int64_t>(allowed, 0);
  connection.congestion.set_window(in_pipe + static_cast<std::uint32_t>(allowed));
}

// RFC 3168, 6.1.2: as for a loss, once in a round trip, with nothing to send again.
void Tcp::take_congestion_mark(Connection& connection, Sender& sender, const SegmentIn& segment,
                               const Acked& acked) {
  if (sender.reduced_by_mark && !before(connection.snd_una, sender.mark_point)) {
    sender.reduced_by_mark = false;
  }
  if (!segment.has(Flags::ece) || sender.reduced_by_mark) return;
  if (sender.phase != Sender::Phase::open || sender.board.lost() > 0) return;
  ++counters_.ecn_reductions;
  const std::uint32_t flight =
      std::max(distance(connection.snd_una, connection.snd_nxt) + acked.bytes,
               std::min(connection.congestion.window(), 2 * std::uint32_t{connection.mss}));
  connection.congestion.reduce(flight, connection.mss);
  connection.congestion.set_window(connection.congestion.threshold());
  connection.cwr_due = true;
  sender.undo = {};
  sender.reduced_by_mark = true;
  sender.mark_point = connection.snd_nxt;
}

// RFC 6298, 5.4-5.7, and 5681, 3.1.
void Tcp::timed_out(std::uint32_t index, Instant now, Events events) {
  Connection& connection = connections_[index];
  Sender& sender = senders_[connection.sender];
  ++counters_.timeouts;
  if (give_up_at(connection) <= now) {
    give_up(index, now, events);
    return;
  }
  const SentSegment& head = sent_[sender.board.head()];
  const bool may_be_too_big = head.size() > payload_on(settings_, connection, 0);
  // RFC 2018, 8: it had the first one and has thrown it away.
  const bool reneged = head.status == SentSegment::Status::sacked;
  if (sender.phase != Sender::Phase::loss) {
    sender.undo = {connection.timestamps && connection.large_timeouts == 0,
                   timestamp_clock(now) + connection.timestamp_offset, 1, false,
                   connection.congestion};
    connection.congestion.reduce(distance(connection.snd_una, connection.snd_nxt), connection.mss);
  }
  sender.phase = Sender::Phase::loss;
  sender.recovery_point = connection.snd_nxt;
  sender.recovery_point_known = true;
  sender.duplicate_acks = 0;
  sender.probe.out = false;
  sender.rack.check_at = never;
  sender.board.mark_all_lost(sent_, reneged);
  if (connection.backoff < 20) ++connection.backoff;
  // RFC 4821, 7.7: what never arrives may be too big for a path whose routers do not say so, unless
  // it is as small as any path carries.
  connection.large_timeouts = may_be_too_big ? connection.large_timeouts + 1 : 0;
  if (settings_.find_black_holes && connection.large_timeouts >= timeouts_black_hole) {
    const std::uint32_t headers = connection.flow.remote.is_v4() ? 40 : 60;
    ++counters_.black_holes;
    lower_mss(connection, (connection.mss + (connection.timestamps ? 12U : 0U)) / 2 + headers);
    connection.large_timeouts = 0;
  }
  connection.congestion.collapse(connection.mss);
  sender.timeout_from = now;
  into_turn(index);
}

// RFC 3522: the first acknowledgement after a retransmission echoes a timestamp from before it, so
// what was thought lost was only late.
bool Tcp::echo_is_older(Sender& sender, const SegmentIn& segment) const {
  if (sender.undo.copies == 0) return false;
  const bool possible = std::exchange(sender.undo.by_timestamp, false);
  return possible && segment.options.timestamps &&
         before(segment.options.timestamps->echo, sender.undo.stamp);
}

// RFC 3708: D-SACK tells of each segment that was sent again that it came twice.
bool Tcp::every_copy_came_twice(Sender& sender, const Acked& acked) const {
  ReductionUndo& undo = sender.undo;
  if (!acked.dsack || !undo.by_copies || undo.copies == 0) return false;
  if (after(acked.dsack_end, sender.recovery_point)) return false;  // of something later
  return --undo.copies == 0;
}

// RFC 4015: then nothing has to be sent again or slower.
void Tcp::undo_reduction(Connection& connection, Sender& sender) {
  if (sender.undo.congestion.window() > connection.congestion.window()) {
    connection.congestion = sender.undo.congestion;
  }
  sender.undo = {};
  sender.board.mark_none_lost(sent_);
  sender.phase = Sender::Phase::open;
  sender.duplicate_acks = 0;
}

// Never below what a path has to carry.
void Tcp::lower_mss(Connection& connection, std::uint32_t mtu) {
  const std::uint32_t room = payload_on(settings_, connection, mtu);
  if (room < connection.mss) connection.mss = static_cast<std::uint16_t>(room);
}

}  // namespace godwit::dataplane::tcp
