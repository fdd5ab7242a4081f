// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"

namespace godwit::queues {

// Objects by index, in chunks that never move, with a free list. Memory grows by whole chunks and
// is used again, never given back, so a steady state allocates nothing. Not thread safe. Index 0 is
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

  T& operator[](std::uint32_t index) { return (*chunks_[index / ChunkSize])[index % ChunkSize]; }
  const T& operator[](std::uint32_t index) const {
    return (*chunks_[index / ChunkSize])[index % ChunkSize];
  }
  std::size_t used() const { return used_; }
  // Taken from the system, in use or free.
  std::size_t memory_bytes() const {
    return chunks_.size() * sizeof(Chunk) + chunks_.capacity() * sizeof(chunks_[0]) +
           free_.capacity() * sizeof(free_[0]);
  }
  // One past the highest index ever handed out.
  std::uint32_t end() const { return static_cast<std::uint32_t>(chunks_.size() * ChunkSize); }

 private:
  using Chunk = std::array<T, ChunkSize>;

  [[gnu::noinline]] void grow() {
    const auto first = static_cast<std::uint32_t>(chunks_.size() * ChunkSize);
    chunks_.push_back(std::make_unique<Chunk>());
    for (std::uint32_t i = ChunkSize; i-- > 0;) {
      if (first + i != 0) free_.push_back(first + i);
    }
  }

  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::vector<std::uint32_t> free_;
  std::size_t used_ = 0;
};

}  // namespace godwit::queues
