// SPDX-License-Identifier: Apache-2.0
#include "queues/buffer.h"

#include <new>

namespace godwit::queues {

namespace {

// Blocks come from slabs of about this size, so that a pool makes few and large allocations.
constexpr std::size_t slab_bytes = 256 * 1024;
constexpr std::align_val_t slab_alignment{64};

std::size_t class_for(std::size_t size) {
  std::size_t index = 0;
  while (BufferPool::block_sizes[index] < size + sizeof(BufferBlock)) ++index;
  return index;
}

}  // namespace

BufferPool::~BufferPool() {
  for (void* slab : slabs_) ::operator delete(slab, slab_alignment);
}

Buffer BufferPool::allocate(std::size_t size) {
  if (size > buffer_size_max) return {};
  const auto index = static_cast<std::uint32_t>(class_for(size));
  if (free_[index] == nullptr) collect();
  BufferBlock* block = free_[index] != nullptr ? free_[index] : grow(index);
  if (block == nullptr) return {};
  free_[index] = block->next;
  in_use_ += block_sizes[index];
  block->references.store(1, std::memory_order_relaxed);
  block->size = static_cast<std::uint32_t>(size);
  return Buffer::adopt(block);
}

Buffer BufferPool::copy(Bytes bytes) {
  Buffer buffer = allocate(bytes.size());
  if (buffer && !bytes.empty()) std::memcpy(buffer.writable().data(), bytes.data(), bytes.size());
  return buffer;
}

// Takes a slab for one class from the system and threads it onto the free list, which it returns.
BufferBlock* BufferPool::grow(std::uint32_t size_class) {
  const std::size_t block_size = block_sizes[size_class];
  const std::size_t room = limit_ > reserved_ ? limit_ - reserved_ : 0;
  const std::size_t count =
      std::min(std::max<std::size_t>(slab_bytes / block_size, 1), room / block_size);
  if (count == 0) return nullptr;
  auto* slab = static_cast<std::uint8_t*>(::operator new(count* block_size, slab_alignment));
  slabs_.push_back(slab);
  reserved_ += count * block_size;
  for (std::size_t i = count; i-- > 0;) {
    auto* block = new (slab + i * block_size) BufferBlock{};
    block->pool = this;
    block->capacity = static_cast<std::uint32_t>(block_size - sizeof(BufferBlock));
    block->size_class = size_class;
    block->next = free_[size_class];
    free_[size_class] = block;
  }
  return free_[size_class];
}

void BufferPool::collect() {
  // Acquire matches the release in drop_last: what the last holder wrote is visible before reuse.
  BufferBlock* block = returned_.exchange(nullptr, std::memory_order_acquire);
  while (block != nullptr) {
    BufferBlock* next = block->next;
    block->next = free_[block->size_class];
    free_[block->size_class] = block;
    in_use_ -= block_sizes[block->size_class];
    block = next;
  }
}

// The payload may be a user's: it is overwritten before the block waits for its next use.
void BufferPool::drop_last(BufferBlock* block) {
  std::memset(block->data(), 0, block->size);
  std::atomic<BufferBlock*>& returned = block->pool->returned_;
  block->next = returned.load(std::memory_order_relaxed);
  while (!returned.compare_exchange_weak(block->next, block, std::memory_order_release,
                                         std::memory_order_relaxed)) {
  }
}

}  // namespace godwit::queues
