// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/routes.h"

#include <algorithm>

namespace godwit::dataplane::tcp {

Routes::Routes(const NetworkSettings& settings) {
  bool v6 = false;
  for (const IpPrefix& prefix : settings.addresses) {
    const bool v4 = prefix.address.is_v4();
    v6 = v6 || !v4;
    entries_.push_back({prefix, true, v4, {}});
  }
  if (v6) entries_.push_back({{IpAddress{{0xfe, 0x80}}, 10}, true, false, {}});
  for (const IpRoute& route : settings.routes) {
    entries_.push_back({route.destination, false, route.gateway.is_v4(), route.gateway});
  }
  std::ranges::sort(entries_, std::greater{}, [](const Entry& entry) {
    return std::pair{entry.destination.bits, entry.on_link};
  });
}

std::optional<IpAddress> Routes::next_hop(const IpAddress& destination) const {
  const bool v4 = destination.is_v4();
  for (const Entry& entry : entries_) {
    if (entry.v4 != v4 || !entry.destination.contains(destination)) continue;
    return entry.on_link ? destination : entry.gateway;
  }
  return std::nullopt;
}

}  // namespace godwit::dataplane::tcp
