// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/result.h"

// A hierarchical timer wheel (Varghese, Lauck 1987, scheme 7) over entries that lie in their owners
// and are named by index: arming, disarming and firing cost a constant, and nothing is allocated.
// Times are rounded up to a tick, so nothing fires early, and at most a tick late. Longer waits
// than the span are cut to it; the owner looks at its deadline and arms again. Not thread safe.

namespace godwit::dataplane::tcp {

struct TimerEntry {
  std::uint32_t next = 0;
  std::uint32_t prev = 0;  // 0: not armed; an index, or the slot it is the first of
  std::uint32_t tick = 0;

  bool armed() const { return prev != 0; }
};
static_assert(sizeof(TimerEntry) == 12, "each connection has one");

// `entry_of(index)` gives the TimerEntry& of an index, which is neither 0 nor 2^31 and over.
template <typename EntryOf>
class TimerWheel {
 public:
  static constexpr unsigned tick_bits = 18;  // 2^18 ns: 0.26 ms
  static constexpr Duration tick{std::int64_t{1} << tick_bits};
  static constexpr unsigned levels = 5;
  static constexpr unsigned slot_bits = 6;
  static constexpr std::uint32_t slots = 1U << slot_bits;
  static constexpr std::uint32_t span = (1U << (levels * slot_bits)) - 1;  // 78 hours in ticks

  explicit TimerWheel(EntryOf entry_of) : entry_of_(entry_of) {}

  // Arms, or moves what is armed to an earlier time. A later time leaves it where it is: it fires
  // early, and its owner arms again, which costs less than moving it with each segment.
  void arm(std::uint32_t index, Instant due) {
    TimerEntry& entry = entry_of_(index);
    const std::uint32_t wanted = clamp(due);
    if (entry.armed()) {
      if (static_cast<std::int32_t>(wanted - entry.tick) >= 0) return;
      unlink(entry);
    }
    entry.tick = wanted;
    place(index, entry);
    ++size_;
  }

  void disarm(std::uint32_t index) {
    TimerEntry& entry = entry_of_(index);
    if (entry.armed()) unlink(entry);
  }

  // Calls fire(index) for all that are due, each disarmed before; fire may arm and disarm any.
  template <typename Fire>
  void advance(Instant now, Fire&& fire) {
    const std::uint64_t target = floor_tick(now);
    while (size_ > 0) {
      const std::uint64_t wanted = next_tick();
      if (wanted > target) break;
      current_ = wanted;
      cascade();
      run(0, current_ % slots, fire);
    }
    if (target > current_) current_ = target;
  }

  // When advance() has something to do next, perhaps only to sort; `never` with nothing armed.
  Instant next_deadline() const {
    if (size_ == 0) return never;
    return Instant{tick * static_cast<std::int64_t>(next_tick())};
  }

  std::size_t size() const { return size_; }

 private:
  static constexpr std::uint32_t head_bit = 1U << 31;

  static std::uint64_t floor_tick(Instant at) {
    return static_cast<std::uint64_t>(at.time_since_epoch().count()) >> tick_bits;
  }

  std::uint32_t clamp(Instant due) const {
    const auto wait = due - Instant{tick * static_cast<std::int64_t>(current_)};
    if (wait >= tick * static_cast<std::int64_t>(span)) {
      return static_cast<std::uint32_t>(current_ + span);
    }
    const std::int64_t count = (wait.count() + tick.count() - 1) >> tick_bits;
    return static_cast<std::uint32_t>(current_ + static_cast<std::uint64_t>(count < 1 ? 1 : count));
  }

  // Level by how far away, slot by the tick's own digits; 0 ticks away is now's own slot.
  void place(std::uint32_t index, TimerEntry& entry) {
    const std::uint32_t away = entry.tick - static_cast<std::uint32_t>(current_);
    const unsigned level = away == 0 ? 0 : (std::bit_width(away) - 1) / slot_bits;
    const std::uint64_t tick_number = current_ + away;
    const auto slot = static_cast<std::uint32_t>(tick_number >> (level * slot_bits)) % slots;
    std::uint32_t& head = heads_[level][slot];
    entry.next = head;
    entry.prev = head_bit | level << slot_bits | slot;
    if (head != 0) entry_of_(head).prev = index;
    head = index;
    occupied_[level] |= std::uint64_t{1} << slot;
  }

  void unlink(TimerEntry& entry) {
    if ((entry.prev & head_bit) != 0) {
      const std::uint32_t level = (entry.prev & ~head_bit) >> slot_bits;
      const std::uint32_t slot = entry.prev % slots;
      heads_[level][slot] = entry.next;
      if (entry.next == 0) occupied_[level] &= ~(std::uint64_t{1} << slot);
    } else {
      entry_of_(entry.prev).next = entry.next;
    }
    if (entry.next != 0) entry_of_(entry.next).prev = entry.prev;
    entry.next = entry.prev = 0;
    --size_;
  }

  // The first tick at which a slot of any level comes up.
  std::uint64_t next_tick() const {
    std::uint64_t best = UINT64_MAX;
    for (unsigned level = 0; level < levels; ++level) {
      if (occupied_[level] == 0) continue;
      const unsigned shift = level * slot_bits;
      const std::uint64_t turn = current_ >> shift;
      // Slots from the one after now's, which itself comes last, a full turn away.
      const auto rotated = std::rotr(occupied_[level], static_cast<int>((turn + 1) % slots));
      const std::uint64_t ahead = 1 + static_cast<std::uint64_t>(std::countr_zero(rotated));
      const std::uint64_t candidate = (turn + ahead) << shift;
      if (candidate < best) best = candidate;
    }
    return best;
  }

  // Slots of the higher levels that begin now are spread over the lower ones.
  void cascade() {
    for (unsigned level = levels; level-- > 1;) {
      const unsigned shift = level * slot_bits;
      if ((current_ & ((std::uint64_t{1} << shift) - 1)) != 0) continue;
      const auto slot = static_cast<std::uint32_t>(current_ >> shift) % slots;
      std::uint32_t index = heads_[level][slot];
      heads_[level][slot] = 0;
      occupied_[level] &= ~(std::uint64_t{1} << slot);
      while (index != 0) {
        TimerEntry& entry = entry_of_(index);
        const std::uint32_t next = entry.next;
        place(index, entry);
        index = next;
      }
    }
  }

  template <typename Fire>
  void run(unsigned level, std::uint64_t slot, Fire& fire) {
    while (const std::uint32_t index = heads_[level][slot]) {
      unlink(entry_of_(index));
      fire(index);
    }
  }

  EntryOf entry_of_;
  std::array<std::array<std::uint32_t, slots>, levels> heads_{};
  std::array<std::uint64_t, levels> occupied_{};
  std::uint64_t current_ = 0;  // every tick up to here has fired
  std::size_t size_ = 0;
};

}  // namespace godwit::dataplane::tcp
