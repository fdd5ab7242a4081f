// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "queues/slab.h"

namespace godwit::dataplane::tcp {

// Records of a slab in the order they were added, linked through their members next and prev, to be
// taken out anywhere. What all wait equally long for needs no other timer. Not thread safe.
template <typename Record, std::size_t ChunkSize = 1024>
class FifoList {
 public:
  using Records = queues::Slab<Record, ChunkSize>;

  std::uint32_t front() const { return head_; }

  void push_back(Records& records, std::uint32_t index) {
    records[index].prev = tail_;
    records[index].next = 0;
    (tail_ == 0 ? head_ : records[tail_].next) = index;
    tail_ = index;
  }
  void remove(Records& records, std::uint32_t index) {
    const Record& record = records[index];
    (record.prev == 0 ? head_ : records[record.prev].next) = record.next;
    (record.next == 0 ? tail_ : records[record.next].prev) = record.prev;
  }

 private:
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
};

}  // namespace godwit::dataplane::tcp
