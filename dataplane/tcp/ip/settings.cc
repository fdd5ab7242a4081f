// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/settings.h"

#include <algorithm>
#include <string>

#include "dataplane/tcp/wire/ip.h"

namespace godwit::dataplane::tcp {
namespace {

std::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::invalid, std::move(message));
}

bool has_v6(const NetworkSettings& settings) {
  return std::ranges::any_of(settings.addresses,
                             [](const IpPrefix& prefix) { return !prefix.address.is_v4(); });
}

Result<void> check_link(const NetworkSettings& settings) {
  if (settings.link == LinkMode::raw_ip) return {};
  if (settings.any_address) return invalid("answering for every address needs a raw IP link");
  if (!settings.mac.known() || settings.mac.is_group()) {
    return invalid("the interface's MAC address must be one station's, such as 02:00:00:00:00:01");
  }
  if (settings.vlan && (*settings.vlan == 0 || *settings.vlan > vlan_id_max)) {
    return invalid("a VLAN is a number from 1 to 4094");
  }
  return {};
}

Result<void> check_address(const IpPrefix& prefix) {
  const bool v4 = prefix.address.is_v4();
  if (is_martian_source(prefix.address, !v4)) {
    return invalid("an address of the interface is unspecified, loopback or a group");
  }
  if (prefix.bits > 128 || (v4 && prefix.bits < 96)) {
    return invalid("an address of the interface has an impossible prefix length");
  }
  return {};
}

bool is_on_link(const NetworkSettings& settings, const IpAddress& gateway) {
  if (is_link_local(gateway) && !gateway.is_v4()) return true;
  return std::ranges::any_of(settings.addresses, [&](const IpPrefix& prefix) {
    return prefix.address.is_v4() == gateway.is_v4() && prefix.contains(gateway) &&
           prefix.address != gateway;
  });
}

Result<void> check_route(const NetworkSettings& settings, const IpRoute& route) {
  if (route.destination.address.is_v4() != route.gateway.is_v4() &&
      !(route.destination.bits == 0 && !route.gateway.is_v4())) {
    return invalid("a route and its gateway are both of IPv4 or both of IPv6");
  }
  if (route.gateway.is_v4() && route.destination.bits < 96) {
    return invalid("an IPv4 route has an impossible prefix length");
  }
  if (settings.link == LinkMode::ethernet && !is_on_link(settings, route.gateway)) {
    return invalid("a gateway is on none of the prefixes of the interface's addresses");
  }
  return {};
}

}  // namespace

Result<void> check(const NetworkSettings& settings) {
  if (auto link = check_link(settings); !link) return link;
  if (settings.addresses.empty() && !settings.any_address) {
    return invalid("the interface needs an address, such as 192.0.2.1/24");
  }
  if (settings.addresses.size() > addresses_max) {
    return invalid("an interface has at most " + std::to_string(addresses_max) + " addresses");
  }
  const std::size_t mtu_min = has_v6(settings) ? mtu_min_v6 : mtu_min_v4;
  if (settings.mtu < mtu_min || settings.mtu > mtu_max) {
    return invalid("the MTU is a number from " + std::to_string(mtu_min) + " to " +
                   std::to_string(mtu_max));
  }
  for (const IpPrefix& prefix : settings.addresses) {
    if (auto address = check_address(prefix); !address) return address;
  }
  if (settings.routes.size() > routes_max) {
    return invalid("there are at most " + std::to_string(routes_max) + " routes");
  }
  for (const IpRoute& route : settings.routes) {
    if (auto checked = check_route(settings, route); !checked) return checked;
  }
  return {};
}

namespace {

Result<void> check_apart(const NetworkSettings& one, const NetworkSettings& other) {
  if (one.link == LinkMode::raw_ip || other.link == LinkMode::raw_ip) {
    return invalid("a raw IP link is a stack's only port");
  }
  // The link-local addresses are made from them.
  if (one.mac == other.mac) return invalid("two ports have the same MAC address");
  for (const IpPrefix& here : one.addresses) {
    for (const IpPrefix& there : other.addresses) {
      if (here.address == there.address) {
        return invalid("two ports have the address " + to_text(here.address));
      }
      if (here.contains(there.address) || there.contains(here.address)) {
        return invalid("the networks of " + to_text(here.address) + " and " +
                       to_text(there.address) + ", which are on two ports, overlap");
      }
    }
  }
  return {};
}

}  // namespace

Result<void> check(std::span<const NetworkSettings> ports) {
  if (ports.empty() || ports.size() > ports_max) {
    return invalid("a stack has 1 to " + std::to_string(ports_max) + " ports");
  }
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (auto checked = check(ports[i]); !checked) return checked;
    for (std::size_t j = 0; j < i; ++j) {
      if (auto checked = check_apart(ports[j], ports[i]); !checked) return checked;
    }
  }
  return {};
}

IpAddress link_local_address(const MacAddress& mac) {
  IpAddress address{{0xfe, 0x80}};
  const auto& m = mac.bytes;
  const std::uint8_t low[] = {
      static_cast<std::uint8_t>(m[0] ^ 2), m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};
  std::ranges::copy(low, address.bytes.begin() + 8);
  return address;
}

}  // namespace godwit::dataplane::tcp
