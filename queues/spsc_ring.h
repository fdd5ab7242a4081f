// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include "base/result.h"

namespace godwit::queues {

// Two cache lines: adjacent-line prefetch pulls pairs.
inline constexpr std::size_t destructive_interference_bytes = 128;

// A bounded ring from one producer thread to one consumer thread.
//
// Thread safety: try_push, flush and producer_* by the producer only; drain and consumer_* by the
// consumer only. Items pushed become visible at flush(), so that a turn pays one release for its
// batch.
//
// Invariants: head ≤ published ≤ tail ≤ head + capacity, as free-running 64-bit counts. The
// producer's release of `published_` matches the consumer's acquire in drain(); the consumer's
// release of `head_` matches the producer's acquire in room(). (Lamport 1977; cached opposite index
// as in Lee et al. 2009.)
template <typename T>
class SpscRing {
  static_assert(std::is_trivially_copyable_v<T>,
                "a ring carries descriptors, ownership moves by contract");

 public:
  // `capacity` is rounded up to a power of two.
  explicit SpscRing(std::size_t capacity)
      : capacity_(std::bit_ceil(capacity)), slots_(std::make_unique<T[]>(capacity_)) {}
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  std::size_t capacity() const { return capacity_; }

  // Producer: false when full; nothing is then changed.
  bool try_push(const T& item) {
    if (producer_.tail - producer_.cached_head == capacity_ && room() == 0) return false;
    slots_[producer_.tail & (capacity_ - 1)] = item;
    ++producer_.tail;
    return true;
  }

  // Producer: free slots, refreshed from the consumer.
  std::size_t room() {
    producer_.cached_head = head_.load(std::memory_order_acquire);
    return capacity_ - (producer_.tail - producer_.cached_head);
  }

  // Producer: makes everything pushed so far visible. True when there was something new.
  bool flush() {
    if (producer_.published == producer_.tail) return false;
    producer_.published = producer_.tail;
    published_.store(producer_.tail, std::memory_order_release);
    return true;
  }

  // Consumer: hands at most `budget` items to `consume(const T&)`, in order; returns how many. The
  // slots are given back in one release, after the last call.
  template <typename Consume>
  std::size_t drain(std::size_t budget, Consume&& consume) {
    std::size_t ready = consumer_.cached_tail - consumer_.head;
    if (ready == 0) {
      consumer_.cached_tail = published_.load(std::memory_order_acquire);
      ready = consumer_.cached_tail - consumer_.head;
      if (ready == 0) return 0;
    }
    const std::size_t count = ready < budget ? ready : budget;
    for (std::size_t i = 0; i < count; ++i) {
      consume(static_cast<const T&>(slots_[(consumer_.head + i) & (capacity_ - 1)]));
    }
    consumer_.head += count;
    head_.store(consumer_.head, std::memory_order_release);
    return count;
  }

  // Consumer: nothing published is waiting.
  bool consumer_empty() const {
    return published_.load(std::memory_order_acquire) == consumer_.head;
  }

  // Either side or an observer: how many items are published and not yet consumed, as of some
  // instant.
  std::size_t depth() const {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    const std::size_t tail = published_.load(std::memory_order_relaxed);
    return tail > head ? tail - head : 0;
  }

 private:
  struct alignas(destructive_interference_bytes) Producer {
    std::size_t tail = 0;
    std::size_t published = 0;
    std::size_t cached_head = 0;
  };
  struct alignas(destructive_interference_bytes) Consumer {
    std::size_t head = 0;
    std::size_t cached_tail = 0;
  };

  const std::size_t capacity_;
  const std::unique_ptr<T[]> slots_;
  Producer producer_;
  alignas(destructive_interference_bytes) std::atomic<std::size_t> published_{0};
  Consumer consumer_;
  alignas(destructive_interference_bytes) std::atomic<std::size_t> head_{0};
};

}  // namespace godwit::queues
