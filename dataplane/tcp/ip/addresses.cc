// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/addresses.h"

#include <algorithm>
#include <optional>

#include "dataplane/tcp/wire/ip.h"
#include "dataplane/tcp/wire/neighbour_discovery.h"

namespace godwit::dataplane::tcp {
namespace {

// All host bits set; none where a prefix has no broadcast address (RFC 3021: /31).
std::optional<IpAddress> broadcast_of(const IpPrefix& prefix) {
  if (!prefix.address.is_v4() || prefix.bits > 126) return std::nullopt;
  IpAddress address = prefix.address;
  for (std::size_t bit = prefix.bits; bit < 128; ++bit) {
    address.bytes[bit / 8] |= static_cast<std::uint8_t>(0x80 >> bit % 8);
  }
  return address;
}

// Higher is better; 0 is unfit.
int fitness(const Addresses::Own& own, const IpAddress& destination) {
  if (own.state != Addresses::State::ready) return 0;
  if (own.prefix.address.is_v4() != destination.is_v4()) return 0;
  if (is_link_local(destination)) return is_link_local(own.prefix.address) ? 3 : 1;
  if (is_link_local(own.prefix.address)) return 1;
  return own.prefix.contains(destination) ? 3 : 2;
}

}  // namespace

Addresses::Addresses(const NetworkSettings& settings) : any_(settings.any_address) {
  bool v6 = false;
  for (const IpPrefix& prefix : settings.addresses) {
    all_.push_back({prefix, State::ready, 0, never, {}});
    v6 = v6 || !prefix.address.is_v4();
  }
  const IpAddress local = link_local_address(settings.mac);
  const bool has_local =
      std::ranges::any_of(all_, [&](const Own& own) { return own.prefix.address == local; });
  if (v6 && settings.link == LinkMode::ethernet && settings.link_local && !has_local) {
    all_.push_back({{local, 64}, State::ready, 0, never, {}});
  }
  // At most a quarter full, with a broadcast address for each.
  const std::size_t size = std::bit_ceil(8 * std::max<std::size_t>(all_.size(), 1));
  places_.resize(size);
  shift_ = 64 - static_cast<unsigned>(std::countr_zero(size));
  for (std::size_t i = 0; i < all_.size(); ++i) enter(all_[i].prefix.address, Place::Use::own, i);
  if (any_) return;
  for (const Own& own : all_) {
    if (const auto address = broadcast_of(own.prefix)) enter(*address, Place::Use::broadcast, 0);
  }
}

// What is there already stays: the first of two that are the same, and an address of ours that its
// prefix would broadcast to.
void Addresses::enter(const IpAddress& address, Place::Use use, std::size_t own) {
  Place& place = const_cast<Place&>(place_of(address));
  if (place.use == Place::Use::free) place = {address, use, static_cast<std::uint16_t>(own)};
}

Addresses::Kind Addresses::kind_of(const IpAddress& destination) const {
  const Place& place = place_of(destination);
  switch (place.use) {
    case Place::Use::own:
      return all_[place.own].state == State::ready ? Kind::own : Kind::not_ready;
    case Place::Use::broadcast:
      return Kind::broadcast;
    case Place::Use::free:
      break;
  }
  if (is_multicast(destination)) return Kind::group;
  if (is_broadcast(destination)) return Kind::broadcast;
  return any_ ? Kind::own : Kind::foreign;
}

IpAddress Addresses::source_for(const IpAddress& destination) const {
  IpAddress best;
  int best_fitness = 0;
  for (const Own& own : all_) {
    const int fit = fitness(own, destination);
    if (fit <= best_fitness) continue;
    best_fitness = fit;
    best = own.prefix.address;
  }
  return best;
}

bool Addresses::is_on_link(const IpAddress& address) const {
  return std::ranges::any_of(all_, [&](const Own& own) {
    return own.prefix.address.is_v4() == address.is_v4() && own.prefix.contains(address);
  });
}

bool Addresses::listens_to(const IpAddress& group) const {
  if (group == all_nodes) return true;
  return std::ranges::any_of(all_, [&](const Own& own) {
    return !own.prefix.address.is_v4() && solicited_node_group(own.prefix.address) == group;
  });
}

}  // namespace godwit::dataplane::tcp
