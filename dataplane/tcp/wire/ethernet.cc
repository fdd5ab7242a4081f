// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/ethernet.h"

#include <algorithm>

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
  ByteReader in(frame);
  EthernetHeader header;
  std::ranges::copy(in.take(6), header.destination.bytes.begin());
  std::ranges::copy(in.take(6), header.source.bytes.begin());
  header.type = EtherType{in.u16()};
  if (header.type == EtherType::vlan) {
    header.vlan = in.u16() & 0x0fff;
    header.type = EtherType{in.u16()};
  }
  if (!in.ok()) return std::unexpected(Drop::short_frame);
  if (header.source.is_group()) return std::unexpected(Drop::bad_source_mac);
  return header;
}

void write_ethernet(MutableBytes out, const EthernetHeader& header) {
  ByteWriter writer(out);
  writer.bytes(header.destination.bytes);
  writer.bytes(header.source.bytes);
  if (header.vlan) {
    writer.u16(static_cast<std::uint16_t>(EtherType::vlan));
    writer.u16(*header.vlan);
  }
  writer.u16(static_cast<std::uint16_t>(header.type));
}

}  // namespace godwit::dataplane::tcp
