// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "dataplane/tcp/cubic.h"
#include "dataplane/tcp/scoreboard.h"
#include "dataplane/tcp/send_queue.h"

// What a connection needs while it has something to send or in flight, and not a moment longer.

namespace godwit::dataplane::tcp {

// RFC 8985, 5.2 and 5.3: the segment sent last of those delivered, and how much reordering to bear.
struct RackState {
  Instant sent_at{};
  std::uint32_t end = 0;
  bool known = false;
  Duration rtt{};
  std::uint32_t highest = 0;  // RACK.fack: the highest number delivered
  std::uint32_t window_factor = 1;
  std::uint32_t window_persist = 16;  // recoveries until the factor is 1 again
  bool dsack_round_open = false;
  std::uint32_t dsack_round_end = 0;
  Instant check_at = never;  // when what is not lost yet may be (6.3)
};

// RFC 8985, 7: a probe for the tail.
struct TailProbe {
  bool out = false;
  bool was_retransmit = false;
  std::uint32_t end = 0;
};

// RFC 6937.
struct RateReduction {
  std::uint32_t delivered = 0;
  std::uint32_t out = 0;
  std::uint32_t flight = 0;  // RecoverFS
};

// RFC 3522, 4015, 3708: the window as it was before a reduction, until acknowledgements show
// whether anything was lost: by the timestamp they echo, or, since a loss was taken for one, by
// telling of every segment sent again that it came twice.
struct ReductionUndo {
  bool by_timestamp = false;  // may be, with the next acknowledgement
  std::uint32_t stamp = 0;    // of the first retransmission
  std::uint32_t copies = 0;   // sent again and not told to have come twice
  bool by_copies = false;
  Cubic congestion;
};

struct Sender {
  enum class Phase : std::uint8_t { open, recovery, loss };
  enum class Timer : std::uint8_t { none, timeout, tail_probe, reorder, window_probe };

  SendQueue queue;
  Scoreboard board;

  Phase phase = Phase::open;
  Timer timer = Timer::none;
  bool window_limited = false;  // the congestion window held something back since the last growth
  bool reduced_by_mark =
      false;  // ECE answered, until all of then is acknowledged (RFC 3168, 6.1.2)
  bool recovery_point_known = false;
  std::uint32_t recovery_point = 0;
  std::uint32_t mark_point = 0;
  std::uint32_t duplicate_acks = 0;  // without SACK
  bool small_out = false;            // a segment that was not full was sent, up to small_end
  std::uint32_t small_end = 0;
  Instant unanswered_since = never;  // the first thing sent again since the peer took something
  RateReduction reduction;
  RackState rack;
  TailProbe probe;
  ReductionUndo undo;
  Instant timeout_from{};  // the retransmission timer was started (RFC 6298, 5)
};

}  // namespace godwit::dataplane::tcp
