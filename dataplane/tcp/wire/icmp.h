// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <optional>

#include "base/bytes.h"
#include "dataplane/tcp/wire/drop.h"
#include "dataplane/tcp/wire/ip.h"
#include "dataplane/tcp/wire/segment.h"

// ICMP (RFC 792) and ICMPv6 (RFC 4443) messages. Values; thread safe.

namespace godwit::dataplane::tcp {

inline constexpr std::size_t icmp_header_size = 8;  // type, code, checksum, and 4 bytes by type

struct IcmpMessage {
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  std::uint32_t rest = 0;  // of the header
  MutableBytes body;       // behind the header
};

enum IcmpType : std::uint8_t {
  v4_echo_reply = 0,
  v4_unreachable = 3,
  v4_echo = 8,
  v4_time_exceeded = 11,
  v4_parameter_problem = 12,
  v6_unreachable = 1,
  v6_too_big = 2,
  v6_time_exceeded = 3,
  v6_parameter_problem = 4,
  v6_echo = 128,
  v6_echo_reply = 129,
  v6_listener_query = 130,
  v6_listener_report_v1 = 131,
  v6_router_solicitation = 133,
  v6_router_advertisement = 134,
  v6_neighbour_solicitation = 135,
  v6_neighbour_advertisement = 136,
  v6_redirect = 137,
  v6_listener_report = 143,
};

// Refuses what is short or whose checksum is wrong; for ICMPv6 that covers a pseudo header.
std::expected<IcmpMessage, Drop> parse_icmp(const IpPacket& packet);

// An error of either family, about another packet: what must never be answered with an error.
bool is_icmp_error(Protocol protocol, std::uint8_t type);

// What an error says of a TCP segment that `packet`'s destination has sent. Refuses messages that
// are not errors about TCP (icmp_ignored) and quotes too short for ports and sequence number or of
// packets that the destination did not send (icmp_foreign). Classed by RFC 1122, 4.2.3.9 and RFC
// 5927, 3; source quench is ignored (RFC 6633).
std::expected<IcmpError, Drop> parse_icmp_error(const IpPacket& packet, const IcmpMessage& message);

struct IcmpOut {
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  std::uint32_t rest = 0;
  Bytes body;
};
// Writes icmp_header_size and the body, with the checksum. `body` may lie in `out` already.
void write_icmp(MutableBytes out, const IpAddress& source, const IpAddress& destination,
                const IcmpOut& message);

// How much of a packet an error about it quotes (RFC 1812, 4.3.2.3; RFC 4443, 2.4 c).
std::size_t quote_size(const IpPacket& packet);

// A UDP datagram's length and checksum are right (RFC 768; RFC 8200, 8.1: IPv6 has none without).
bool is_valid_udp(const IpPacket& packet);

}  // namespace godwit::dataplane::tcp
