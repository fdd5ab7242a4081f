// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "queues/chunk_table.h"

namespace godwit::queues {

// Objects by index, which never move, with a free list. Memory grows by whole chunks and is used
// again, never given back, so a steady state allocates nothing. Not thread safe. Index 0 is
// never handed out: it stands for "none" in links. Whatever is free is T{}: cleared when it was
// released, so that what it owned is gone, and not again when it is handed out.
template <typename T, std::size_t ChunkSize = 1024>
class Slab {
 public:
  Slab() { free_.reserve(ChunkSize); }

  std::uint32_t allocate() {
    if (free_.empty()) grow();
    const std::uint32_t index = free_.back();
    free_.pop_back();
    ++used_;
    return index;
  }
  void release(std::uint32_t index) {
    GODWIT_CHECK(used_ > 0);
    (*this)[index] = T{};
    free_.push_back(index);
    --used_;
  }

  T& operator[](std::uint32_t index) { return objects_[index]; }
  const T& operator[](std::uint32_t index) const { return objects_[index]; }
  std::size_t used() const { return used_; }
  // Taken from the system, in use or free.
  std::size_t memory_bytes() const {
    return objects_.memory_bytes() + free_.capacity() * sizeof(free_[0]);
  }
  // One past the highest index ever handed out.
  std::uint32_t end() const { return objects_.size(); }

 private:
  [[gnu::noinline]] void grow() {
    const std::uint32_t first = objects_.size();
    objects_.grow();
    for (std::uint32_t i = ChunkSize; i-- > 0;) {
      if (first + i != 0) free_.push_back(first + i);
    }
  }

  ChunkTable<T, ChunkSize> objects_;
  std::vector<std::uint32_t> free_;
  std::size_t used_ = 0;
};

}  // namespace godwit::queues
