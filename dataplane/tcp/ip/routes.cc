// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/routes.h"

#include <algorithm>

namespace godwit::dataplane::tcp {

Routes::Routes(const NetworkSettings& settings) {
  bool v6 = false;
  for (const IpPrefix& prefix : settings.addresses) {
    v6 = v6 || !prefix.address.is_v4();
    add_link(prefix);
  }
  if (v6) add_link({IpAddress{{0xfe, 0x80}}, 10});
  for (const IpRoute& route : settings.routes) {
    entries_.push_back({route.destination, false, route.gateway.is_v4(), route.gateway});
  }
  std::ranges::sort(entries_, std::greater{}, [](const Entry& entry) {
    return std::pair{entry.destination.bits, entry.on_link};
  });
}

// Many addresses are of one network, which every packet that leaves would go through again.
void Routes::add_link(const IpPrefix& prefix) {
  const bool known = std::ranges::any_of(entries_, [&](const Entry& entry) {
    return entry.destination.bits == prefix.bits && entry.destination.contains(prefix.address);
  });
  if (!known) entries_.push_back({prefix, true, prefix.address.is_v4(), {}});
}

const Routes::Entry* Routes::find(const IpAddress& destination) const {
  const bool v4 = destination.is_v4();
  for (const Entry& entry : entries_) {
    if (entry.v4 == v4 && entry.destination.contains(destination)) return &entry;
  }
  return nullptr;
}

std::optional<IpAddress> Routes::next_hop(const IpAddress& destination) const {
  const Entry* const entry = find(destination);
  if (entry == nullptr) return std::nullopt;
  return entry->on_link ? destination : entry->gateway;
}

std::optional<std::uint8_t> Routes::match(const IpAddress& destination) const {
  const Entry* const entry = find(destination);
  if (entry == nullptr) return std::nullopt;
  return entry->destination.bits;
}

}  // namespace godwit::dataplane::tcp
