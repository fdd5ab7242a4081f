// SPDX-License-Identifier: Apache-2.0
#include "bench/budget/heap.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>
#include <utility>

namespace godwit::bench {
namespace {

// operator new has no argument to be handed these in.
constinit std::array<std::int64_t, 2> bytes_of{};
constinit Owner current = Owner::others;

// Before each allocation; `start` is what the system's allocator gave.
struct Head {
  void* start;
  std::uint64_t size;
  Owner owner;
};
static_assert(sizeof(Head) <= 32);

void* take(std::size_t size, std::size_t alignment) {
  alignment = std::max<std::size_t>(alignment, 32);  // room for the head, and its own alignment
  auto* start = static_cast<std::uint8_t*>(
      std::aligned_alloc(alignment, (size + 2 * alignment - 1) / alignment * alignment));
  if (start == nullptr) std::abort();
  bytes_of[static_cast<std::size_t>(current)] += static_cast<std::int64_t>(size);
  std::uint8_t* memory = start + alignment;
  new (memory - sizeof(Head)) Head{start, size, current};
  return memory;
}

void give_back(void* memory) {
  if (memory == nullptr) return;
  const Head* head = static_cast<Head*>(memory) - 1;
  bytes_of[static_cast<std::size_t>(head->owner)] -= static_cast<std::int64_t>(head->size);
  std::free(head->start);
}

}  // namespace

std::int64_t heap_bytes(Owner owner) {
  return bytes_of[static_cast<std::size_t>(owner)];
}

HeapScope::HeapScope(Owner owner) : before_(std::exchange(current, owner)) {}
HeapScope::~HeapScope() {
  current = before_;
}

}  // namespace godwit::bench

void* operator new(std::size_t size) {
  return godwit::bench::take(size, 0);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return godwit::bench::take(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  godwit::bench::give_back(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  godwit::bench::give_back(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  godwit::bench::give_back(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  godwit::bench::give_back(memory);
}
