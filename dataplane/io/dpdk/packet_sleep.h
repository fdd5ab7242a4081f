// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

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
  // Until a wake-up, until `descriptor` (unless negative) is readable, or for `at_most`. True when
  // the descriptor was. A wake-up is left for woken().
  bool wait(int descriptor, Duration at_most);

 private:
  const int event_;
  std::atomic<bool> pending_{false};
};

}  // namespace godwit::dataplane::io::dpdk
