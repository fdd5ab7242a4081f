// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/random.h"

// One direction of a bad network, in virtual time: it loses (evenly or in bursts), doubles, delays,
// reorders and corrupts what it carries, and has a rate and a queue. The seed says what happens.

namespace godwit::dataplane::tcp {

struct Impairment {
  double loss = 0;         // of each packet
  double burst_begin = 0;  // of each packet, that a burst of losses begins with it
  double burst_end = 1;    // of each packet in one, that it is the last
  double duplicate = 0;    // of each packet, that it comes twice
  double reorder = 0;      // of each packet, that it is held back by reorder_delay
  double corrupt = 0;      // of each packet, that the link's `corrupt` function gets it
  Duration delay = std::chrono::milliseconds(5);
  Duration jitter{0};  // evenly distributed, on top; packets may overtake each other
  Duration reorder_delay = std::chrono::milliseconds(4);
  std::uint64_t bytes_per_second = 0;    // 0: as fast as it comes
  std::size_t queue_bytes = 256 * 1024;  // in front of the rate; what does not fit is lost
  std::size_t packet_max = 65535;        // larger ones are lost
};

template <typename Packet>
class ImpairedLink {
 public:
  struct Counters {
    std::size_t sent = 0;
    std::size_t lost = 0;
    std::size_t duplicated = 0;
    std::size_t corrupted = 0;
    std::size_t delivered = 0;
  };

  ImpairedLink(const Impairment& impairment, std::uint64_t seed)
      : impairment_(impairment), random_(seed) {}

  void set(const Impairment& impairment) { impairment_ = impairment; }
  void set_corrupt(std::function<void(Packet&, RandomSource&)> corrupt) {
    corrupt_ = std::move(corrupt);
  }
  const Counters& counters() const { return counters_; }

  // `size` in bytes on the wire.
  void send(Packet packet, std::size_t size, Instant now) {
    ++counters_.sent;
    const std::optional<Instant> leaves = queue(size, now);
    if (!leaves || loses() || size > impairment_.packet_max) {
      ++counters_.lost;
      return;
    }
    if (corrupt_ && chance(impairment_.corrupt)) {
      ++counters_.corrupted;
      corrupt_(packet, random_);
    }
    if (chance(impairment_.duplicate)) {
      ++counters_.duplicated;
      under_way_.emplace(*leaves + flight_time(), packet);
    }
    under_way_.emplace(*leaves + flight_time(), std::move(packet));
  }

  // `never` when nothing is under way.
  Instant next_delivery() const { return under_way_.empty() ? never : under_way_.begin()->first; }

  std::optional<Packet> take(Instant now) {
    if (under_way_.empty() || under_way_.begin()->first > now) return std::nullopt;
    std::optional<Packet> packet = std::move(under_way_.begin()->second);
    under_way_.erase(under_way_.begin());
    ++counters_.delivered;
    return packet;
  }

 private:
  bool chance(double probability) {
    if (probability <= 0) return false;
    constexpr double whole = 1ULL << 53;
    return static_cast<double>(random_.next_u64() >> 11) < probability * whole;
  }

  bool loses() {
    if (in_burst_) {
      in_burst_ = !chance(impairment_.burst_end);
      return true;
    }
    if (chance(impairment_.burst_begin)) {
      in_burst_ = !chance(impairment_.burst_end);
      return true;
    }
    return chance(impairment_.loss);
  }

  // When the last bit has left, behind what waits; nothing when the queue is full.
  std::optional<Instant> queue(std::size_t size, Instant now) {
    if (impairment_.bytes_per_second == 0) return now;
    const auto time_of = [&](std::size_t bytes) {
      return Duration{
          static_cast<std::int64_t>(bytes * 1'000'000'000ULL / impairment_.bytes_per_second)};
    };
    const Instant free_at = std::max(busy_until_, now);
    if (free_at - now > time_of(impairment_.queue_bytes)) return std::nullopt;
    busy_until_ = free_at + time_of(size);
    return busy_until_;
  }

  Duration flight_time() {
    Duration time = impairment_.delay;
    if (impairment_.jitter > Duration{0}) {
      time += Duration{static_cast<std::int64_t>(
          random_.below(static_cast<std::uint64_t>(impairment_.jitter.count())))};
    }
    if (chance(impairment_.reorder)) time += impairment_.reorder_delay;
    return time;
  }

  Impairment impairment_;
  SeededRandom random_;
  std::multimap<Instant, Packet> under_way_;  // equal times stay in order
  std::function<void(Packet&, RandomSource&)> corrupt_;
  Counters counters_;
  Instant busy_until_{};
  bool in_burst_ = false;
};

}  // namespace godwit::dataplane::tcp
