// SPDX-License-Identifier: Apache-2.0
#include "client/load/ledger.h"

#include <algorithm>
#include <utility>

namespace godwit::client::load {

const char* to_text(Arrival arrival) {
  switch (arrival) {
    case Arrival::fresh:
      return "arrived";
    case Arrival::again:
      return "sent twice and arrived twice";
    case Arrival::from_before:
      return "of an earlier run";
    case Arrival::twice:
      return "sent once and arrived twice";
    case Arrival::never_sent:
      return "arrived and was never sent";
    case Arrival::out_of_order:
      return "arrived before one that was sent earlier";
    case Arrival::was_refused:
      return "refused, and arrived";
  }
  return "unknown";
}

void SenderLedger::ring_push(const Entry& entry) {
  if (size_ == ring_.size()) {
    std::vector<Entry> larger(std::max<std::size_t>(ring_.size() * 2, 2));
    for (std::size_t i = 0; i < size_; ++i) larger[i] = at(i);
    ring_ = std::move(larger);
    head_ = 0;
  }
  ++size_;
  at(size_ - 1) = entry;
}

bool SenderLedger::sent(std::uint32_t number) {
  GODWIT_CHECK(has_unsent());
  Entry& entry = at(unsent_);
  const bool before = std::exchange(entry.was_sent, true);
  if (before) resent_upto_ = std::max(resent_upto_, front_ + unsent_);
  entry.number = number;
  const auto done = [](const Entry& one) { return one.number != 0 || one.accepted || one.refused; };
  while (unsent_ < size_ && done(at(unsent_))) ++unsent_;
  return before;
}

void SenderLedger::disconnected() {
  for (std::size_t i = cursor_; i < size_; ++i) at(i).number = 0;
  unsent_ = cursor_;
  while (unsent_ < size_ && (at(unsent_).accepted || at(unsent_).refused)) ++unsent_;
}

bool SenderLedger::refuse(std::uint64_t id) {
  Entry* entry = find(id);
  if (entry == nullptr || entry->number == 0 || entry->accepted || entry->refused) return false;
  entry->refused = true;
  ++refused_;
  drop_done();
  return true;
}

bool SenderLedger::send_again(std::uint64_t id) {
  Entry* entry = find(id);
  if (entry == nullptr || entry->number == 0 || entry->accepted || entry->refused) return false;
  entry->number = 0;
  unsent_ = std::min<std::size_t>(unsent_, id - front_);
  return true;
}

SenderLedger::Came SenderLedger::arrive(std::uint64_t id) {
  if (id < begin_) return {.arrival = Arrival::from_before};
  const bool seen = id <= arrived_upto_;
  Entry* entry = find(id);
  if (entry == nullptr) {
    // Done with, or of the future.
    if (!seen) return {.arrival = id < front_ ? Arrival::was_refused : Arrival::never_sent};
    return {.arrival = id <= resent_upto_ ? Arrival::again : Arrival::twice};
  }
  if (entry->refused) return {.arrival = Arrival::was_refused};
  if (!entry->was_sent) return {.arrival = Arrival::never_sent};
  if (entry->arrived) {
    return {.arrival = id <= resent_upto_ ? Arrival::again : Arrival::twice};
  }
  if (seen) return {.arrival = Arrival::out_of_order};
  const std::uint64_t from = std::max(arrived_upto_ + 1, front_);
  for (std::uint64_t before = from; before < id; ++before) {
    if (!find(before)->refused) return {.arrival = Arrival::out_of_order};
  }
  const Instant due = entry->due;
  entry->arrived = true;
  if (entry->accepted) --missing_;
  arrived_upto_ = id;
  drop_done();
  return {.arrival = Arrival::fresh, .due = due};
}

void SenderLedger::drop_done() {
  while (size_ > 0) {
    const Entry& entry = at(0);
    if (!entry.refused && !(entry.accepted && entry.arrived)) break;
    head_ = (head_ + 1) & (ring_.size() - 1);
    --size_;
    ++front_;
    if (unsent_ > 0) --unsent_;
    if (cursor_ > 0) --cursor_;
  }
}

void SenderLedger::forget_unsent() {
  while (size_ > unsent_ && !at(size_ - 1).was_sent) --size_;
}

}  // namespace godwit::client::load
