// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace godwit::queues {

// From a 64-bit keyed hash to an index of a slab: open addressing, linear probing, deletion by
// backward shift (Knuth, TAOCP 3, 6.4, algorithm R), at most half full. The hash is keyed by the
// deployment, so its low bits need no further mixing. Index 0 means none. Not thread safe.
class HashIndex {
 public:
  HashIndex() : slots_(64) {}

  std::uint32_t find(std::uint64_t hash) const {
    for (std::size_t i = home(hash);; i = next(i)) {
      if (slots_[i].index == 0) return 0;
      if (slots_[i].hash == hash) return slots_[i].index;
    }
  }

  // `hash` must not be present; index must not be 0.
  void insert(std::uint64_t hash, std::uint32_t index) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    place(hash, index);
    ++size_;
  }

  void erase(std::uint64_t hash) {
    std::size_t hole = home(hash);
    while (slots_[hole].index != 0 && slots_[hole].hash != hash) hole = next(hole);
    if (slots_[hole].index == 0) return;
    --size_;
    for (std::size_t i = next(hole); slots_[i].index != 0; i = next(i)) {
      const std::size_t wanted = home(slots_[i].hash);
      // May the entry at i move into the hole? Only if its home is not in (hole, i].
      if (((i - wanted) & mask()) >= ((i - hole) & mask())) {
        slots_[hole] = slots_[i];
        hole = i;
      }
    }
    slots_[hole] = {};
  }

  std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t index = 0;
  };

  std::size_t mask() const { return slots_.size() - 1; }
  // The slot number of the account space uses the low bits too; the high ones spread within a home.
  std::size_t home(std::uint64_t hash) const { return std::rotl(hash, 23) & mask(); }
  std::size_t next(std::size_t i) const { return (i + 1) & mask(); }

  void place(std::uint64_t hash, std::uint32_t index) {
    std::size_t i = home(hash);
    while (slots_[i].index != 0) i = next(i);
    slots_[i] = {hash, index};
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.index != 0) place(slot.hash, slot.index);
    }
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace godwit::queues
