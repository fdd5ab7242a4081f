// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "queues/huge_pages.h"

namespace godwit::queues {

// From a 64-bit keyed hash to an index of a slab: open addressing, linear probing, deletion by
// backward shift (Knuth, TAOCP 3, 6.4, algorithm R), at most three quarters full. A slot is 8
// bytes, for there is one for each account: it keeps the upper half of the hash, which is the place
// in the table as well, and the owner, who has the whole one, says whether an index is what is
// looked for. The upper half because the lower one names the home, and so is much the same within
// it. The hash is keyed by the deployment and needs no further mixing. Index 0 means none. Not
// thread safe.
class HashIndex {
 public:
  HashIndex() : slots_(64) {}

  // The index whose owner says `is_it(index)`, asked of those with the same upper half only.
  template <typename IsIt>
  std::uint32_t find(std::uint64_t hash, IsIt&& is_it) const {
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t i = home(tag);; i = next(i)) {
      if (slots_[i].index == 0) return 0;
      if (slots_[i].tag == tag && is_it(slots_[i].index)) return slots_[i].index;
    }
  }

  // Has the place where a look for this hash will begin fetched from memory.
  void prefetch(std::uint64_t hash) const { __builtin_prefetch(&slots_[home(tag_of(hash))]); }

  // `hash` must not be present, nor `index`, which must not be 0.
  void insert(std::uint64_t hash, std::uint32_t index) {
    if ((size_ + 1) * 4 > slots_.size() * 3) grow();
    place({tag_of(hash), index});
    ++size_;
  }

  // Nothing happens when `index` was not inserted under `hash`.
  void erase(std::uint64_t hash, std::uint32_t index) {
    std::size_t hole = home(tag_of(hash));
    while (slots_[hole].index != 0 && slots_[hole].index != index) hole = next(hole);
    if (slots_[hole].index == 0) return;
    --size_;
    for (std::size_t i = next(hole); slots_[i].index != 0; i = next(i)) {
      const std::size_t wanted = home(slots_[i].tag);
      // May the entry at i move into the hole? Only if its home is not in (hole, i].
      if (((i - wanted) & mask()) >= ((i - hole) & mask())) {
        slots_[hole] = slots_[i];
        hole = i;
      }
    }
    slots_[hole] = {};
  }

  std::size_t size() const { return size_; }
  std::size_t memory_bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t index = 0;
  };
  using Slots = std::vector<Slot, HugeAllocator<Slot>>;
  static_assert(sizeof(Slot) == 8, "every account pays this 1.3 to 2.7 times");

  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }
  std::size_t mask() const { return slots_.size() - 1; }
  std::size_t home(std::uint32_t tag) const { return tag & mask(); }
  std::size_t next(std::size_t i) const { return (i + 1) & mask(); }

  void place(Slot slot) {
    std::size_t i = home(slot.tag);
    while (slots_[i].index != 0) i = next(i);
    slots_[i] = slot;
  }
  void grow() {
    Slots old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.index != 0) place(slot);
    }
  }

  Slots slots_;
  std::size_t size_ = 0;
};

}  // namespace godwit::queues
