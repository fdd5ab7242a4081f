// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/send_queue.h"

#include <algorithm>

#include "dataplane/tcp/block_memory.h"
#include "dataplane/tcp/sequence.h"

namespace godwit::dataplane::tcp {

namespace {

// Whole blocks of the pool, without their heads: a first small message takes a small one, what is
// queued behind it middling ones, and bulk large ones.
constexpr std::size_t block_middle = 2048 - sizeof(queues::BufferBlock);
constexpr std::size_t block_large = 16384 - sizeof(queues::BufferBlock);

// Copies from a list of chunks, piece by piece.
class ChunkReader {
 public:
  explicit ChunkReader(std::span<const Bytes> chunks) : chunks_(chunks) {}

  void read(MutableBytes out) {
    while (!out.empty()) {
      const Bytes rest = chunks_.front().subspan(offset_);
      const std::size_t size = std::min(rest.size(), out.size());
      std::copy_n(rest.begin(), size, out.begin());
      out = out.subspan(size);
      offset_ += size;
      if (offset_ == chunks_.front().size()) {
        chunks_ = chunks_.subspan(1);
        offset_ = 0;
      }
    }
  }

 private:
  std::span<const Bytes> chunks_;
  std::size_t offset_ = 0;
};

}  // namespace

bool SendQueue::append(SendMemory memory, std::span<const Bytes> chunks, std::size_t total) {
  std::size_t room = 0;
  if (tail_ != 0) {
    queues::Buffer& last = memory.blocks[tail_].bytes;
    room = std::min(last.writable().size() - last.bytes().size(), total);
  }
  // Memory first, so that a refusal changes nothing.
  std::uint32_t first_new = 0;
  std::uint32_t last_new = 0;
  for (std::size_t missing = total - room; missing > 0;) {
    const bool behind = head_ != 0 || first_new != 0;
    const std::size_t wanted =
        std::min(std::max(missing, behind ? block_middle : std::size_t{0}), block_large);
    queues::Buffer buffer = allocate_block(memory.buffers, wanted, 1);
    if (!buffer) {
      while (first_new != 0) {
        const std::uint32_t next = memory.blocks[first_new].next;
        memory.blocks.release(first_new);
        first_new = next;
      }
      return false;
    }
    missing -= std::min(buffer.writable().size(), missing);
    const std::uint32_t index = memory.blocks.allocate();
    memory.blocks[index].bytes = std::move(buffer);
    (first_new == 0 ? first_new : memory.blocks[last_new].next) = index;
    last_new = index;
  }
  ChunkReader reader(chunks);
  const auto fill = [&](SendBlock& block, std::size_t size) {
    const std::size_t had = block.bytes.bytes().size();
    reader.read(block.bytes.writable().subspan(had, size));
    block.bytes.resize(had + size);
    end_ += static_cast<std::uint32_t>(size);
    total -= size;
  };
  if (room > 0) fill(memory.blocks[tail_], room);
  if (first_new == 0) return true;
  (head_ == 0 ? head_ : memory.blocks[tail_].next) = first_new;
  tail_ = last_new;
  for (std::uint32_t index = first_new; index != 0; index = memory.blocks[index].next) {
    SendBlock& block = memory.blocks[index];
    block.begin = end_;
    fill(block, std::min(block.bytes.writable().size(), total));
  }
  return true;
}

void SendQueue::release_before(SendMemory memory, std::uint32_t sequence) {
  begin_ = sequence;
  while (head_ != 0) {
    SendBlock& block = memory.blocks[head_];
    const auto block_end = block.begin + static_cast<std::uint32_t>(block.bytes.bytes().size());
    // The last block goes when the queue is empty.
    if (after(block_end, sequence)) return;
    const std::uint32_t next = block.next;
    if (cursor_ == head_) cursor_ = 0;
    memory.blocks.release(head_);
    head_ = next;
  }
  tail_ = 0;
}

Pieces SendQueue::gather(SendMemory memory, std::uint32_t sequence, std::uint32_t size_max) {
  Pieces pieces;
  std::uint32_t index =
      cursor_ != 0 && !after(memory.blocks[cursor_].begin, sequence) ? cursor_ : head_;
  while (index != 0 && size_max > 0 && pieces.count < Pieces::count_max) {
    SendBlock& block = memory.blocks[index];
    const Bytes bytes = block.bytes.bytes();
    const std::uint32_t skip = sequence - block.begin;
    if (skip < bytes.size()) {
      const Bytes piece = bytes.subspan(skip, std::min<std::size_t>(bytes.size() - skip, size_max));
      const auto size = static_cast<std::uint32_t>(piece.size());
      pieces.list[pieces.count++] = piece;
      pieces.size += size;
      sequence += size;
      size_max -= size;
      cursor_ = index;
    }
    index = block.next;
  }
  return pieces;
}

}  // namespace godwit::dataplane::tcp
