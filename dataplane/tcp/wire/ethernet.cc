// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/ethernet.h"

#include <algorithm>
#include <cstring>

#include "base/big_endian.h"
#include "base/result.h"

namespace godwit::dataplane::tcp {

MacAddress multicast_mac(const IpAddress& group) {
  MacAddress mac{{0x33, 0x33}};
  std::ranges::copy(Bytes(group.bytes).last(4), mac.bytes.begin() + 2);
  return mac;
}

std::optional<MacAddress> parse_mac(std::string_view text) {
  MacAddress mac;
  if (text.size() != 17) return std::nullopt;
  for (std::size_t i = 0; i < 6; ++i) {
    const auto byte = from_hex(text.substr(3 * i, 2));
    if (!byte || (i < 5 && text[3 * i + 2] != ':')) return std::nullopt;
    mac.bytes[i] = byte->front();
  }
  return mac;
}

std::expected<EthernetHeader, Drop> parse_ethernet(Bytes frame) {
  if (frame.size() < ethernet_header_size) return std::unexpected(Drop::short_frame);
  const std::uint8_t* const at = frame.data();
  EthernetHeader header;
  std::memcpy(header.destination.bytes.data(), at, 6);
  std::memcpy(header.source.bytes.data(), at + 6, 6);
  header.type = EtherType{load_u16(at + 12)};
  if (header.type == EtherType::vlan) {
    if (frame.size() < ethernet_header_size + vlan_tag_size) {
      return std::unexpected(Drop::short_frame);
    }
    header.vlan = load_u16(at + 14) & 0x0fff;
    header.type = EtherType{load_u16(at + 16)};
  }
  if (header.source.is_group()) return std::unexpected(Drop::bad_source_mac);
  return header;
}

void write_ethernet(MutableBytes out, const EthernetHeader& header) {
  GODWIT_CHECK(out.size() >= header.size());
  std::uint8_t* at = out.data();
  std::memcpy(at, header.destination.bytes.data(), 6);
  std::memcpy(at + 6, header.source.bytes.data(), 6);
  if (header.vlan) {
    store_u16(at + 12, static_cast<std::uint16_t>(EtherType::vlan));
    store_u16(at + 14, *header.vlan);
    at += vlan_tag_size;
  }
  store_u16(at + 12, static_cast<std::uint16_t>(header.type));
}

}  // namespace godwit::dataplane::tcp
