// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "base/clock.h"

namespace godwit::queues {

// One-level timer wheel for short waits of one owner: due items come at most one tick late and
// never early. Waits longer than the wheel's span are cut to it. Items are values: what has become
// stale is recognised by its owner when it comes. advance() must have been called once, with the
// time of the start, before the first schedule(). Not thread safe.
template <typename Item>
class TickWheel {
 public:
  static constexpr std::size_t slot_count = 256;
  static constexpr Duration tick = std::chrono::milliseconds(5);

  void schedule(Instant due, Item item) {
    const std::int64_t wanted = tick_of(due) + 1;  // rounded up: never early
    const std::int64_t slot = std::clamp<std::int64_t>(
        wanted, current_ + 1, current_ + static_cast<std::int64_t>(slot_count) - 1);
    slots_[static_cast<std::size_t>(slot) % slot_count].push_back(item);
    ++size_;
  }

  // Calls `fire(item)` for everything due; fire may schedule again. Returns how many fired.
  template <typename Fire>
  std::size_t advance(Instant now, Fire&& fire) {
    const std::int64_t target = tick_of(now);
    std::size_t fired = 0;
    while (current_ < target && size_ > 0) {
      ++current_;
      firing_.swap(slots_[static_cast<std::size_t>(current_) % slot_count]);
      size_ -= firing_.size();
      fired += firing_.size();
      for (const Item& item : firing_) fire(item);
      firing_.clear();
    }
    current_ = std::max(current_, target);
    return fired;
  }

  Instant next_deadline() const {
    if (size_ == 0) return never;
    for (std::int64_t ahead = 1; ahead < static_cast<std::int64_t>(slot_count); ++ahead) {
      if (!slots_[static_cast<std::size_t>(current_ + ahead) % slot_count].empty()) {
        return Instant{tick * (current_ + ahead)};
      }
    }
    return never;
  }

  std::size_t size() const { return size_; }

 private:
  static std::int64_t tick_of(Instant at) { return at.time_since_epoch() / tick; }

  std::array<std::vector<Item>, slot_count> slots_;
  std::vector<Item> firing_;
  std::int64_t current_ = 0;  // every tick up to here has fired
  std::size_t size_ = 0;
};

}  // namespace godwit::queues
