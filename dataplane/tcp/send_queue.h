// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "dataplane/tcp/wire/segment.h"
#include "queues/buffer.h"
#include "queues/slab.h"

// The bytes of one connection that its peer has not acknowledged, by sequence number: in blocks of
// pool memory, linked by index. An empty queue holds no memory. Not thread safe.

namespace godwit::dataplane::tcp {

struct SendBlock {
  queues::Buffer bytes;
  std::uint32_t begin = 0;  // sequence number of its first byte
  std::uint32_t next = 0;
};

// What the queues of a stack are made of.
struct SendMemory {
  queues::BufferPool& buffers;
  queues::Slab<SendBlock>& blocks;
};

// The pieces of one segment's payload, or of what leaves as one. What would need more is cut.
struct Pieces {
  static constexpr std::size_t count_max = payload_pieces_max;
  std::array<Bytes, count_max> list{};
  std::size_t count = 0;
  std::uint32_t size = 0;

  std::span<const Bytes> span() const { return {list.data(), count}; }
  // No more than so many bytes, at least one.
  void limit(std::uint32_t size_max) {
    while (size - list[count - 1].size() >= size_max) {
      size -= static_cast<std::uint32_t>(list[--count].size());
    }
    Bytes& last = list[count - 1];
    last = last.first(last.size() - (size - std::min(size, size_max)));
    size = std::min(size, size_max);
  }
};

class SendQueue {
 public:
  // The sequence number the first byte will have; the queue is empty.
  void start(std::uint32_t sequence) { begin_ = end_ = sequence; }

  std::uint32_t begin() const { return begin_; }
  std::uint32_t end() const { return end_; }
  std::uint32_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }

  // Copies all, or nothing and false when memory is short.
  bool append(SendMemory memory, std::span<const Bytes> chunks, std::size_t total);
  // Gives back what lies before `sequence`, which is in [begin, end].
  void release_before(SendMemory memory, std::uint32_t sequence);
  void clear(SendMemory memory) { release_before(memory, end_); }
  // The bytes of [sequence, sequence + size_max) as far as there are any.
  Pieces gather(SendMemory memory, std::uint32_t sequence, std::uint32_t size_max);

 private:
  std::uint32_t begin_ = 0;
  std::uint32_t end_ = 0;
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  std::uint32_t cursor_ = 0;  // the block of the last gather, where the next one begins to look
};

}  // namespace godwit::dataplane::tcp
