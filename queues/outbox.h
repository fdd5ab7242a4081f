// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>

#include "queues/parker.h"
#include "queues/spsc_ring.h"

namespace godwit::queues {

// The producer's end of a ring that may be full: what does not fit waits here, in order, and goes
// first at the next flush. Bounded like the ring: try_post is false when the wait is full too, and
// the caller answers its peer. Producer thread only.
template <typename T>
class Outbox {
 public:
  // `waiting_max` is derived by the owner from what it lets its own peers have outstanding.
  Outbox(SpscRing<T>& ring, Parker& consumer, std::size_t waiting_max)
      : ring_(ring), consumer_(consumer), waiting_max_(waiting_max) {}

  bool try_post(const T& item) {
    if (waiting_.empty() && ring_.try_push(item)) return true;
    if (waiting_.size() >= waiting_max_) return false;
    waiting_.push_back(item);
    ++full_count_;
    return true;
  }

  // At the end of a turn: moves what waits, publishes, wakes the consumer if it sleeps.
  void flush() {
    while (!waiting_.empty() && ring_.try_push(waiting_.front())) waiting_.pop_front();
    if (ring_.flush()) consumer_.notify();
  }

  std::size_t waiting() const { return waiting_.size(); }
  // True once half the wait is used: the owner should take in no more work that posts here.
  bool pressed() const { return waiting_.size() > waiting_max_ / 2; }
  // How often an item found the ring full.
  std::size_t full_count() const { return full_count_; }

 private:
  SpscRing<T>& ring_;
  Parker& consumer_;
  const std::size_t waiting_max_;
  std::deque<T> waiting_;
  std::size_t full_count_ = 0;
};

}  // namespace godwit::queues
