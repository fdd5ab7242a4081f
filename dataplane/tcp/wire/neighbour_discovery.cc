// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/neighbour_discovery.h"

#include <algorithm>

namespace godwit::dataplane::tcp {
namespace {

constexpr std::uint32_t flag_solicited = 1u << 30;
constexpr std::uint32_t flag_override = 1u << 29;
constexpr std::uint8_t option_source_link = 1;
constexpr std::uint8_t option_target_link = 2;

// False when an option's length is wrong; unknown ones are skipped.
bool read_options(ByteReader& in, std::uint8_t wanted, std::optional<MacAddress>& link) {
  while (!in.at_end()) {
    const std::uint8_t kind = in.u8();
    const std::size_t size = in.u8() * 8u;
    if (size == 0) return false;
    const Bytes data = in.take(size - 2);
    if (!in.ok()) return false;
    if (kind != wanted || size != 8) continue;
    MacAddress mac;
    std::ranges::copy(data, mac.bytes.begin());
    if (mac.is_group() || !mac.known()) return false;
    link = mac;
  }
  return true;
}

bool is_solicited_node_group(const IpAddress& address) {
  return address == solicited_node_group(address);
}

}  // namespace

IpAddress solicited_node_group(const IpAddress& address) {
  IpAddress group{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff}};
  std::ranges::copy(Bytes(address.bytes).last(3), group.bytes.begin() + 13);
  return group;
}

std::expected<NeighbourMessage, Drop> parse_neighbour(const IpPacket& packet,
                                                      const IcmpMessage& message) {
  const auto bad = std::unexpected(Drop::bad_neighbour);
  if (packet.hop_limit != neighbour_hop_limit || message.code != 0) return bad;
  NeighbourMessage parsed;
  parsed.is_advertisement = message.type == v6_neighbour_advertisement;
  ByteReader in(message.body);
  std::ranges::copy(in.take(16), parsed.target.bytes.begin());
  if (!in.ok() || is_multicast(parsed.target)) return bad;
  const std::uint8_t wanted = parsed.is_advertisement ? option_target_link : option_source_link;
  if (!read_options(in, wanted, parsed.link)) return bad;
  if (parsed.is_advertisement) {
    parsed.solicited = (message.rest & flag_solicited) != 0;
    parsed.override = (message.rest & flag_override) != 0;
    if (parsed.solicited && is_multicast(packet.destination)) return bad;
  } else if (!packet.source.known()) {
    if (parsed.link || !is_solicited_node_group(packet.destination)) return bad;
  }
  return parsed;
}

std::size_t neighbour_size(const NeighbourMessage& message) {
  return neighbour_message_size - (message.link ? 0 : 8);
}

void write_neighbour(MutableBytes out, const IpAddress& source, const IpAddress& destination,
                     const NeighbourMessage& message) {
  std::array<std::uint8_t, neighbour_message_size - icmp_header_size> body{};
  ByteWriter writer(body);
  writer.bytes(message.target.bytes);
  if (message.link) {
    writer.u8(message.is_advertisement ? option_target_link : option_source_link);
    writer.u8(1);
    writer.bytes(message.link->bytes);
  }
  IcmpOut icmp;
  icmp.type = message.is_advertisement ? v6_neighbour_advertisement : v6_neighbour_solicitation;
  icmp.rest = (message.solicited ? flag_solicited : 0) | (message.override ? flag_override : 0);
  icmp.body = writer.written();
  write_icmp(out, source, destination, icmp);
}

}  // namespace godwit::dataplane::tcp
