// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <span>

#include "base/clock.h"

namespace godwit::dataplane::io::dpdk {

// Where a shard that polls packets sleeps, and how it is woken.
//
// Thread safety: wake() any thread; the rest the owner.
class PacketSleep {
 public:
  PacketSleep();
  ~PacketSleep();
  PacketSleep(const PacketSleep&) = delete;
  PacketSleep& operator=(const PacketSleep&) = delete;

  void wake();
  // Somebody has called wake() since the last time; then there is no sleeping this time.
  bool woken();
  // Until a wake-up, until one of at most `descriptors_max` descriptors is readable (negative ones
  // never are), or for `at_most`. A bit for each that was. A wake-up is left for woken().
  static constexpr std::size_t descriptors_max = 4;
  unsigned wait(std::span<const int> descriptors, Duration at_most);

 private:
  const int event_;
  std::atomic<bool> pending_{false};
};

}  // namespace godwit::dataplane::io::dpdk
