// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <optional>

#include "base/bytes.h"
#include "dataplane/tcp/wire/ethernet.h"
#include "dataplane/tcp/wire/icmp.h"
#include "dataplane/tcp/wire/ip.h"

// Neighbour solicitations and advertisements (RFC 4861, 4.3, 4.4). Values; thread safe.

namespace godwit::dataplane::tcp {

inline constexpr std::uint8_t neighbour_hop_limit = 255;  // proves that no router was between
inline constexpr std::size_t neighbour_message_size = icmp_header_size + 16 + 8;  // with an option

struct NeighbourMessage {
  bool is_advertisement = false;
  bool solicited = false;  // these two of an advertisement only
  bool override = false;
  IpAddress target;
  std::optional<MacAddress> link;  // source's of a solicitation, target's of an advertisement
};

// Refuses what RFC 4861, 7.1 tells to discard: hop limit, code, length, a target that is a group,
// options of length 0 or past the end, a solicitation from :: with a link address or not to a
// solicited-node group, a solicited advertisement to a group.
std::expected<NeighbourMessage, Drop> parse_neighbour(const IpPacket& packet,
                                                      const IcmpMessage& message);

// Bytes of ICMP message, header included: neighbour_message_size, or 8 less without a link address.
std::size_t neighbour_size(const NeighbourMessage& message);
void write_neighbour(MutableBytes out, const IpAddress& source, const IpAddress& destination,
                     const NeighbourMessage& message);

IpAddress solicited_node_group(const IpAddress& address);  // RFC 4291, 2.7.1
inline constexpr IpAddress all_nodes{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
inline constexpr IpAddress all_listeners{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16}};

}  // namespace godwit::dataplane::tcp
