// SPDX-License-Identifier: Apache-2.0
#include "queues/chunk_table.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

// Tables that grow past what lies in chunks of their own, into huge pages.

namespace godwit::queues {
namespace {

int alive = 0;

struct Large {
  Large() { ++alive; }
  Large(const Large&) = delete;
  ~Large() { --alive; }

  std::uint64_t number = 7;
  std::array<std::uint64_t, 4095> more{};
};
using Table = ChunkTable<Large, 4>;  // 128 KiB a chunk

TEST(ChunkTable, NothingMovesWhereHugePagesBegin) {
  // Two regions of huge pages and one chunk of a third.
  constexpr std::size_t in_region = (std::size_t{16} << 20) / Table::chunk_bytes;
  constexpr std::size_t chunks = Table::ordinary_chunks + 2 * in_region + 1;
  {
    Table table;
    EXPECT_EQ(table.size(), 0u);
    std::vector<const Large*> places;
    for (std::size_t chunk = 1; chunk <= chunks; ++chunk) {
      const std::uint32_t from = table.size();
      table.grow();
      ASSERT_EQ(table.size(), chunk * 4);
      EXPECT_GE(table.memory_bytes(), chunk * Table::chunk_bytes);
      for (std::uint32_t i = from; i < table.size(); ++i) {
        ASSERT_EQ(table[i].number, 7u);
        ASSERT_EQ(table[i].more.back(), 0u);
        table[i].number = i;
        table[i].more.back() = ~std::uint64_t{i};
        places.push_back(&table[i]);
      }
    }
    EXPECT_EQ(static_cast<std::size_t>(alive), chunks * 4);
    for (std::uint32_t i = 0; i < table.size(); ++i) {
      ASSERT_EQ(&table[i], places[i]);
      ASSERT_EQ(table[i].number, i);
      ASSERT_EQ(table[i].more.back(), ~std::uint64_t{i});
    }
    const std::uint32_t first_huge = Table::ordinary_chunks * 4;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(places[first_huge]) % huge_page_size, 0u);
  }
  EXPECT_EQ(alive, 0);
}

TEST(ChunkTable, DestroysWhatIsOnlyInItsOwnChunks) {
  {
    Table table;
    table.grow();
    EXPECT_EQ(alive, 4);
  }
  EXPECT_EQ(alive, 0);
}

TEST(HugePages, AreWholeAlignedAndZero) {
  for (const std::size_t bytes :
       {std::size_t{1}, huge_page_size - 1, huge_page_size, huge_page_size + 1}) {
    std::byte* const pages = map_huge_pages(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pages) % huge_page_size, 0u);
    const std::size_t size = huge_pages_for(bytes);
    EXPECT_EQ(size, bytes <= huge_page_size ? huge_page_size : 2 * huge_page_size);
    for (std::size_t at = 0; at < size; at += 4096) EXPECT_EQ(pages[at], std::byte{0});
    pages[size - 1] = std::byte{1};
    unmap_huge_pages(pages, bytes);
  }
  EXPECT_THROW(map_huge_pages(std::size_t{1} << 60), std::bad_alloc);
}

TEST(HugeAllocator, KeepsWhatAVectorHoldsBelowAtAndAboveItsLimit) {
  constexpr std::size_t limit = 2 * huge_page_size / sizeof(std::uint64_t);
  for (const std::size_t count : {limit - 1, limit, limit + 1}) {
    std::vector<std::uint64_t, HugeAllocator<std::uint64_t>> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 1);
    const auto aligned = [&] {
      return reinterpret_cast<std::uintptr_t>(numbers.data()) % huge_page_size == 0;
    };
    EXPECT_TRUE(count < limit || aligned()) << count;
    numbers.reserve(2 * count);  // from one allocation to another, which is above the limit
    EXPECT_TRUE(aligned()) << count;
    ASSERT_EQ(numbers.size(), count);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(numbers[i], i + 1);
  }
}

}  // namespace
}  // namespace godwit::queues
