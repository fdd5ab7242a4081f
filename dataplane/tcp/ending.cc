// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/tcp.h"

// How connections end: for the user (report), for the peer (reset), for the stack (finish).

namespace godwit::dataplane::tcp {

// No more bytes for the user; FIN after what is queued.
void Tcp::begin_close(Connection& connection) {
  connection.close_requested = true;
  connection.fin_wanted = true;
  if (connection.receiver == 0) return;
  Receiver& receiver = receivers_[connection.receiver];
  receiver.ready.clear(hold_memory_);
  if (receiver.empty()) drop_receiver(connection);
}

// The user is told; what the peer still needs goes on without him.
void Tcp::report(std::uint32_t index, io::CloseReason reason, Events events) {
  Connection& connection = connections_[index];
  if (connection.reported) return;
  const ConnectionName name = name_of(index);
  const std::uint64_t user = connection.user;
  if (++generations_[index] == 0) generations_[index] = 1;
  connection.reported = true;
  ++orphans_;
  --open_;
  events.on_closed(name, user, reason);
}

void Tcp::finish(std::uint32_t index, io::CloseReason reason, Events events) {
  Connection& connection = connections_[index];
  const bool to_report = !connection.reported;
  const ConnectionName name = name_of(index);
  const std::uint64_t user = connection.user;
  if (to_report) {
    if (++generations_[index] == 0) generations_[index] = 1;
    --open_;
  }
  if (reason == io::CloseReason::failed) ++counters_.connects_failed;
  release(index);
  if (to_report) events.on_closed(name, user, reason);
}

void Tcp::reset(std::uint32_t index, Instant now, io::CloseReason reason, Events events) {
  Connection& connection = connections_[index];
  // A SYN that was not answered has nothing to be reset (RFC 9293, 3.10.5).
  if (connection.state != State::syn_sent) emit_reset(connection, now);
  finish(index, reason, events);
}

// The peer has been silent for too long, or his window closed.
void Tcp::give_up(std::uint32_t index, Instant now, Events events) {
  ++counters_.timed_out;
  if (settings_.reset_given_up) emit_reset(connections_[index], now);
  finish(index, io::CloseReason::reset, events);
}

// Both FINs are acknowledged: the connection ends, once the user has all bytes or wants none. True
// when it did.
bool Tcp::settle(std::uint32_t index, Instant now, Events events) {
  Connection& connection = connections_[index];
  if (!connection.fin_taken || !connection.fin_acked) return false;
  const bool unread = connection.receiver != 0 && !receivers_[connection.receiver].ready.empty();
  if (unread && !connection.close_requested) return false;
  if (connection.state == State::last_ack) {
    finish(index, connection.close_reason, events);
  } else {
    enter_time_wait(index, now, events);
  }
  return true;
}

void Tcp::make_orphan(std::uint32_t index, Instant now, Events events) {
  report(index, connections_[index].close_reason, events);
  Connection& connection = connections_[index];
  if (orphans_ > settings_.orphans_max) {
    ++counters_.orphans_dropped;
    reset(index, now, io::CloseReason::local, events);
    return;
  }
  connection.state_at = now + settings_.orphan_time;
}

void Tcp::enter_time_wait(std::uint32_t index, Instant now, Events events) {
  Connection& connection = connections_[index];
  if (connection.ack_now) emit_ack(connection, now);
  Waiting record;
  record.flow = connection.flow;
  record.snd_nxt = connection.snd_nxt;
  record.rcv_nxt = connection.rcv_nxt;
  record.ts_recent = connection.ts_recent;
  record.timestamp_offset = connection.timestamp_offset;
  record.timestamps = connection.timestamps;
  record.window = window_to_offer(connection, true);
  const std::uint64_t place = hash_.place(connection.flow);
  finish(index, connection.close_reason, events);
  if (settings_.time_wait_max == 0) return;
  if (time_wait_.full()) {
    ++counters_.time_wait_evicted;
    const std::uint32_t oldest = time_wait_.oldest();
    time_wait_.remove(hash_.place(time_wait_[oldest].flow), oldest);
  }
  // The handler may have dialled the same peer from the same port meanwhile.
  const auto same = [&](std::uint32_t other) { return connections_[other].flow == record.flow; };
  if (flows_.find(place, same) == 0 && time_wait_.find(place, record.flow) == 0) {
    time_wait_.add(place, record, now);
  }
}

}  // namespace godwit::dataplane::tcp
