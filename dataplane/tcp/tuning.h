// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "dataplane/tcp/settings.h"

// What the user of one connection may want otherwise than the settings have it for all: the options
// of a socket. A connection that wants nothing has no record of this. A value.

namespace godwit::dataplane::tcp {

struct Tuning {
  Tuning() = default;
  explicit Tuning(const Settings& settings)
      : keepalive_idle(settings.keepalive_idle),
        keepalive_interval(settings.keepalive_interval),
        keepalive_probes(settings.keepalive_probes),
        receive_window(settings.receive_window),
        receive_window_max(settings.receive_window_max),
        nagle(settings.nagle) {}

  bool operator==(const Tuning&) const = default;

  Duration keepalive_idle{0};  // 0: off
  Duration keepalive_interval{0};
  std::uint8_t keepalive_probes = 0;
  // How long what was sent again may stay unanswered, and a window closed, whatever the peer says
  // meanwhile (RFC 9293, 3.9.1.1, USER TIMEOUT), and a SYN. 0: settings.give_up, give_up_syn.
  Duration user_timeout{0};
  // As in the settings. Less than a peer was promised counts once he has used that up.
  std::uint32_t receive_window = 0;
  std::uint32_t receive_window_max = 0;
  // Payload of a segment at the most, 64 or more. Before the handshake it is told to the peer.
  std::uint16_t mss_max = 65535;
  bool nagle = false;
  // Only full segments leave, until it is taken back, a FIN follows, or a timeout has passed.
  bool cork = false;
  // Growth and reduction as Reno has them (RFC 5681) in place of CUBIC.
  bool reno = false;
};

}  // namespace godwit::dataplane::tcp
