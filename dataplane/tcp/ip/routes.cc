// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/routes.h"

#include <algorithm>
#include <bit>

namespace godwit::dataplane::tcp {

Routes::Routes(const NetworkSettings& settings) {
  bool v6 = false;
  for (const IpPrefix& prefix : settings.addresses) {
    v6 = v6 || !prefix.address.is_v4();
    add_link(prefix);
  }
  if (v6) add_link({IpAddress{{0xfe, 0x80}}, 10});
  for (const IpRoute& route : settings.routes) {
    entries_.push_back(entry_of(route.destination, &route.gateway));
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
  if (!known) entries_.push_back(entry_of(prefix, nullptr));
}

// Without a gateway: on the link.
Routes::Entry Routes::entry_of(const IpPrefix& destination, const IpAddress* gateway) {
  Entry entry;
  entry.destination = destination;
  entry.on_link = gateway == nullptr;
  entry.gateway = gateway == nullptr ? IpAddress{} : *gateway;
  entry.v4 = (entry.on_link ? destination.address : entry.gateway).is_v4();
  std::array<std::uint8_t, 16> mask{};
  for (std::size_t bit = 0; bit < destination.bits; ++bit) {
    mask[bit / 8] |= static_cast<std::uint8_t>(0x80 >> bit % 8);
  }
  entry.mask = std::bit_cast<Halves>(mask);
  entry.address = std::bit_cast<Halves>(destination.address.bytes);
  for (std::size_t i = 0; i < entry.mask.size(); ++i) entry.address[i] &= entry.mask[i];
  return entry;
}

const Routes::Entry* Routes::find(const IpAddress& destination) const {
  const bool v4 = destination.is_v4();
  const auto halves = std::bit_cast<Halves>(destination.bytes);
  for (const Entry& entry : entries_) {
    const std::uint64_t differs = ((halves[0] & entry.mask[0]) ^ entry.address[0]) |
                                  ((halves[1] & entry.mask[1]) ^ entry.address[1]);
    if (differs == 0 && entry.v4 == v4) return &entry;
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
