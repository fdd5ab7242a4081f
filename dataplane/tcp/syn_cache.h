// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"
#include "dataplane/tcp/fifo_list.h"
#include "dataplane/tcp/settings.h"
#include "dataplane/tcp/wire/segment.h"
#include "queues/hash_index.h"

// Connections a peer has asked for and not yet shown to be real (RFC 4987, 3.5): a bounded table of
// small records in place of control blocks. Not thread safe.

namespace godwit::dataplane::tcp {

// What a SYN said, or what a cookie kept of it.
struct HalfOpen {
  Flow flow;
  std::uint32_t irs = 0;
  std::uint32_t iss = 0;
  std::uint32_t ts_recent = 0;
  std::uint16_t mss = 536;
  std::uint16_t window = 0;  // as in the SYN, never scaled
  std::uint8_t snd_scale = 0;
  std::uint8_t retries = 0;
  bool timestamps : 1 = false;
  bool sack : 1 = false;
  bool scaling : 1 = false;
  bool ecn : 1 = false;
  std::uint32_t next = 0;
  std::uint32_t prev = 0;
  Instant sent_at{};
  Instant due{};
};
static_assert(sizeof(HalfOpen) <= 88, "a record, not a control block");

class SynCache {
 public:
  static constexpr std::uint32_t retries_max = 7;

  explicit SynCache(const Settings& settings)
      : size_max_(settings.syn_cache_max),
        retries_(std::min(settings.syn_retries, retries_max)),
        first_wait_(settings.rto_initial) {}

  bool full() const { return records_.used() >= size_max_; }
  std::size_t size() const { return records_.used(); }
  std::size_t memory_bytes() const { return records_.memory_bytes() + index_.memory_bytes(); }

  // 0 when there is none.
  std::uint32_t find(std::uint64_t place, const Flow& flow) const {
    return index_.find(place, [&](std::uint32_t i) { return records_[i].flow == flow; });
  }
  HalfOpen& operator[](std::uint32_t index) { return records_[index]; }
  // Not full, and the flow is not in it.
  std::uint32_t add(std::uint64_t place, const HalfOpen& record, Instant now);
  void remove(std::uint64_t place, std::uint32_t index);

  // Calls resend(record) where an answer is overdue, gone(flow) -> its place for those that never
  // came.
  template <typename Resend, typename Gone>
  void expire(Instant now, Resend&& resend, Gone&& gone) {
    for (std::uint32_t level = 0; level <= retries_; ++level) {
      while (const std::uint32_t index = waiting_[level].front()) {
        if (records_[index].due > now) break;
        if (level == retries_) {
          remove(gone(records_[index].flow), index);
          continue;
        }
        waiting_[level].remove(records_, index);
        HalfOpen& record = records_[index];
        ++record.retries;
        wait(index, now);
        resend(record);
      }
    }
  }
  Instant next_deadline() const;

 private:
  void wait(std::uint32_t index, Instant now);

  const std::size_t size_max_;
  const std::uint32_t retries_;
  const Duration first_wait_;
  FifoList<HalfOpen>::Records records_;
  queues::HashIndex index_;
  // By how often the SYN-ACK was sent again: each list has one waiting time, so it is in order.
  std::array<FifoList<HalfOpen>, retries_max + 1> waiting_;
};

}  // namespace godwit::dataplane::tcp
