// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/tuning.h"

#include <algorithm>

#include "dataplane/tcp/tcp.h"

// What one connection wants otherwise than the settings have it for all.

namespace godwit::dataplane::tcp {

namespace {

void check_tuning(const Tuning& tuning) {
  constexpr std::uint32_t window_limit = 65535U << 14;  // RFC 7323, 2.3
  constexpr std::uint16_t mss_least = 64;               // room for timestamps and some bytes
  GODWIT_CHECK(tuning.receive_window > 0 && tuning.receive_window <= window_limit);
  GODWIT_CHECK(tuning.receive_window_max <= window_limit && tuning.mss_max >= mss_least);
}

}  // namespace

const Tuning& Tcp::tuning_of(const Connection& connection) const {
  return connection.tuning == 0 ? default_tuning_ : tunings_[connection.tuning];
}

// Of what a listener accepts.
const Tuning& Tcp::tuning_at(const Flow& flow) const {
  const auto found = std::ranges::find_if(listeners_, [&](const Listener& listener) {
    return listener.port == flow.local_port &&
           (!listener.local.known() || listener.local == flow.local);
  });
  return found == listeners_.end() ? default_tuning_ : found->tuning;
}

// Before the handshake, or when one is through.
void Tcp::take_tuning(Connection& connection, const Tuning& wanted) {
  check_tuning(wanted);
  if (wanted == default_tuning_) {
    if (connection.tuning != 0) tunings_.release(connection.tuning);
    connection.tuning = 0;
  } else {
    if (connection.tuning == 0) connection.tuning = tunings_.allocate();
    tunings_[connection.tuning] = wanted;
  }
  connection.nagle = wanted.nagle;
  connection.cork = wanted.cork;
  connection.congestion.set_reno(wanted.reno);
}

Tuning Tcp::tuning(ConnectionName name) const {
  const std::uint32_t index = find(name);
  return index == 0 ? default_tuning_ : tuning_of(connections_[index]);
}

void Tcp::tune(ConnectionName name, const Tuning& wanted) {
  const std::uint32_t index = find(name);
  if (index == 0) return;
  Connection& connection = connections_[index];
  const Tuning had = tuning_of(connection);
  take_tuning(connection, wanted);
  if (had.receive_window != wanted.receive_window ||
      had.receive_window_max != wanted.receive_window_max) {
    connection.rcv_space = wanted.receive_window;
  }
  if (connection.synchronized()) {
    // Down only: a path may carry less than both ends.
    const std::uint32_t most = std::max(wanted.mss_max - (connection.timestamps ? 12U : 0U), 1U);
    connection.mss = static_cast<std::uint16_t>(std::min<std::uint32_t>(connection.mss, most));
    const bool keepalive_changed = had.keepalive_idle != wanted.keepalive_idle ||
                                   had.keepalive_interval != wanted.keepalive_interval;
    if (keepalive_changed && !connection.close_requested) {
      connection.state_at = never;
      connection.keepalives = 0;
      set_keepalive(connection);
    }
  }
  into_turn(index);
}

void Tcp::tune_listener(const IpAddress& local, std::uint16_t port, const Tuning& wanted) {
  check_tuning(wanted);
  for (Listener& listener : listeners_) {
    if (listener.port == port && listener.local == local) listener.tuning = wanted;
  }
}

void Tcp::send_acks_at_once(ConnectionName name, bool on) {
  const std::uint32_t index = find(name);
  if (index == 0) return;
  Connection& connection = connections_[index];
  connection.quick_acks = on ? settings_.quick_acks : std::uint8_t{0};
  if (on && connection.unacked_bytes > 0) {
    connection.ack_now = true;
    into_turn(index);
  }
}

}  // namespace godwit::dataplane::tcp
