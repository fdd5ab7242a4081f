// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk/steering.h"

#include <utility>

#include "dataplane/tcp/wire/ethernet.h"
#include "dataplane/tcp/wire/icmp.h"
#include "dataplane/tcp/wire/ip.h"

namespace godwit::dataplane::io::dpdk {

namespace {

// Who answers questions, and counts what is malformed.
constexpr std::uint16_t first_shard = 0;

bool is_arp_request(Bytes packet) {
  return packet.size() >= 8 && packet[6] == 0 && packet[7] == 1;
}

bool is_question(const tcp::IpPacket& packet) {
  if (packet.payload.empty()) return true;
  const std::uint8_t type = packet.payload[0];
  if (packet.protocol == tcp::Protocol::icmp) return type == tcp::v4_echo;
  return type == tcp::v6_echo || type == tcp::v6_neighbour_solicitation ||
         type == tcp::v6_listener_query;
}

}  // namespace

Steering::Steering(const Options& options, std::shared_ptr<const tcp::FlowHash> hash)
    : options_(options), hash_(std::move(hash)), wakers_(options.shards) {
  for (std::size_t i = 0; i < std::size_t{options.shards} * options.shards; ++i) {
    rings_.push_back(std::make_unique<queues::SpscRing<rte_mbuf*>>(ring_capacity));
  }
}

std::uint16_t Steering::owner_of(MutableBytes frame, std::uint16_t receiver) const {
  const auto header = tcp::parse_ethernet(frame);
  if (!header) return first_shard;
  const MutableBytes packet = frame.subspan(header->size());
  switch (header->type) {
    case tcp::EtherType::arp:
      return is_arp_request(packet) ? first_shard : everyone;
    case tcp::EtherType::ipv4: {
      const auto parsed = tcp::parse_ipv4(packet, true);
      return parsed ? owner_of_packet(*parsed, receiver) : first_shard;
    }
    case tcp::EtherType::ipv6: {
      const auto parsed = tcp::parse_ipv6(packet);
      return parsed ? owner_of_packet(*parsed, receiver) : first_shard;
    }
    default:
      return first_shard;
  }
}

std::uint16_t Steering::owner_of_packet(const tcp::IpPacket& packet, std::uint16_t receiver) const {
  if (packet.protocol == tcp::Protocol::icmp || packet.protocol == tcp::Protocol::icmp_v6) {
    return is_question(packet) ? first_shard : everyone;
  }
  if (packet.protocol != tcp::Protocol::tcp) return first_shard;
  ByteReader ports(packet.payload);
  tcp::Flow flow{.local = packet.destination, .remote = packet.source};
  flow.remote_port = ports.u16();
  flow.local_port = ports.u16();
  return options_.by_hash || is_dialled(flow.local_port) ? owner_of(flow) : receiver;
}

}  // namespace godwit::dataplane::io::dpdk
