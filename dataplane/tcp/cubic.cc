// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/cubic.h"

#include <algorithm>
#include <cmath>

namespace godwit::dataplane::tcp {

namespace {

constexpr double scale = 0.4;                          // C, segments per second^3 (RFC 9438, 5.1)
constexpr double beta = 0.7;                           // 4.6
constexpr double alpha = 3 * (1 - beta) / (1 + beta);  // of the Reno-friendly region, 4.3
constexpr std::uint32_t window_max = 1U << 30;

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

void Cubic::grow(const Acked& acked) {
  std::uint32_t bytes = acked.bytes;
  if (in_slow_start()) {
    // RFC 3465 with L bound by the threshold: what goes over it is left to congestion avoidance.
    const std::uint32_t step = std::min(bytes, threshold_ - window_);
    window_ = std::min(window_ + step, window_max);
    bytes -= step;
    if (bytes == 0) return;
  }
  if (reno_) {  // a segment for each window acknowledged (RFC 5681, 3.1)
    credit_ += bytes;
    if (credit_ >= window_) {
      credit_ -= window_;
      window_ = std::min(window_ + acked.mss, window_max);
    }
    return;
  }
  Acked rest = acked;
  rest.bytes = bytes;
  window_ = std::min(avoid(rest), window_max);
}

void Cubic::begin_epoch(const Acked& acked) {
  epoch_start_ = acked.now;
  estimate_ = window_;
  credit_ = 0;
  if (window_ < maximum_) {
    const double gap = static_cast<double>(maximum_ - window_) / acked.mss;
    rise_seconds_ = static_cast<float>(std::cbrt(gap / scale));
    origin_ = maximum_;
  } else {
    rise_seconds_ = 0;
    origin_ = window_;
  }
}

// RFC 9438, 4.2-4.5: the window after this acknowledgement.
std::uint32_t Cubic::avoid(const Acked& acked) {
  if (epoch_start_ == never) begin_epoch(acked);
  const double window = window_;
  const double segment = acked.mss;

  // Reno's share; once it has passed the old maximum it grows as fast as Reno does (4.3).
  const double pace = estimate_ < maximum_ ? alpha : 1.0;
  estimate_ += static_cast<std::uint32_t>(pace * segment * acked.bytes / window);

  const double elapsed = seconds(acked.now - epoch_start_) + seconds(acked.rtt);
  const double offset = elapsed - static_cast<double>(rise_seconds_);
  const double curve = origin_ + scale * offset * offset * offset * segment;
  const double target = std::clamp(curve, window, 1.5 * window);
  if (target < estimate_) return std::max(window_, estimate_);

  // (target - cwnd) / cwnd for each segment acknowledged; the remainder of the division is kept.
  const double gain = (target - window) / window * acked.bytes;
  const double exact = gain + credit_ / 1024.0;
  const auto whole = static_cast<std::uint32_t>(exact);
  credit_ = static_cast<std::uint32_t>((exact - whole) * 1024.0);
  return window_ + whole;
}

void Cubic::reduce(std::uint32_t in_flight, std::uint32_t mss) {
  // Fast convergence (4.7): a flow that shrinks before reaching its last maximum makes room.
  maximum_ = window_ < maximum_ ? static_cast<std::uint32_t>(window_ * (1 + beta) / 2) : window_;
  const std::uint32_t in_use = std::min(in_flight, window_);
  const double kept = reno_ ? 0.5 : beta;
  threshold_ = std::max(static_cast<std::uint32_t>(in_use * kept), 2 * mss);
  if (reno_) credit_ = 0;
  end_epoch();
}

void Cubic::collapse(std::uint32_t mss) {
  window_ = mss;
  end_epoch();
}

void Cubic::restart_idle(std::uint32_t initial_window) {
  if (window_ > initial_window) {
    // RFC 7661, 4.4: what was used up to now says more than nothing does.
    threshold_ = std::max(threshold_, window_ / 4 * 3);
    window_ = initial_window;
  }
  end_epoch();
}

}  // namespace godwit::dataplane::tcp
