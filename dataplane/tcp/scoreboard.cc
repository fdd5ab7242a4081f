// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/scoreboard.h"

#include "base/result.h"

namespace godwit::dataplane::tcp {

using Status = SentSegment::Status;

void Scoreboard::add(SentSegments& pool, SentSegment segment) {
  const std::uint32_t index = pool.allocate();
  segment.prev = tail_;
  segment.next = 0;
  pool[index] = segment;
  (tail_ == 0 ? head_ : pool[tail_].next) = index;
  tail_ = index;
  total_ += segment.size();
  ++count_;
}

void Scoreboard::sent_again(SentSegments& pool, std::uint32_t index, Instant now) {
  SentSegment& segment = pool[index];
  if (segment.status == Status::lost) lost_ -= segment.size();
  segment.status = Status::in_network;
  segment.sent_again = true;
  segment.sent_at = now;
  if (lost_hint_ == index) lost_hint_ = segment.next;
}

void Scoreboard::mark_lost(SentSegments& pool, std::uint32_t index) {
  SentSegment& segment = pool[index];
  if (segment.status != Status::in_network) return;
  segment.status = Status::lost;
  lost_ += segment.size();
  if (lost_hint_ == 0 || before(segment.begin, pool[lost_hint_].begin)) lost_hint_ = index;
}

void Scoreboard::mark_all_lost(SentSegments& pool, bool forget_sacks) {
  for (std::uint32_t index = head_; index != 0; index = pool[index].next) {
    SentSegment& segment = pool[index];
    if (forget_sacks && segment.status == Status::sacked) {
      segment.status = Status::in_network;
      sacked_ -= segment.size();
      --sacked_count_;
    }
    mark_lost(pool, index);
  }
}

void Scoreboard::mark_none_lost(SentSegments& pool) {
  for (std::uint32_t index = head_; index != 0; index = pool[index].next) {
    if (pool[index].status == Status::lost) pool[index].status = Status::in_network;
  }
  lost_ = 0;
  lost_hint_ = 0;
}

void Scoreboard::split(SentSegments& pool, std::uint32_t index, std::uint32_t sequence) {
  const std::uint32_t added = pool.allocate();
  SentSegment& first = pool[index];
  SentSegment& second = pool[added];
  GODWIT_CHECK(after(sequence, first.begin) && before(sequence, first.end));
  second = first;
  second.begin = first.end = sequence;
  first.has_fin = first.has_push = false;
  second.prev = index;
  first.next = added;
  (second.next == 0 ? tail_ : pool[second.next].prev) = added;
  if (first.status == Status::sacked) ++sacked_count_;
  ++count_;
}

std::uint32_t Scoreboard::first_lost(const SentSegments& pool) const {
  if (lost_ == 0) return 0;
  std::uint32_t index = lost_hint_ != 0 ? lost_hint_ : head_;
  while (index != 0 && pool[index].status != Status::lost) index = pool[index].next;
  return index;
}

void Scoreboard::clear(SentSegments& pool) {
  while (head_ != 0) remove_head(pool);
}

void Scoreboard::remove_head(SentSegments& pool) {
  const std::uint32_t index = head_;
  const SentSegment& segment = pool[index];
  total_ -= segment.size();
  --count_;
  if (segment.status == Status::lost) lost_ -= segment.size();
  if (segment.status == Status::sacked) {
    sacked_ -= segment.size();
    --sacked_count_;
  }
  head_ = segment.next;
  (head_ == 0 ? tail_ : pool[head_].prev) = 0;
  // The hint moves to the new head: none before it is lost either.
  if (lost_hint_ == index) lost_hint_ = head_;
  pool.release(index);
}

void Scoreboard::mark_sacked(SentSegment& segment) {
  if (segment.status == Status::lost) lost_ -= segment.size();
  segment.status = Status::sacked;
  sacked_ += segment.size();
  ++sacked_count_;
}

}  // namespace godwit::dataplane::tcp
