// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/ip_layer.h"

namespace godwit::dataplane::tcp {
namespace {

constexpr Duration defence_interval = std::chrono::seconds(10);  // RFC 5227, 1.1

}  // namespace

IpLayer::Received IpLayer::receive_ethernet(MutableBytes frame, RxHints hints) {
  const auto header = parse_ethernet(frame);
  if (!header) {
    drop(header.error());
    return {};
  }
  // A tag of VLAN 0 has a priority only (IEEE 802.1Q, 9.6).
  const auto vlan = header->vlan == 0 ? std::nullopt : header->vlan;
  if (vlan != settings_.vlan) {
    drop(Drop::other_vlan);
    return {};
  }
  if (!is_for_us(header->destination) || header->source == settings_.mac) {
    drop(Drop::other_mac);
    return {};
  }
  const MutableBytes packet = frame.subspan(header->size());
  const std::size_t version = packet.empty() ? 0 : packet[0] >> 4;
  switch (header->type) {
    case EtherType::ipv4:
    case EtherType::ipv6:
      if (version != (header->type == EtherType::ipv4 ? 4u : 6u)) {
        drop(packet.empty() ? Drop::short_frame : Drop::bad_ip_header);
        return {};
      }
      return receive_packet(packet, hints, header->destination.is_group());
    case EtherType::arp:
      receive_arp(packet);
      return {};
    default:
      drop(Drop::unknown_ethertype);
      return {};
  }
}

// Groups are told apart by their IP address, so all IPv6 ones may pass here.
bool IpLayer::is_for_us(const MacAddress& destination) const {
  return destination == settings_.mac || destination == broadcast_mac ||
         (destination.bytes[0] == 0x33 && destination.bytes[1] == 0x33);
}

void IpLayer::receive_arp(Bytes packet) {
  const auto arp = parse_arp(packet);
  if (!arp) return drop(arp.error());
  if (arp->sender_mac == settings_.mac) return drop(Drop::bad_arp);
  if (settle_conflict(arp->sender, arp->sender_mac)) return;
  const Addresses::Own* asked = addresses_.find(arp->target);
  const bool is_probe = arp->sender == IpAddress::v4({0, 0, 0, 0});
  if (is_probe && asked && asked->state == Addresses::State::tentative) {
    settle_conflict(arp->target, arp->sender_mac);
    return;
  }
  if (!is_probe && is_martian_source(arp->sender, false)) return drop(Drop::bad_arp);
  if (arp->operation == Arp::Operation::request && asked) {
    if (asked->state != Addresses::State::ready) return drop(Drop::address_not_ready);
    if (!neighbour_rate_.take(settings_.neighbour_limit, now_)) return drop(Drop::icmp_limited);
    send_arp(arp->sender_mac,
             {Arp::Operation::reply, settings_.mac, arp->target, arp->sender_mac, arp->sender});
    ++counters_.advertisements_sent;
    if (is_probe || !addresses_.is_on_link(arp->sender)) return;
    neighbours_.on_solicited(arp->sender, arp->sender_mac, now_);
  } else if (!neighbours_.on_advertised(arp->sender, arp->sender_mac,
                                        {arp->operation == Arp::Operation::reply, true}, now_)) {
    return drop(Drop::foreign_neighbour);
  }
  send_waiting(arp->sender);
  expire(now_);
}

// True when `address` is ours, which `claimed_by` says to have as well. Before it is used it is
// given up; later it is defended, now and then (RFC 5227, 2.4 b).
bool IpLayer::settle_conflict(const IpAddress& address, const MacAddress& claimed_by) {
  Addresses::Own* own = addresses_.find(address);
  if (own == nullptr || claimed_by == settings_.mac) return false;
  drop(Drop::duplicate_address);
  if (own->state == Addresses::State::tentative) {
    own->state = Addresses::State::duplicate;
  } else if (own->state == Addresses::State::ready &&
             (own->defended_at == Instant{} || now_ - own->defended_at >= defence_interval)) {
    own->defended_at = now_;
    announce(address);
  }
  return true;
}

void IpLayer::receive_neighbour(const IpPacket& packet, const IcmpMessage& message) {
  if (settings_.link == LinkMode::raw_ip) return drop(Drop::icmp_ignored);
  const auto parsed = parse_neighbour(packet, message);
  if (!parsed) return drop(parsed.error());
  if (!parsed->is_advertisement) return receive_solicitation(packet, *parsed);
  if (!packet.source.known()) return drop(Drop::bad_neighbour);
  receive_advertisement(*parsed);
}

void IpLayer::receive_solicitation(const IpPacket& packet, const NeighbourMessage& message) {
  const Addresses::Own* own = addresses_.find(message.target);
  if (own == nullptr) return drop(Drop::foreign_neighbour);
  const bool probe = !packet.source.known();
  if (own->state != Addresses::State::ready) {
    // Two probe for one address at the same time: neither may have it (RFC 4862, 5.4.3).
    if (probe) settle_conflict(message.target, {});
    return drop(Drop::address_not_ready);
  }
  if (!neighbour_rate_.take(settings_.neighbour_limit, now_)) return drop(Drop::icmp_limited);
  NeighbourMessage answer{true, !probe, true, message.target, settings_.mac};
  if (probe) {
    send_neighbour(multicast_mac(all_nodes), message.target, all_nodes, answer);
    return;
  }
  if (!addresses_.is_on_link(packet.source) && !is_link_local(packet.source)) {
    return drop(Drop::foreign_neighbour);
  }
  if (message.link) {
    neighbours_.on_solicited(packet.source, *message.link, now_);
    send_waiting(packet.source);
    expire(now_);
    send_neighbour(*message.link, message.target, packet.source, answer);
    return;
  }
  // Who asks us alone may leave its address out (RFC 4861, 4.3): we know it, or ask.
  const std::size_t size = neighbour_size(answer);
  const Outgoing out = open(packet.source, ipv6_header_size + size);
  if (out.packet.empty()) return;
  IpOut header{message.target, packet.source, Protocol::icmp_v6, size};
  header.hop_limit = neighbour_hop_limit;
  write_ip(out.packet, header);
  write_neighbour(out.packet.subspan(ipv6_header_size), message.target, packet.source, answer);
  send(out);
  ++counters_.advertisements_sent;
}

void IpLayer::receive_listener_query(const IpPacket& packet, const IcmpMessage& message) {
  if (settings_.link == LinkMode::raw_ip) return drop(Drop::icmp_ignored);
  const auto query = parse_listener_query(packet, message);
  if (!query) return drop(query.error());
  reports_.on_query(*query, now_);
}

void IpLayer::receive_advertisement(const NeighbourMessage& message) {
  if (settle_conflict(message.target, message.link.value_or(MacAddress{}))) return;
  // An answer to a question put to one station may leave its address out (RFC 4861, 4.4).
  const auto link = message.link ? message.link : neighbours_.mac_of(message.target);
  if (!link || !neighbours_.on_advertised(message.target, *link,
                                          {message.solicited, message.override}, now_)) {
    return drop(Drop::foreign_neighbour);
  }
  send_waiting(message.target);
  expire(now_);
}

}  // namespace godwit::dataplane::tcp
