// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

// Memory in pages of 2 MiB, as far as the system has them, for tables of so many sessions that what
// a message touches of them lies in a page of its own each time: a core's TLB knows all of these,
// and few of those of 4 KiB. Transparent huge pages are asked for (madvise(2), MADV_HUGEPAGE), so
// nothing need be set aside; where the system gives none, memory is ordinary. Thread safe.

namespace godwit::queues {

inline constexpr std::size_t huge_page_size = std::size_t{2} << 20;

// So many bytes in whole huge pages.
constexpr std::size_t huge_pages_for(std::size_t bytes) {
  return (bytes + huge_page_size - 1) / huge_page_size * huge_page_size;
}

// Zeroed memory, aligned to a huge page, of huge_pages_for(bytes); what is not touched costs none.
// Throws std::bad_alloc when the system has no room.
inline std::byte* map_huge_pages(std::size_t bytes) {
  const std::size_t size = huge_pages_for(bytes);
  // A mapping begins anywhere: a page more is asked for, and what is beside the pages given back.
  void* const mapped = ::mmap(nullptr, size + huge_page_size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  const auto start = reinterpret_cast<std::uintptr_t>(mapped);
  const std::size_t before = huge_pages_for(start) - start;
  std::byte* const pages = static_cast<std::byte*>(mapped) + before;
  if (before > 0) ::munmap(mapped, before);
  if (before < huge_page_size) ::munmap(pages + size, huge_page_size - before);
  ::madvise(pages, size, MADV_HUGEPAGE);  // a wish: all works without
  return pages;
}

// What map_huge_pages(bytes) has returned.
inline void unmap_huge_pages(std::byte* pages, std::size_t bytes) noexcept {
  ::munmap(pages, huge_pages_for(bytes));
}

// For a vector that grows large: two huge pages and more are in huge pages.
template <typename T>
struct HugeAllocator {
  using value_type = T;

  HugeAllocator() = default;
  template <typename U>
  HugeAllocator(const HugeAllocator<U>&) {}

  T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);  // a vector asks for no more than fits
    if (bytes >= 2 * huge_page_size) return reinterpret_cast<T*>(map_huge_pages(bytes));
    return std::allocator<T>().allocate(count);
  }
  void deallocate(T* at, std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    if (bytes >= 2 * huge_page_size) {
      return unmap_huge_pages(reinterpret_cast<std::byte*>(at), bytes);
    }
    std::allocator<T>().deallocate(at, count);
  }
  template <typename U>
  friend bool operator==(const HugeAllocator&, const HugeAllocator<U>&) {
    return true;
  }
};

}  // namespace godwit::queues
