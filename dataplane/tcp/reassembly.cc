// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/reassembly.h"

#include <algorithm>
#include <utility>

#include "dataplane/tcp/block_memory.h"

namespace godwit::dataplane::tcp {

namespace {

// A run that goes on gets large blocks, so that what a long path holds behind a gap needs few.
constexpr std::size_t run_min = 1024;
constexpr std::size_t run_block = 16384 - sizeof(queues::BufferBlock);

}  // namespace

Reassembly::Insert Reassembly::insert(HoldMemory& memory, std::uint32_t begin, Bytes bytes) {
  bool added = false;
  std::uint32_t previous = 0;
  std::uint32_t index = head_;
  const std::uint32_t arrived = begin;
  // Each round passes a range that ends at or before `begin`, or fills the gap in front of one.
  while (!bytes.empty()) {
    if (index != 0 && at_or_before(memory.ranges[index].begin, begin)) {
      const std::uint32_t end = memory.ranges[index].end();
      if (after(end, begin)) {
        const std::size_t known = std::min<std::size_t>(end - begin, bytes.size());
        bytes = bytes.subspan(known);
        begin += static_cast<std::uint32_t>(known);
      }
      previous = index;
      index = memory.ranges[index].next;
      continue;
    }
    std::size_t size = bytes.size();
    if (index != 0) size = std::min<std::size_t>(size, memory.ranges[index].begin - begin);
    if (const Insert refusal = add(memory, previous, begin, bytes.first(size));
        refusal != Insert::held) {
      if (added) remember(arrived);
      return refusal;
    }
    added = true;
    previous = previous == 0 ? head_ : previous;
    while (memory.ranges[previous].next != index) previous = memory.ranges[previous].next;
    bytes = bytes.subspan(size);
    begin += static_cast<std::uint32_t>(size);
  }
  remember(arrived);
  return added ? Insert::held : Insert::duplicate;
}

// Behind `previous` (0: first), whose block takes the bytes when it has the room.
Reassembly::Insert Reassembly::add(HoldMemory& memory, std::uint32_t previous, std::uint32_t begin,
                                   Bytes bytes) {
  std::size_t wanted = bytes.size();
  if (previous != 0 && memory.ranges[previous].end() == begin) {
    queues::Buffer& last = memory.ranges[previous].bytes;
    const std::size_t had = last.bytes().size();
    if (last.writable().size() - had >= bytes.size()) {
      std::ranges::copy(bytes, last.writable().begin() + static_cast<std::ptrdiff_t>(had));
      last.resize(had + bytes.size());
      return Insert::held;
    }
    if (had >= run_min) wanted = std::max(wanted, run_block);
  }
  if (count_ >= memory.ranges_max) return Insert::no_room;
  queues::Buffer buffer = allocate_block(memory.buffers, wanted, bytes.size());
  if (!buffer) return Insert::no_memory;
  if (memory.held_bytes + buffer.footprint() > memory.held_bytes_max) return Insert::no_memory;
  memory.held_bytes += buffer.footprint();
  buffer.resize(bytes.size());
  std::ranges::copy(bytes, buffer.writable().begin());
  const std::uint32_t index = memory.ranges.allocate();
  HeldRange& range = memory.ranges[index];
  range.bytes = std::move(buffer);
  range.begin = begin;
  std::uint32_t& link = previous == 0 ? head_ : memory.ranges[previous].next;
  range.next = link;
  link = index;
  ++count_;
  return Insert::held;
}

void Reassembly::remember(std::uint32_t sequence) {
  const auto known = std::find(recent_.begin(), recent_.begin() + recent_count_, sequence);
  auto last = known;
  if (known == recent_.begin() + recent_count_) {
    if (recent_count_ < recent_.size()) ++recent_count_;
    last = recent_.begin() + recent_count_ - 1;
  }
  std::move_backward(recent_.begin(), last, last + 1);
  recent_.front() = sequence;
}

HeldRange Reassembly::take(HoldMemory& memory, std::uint32_t sequence) {
  if (head_ == 0 || after(memory.ranges[head_].begin, sequence)) return {};
  const std::uint32_t index = head_;
  HeldRange range = std::move(memory.ranges[index]);
  head_ = range.next;
  --count_;
  memory.held_bytes -= range.bytes.footprint();
  memory.ranges.release(index);
  if (head_ == 0) recent_count_ = 0;
  return range;
}

SequenceRange Reassembly::known(const HoldMemory& memory, SequenceRange bytes) const {
  SequenceRange known{bytes.begin, bytes.begin};
  for (std::uint32_t index = head_; index != 0; index = memory.ranges[index].next) {
    const HeldRange& range = memory.ranges[index];
    if (!after(range.end(), bytes.begin)) continue;
    if (!before(range.begin, bytes.end)) break;
    const bool found = known.begin != known.end;
    if (found && range.begin != known.end) break;
    if (!found) known.begin = later_of(range.begin, bytes.begin);
    known.end = earlier_of(range.end(), bytes.end);
  }
  return known;
}

void Reassembly::clear(HoldMemory& memory) {
  while (head_ != 0) take(memory, memory.ranges[head_].begin);
}

std::size_t Reassembly::sack_blocks(const HoldMemory& memory, std::span<SequenceRange> out) const {
  std::size_t filled = 0;
  for (std::size_t i = 0; i < recent_count_ && filled < out.size(); ++i) {
    // The whole run of adjacent ranges around the arrival.
    SequenceRange run{};
    bool found = false;
    for (std::uint32_t index = head_; index != 0; index = memory.ranges[index].next) {
      const HeldRange& range = memory.ranges[index];
      if (run.end != range.begin || run.begin == run.end) {
        if (found) break;
        run = {range.begin, range.end()};
      } else {
        run.end = range.end();
      }
      found = found || (at_or_before(range.begin, recent_[i]) && before(recent_[i], range.end()));
    }
    if (!found) continue;
    const bool repeated =
        std::any_of(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(filled),
                    [&](auto block) { return block.begin == run.begin; });
    if (!repeated) out[filled++] = run;
  }
  return filled;
}

bool ReadyQueue::append(HoldMemory& memory, Bytes bytes) {
  if (tail_ != 0) {
    queues::Buffer& last = memory.ranges[tail_].bytes;
    const std::size_t had = last.bytes().size();
    if (last.writable().size() - had >= bytes.size()) {
      std::ranges::copy(bytes, last.writable().begin() + static_cast<std::ptrdiff_t>(had));
      last.resize(had + bytes.size());
      size_ += static_cast<std::uint32_t>(bytes.size());
      return true;
    }
  }
  constexpr std::size_t block_middle = 2048 - sizeof(queues::BufferBlock);
  queues::Buffer buffer =
      allocate_block(memory.buffers, std::max(bytes.size(), block_middle), bytes.size());
  if (!buffer) return false;
  buffer.resize(bytes.size());
  std::ranges::copy(bytes, buffer.writable().begin());
  link(memory, std::move(buffer), 0);
  return true;
}

void ReadyQueue::append(HoldMemory& memory, HeldRange range, std::uint32_t skip) {
  link(memory, std::move(range.bytes), skip);
}

// `begin` of a range here: bytes of it that are not for the user.
void ReadyQueue::link(HoldMemory& memory, queues::Buffer buffer, std::uint32_t skip) {
  size_ += static_cast<std::uint32_t>(buffer.bytes().size()) - skip;
  const std::uint32_t index = memory.ranges.allocate();
  memory.ranges[index].bytes = std::move(buffer);
  memory.ranges[index].begin = skip;
  (head_ == 0 ? head_ : memory.ranges[tail_].next) = index;
  tail_ = index;
}

queues::Buffer ReadyQueue::take(HoldMemory& memory, std::uint32_t& skip) {
  const std::uint32_t index = head_;
  HeldRange range = std::move(memory.ranges[index]);
  head_ = range.next;
  if (head_ == 0) tail_ = 0;
  memory.ranges.release(index);
  skip = range.begin;
  size_ -= static_cast<std::uint32_t>(range.bytes.bytes().size()) - skip;
  return std::move(range.bytes);
}

void ReadyQueue::clear(HoldMemory& memory) {
  std::uint32_t skip = 0;
  while (head_ != 0) take(memory, skip);
}

}  // namespace godwit::dataplane::tcp
