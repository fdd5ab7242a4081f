// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/tcp.h"

// What happens when nothing arrives. A connection has one entry in the wheel, armed for the
// earliest of its deadlines; none while it is idle.

namespace godwit::dataplane::tcp {

namespace {

constexpr Duration probe_unmeasured = std::chrono::seconds(1);       // RFC 8985, 7.2
constexpr Duration peer_ack_delay = std::chrono::milliseconds(200);  // TLP.max_ack_delay

}  // namespace

void Tcp::expire(Instant now, Events events) {
  now_ = now;
  wheel_.advance(now, [&](std::uint32_t index) { fire(index, now, events); });
  syn_cache_.expire(
      now, [&](const HalfOpen& half_open) { send_syn_ack(half_open, now, false); },
      [&](const Flow& flow) {
        ++counters_.syn_cache_expired;
        return hash_.place(flow);
      });
  time_wait_.expire(now, [&](const Flow& flow) { return hash_.place(flow); });
}

Instant Tcp::next_deadline() const {
  if (!turn_.empty()) return Instant::min();
  return std::min({wheel_.next_deadline(), syn_cache_.next_deadline(), time_wait_.next_deadline()});
}

// A connection that ends on the way leaves an empty slot, or a new one with nothing due.
void Tcp::fire(std::uint32_t index, Instant now, Events events) {
  Connection& connection = connections_[index];
  if (connection.retransmit_at <= now) retransmit_due(index, now, events);
  if (connection.ack_at <= now) {
    connection.ack_at = never;
    emit_ack(connection, now);
  }
  if (connection.state_at <= now) state_due(index, now, events);
  if (connection.state != State::closed) arm(index);
}

// R2 (RFC 9293, 3.8.3), or what the user has set. A peer that answers probes of its closed window
// is there (3.8.6.1), for who has not said how long to bear that.
Instant Tcp::give_up_at(const Connection& connection) const {
  const Duration user_timeout = tuning_of(connection).user_timeout;
  if (user_timeout > Duration{0}) {
    const bool in_flight = connection.sender != 0 && !senders_[connection.sender].board.empty();
    const Instant since =
        in_flight ? senders_[connection.sender].unanswered_since : connection.trying_since;
    return since == never ? never : since + user_timeout;
  }
  if (connection.trying_since == never) return never;
  Instant since = connection.trying_since;
  if (connection.snd_wnd == 0) since = std::max(since, connection.last_heard);
  return since + settings_.give_up;
}

void Tcp::retransmit_due(std::uint32_t index, Instant now, Events events) {
  Connection& connection = connections_[index];
  connection.retransmit_at = never;
  if (connection.state == State::syn_sent || connection.state == State::syn_received) {
    const Duration user_timeout = tuning_of(connection).user_timeout;
    const Duration patience = user_timeout > Duration{0} ? user_timeout : settings_.give_up_syn;
    if (now - connection.trying_since >= patience) {
      ++counters_.timed_out;
      reset(index, now, io::CloseReason::failed, events);
      return;
    }
    if (connection.backoff < 20) ++connection.backoff;
    ++counters_.timeouts;
    emit_syn(connection, now);
    connection.retransmit_at = now + timeout_of(connection);
    if (user_timeout > Duration{0}) {
      connection.retransmit_at =
          std::min(connection.retransmit_at, connection.trying_since + user_timeout);
    }
    return;
  }
  if (connection.sender == 0) return;
  Sender& sender = senders_[connection.sender];
  switch (sender.timer) {
    case Sender::Timer::none:
      return;
    case Sender::Timer::timeout:
      timed_out(index, now, events);
      return;
    case Sender::Timer::tail_probe:
      send_tail_probe(connection, sender, now);
      set_retransmit_timer(connection, now);
      return;
    case Sender::Timer::reorder:
      rack_detect(connection, sender, now);
      if (sender.board.lost() > 0 && sender.phase == Sender::Phase::open) {
        enter_recovery(connection, sender);
        reduce_proportionally(connection, sender, {}, true);
      }
      set_retransmit_timer(connection, now);
      into_turn(index);
      return;
    case Sender::Timer::window_probe:
      window_probe_due(index, now, events);
      return;
  }
}

// One timer for all (RFC 8985, 8): which, and when.
void Tcp::set_retransmit_timer(Connection& connection, Instant now) {
  if (!connection.synchronized()) return;
  if (connection.sender == 0) {
    connection.retransmit_at = never;
    return;
  }
  Sender& sender = senders_[connection.sender];
  if (sender.board.empty()) {
    if (connection.snd_nxt == sender.queue.end()) {
      sender.timer = Sender::Timer::none;
      connection.retransmit_at = never;
    } else if (sender.timer != Sender::Timer::window_probe || connection.retransmit_at == never) {
      if (connection.trying_since == never) connection.trying_since = now;
      sender.timer = Sender::Timer::window_probe;
      connection.retransmit_at = now + timeout_of(connection);
    }
    return;
  }
  sender.timer = Sender::Timer::timeout;
  connection.retransmit_at =
      std::min(sender.timeout_from + timeout_of(connection), give_up_at(connection));
  if (sender.rack.check_at < connection.retransmit_at) {
    sender.timer = Sender::Timer::reorder;
    connection.retransmit_at = sender.rack.check_at;
    return;
  }
  // RFC 8985, 7.2.
  if (!connection.sack || sender.phase != Sender::Phase::open || sender.probe.out ||
      sender.board.any_sacked() || connection.backoff > 0) {
    return;
  }
  Duration wait = connection.rtt.known() ? 2 * connection.rtt.smoothed() : probe_unmeasured;
  if (connection.rtt.known() && sender.board.count() == 1) wait += peer_ack_delay;
  const Instant from = std::max(sender.timeout_from, sent_[sender.board.tail()].sent_at);
  sender.timer = Sender::Timer::tail_probe;
  connection.retransmit_at = std::min(from + wait, connection.retransmit_at);
}

void Tcp::window_probe_due(std::uint32_t index, Instant now, Events events) {
  Connection& connection = connections_[index];
  Sender& sender = senders_[connection.sender];
  const std::uint32_t unsent = distance(connection.snd_nxt, sender.queue.end());
  const std::uint32_t edge = connection.snd_una + connection.snd_wnd;
  if (after(edge, connection.snd_nxt)) {
    // Less than is worth a segment, but it has waited long enough (3.8.6.2.1, the override).
    const std::uint32_t usable = distance(connection.snd_nxt, edge);
    transmit_new(connection, sender, std::min({unsent, usable, std::uint32_t{connection.mss}}),
                 now);
    set_retransmit_timer(connection, now);
    return;
  }
  const bool memory_short = buffers_.in_use() > buffers_.limit() / 4 * 3;
  const bool hoards = memory_short && now - connection.trying_since >= settings_.give_up_persist;
  if (hoards || give_up_at(connection) <= now) {
    give_up(index, now, events);
    return;
  }
  send_window_probe(connection, sender, now);
  if (connection.backoff < 20) ++connection.backoff;
  connection.retransmit_at = std::min(now + timeout_of(connection), give_up_at(connection));
}

void Tcp::state_due(std::uint32_t index, Instant now, Events events) {
  Connection& connection = connections_[index];
  connection.state_at = never;
  if (connection.reported) {
    ++counters_.orphans_dropped;
    if (settings_.reset_given_up) emit_reset(connection, now);
    finish(index, connection.close_reason, events);
  } else if (connection.lingering) {
    make_orphan(index, now, events);
  } else {
    keep_alive(index, now, events);
  }
}

void Tcp::set_keepalive(Connection& connection) {
  const Duration idle = tuning_of(connection).keepalive_idle;
  if (idle > Duration{0}) connection.state_at = connection.last_heard + idle;
}

// RFC 9293, 3.8.4.
void Tcp::keep_alive(std::uint32_t index, Instant now, Events events) {
  Connection& connection = connections_[index];
  const Tuning& tuning = tuning_of(connection);
  const Instant wanted = connection.last_heard + tuning.keepalive_idle;
  const bool waits_for_peer = connection.sender != 0;  // then retransmission finds out
  if (wanted > now || waits_for_peer) {
    connection.state_at = waits_for_peer ? now + tuning.keepalive_idle : wanted;
    return;
  }
  const bool too_long = tuning.user_timeout > Duration{0} && connection.keepalives > 0 &&
                        now - connection.last_heard >= tuning.user_timeout;
  if (too_long ||
      (tuning.user_timeout == Duration{0} && connection.keepalives >= tuning.keepalive_probes)) {
    ++counters_.timed_out;
    reset(index, now, io::CloseReason::reset, events);
    return;
  }
  ++connection.keepalives;
  emit(connection, {.seq = connection.snd_nxt - 1, .flags = Flags::ack}, now);
  connection.state_at = now + tuning.keepalive_interval;
}

}  // namespace godwit::dataplane::tcp
