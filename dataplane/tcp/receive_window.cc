// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/tcp.h"

// How far the peer may send ahead (RFC 9293, 3.8.6.2.2; RFC 7323, 2), and how that grows.
//
// A round ends when all that could be offered at its beginning has come, which takes a round trip
// at the least, and not much longer only when the window was what held the peer back. If it was,
// the window is doubled: it ends between two and four times what the path holds, which leaves room
// for losses to be repaired without a standstill.

namespace godwit::dataplane::tcp {

namespace {

// Of connections whose handshake gave no round trip (a cookie's, or one with a loss).
constexpr Duration round_trip_unmeasured = std::chrono::milliseconds(100);
constexpr unsigned round_tick_bits = 18;

std::uint32_t round_ticks(Duration time) {
  return static_cast<std::uint32_t>(time.count() >> round_tick_bits);
}

}  // namespace

// The smallest scale that can say the largest window (RFC 7323, 2.3).
std::uint8_t Tcp::window_scale(const Tuning& tuning) {
  const std::uint32_t most = std::max(tuning.receive_window, tuning.receive_window_max);
  std::uint8_t scale = 0;
  while (scale < 14 && (65535U << scale) < most) ++scale;
  return scale;
}

// The window of a SYN, which is never scaled.
std::uint16_t Tcp::first_window(const Tuning& tuning) {
  return static_cast<std::uint16_t>(std::min(tuning.receive_window, 65535U));
}

void Tcp::start_receive_window(Connection& connection, Instant now) {
  const Tuning& tuning = tuning_of(connection);
  connection.rcv_space = tuning.receive_window;
  connection.rcv_edge = connection.rcv_nxt + first_window(tuning);
  connection.rcv_round_end = connection.rcv_edge;
  connection.rcv_round_at = round_ticks(now.time_since_epoch());
}

// What may be offered now beyond what waits for the user. What was grown is for when there is
// memory.
std::uint32_t Tcp::window_space(const Connection& connection) const {
  const std::uint32_t waiting =
      connection.receiver == 0 ? 0 : receivers_[connection.receiver].ready.size();
  const bool memory_short = buffers_.in_use() > buffers_.limit() / 2;
  std::uint32_t space = connection.rcv_space;
  if (memory_short) space = std::min(space, tuning_of(connection).receive_window);
  return space - std::min(waiting, space);
}

void Tcp::measure_window(Connection& connection, Instant now) {
  if (before(connection.rcv_nxt, connection.rcv_round_end)) return;
  const std::uint32_t ticks = round_ticks(now.time_since_epoch());
  const Duration round_trip =
      connection.rtt.known() ? connection.rtt.smoothed() : round_trip_unmeasured;
  const bool fast = ticks - connection.rcv_round_at <= round_ticks(2 * round_trip) + 1;
  const std::uint32_t waiting =
      connection.receiver == 0 ? 0 : receivers_[connection.receiver].ready.size();
  const bool user_reads = waiting <= connection.rcv_space / 4;
  const bool memory_is_there = buffers_.in_use() <= buffers_.limit() / 4;
  // Without SACK a window of losses is repaired by one segment in a round trip: the more was sent
  // ahead, the longer it takes.
  if (fast && user_reads && memory_is_there && connection.sack) {
    const std::uint32_t most =
        std::min(tuning_of(connection).receive_window_max, 65535U << connection.rcv_scale);
    connection.rcv_space = std::max(connection.rcv_space, std::min(2 * connection.rcv_space, most));
  }
  connection.rcv_round_at = ticks;
  connection.rcv_round_end = connection.rcv_nxt + connection.rcv_space;
}

// Silly-window avoidance of the receiver (RFC 9293, 3.8.6.2.2): the edge moves when there is room
// for a full segment or half the window more, and never back, rounded up when it must be.
std::uint16_t Tcp::window_to_offer(Connection& connection, bool scaled) {
  const std::uint32_t wanted = connection.rcv_nxt + window_space(connection);
  const std::uint32_t step = std::min<std::uint32_t>(connection.rcv_space / 2, connection.rcv_mss);
  std::uint32_t edge = connection.rcv_edge;
  if (after(wanted, edge) && distance(edge, wanted) >= step) edge = wanted;
  const std::uint32_t window = distance(connection.rcv_nxt, edge);
  const unsigned scale = scaled && connection.scaling ? connection.rcv_scale : 0;
  std::uint32_t value = window >> scale;
  if (before(connection.rcv_nxt + (value << scale), connection.rcv_edge)) ++value;
  value = std::min(value, 65535U);
  connection.rcv_edge = later_of(connection.rcv_edge, connection.rcv_nxt + (value << scale));
  return static_cast<std::uint16_t>(value);
}

// The user has taken what waited: the peer is told once that is worth a segment.
bool Tcp::window_update_due(const Connection& connection) const {
  const std::uint32_t most = std::min(connection.rcv_space, 65535U << connection.rcv_scale);
  const std::uint32_t wanted = connection.rcv_nxt + std::min(window_space(connection), most);
  const std::uint32_t step =
      std::min<std::uint32_t>(most / 2, 2 * std::uint32_t{connection.rcv_mss});
  const std::uint32_t left = distance(connection.rcv_nxt, connection.rcv_edge);
  return left < most / 2 && after(wanted, connection.rcv_edge) &&
         distance(connection.rcv_edge, wanted) >= step;
}

}  // namespace godwit::dataplane::tcp
