// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <utility>

namespace godwit::queues {

// Lets a thread sleep while its rings are empty, without a lost wake-up and without a system call
// from a producer while the thread is awake.
//
// The owner calls prepare(), looks at its rings once more, sleeps if they are still empty, and
// calls awake(). A producer calls notify() after it has published. The two sequentially consistent
// fences are Dekker's: either the owner sees the items or the producer sees it asleep.
class Parker {
 public:
  // `wake` interrupts the owner's sleep; called on producers' threads, must be thread safe.
  explicit Parker(std::function<void()> wake) : wake_(std::move(wake)) {}
  Parker(const Parker&) = delete;
  Parker& operator=(const Parker&) = delete;

  // Owner.
  void prepare() {
    asleep_.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  void awake() { asleep_.store(false, std::memory_order_relaxed); }

  // Any thread, after publishing.
  void notify() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (asleep_.load(std::memory_order_relaxed) &&
        asleep_.exchange(false, std::memory_order_relaxed)) {
      wake_();
    }
  }

 private:
  alignas(128) std::atomic<bool> asleep_{false};
  std::function<void()> wake_;
};

}  // namespace godwit::queues
