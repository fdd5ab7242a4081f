// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

// Payload memory that crosses cores: size-classed blocks, counted references, freed to the core
// that owns them.
//
// A BufferPool belongs to one thread, which alone allocates from it. A reference may be dropped on
// any thread: the last one overwrites the payload and pushes the block on the pool's return stack,
// lock-free, which only the owner empties, all at once, so there is no ABA.
//
// Pools outlive every buffer taken from them: they are made before the threads and destroyed after.

namespace godwit::queues {

class BufferPool;

// The block's head; its bytes follow it in memory.
struct BufferBlock {
  BufferPool* pool;
  BufferBlock* next;  // free list or return stack
  std::atomic<std::uint32_t> references;
  std::uint32_t size;      // bytes in use
  std::uint32_t capacity;  // bytes the block holds
  std::uint32_t size_class;

  std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(this + 1); }
};
static_assert(sizeof(BufferBlock) == 32);

// One counted reference. Movable; copied only by share(), so that each atomic increment is seen.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      reset();
      block_ = std::exchange(other.block_, nullptr);
    }
    return *this;
  }
  ~Buffer() { reset(); }

  explicit operator bool() const { return block_ != nullptr; }
  Bytes bytes() const { return block_ ? Bytes{block_->data(), block_->size} : Bytes{}; }
  // Only while the caller holds the sole reference.
  MutableBytes writable() { return {block_->data(), block_->capacity}; }
  void resize(std::size_t size) {
    GODWIT_CHECK(size <= block_->capacity);
    block_->size = static_cast<std::uint32_t>(size);
  }
  // Memory held, for limits: head and capacity.
  std::size_t footprint() const { return block_ ? block_->capacity + sizeof(BufferBlock) : 0; }

  Buffer share() const { return block_ != nullptr ? share(block_) : Buffer(); }
  void reset();

  // A ring carries the bare block; the reference moves with it.
  BufferBlock* release() { return std::exchange(block_, nullptr); }
  static Buffer adopt(BufferBlock* block) { return Buffer(block); }
  // A further reference to a block that a command carries.
  static Buffer share(BufferBlock* block) {
    block->references.fetch_add(1, std::memory_order_relaxed);
    return Buffer(block);
  }

 private:
  explicit Buffer(BufferBlock* block) : block_(block) {}
  BufferBlock* block_ = nullptr;
};

class BufferPool {
 public:
  // 32 bytes of head included, so that classes are whole cache lines.
  static constexpr std::array<std::uint32_t, 6> block_sizes = {128, 256, 512, 2048, 16384, 66560};
  static constexpr std::size_t buffer_size_max = block_sizes.back() - sizeof(BufferBlock);

  // `limit` bytes of blocks at most, over all classes; memory is taken as it is first needed.
  explicit BufferPool(std::size_t limit) : limit_(limit) {}
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // Owner only. An empty buffer when the limit is reached or `size` is over buffer_size_max; else
  // size() is `size` and the bytes are undefined.
  Buffer allocate(std::size_t size);
  // Owner only: allocates and copies; empty as above.
  Buffer copy(Bytes bytes);

  std::size_t limit() const { return limit_; }
  // Bytes of blocks handed out and not yet back on a free list. Owner only.
  std::size_t in_use() const { return in_use_; }
  // Bytes taken from the system, handed out or free. Owner only.
  std::size_t memory_bytes() const { return reserved_; }
  // Takes back what other threads have dropped. Owner only; allocate() does it when it runs short.
  void collect();

 private:
  friend class Buffer;
  static void drop_last(BufferBlock* block);
  BufferBlock* grow(std::uint32_t size_class);

  const std::size_t limit_;
  std::size_t reserved_ = 0;  // bytes taken from the system, in use or free
  std::size_t in_use_ = 0;
  std::array<BufferBlock*, block_sizes.size()> free_{};
  std::vector<void*> slabs_;
  alignas(128) std::atomic<BufferBlock*> returned_{nullptr};
};

inline void Buffer::reset() {
  if (BufferBlock* block = std::exchange(block_, nullptr)) {
    // Sole owner: nobody else can raise the count, so a plain load saves the locked instruction.
    if (block->references.load(std::memory_order_acquire) == 1 ||
        block->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      BufferPool::drop_last(block);
    }
  }
}

}  // namespace godwit::queues
