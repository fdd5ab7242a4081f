// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace godwit::dataplane::tcp {

// Why a packet went no further. Each reason has a counter (ip/counters.h), so that an operator sees
// what a network does to us.
enum class Drop : std::uint8_t {
  // The link.
  short_frame,        // ends before its headers do
  other_vlan,         // of another VLAN than ours, or tagged where we have none
  other_mac,          // for another station
  bad_source_mac,     // comes from a group address
  unknown_ethertype,  // neither IPv4, ARP nor IPv6
  bad_arp,            // not Ethernet and IPv4, or with impossible addresses
  bad_neighbour,      // a neighbour discovery message that RFC 4861 tells to ignore
  foreign_neighbour,  // about an address that is not ours, or an answer that was not asked for
  duplicate_address,  // says that it has our address too
  // IP.
  bad_ip_header,  // version, length or header length cannot be
  bad_ip_checksum,
  source_route,         // IPv4 source route or IPv6 routing header type 0
  fragment,             // of a larger packet: we never ask for any (RFC 8900)
  extension_headers,    // too many, malformed, or with an option that says discard
  martian_source,       // an address that nobody can have, or our own
  martian_destination,  // likewise
  not_our_address,
  unknown_protocol,
  group_address,  // multicast or broadcast to a protocol that has none
  // Transport.
  bad_tcp_header,
  bad_tcp_checksum,
  bad_udp,  // header, length or checksum
  closed_udp_port,
  bad_icmp,      // header, length or checksum
  icmp_ignored,  // a type that means nothing here
  icmp_foreign,  // quotes what we cannot have sent
  icmp_limited,  // an answer the rate limit held back
  // Going out.
  no_route,
  no_frame,              // the port has no room
  too_long,              // more than the link's MTU
  neighbour_unresolved,  // no room to wait for the neighbour's address
  neighbour_unreachable,
  neighbour_table_full,
  address_not_ready,  // ours, and still being checked or found to be another's
};

inline constexpr std::size_t drop_count = static_cast<std::size_t>(Drop::address_not_ready) + 1;

// The word of a metric's label.
std::string_view drop_name(Drop drop);

}  // namespace godwit::dataplane::tcp
