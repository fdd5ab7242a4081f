// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <expected>
#include <optional>

#include "base/bytes.h"
#include "base/ip_address.h"
#include "dataplane/tcp/wire/drop.h"
#include "dataplane/tcp/wire/segment.h"

// IPv4 (RFC 791, 1122) and IPv6 (RFC 8200) packets. Values; thread safe. A parser never reads past
// what it is given, and gives nothing of a packet it refuses.

namespace godwit::dataplane::tcp {

enum class Protocol : std::uint8_t {
  hop_by_hop = 0,
  icmp = 1,
  tcp = 6,
  udp = 17,
  routing = 43,
  fragment = 44,
  icmp_v6 = 58,
  none = 59,
  destination_options = 60,
};

inline constexpr std::size_t ipv4_header_size = 20;  // as we write it
inline constexpr std::size_t ipv6_header_size = 40;
inline constexpr std::uint8_t hop_limit_default = 64;
inline constexpr std::size_t mtu_min_v4 = 576;   // RFC 1122, 3.3.2: what every host takes
inline constexpr std::size_t mtu_min_v6 = 1280;  // RFC 8200, 5
// Hop-by-hop options, destination options, routing, destination options again is what RFC 8200,
// 4.1 recommends at most; twice that many headers is a packet that wants our time.
inline constexpr std::size_t extension_headers_max = 8;
inline constexpr std::size_t extension_bytes_max = 512;

inline std::size_t ip_header_size(bool v4) {
  return v4 ? ipv4_header_size : ipv6_header_size;
}

struct IpPacket {
  IpAddress source;
  IpAddress destination;
  Protocol protocol{};
  std::uint8_t hop_limit = 0;
  Ecn ecn = Ecn::not_capable;
  bool router_alert = false;
  // Where the byte lies that named the protocol, for an answer to an unknown one (RFC 4443, 3.4).
  std::uint16_t protocol_offset = 0;
  MutableBytes payload;  // as long as the header says, without the link's padding
  MutableBytes whole;    // header and payload
};

// Why a packet was refused, and for IPv6 what its source should hear (RFC 8200, 4.2; RFC
// 4443, 3.4).
struct IpRefusal {
  Drop drop = Drop::bad_ip_header;
  struct ParameterProblem {
    std::uint8_t code = 0;
    std::uint32_t pointer = 0;
    bool to_multicast = false;  // answered even when the packet was for a group
  };
  std::optional<ParameterProblem> problem;
  IpPacket packet{};  // with a problem: addresses and `whole`, to answer with
};

// The IPv4 header's checksum is checked unless the port has done so. Options are skipped; source
// routes and fragments refused.
std::expected<IpPacket, IpRefusal> parse_ipv4(MutableBytes packet, bool checksum_good);
// Walks the extension headers up to the limits above; refuses routing type 0 (RFC 5095), other
// routing headers with segments left, and fragments, also those that are whole (RFC 6946 would let
// us, but nothing we talk to sends them).
std::expected<IpPacket, IpRefusal> parse_ipv6(MutableBytes packet);

inline bool is_multicast(const IpAddress& address) {
  return address.is_v4() ? address.bytes[12] >> 4 == 0xe : address.bytes[0] == 0xff;
}
inline bool is_broadcast(const IpAddress& address) {  // 255.255.255.255
  constexpr std::uint8_t ones[4] = {255, 255, 255, 255};
  return address.is_v4() && std::memcmp(address.bytes.data() + 12, ones, sizeof ones) == 0;
}
// The destination of a packet nobody can have sent: unspecified, loopback, reserved, or IPv4
// dressed as IPv6 (RFC 1122, 3.2.1.3; 6890; 4291, 2.5). `in_v6_packet` says which header it was in;
// one of IPv4 holds an IPv4 address. 255.255.255.255 is none.
inline bool is_martian_destination(const IpAddress& address, bool in_v6_packet) {
  constexpr std::uint8_t zeros[12] = {};  // ::, ::1 and the rest of ::/96
  if (in_v6_packet) {
    return address.is_v4() || std::memcmp(address.bytes.data(), zeros, sizeof zeros) == 0;
  }
  const std::uint8_t first = address.bytes[12];
  return first == 0 || first == 127 || (first >= 240 && !is_broadcast(address));
}
// Likewise for a source, which is no group either.
inline bool is_martian_source(const IpAddress& address, bool in_v6_packet) {
  if (in_v6_packet) return is_martian_destination(address, true) || is_multicast(address);
  const std::uint8_t first = address.bytes[12];
  return first == 0 || first == 127 || first >= 224;
}
bool is_link_local(const IpAddress& address);

struct IpOut {
  IpAddress source;  // both of one family
  IpAddress destination;
  Protocol protocol{};
  std::size_t payload_size = 0;
  Ecn ecn = Ecn::not_capable;
  std::uint8_t hop_limit = hop_limit_default;
  bool checksum = true;  // write the IPv4 header's; otherwise the port does, and it is 0
};

// Write ip_header_size() bytes. IPv4: no options, identification 0 and "don't fragment" (RFC 6864,
// 4.1: an atomic packet's identification means nothing). IPv6: flow label 0.
void write_ipv4(MutableBytes out, const IpOut& packet);
void write_ipv6(MutableBytes out, const IpOut& packet);
inline void write_ip(MutableBytes out, const IpOut& packet) {
  packet.source.is_v4() ? write_ipv4(out, packet) : write_ipv6(out, packet);
}

}  // namespace godwit::dataplane::tcp
