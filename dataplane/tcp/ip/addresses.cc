// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/addresses.h"

#include <algorithm>

#include "dataplane/tcp/wire/ip.h"
#include "dataplane/tcp/wire/neighbour_discovery.h"

namespace godwit::dataplane::tcp {
namespace {

// All host bits set, in a prefix that has a broadcast address (RFC 3021: /31 has none).
bool is_directed_broadcast(const IpPrefix& prefix, const IpAddress& address) {
  if (!prefix.address.is_v4() || prefix.bits > 126 || !prefix.contains(address)) return false;
  for (std::size_t bit = prefix.bits; bit < 128; ++bit) {
    if ((address.bytes[bit / 8] >> (7 - bit % 8) & 1) == 0) return false;
  }
  return true;
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
  if (v6 && settings.link == LinkMode::ethernet && settings.link_local && !is_own(local)) {
    all_.push_back({{local, 64}, State::ready, 0, never, {}});
  }
}

const Addresses::Own* Addresses::find(const IpAddress& address) const {
  const auto found =
      std::ranges::find_if(all_, [&](const Own& own) { return own.prefix.address == address; });
  return found == all_.end() ? nullptr : &*found;
}

Addresses::Own* Addresses::find(const IpAddress& address) {
  return const_cast<Own*>(std::as_const(*this).find(address));
}

Addresses::Kind Addresses::kind_of(const IpAddress& destination) const {
  if (const Own* own = find(destination)) {
    return own->state == State::ready ? Kind::own : Kind::not_ready;
  }
  if (is_multicast(destination)) return Kind::group;
  if (is_broadcast(destination)) return Kind::broadcast;
  if (any_) return Kind::own;
  const bool directed = std::ranges::any_of(
      all_, [&](const Own& own) { return is_directed_broadcast(own.prefix, destination); });
  return directed ? Kind::broadcast : Kind::foreign;
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
