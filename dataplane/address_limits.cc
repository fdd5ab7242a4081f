// SPDX-License-Identifier: Apache-2.0
#include "dataplane/address_limits.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace godwit::dataplane {

namespace {

constexpr std::size_t heads_at_start = 64;

std::uint32_t part_of(std::uint32_t count, std::uint32_t shards) {
  if (count == 0) return 0;
  const double mean = static_cast<double>(count) / shards;
  const double part = std::ceil(mean + 3 * std::sqrt(mean));
  return static_cast<std::uint32_t>(std::min<double>(count, part));
}

Allowance part_of(const Allowance& allowance, std::uint32_t shards) {
  return {allowance.every * shards, part_of(allowance.burst, shards)};
}

}  // namespace

AddressRules share_of(const AddressRules& rules, std::uint32_t shards) {
  if (shards <= 1) return rules;
  AddressRules share = rules;
  share.open_max = part_of(rules.open_max, shards);
  share.starting_max = part_of(rules.starting_max, shards);
  share.connections = part_of(rules.connections, shards);
  share.failures = part_of(rules.failures, shards);
  share.registrations = part_of(rules.registrations, shards);
  share.logins = part_of(rules.logins, shards);
  return share;
}

AddressLimits::AddressLimits(const Options& options)
    : rules_(options.rules),
      addresses_max_(options.addresses_max),
      hash_key_(options.hash_key),
      heads_(heads_at_start) {}

bool AddressLimits::exempt(const IpAddress& address) const {
  if (!address.known() || !rules_.limits_anything()) return true;
  return std::any_of(rules_.exempt.begin(), rules_.exempt.begin() + rules_.exempt_count,
                     [&](const IpPrefix& prefix) { return prefix.contains(address); });
}

AddressLimits::Answer AddressLimits::admit(const IpAddress& address, Instant now) {
  if (exempt(address)) return {};
  forget_recovered(now);
  const std::uint32_t index = find_or_make(address.subscriber());
  if (index == 0) return {Admission::table_full, 0};
  Entry& entry = entries_[index];
  const Admission admission = judge(entry, now);
  if (admission != Admission::welcome) {
    if (entry.open == 0 && !entry.resting) rest(index, now);
    return {admission, 0};
  }
  if (entry.resting) wake(index);
  ++entry.open;
  ++entry.starting;
  return {Admission::welcome, index};
}

// The cheapest to be right about first; a token is taken only by who is welcome.
Admission AddressLimits::judge(Entry& entry, Instant now) const {
  if (rules_.open_max != 0 && entry.open >= rules_.open_max) return Admission::too_many_open;
  if (rules_.starting_max != 0 && entry.starting >= rules_.starting_max) {
    return Admission::too_many_starting;
  }
  if (!entry.failures.has_room(rules_.failures, now)) return Admission::failed_too_often;
  if (!entry.connections.take(rules_.connections, now)) return Admission::too_fast;
  return Admission::welcome;
}

void AddressLimits::logged_in(Place place) {
  if (place != 0) --entries_[place].starting;
}

void AddressLimits::left(Place place, bool was_starting, Instant now) {
  if (place == 0) return;
  Entry& entry = entries_[place];
  GODWIT_CHECK(entry.open > 0);
  if (was_starting) --entry.starting;
  if (--entry.open == 0) rest(place, now);
}

void AddressLimits::failed(Place place, Instant now) {
  if (place != 0) entries_[place].failures.take(rules_.failures, now);
}

bool AddressLimits::may_register(Place place, Instant now) {
  return place == 0 || entries_[place].registrations.take(rules_.registrations, now);
}

bool AddressLimits::may_log_in(std::uint64_t device, Instant now) {
  const std::uint32_t index = rules_.logins.limited() ? find(device) : 0;
  return index == 0 || entries_[index].connections.has_room(rules_.logins, now);
}

void AddressLimits::count_login(std::uint64_t device, Instant now) {
  if (!rules_.logins.limited()) return;
  forget_recovered(now);
  const std::uint32_t index = find_or_make(device);
  if (index == 0) return;  // full of connections: their own limits hold
  Entry& entry = entries_[index];
  entry.connections.take(rules_.logins, now);
  if (!entry.resting) rest(index, now);
}

bool AddressLimits::recovered(const Entry& entry, Instant now) {
  return entry.connections.recovered(now) && entry.failures.recovered(now) &&
         entry.registrations.recovered(now);
}

std::uint32_t& AddressLimits::head_of(std::uint64_t subscriber) {
  const Bytes bytes{reinterpret_cast<const std::uint8_t*>(&subscriber), sizeof subscriber};
  return heads_[crypto::keyed_hash(hash_key_, bytes) & (heads_.size() - 1)];
}

std::uint32_t AddressLimits::find(std::uint64_t subscriber) {
  std::uint32_t index = head_of(subscriber);
  while (index != 0 && entries_[index].subscriber != subscriber) index = entries_[index].chain;
  return index;
}

std::uint32_t AddressLimits::find_or_make(std::uint64_t subscriber) {
  std::uint32_t index = find(subscriber);
  if (index != 0) return index;
  if (entries_.used() >= addresses_max_) {
    if (oldest_ == 0) return 0;
    forget(oldest_);
  }
  if (entries_.used() >= heads_.size()) grow_heads();
  index = entries_.allocate();
  std::uint32_t& head = head_of(subscriber);
  entries_[index].subscriber = subscriber;
  entries_[index].chain = head;
  head = index;
  return index;
}

void AddressLimits::grow_heads() {
  std::vector<std::uint32_t> before(heads_.size() * 2);
  before.swap(heads_);
  for (std::uint32_t index : before) {
    while (index != 0) {
      Entry& entry = entries_[index];
      std::uint32_t& head = head_of(entry.subscriber);
      const std::uint32_t next = std::exchange(entry.chain, head);
      head = std::exchange(index, next);
    }
  }
}

// The last connection of an address has gone: it is kept only for its debts.
void AddressLimits::rest(std::uint32_t index, Instant now) {
  Entry& entry = entries_[index];
  entry.resting = true;
  entry.older = newest_;
  entry.newer = 0;
  (newest_ != 0 ? entries_[newest_].newer : oldest_) = index;
  newest_ = index;
  if (recovered(entry, now)) forget(index);
}

void AddressLimits::wake(std::uint32_t index) {
  Entry& entry = entries_[index];
  (entry.older != 0 ? entries_[entry.older].newer : oldest_) = entry.newer;
  (entry.newer != 0 ? entries_[entry.newer].older : newest_) = entry.older;
  entry.older = entry.newer = 0;
  entry.resting = false;
}

void AddressLimits::forget(std::uint32_t index) {
  wake(index);
  std::uint32_t* link = &head_of(entries_[index].subscriber);
  while (*link != index) link = &entries_[*link].chain;
  *link = entries_[index].chain;
  entries_.release(index);
}

// A few at a time, whenever somebody comes, so that the table shrinks faster than it can grow.
void AddressLimits::forget_recovered(Instant now) {
  constexpr int steps = 2;
  for (int i = 0; i < steps && oldest_ != 0 && recovered(entries_[oldest_], now); ++i) {
    forget(oldest_);
  }
}

}  // namespace godwit::dataplane
