// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/neighbours.h"

#include <algorithm>

#include "base/result.h"

namespace godwit::dataplane::tcp {

Neighbours::Neighbours(const NeighbourSettings& settings, std::size_t packet_max,
                       RandomSource& random)
    : settings_(settings),
      packet_max_(packet_max),
      entries_(settings.entries_max + 1),
      packets_(settings.waiting_max),
      bytes_(settings.waiting_max * packet_max) {
  random.fill(key_.key.writable());
  for (std::uint32_t i = settings.entries_max; i > 0; --i) free_entries_.push_back(i);
  for (std::uint32_t i = settings.waiting_max; i > 0; --i) free_packets_.push_back(i - 1);
}

std::uint64_t Neighbours::hash(const IpAddress& address) const {
  return crypto::keyed_hash(key_, address.bytes);
}

std::uint32_t Neighbours::find(const IpAddress& address) const {
  if (last_found_ != 0 && entries_[last_found_].address == address) return last_found_;
  last_found_ =
      index_.find(hash(address), [&](std::uint32_t i) { return entries_[i].address == address; });
  return last_found_;
}

std::uint32_t Neighbours::make(const IpAddress& address, Instant now) {
  const std::uint32_t index = free_entries_.empty() ? make_room() : free_entries_.back();
  if (index == 0) return 0;
  free_entries_.pop_back();
  entries_[index] = {};
  entries_[index].address = address;
  entries_[index].used = now;
  index_.insert(hash(address), index);
  return index;
}

// Frees the entry that is worth least: unanswered questions first, the longest unused first.
std::uint32_t Neighbours::make_room() {
  std::uint32_t worst = 0;
  const auto worth = [&](std::uint32_t i) {
    return std::pair{entries_[i].state != State::incomplete, entries_[i].used};
  };
  for (std::uint32_t i = 1; i < entries_.size(); ++i) {
    if (entries_[i].state == State::none || entries_[i].kept) continue;
    if (worst == 0 || worth(i) < worth(worst)) worst = i;
  }
  if (worst != 0) erase(worst);
  return worst;
}

void Neighbours::erase(std::uint32_t index) {
  Entry& entry = entries_[index];
  while (entry.packets > 0) drop_oldest(entry);
  index_.erase(hash(entry.address), index);
  if (last_found_ == index) last_found_ = 0;
  entry = {};
  free_entries_.push_back(index);
}

void Neighbours::drop_oldest(Entry& entry) {
  free_packets_.push_back(entry.oldest);
  entry.oldest = packets_[entry.oldest].next;
  if (--entry.packets == 0) entry.latest = no_packet;
}

void Neighbours::set_due(Entry& entry, Instant due) {
  entry.due = due;
  next_deadline_ = std::min(next_deadline_, due);
}

Neighbours::Resolution Neighbours::resolve(const IpAddress& address, Instant now) {
  std::uint32_t index = find(address);
  const bool is_new = index == 0 || entries_[index].state == State::none;
  if (index == 0) index = make(address, now);
  if (index == 0) return {};
  Entry& entry = entries_[index];
  entry.used = now;
  if (is_new) {
    entry.state = State::incomplete;
    entry.solicits = 1;
    set_due(entry, now + settings_.retransmit);
    return {Resolution::Kind::pending, {}, true};
  }
  if (entry.state == State::incomplete) return {Resolution::Kind::pending, {}, false};
  const bool old = entry.state == State::reachable && now - entry.since >= settings_.reachable;
  if (old || entry.state == State::stale) {
    entry.state = State::delay;
    set_due(entry, now + settings_.delay_first_probe);
  }
  return {Resolution::Kind::ready, entry.mac, false};
}

MutableBytes Neighbours::wait(const IpAddress& address, std::size_t size) {
  Entry& entry = entries_[find(address)];
  if (entry.state != State::incomplete || size > packet_max_) return {};
  const bool full = entry.packets >= settings_.waiting_each_max || free_packets_.empty();
  if (full && entry.packets > 0) drop_oldest(entry);
  if (free_packets_.empty()) return {};
  const std::uint32_t index = free_packets_.back();
  free_packets_.pop_back();
  packets_[index] = {size, no_packet};
  (entry.packets++ == 0 ? entry.oldest : packets_[entry.latest].next) = index;
  entry.latest = index;
  return MutableBytes(bytes_).subspan(index * packet_max_, size);
}

void Neighbours::on_solicited(const IpAddress& address, const MacAddress& mac, Instant now) {
  std::uint32_t index = find(address);
  if (index == 0) index = make(address, now);
  if (index == 0) return;
  Entry& entry = entries_[index];
  if (entry.state == State::none || entry.state == State::incomplete) {
    entry.state = State::stale;
    entry.mac = mac;
    entry.due = never;
  } else if (entry.mac != mac) {
    on_advertised(address, mac, {false, true}, now);
  }
}

bool Neighbours::on_advertised(const IpAddress& address, const MacAddress& mac, Advertised how,
                               Instant now) {
  const std::uint32_t index = find(address);
  if (index == 0 || entries_[index].state == State::none) return false;
  Entry& entry = entries_[index];
  const bool asked = entry.state == State::incomplete || entry.state == State::probe;
  if (entry.state == State::incomplete) entry.mac = mac;
  if (entry.mac == mac) {
    if (!asked) return false;
    if (!how.solicited && entry.state == State::probe) return false;
    entry.state = how.solicited ? State::reachable : State::stale;
    entry.since = now;
    entry.due = never;
    return true;
  }
  if (!how.replaces || entry.state == State::probe) return false;
  entry.state = State::probe;
  entry.solicits = 0;
  set_due(entry, now);
  return true;
}

Bytes Neighbours::take_waiting(const IpAddress& address) {
  Entry& entry = entries_[find(address)];
  if (entry.packets == 0 || entry.state == State::incomplete) return {};
  const Bytes packet =
      Bytes(bytes_).subspan(entry.oldest * packet_max_, packets_[entry.oldest].size);
  drop_oldest(entry);
  return packet;
}

void Neighbours::keep(const IpAddress& address, Instant now) {
  std::uint32_t index = find(address);
  if (index == 0) index = make(address, now);
  if (index != 0) entries_[index].kept = true;
}

std::optional<Neighbours::Expired> Neighbours::expire(Instant now) {
  if (now < next_deadline_) return std::nullopt;
  for (std::uint32_t i = 1; i < entries_.size(); ++i) {
    if (entries_[i].due <= now) return expire_entry(i, now);
  }
  find_next_deadline();
  return std::nullopt;
}

void Neighbours::find_next_deadline() {
  next_deadline_ = never;
  for (const Entry& entry : entries_) next_deadline_ = std::min(next_deadline_, entry.due);
}

Neighbours::Expired Neighbours::expire_entry(std::uint32_t index, Instant now) {
  Entry& entry = entries_[index];
  if (entry.state == State::delay) {
    entry.state = State::probe;
    entry.solicits = 0;
  } else if (entry.state == State::probe && entry.solicits >= settings_.solicits_max) {
    entry.state = State::incomplete;  // silent where it was: ask all
    entry.solicits = 0;
  } else if (entry.state == State::incomplete && entry.solicits >= settings_.solicits_max) {
    const Expired end{std::nullopt, true, entry.packets};
    const bool kept = entry.kept;
    const IpAddress address = entry.address;
    erase(index);
    if (kept) keep(address, now);
    return end;
  }
  ++entry.solicits;
  set_due(entry, now + settings_.retransmit);
  std::optional<MacAddress> to;
  if (entry.state == State::probe) to = entry.mac;
  return {Solicitation{entry.address, to}, false, 0};
}

Neighbours::State Neighbours::state_of(const IpAddress& address) const {
  return entries_[find(address)].state;
}

std::optional<MacAddress> Neighbours::mac_of(const IpAddress& address) const {
  const Entry& entry = entries_[find(address)];
  if (entry.state == State::none || entry.state == State::incomplete) return std::nullopt;
  return entry.mac;
}

void Neighbours::check_invariants() const {
  std::size_t packets = 0;
  for (const Entry& entry : entries_) {
    const bool timed = entry.state == State::incomplete || entry.state == State::delay ||
                       entry.state == State::probe;
    GODWIT_CHECK(timed == (entry.due != never));
    GODWIT_CHECK(entry.due >= next_deadline_);
    std::uint32_t listed = 0;
    for (std::uint32_t i = entry.oldest; i != no_packet; i = packets_[i].next) {
      GODWIT_CHECK(++listed <= entry.packets);
      GODWIT_CHECK((packets_[i].next == no_packet) == (i == entry.latest));
    }
    GODWIT_CHECK(listed == entry.packets && listed <= settings_.waiting_each_max);
    GODWIT_CHECK(listed == 0 || entry.state == State::incomplete);
    packets += listed;
  }
  GODWIT_CHECK(packets == waiting());
  GODWIT_CHECK(index_.size() + free_entries_.size() == settings_.entries_max);
}

}  // namespace godwit::dataplane::tcp
