// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ip_address.h"
#include "dataplane/tcp/wire/icmp.h"
#include "dataplane/tcp/wire/ip.h"
#include "dataplane/tcp/wire/tcp_header.h"

// Packets for tests, as values.

namespace godwit::dataplane::tcp::testing {

using Packet = std::vector<std::uint8_t>;

inline IpAddress ip(std::string_view text) {
  return parse_ip_address(text).value();
}

inline Packet ip_packet(IpOut header, Bytes payload) {
  header.payload_size = payload.size();
  Packet packet(ip_header_size(header.source.is_v4()) + payload.size());
  write_ip(packet, header);
  std::ranges::copy(payload, packet.end() - static_cast<std::ptrdiff_t>(payload.size()));
  return packet;
}

inline Packet tcp_packet(const SegmentOut& segment) {
  Packet bytes(tcp_size(segment));
  write_tcp(bytes, segment, ChecksumBy::us);
  return ip_packet({segment.flow.local, segment.flow.remote, Protocol::tcp, 0, segment.ecn}, bytes);
}

inline Packet icmp_packet(const IpAddress& source, const IpAddress& destination,
                          const IcmpOut& message, std::uint8_t hop_limit = hop_limit_default) {
  Packet bytes(icmp_header_size + message.body.size());
  write_icmp(bytes, source, destination, message);
  IpOut header{source, destination, source.is_v4() ? Protocol::icmp : Protocol::icmp_v6};
  header.hop_limit = hop_limit;
  return ip_packet(header, bytes);
}

inline std::expected<IpPacket, IpRefusal> parse_ip(MutableBytes packet) {
  return packet[0] >> 4 == 4 ? parse_ipv4(packet, false) : parse_ipv6(packet);
}

}  // namespace godwit::dataplane::tcp::testing
