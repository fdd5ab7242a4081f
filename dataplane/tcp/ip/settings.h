// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "base/token_bucket.h"
#include "dataplane/tcp/wire/ethernet.h"

// Where a stack is in the network, and the limits of its network half. Values, fixed when the stack
// is made.

namespace godwit::dataplane::tcp {

enum class LinkMode : std::uint8_t {
  ethernet,
  raw_ip,  // frames are IP packets: no neighbours, no broadcast
};

struct NeighbourSettings {
  std::uint32_t entries_max = 1024;
  std::uint32_t waiting_max = 256;       // packets for unresolved neighbours
  std::uint32_t waiting_each_max = 128;  // for one of them; at least 1
  // RFC 4861, 10.
  Duration retransmit = std::chrono::seconds(1);
  Duration reachable = std::chrono::seconds(30);
  Duration delay_first_probe = std::chrono::seconds(5);
  std::uint8_t solicits_max = 3;  // to all, and as many to the one address it had
};

struct NetworkSettings {
  LinkMode link = LinkMode::ethernet;
  MacAddress mac;
  std::optional<std::uint16_t> vlan;  // 1-4094
  std::size_t mtu = 1500;             // bytes of IP packet: mtu_min_v4, or mtu_min_v6 with IPv6
  std::vector<IpPrefix> addresses;    // ours, each with the prefix that is on the link
  std::vector<IpRoute> routes;        // by gateways on the link
  // A link-local address made from the MAC (RFC 4291, appendix A), when there is another of IPv6.
  bool link_local = true;
  // Every unicast destination is ours: for tools that choose the addresses. With raw_ip only.
  bool any_address = false;
  // Asks for a second before an address is used (RFC 5227, 4862); else it is used at once.
  bool detect_duplicates = false;
  // Tells routers and switches which groups we listen to (RFC 3810).
  bool listener_reports = true;
  NeighbourSettings neighbours;
  TokenBucket::Limit echo_limit{1000, 100};
  TokenBucket::Limit error_limit{100, 20};  // ICMP errors (RFC 4443, 2.4 f; RFC 1812, 4.3.2.8)
  TokenBucket::Limit neighbour_limit{1000, 200};  // answers and questions on the link
};

// What one report of listeners tells (RFC 3810, 5.2) with the least MTU of IPv6: 56 bytes of
// headers and 20 for the group of each address, one of which is the link-local one's.
inline constexpr std::size_t addresses_max = (1280 - 56) / 20 - 1;
inline constexpr std::size_t routes_max = 64;
inline constexpr std::size_t mtu_max = 9216;
inline constexpr std::size_t ports_max = 4;  // of one stack, each with neighbours and queues

// Errors: invalid, with a sentence that says what to change.
Result<void> check(const NetworkSettings& settings);
// Of the ports of one stack: each of them, and that an address, a network and a MAC are on one port
// alone, so that each says which. Errors: as above.
Result<void> check(std::span<const NetworkSettings> ports);

// The link-local address of a MAC (RFC 4291, 2.5.6 and appendix A).
IpAddress link_local_address(const MacAddress& mac);

}  // namespace godwit::dataplane::tcp
