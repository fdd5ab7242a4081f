// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/clock.h"

// CUBIC (RFC 9438): how the congestion window grows and how far it falls. Window sizes in bytes. A
// value; connections keep it while idle, but for the epoch, which begins anew with the next data.

namespace godwit::dataplane::tcp {

class Cubic {
 public:
  struct Acked {
    std::uint32_t bytes = 0;  // newly acknowledged while the window was what held us back
    std::uint32_t mss = 0;
    Duration rtt{};  // smoothed
    Instant now{};
  };

  static constexpr std::uint32_t threshold_none = UINT32_MAX;

  // Reno's growth and reduction (RFC 5681) in place of CUBIC's.
  void set_reno(bool on) { reno_ = on; }
  bool reno() const { return reno_; }

  void start(std::uint32_t window) {
    window_ = window;
    threshold_ = threshold_none;
  }

  std::uint32_t window() const { return window_; }
  std::uint32_t threshold() const { return threshold_; }
  bool in_slow_start() const { return window_ < threshold_; }
  void set_window(std::uint32_t window) { window_ = window; }

  // Slow start (RFC 5681, 3.1) with L = all that was acknowledged, or congestion avoidance.
  void grow(const Acked& acked);
  // A loss or a mark: the new threshold, 0.7 of what was in use (4.6), at least two segments. The
  // window is for recovery to set.
  void reduce(std::uint32_t in_flight, std::uint32_t mss);
  // The window after a timeout: one segment (RFC 5681, 3.1), and a new epoch.
  void collapse(std::uint32_t mss);
  // What is left of the window after the connection was idle for longer than a timeout (RFC 5681,
  // 4.1).
  void restart_idle(std::uint32_t initial_window);
  // The next growth begins a new epoch (after recovery, or when the user had nothing to send).
  void end_epoch() { epoch_start_ = never; }

 private:
  void begin_epoch(const Acked& acked);
  std::uint32_t avoid(const Acked& acked);

  std::uint32_t window_ = 0;
  std::uint32_t threshold_ = threshold_none;
  std::uint32_t maximum_ = 0;   // W_max
  std::uint32_t origin_ = 0;    // the plateau of this epoch's curve
  std::uint32_t estimate_ = 0;  // W_est, what Reno would have
  std::uint32_t credit_ = 0;    // acknowledged bytes not yet turned into growth of the window
  float rise_seconds_ = 0;      // K
  bool reno_ = false;
  Instant epoch_start_ = never;
};

}  // namespace godwit::dataplane::tcp
