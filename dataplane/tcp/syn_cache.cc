// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/syn_cache.h"

#include <algorithm>

namespace godwit::dataplane::tcp {

std::uint32_t SynCache::add(std::uint64_t place, const HalfOpen& record, Instant now) {
  const std::uint32_t index = records_.allocate();
  records_[index] = record;
  records_[index].retries = 0;
  index_.insert(place, index);
  wait(index, now);
  return index;
}

void SynCache::remove(std::uint64_t place, std::uint32_t index) {
  waiting_[records_[index].retries].remove(records_, index);
  index_.erase(place, index);
  records_.release(index);
}

void SynCache::wait(std::uint32_t index, Instant now) {
  HalfOpen& record = records_[index];
  record.sent_at = now;
  record.due = now + first_wait_ * (1 << record.retries);
  waiting_[record.retries].push_back(records_, index);
}

Instant SynCache::next_deadline() const {
  Instant earliest = never;
  for (const auto& list : waiting_) {
    if (list.front() != 0) earliest = std::min(earliest, records_[list.front()].due);
  }
  return earliest;
}

}  // namespace godwit::dataplane::tcp
