// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <expected>
#include <optional>

#include "base/bytes.h"
#include "base/ip_address.h"
#include "dataplane/tcp/wire/drop.h"

// Ethernet II frames with at most one 802.1Q tag. Values; thread safe.

namespace godwit::dataplane::tcp {

struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};

  bool is_group() const { return (bytes[0] & 1) != 0; }
  bool known() const { return *this != MacAddress{}; }
  // Asked for each frame: a comparison of arrays is a call.
  friend bool operator==(const MacAddress& a, const MacAddress& b) {
    return a.number() == b.number();
  }

 private:
  std::uint64_t number() const {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
};

inline constexpr MacAddress broadcast_mac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

// The group a multicast address is sent to: 33:33 and its last four bytes (RFC 2464, 7).
MacAddress multicast_mac(const IpAddress& group);

// "02:00:00:00:00:01"; nothing else.
std::optional<MacAddress> parse_mac(std::string_view text);

enum class EtherType : std::uint16_t { ipv4 = 0x0800, arp = 0x0806, vlan = 0x8100, ipv6 = 0x86dd };

inline constexpr std::size_t ethernet_header_size = 14;
inline constexpr std::size_t vlan_tag_size = 4;
inline constexpr std::uint16_t vlan_id_max = 4094;  // 4095 is reserved, 0 says "no VLAN"

struct EthernetHeader {
  MacAddress destination;
  MacAddress source;
  std::optional<std::uint16_t> vlan;  // a tag's twelve bits, when there is one
  EtherType type{};                   // any 16 bits

  std::size_t size() const { return ethernet_header_size + (vlan ? vlan_tag_size : 0); }
};

// What lies behind the header is the frame from header.size() on.
std::expected<EthernetHeader, Drop> parse_ethernet(Bytes frame);

// `out` has room for header.size().
void write_ethernet(MutableBytes out, const EthernetHeader& header);

}  // namespace godwit::dataplane::tcp
