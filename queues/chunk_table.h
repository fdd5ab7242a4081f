// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "queues/huge_pages.h"

namespace godwit::queues {

// Objects by index, in chunks that never move; it grows by whole chunks of T{} and never shrinks.
// The first 8 MiB of a table are chunks of their own, so that a small gateway takes little; what
// comes later is laid into huge pages. Not thread safe.
template <typename T, std::size_t ChunkSize>
class ChunkTable {
 public:
  static constexpr std::size_t chunk_bytes = sizeof(T) * ChunkSize;
  // Of the chunks that are allocated one by one.
  static constexpr std::size_t ordinary_chunks = (std::size_t{8} << 20) / chunk_bytes;

  ChunkTable() = default;
  ChunkTable(const ChunkTable&) = delete;
  ChunkTable& operator=(const ChunkTable&) = delete;
  ~ChunkTable() {
    for (std::size_t i = chunks_.size(); i-- > ordinary_.size();) {
      std::destroy_n(chunks_[i], ChunkSize);
    }
    for (std::byte* const region : regions_) unmap_huge_pages(region, region_bytes);
  }

  // REQUIRES: index < size().
  T& operator[](std::uint32_t index) { return chunks_[index / ChunkSize][index % ChunkSize]; }
  const T& operator[](std::uint32_t index) const {
    return chunks_[index / ChunkSize][index % ChunkSize];
  }
  // Objects there are.
  std::uint32_t size() const { return static_cast<std::uint32_t>(chunks_.size() * ChunkSize); }
  // Taken by them and by what finds them.
  std::size_t memory_bytes() const {
    return chunks_.size() * chunk_bytes + chunks_.capacity() * sizeof(chunks_[0]);
  }

  // One chunk more. Throws std::bad_alloc.
  [[gnu::noinline]] void grow() {
    if (chunks_.size() < ordinary_chunks) {
      ordinary_.push_back(std::make_unique<Chunk>());
      chunks_.push_back(ordinary_.back()->data());
      return;
    }
    const std::size_t place = (chunks_.size() - ordinary_.size()) % region_chunks;
    if (place == 0) regions_.push_back(map_huge_pages(region_bytes));
    auto* const chunk = reinterpret_cast<T*>(regions_.back() + place * chunk_bytes);
    std::uninitialized_value_construct_n(chunk, ChunkSize);
    chunks_.push_back(chunk);
  }

 private:
  using Chunk = std::array<T, ChunkSize>;  // T[] would put its length in front
  // Long enough that the piece behind its last chunk does not count.
  static constexpr std::size_t region_bytes = std::size_t{16} << 20;
  static constexpr std::size_t region_chunks = region_bytes / chunk_bytes;
  static_assert(region_chunks > 0 && ordinary_chunks > 0);
  static_assert(huge_page_size % alignof(T) == 0);

  std::vector<T*> chunks_;
  std::vector<std::unique_ptr<Chunk>> ordinary_;
  std::vector<std::byte*> regions_;
};

}  // namespace godwit::queues
