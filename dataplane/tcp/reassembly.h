// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/wire/segment.h"
#include "queues/buffer.h"
#include "queues/slab.h"

// Bytes that came and could not be given to the user yet: out of order, or in order while he had
// paused. In pool memory, linked by index. Not thread safe.

namespace godwit::dataplane::tcp {

struct HeldRange {
  queues::Buffer bytes;
  std::uint32_t begin = 0;
  std::uint32_t next = 0;

  std::uint32_t end() const { return begin + static_cast<std::uint32_t>(bytes.bytes().size()); }
};

// What is held of all connections of a stack.
struct HoldMemory {
  queues::BufferPool& buffers;
  queues::Slab<HeldRange>& ranges;
  std::size_t held_bytes = 0;  // footprint of what is out of order
  std::size_t held_bytes_max = 0;
  std::uint32_t ranges_max = 0;  // of one connection
};

// Out-of-order bytes of one connection: ranges that do not overlap, ascending, behind a gap.
class Reassembly {
 public:
  enum class Insert : std::uint8_t {
    held,       // at least in part new
    duplicate,  // nothing new
    no_room,    // the connection's own limit was reached; part of it may be held
    no_memory,  // that of all connections was, or the pool's; likewise
  };

  bool empty() const { return head_ == 0; }
  std::uint32_t count() const { return count_; }

  // `bytes` not empty. What is held already stays: the first copy counts.
  Insert insert(HoldMemory& memory, std::uint32_t begin, Bytes bytes);
  // Takes out the first range when it begins at or before `sequence`; else an empty one. What lies
  // before `sequence` is for the caller to skip.
  HeldRange take(HoldMemory& memory, std::uint32_t sequence);
  // The first contiguous part of `bytes` that is held already; empty when none is.
  SequenceRange known(const HoldMemory& memory, SequenceRange bytes) const;
  void clear(HoldMemory& memory);

  // Blocks for the SACK option, adjacent ranges as one: the one with the latest arrival first, then
  // those before it (RFC 2018, 4). Returns how many of `out` are filled.
  std::size_t sack_blocks(const HoldMemory& memory, std::span<SequenceRange> out) const;

 private:
  Insert add(HoldMemory& memory, std::uint32_t previous, std::uint32_t begin, Bytes bytes);
  void remember(std::uint32_t sequence);

  std::uint32_t head_ = 0;
  std::uint32_t count_ = 0;
  // Where the latest arrivals began, newest first.
  std::array<std::uint32_t, sack_blocks_max> recent_{};
  std::uint8_t recent_count_ = 0;
};

// Bytes in order that wait for the user to resume.
class ReadyQueue {
 public:
  bool empty() const { return head_ == 0; }
  std::uint32_t size() const { return size_; }

  // False, and nothing taken, when memory is short.
  bool append(HoldMemory& memory, Bytes bytes);
  void append(HoldMemory& memory, HeldRange range, std::uint32_t skip);
  // The oldest block, to be given to the user by the caller.
  queues::Buffer take(HoldMemory& memory, std::uint32_t& skip);
  void clear(HoldMemory& memory);

 private:
  void link(HoldMemory& memory, queues::Buffer buffer, std::uint32_t skip);

  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  std::uint32_t size_ = 0;
};

}  // namespace godwit::dataplane::tcp
