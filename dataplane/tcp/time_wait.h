// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "dataplane/tcp/fifo_list.h"
#include "dataplane/tcp/settings.h"
#include "dataplane/tcp/wire/segment.h"
#include "queues/hash_index.h"

// Connections that are over and wait until no segment of theirs can be on its way (TIME-WAIT, RFC
// 9293, 3.6): a bounded table of small records, the oldest of which makes room. Not thread safe.

namespace godwit::dataplane::tcp {

struct Waiting {
  Flow flow;
  std::uint32_t snd_nxt = 0;
  std::uint32_t rcv_nxt = 0;
  std::uint32_t ts_recent = 0;
  std::uint32_t timestamp_offset = 0;
  std::uint16_t window = 0;  // as it was last sent
  bool timestamps = false;
  std::uint8_t answers = 0;       // acknowledgements sent in this second
  std::uint32_t answered_at = 0;  // seconds
  std::uint32_t next = 0;
  std::uint32_t prev = 0;
  Instant until{};
};
static_assert(sizeof(Waiting) <= 88, "a record, not a control block");

class TimeWaitTable {
 public:
  explicit TimeWaitTable(const Settings& settings)
      : size_max_(settings.time_wait_max), time_(settings.time_wait) {}

  std::size_t size() const { return records_.used(); }
  std::size_t memory_bytes() const { return records_.memory_bytes() + index_.memory_bytes(); }
  bool full() const { return records_.used() >= size_max_; }
  std::uint32_t oldest() const { return waiting_.front(); }

  std::uint32_t find(std::uint64_t place, const Flow& flow) const {
    return index_.find(place, [&](std::uint32_t i) { return records_[i].flow == flow; });
  }
  Waiting& operator[](std::uint32_t index) { return records_[index]; }

  // Not full, and the flow is not in it.
  void add(std::uint64_t place, const Waiting& record, Instant now) {
    const std::uint32_t index = records_.allocate();
    records_[index] = record;
    records_[index].until = now + time_;
    index_.insert(place, index);
    waiting_.push_back(records_, index);
  }
  void remove(std::uint64_t place, std::uint32_t index) {
    waiting_.remove(records_, index);
    index_.erase(place, index);
    records_.release(index);
  }
  // The peer's FIN came again: it waits from now (RFC 9293, 3.10.7.4, eighth).
  void restart(std::uint32_t index, Instant now) {
    waiting_.remove(records_, index);
    records_[index].until = now + time_;
    waiting_.push_back(records_, index);
  }

  // Calls place_of(flow) for those that are through.
  template <typename PlaceOf>
  void expire(Instant now, PlaceOf&& place_of) {
    while (const std::uint32_t index = waiting_.front()) {
      if (records_[index].until > now) return;
      remove(place_of(records_[index].flow), index);
    }
  }
  Instant next_deadline() const {
    return waiting_.front() == 0 ? never : records_[waiting_.front()].until;
  }

 private:
  const std::size_t size_max_;
  const Duration time_;
  FifoList<Waiting>::Records records_;
  queues::HashIndex index_;
  FifoList<Waiting> waiting_;
};

}  // namespace godwit::dataplane::tcp
