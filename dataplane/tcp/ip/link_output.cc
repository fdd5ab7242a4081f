// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/ip_layer.h"

namespace godwit::dataplane::tcp {

// Asks who has an address, from one of ours on the same link.
void IpLayer::solicit(const Neighbours::Solicitation& solicitation) {
  if (!neighbour_rate_.take(settings_.neighbour_limit, now_)) return drop(Drop::icmp_limited);
  const IpAddress source = addresses_.source_for(solicitation.address);
  if (!source.known()) return drop(Drop::address_not_ready);
  ++counters_.solicitations_sent;
  const IpAddress& target = solicitation.address;
  if (target.is_v4()) {
    const MacAddress asked = solicitation.to.value_or(MacAddress{});
    send_arp(solicitation.to.value_or(broadcast_mac),
             {Arp::Operation::request, settings_.mac, source, asked, target});
    return;
  }
  const NeighbourMessage question{false, false, false, target, settings_.mac};
  const IpAddress group = solicited_node_group(target);
  if (solicitation.to) return send_neighbour(*solicitation.to, source, target, question);
  send_neighbour(multicast_mac(group), source, group, question);
}

void IpLayer::send_arp(const MacAddress& to, const Arp& arp) {
  const Outgoing out = open_to(to, EtherType::arp, arp_size);
  if (out.packet.empty()) return;
  write_arp(out.packet, arp);
  send(out);
}

void IpLayer::send_neighbour(const MacAddress& to, const IpAddress& source,
                             const IpAddress& destination, const NeighbourMessage& message) {
  const std::size_t size = neighbour_size(message);
  const Outgoing out = open_to(to, EtherType::ipv6, ipv6_header_size + size);
  if (out.packet.empty()) return;
  IpOut header{source, destination, Protocol::icmp_v6, size};
  header.hop_limit = neighbour_hop_limit;
  write_ip(out.packet, header);
  write_neighbour(out.packet.subspan(ipv6_header_size), source, destination, message);
  send(out);
  if (message.is_advertisement) ++counters_.advertisements_sent;
}

// Says to all where an address of ours is (RFC 5227, 2.3; RFC 4861, 7.2.6).
void IpLayer::announce(const IpAddress& address) {
  if (address.is_v4()) {
    send_arp(broadcast_mac, {Arp::Operation::request, settings_.mac, address, {}, address});
    ++counters_.advertisements_sent;
    return;
  }
  send_neighbour(multicast_mac(all_nodes), address, all_nodes,
                 {true, false, true, address, settings_.mac});
}

// Asks whether somebody else has an address of ours (RFC 5227, 2.1.1; RFC 4862, 5.4.2).
void IpLayer::probe(const IpAddress& address) {
  ++counters_.solicitations_sent;
  if (address.is_v4()) {
    send_arp(broadcast_mac,
             {Arp::Operation::request, settings_.mac, IpAddress::v4({0, 0, 0, 0}), {}, address});
    return;
  }
  const IpAddress group = solicited_node_group(address);
  send_neighbour(multicast_mac(group), IpAddress{}, group, {false, false, false, address, {}});
}

void IpLayer::send_report(const IpAddress& destination, std::size_t size, auto&& write) {
  const Outgoing out = open_to(multicast_mac(destination), EtherType::ipv6, size);
  if (out.packet.empty()) return;
  write(out.packet);
  send(out);
  ++counters_.listener_reports_sent;
}

// From our link-local address, or from nobody's while that is being checked (RFC 3810, 5.2.13).
void IpLayer::report_listening(ListenerReports::Report report) {
  const auto& groups = reports_.groups();
  if (groups.empty()) return;
  IpAddress source;
  for (const Addresses::Own& own : addresses_.all()) {
    const IpAddress& address = own.prefix.address;
    if (!address.is_v4() && is_link_local(address) && own.state == Addresses::State::ready) {
      source = address;
    }
  }
  if (!report.version_1) {
    send_report(listener_routers, listener_report_size(groups.size()), [&](MutableBytes out) {
      write_listener_report(out, source, groups, report.record);
    });
    return;
  }
  for (const IpAddress& group : groups) {
    send_report(group, listener_report_v1_size(),
                [&](MutableBytes out) { write_listener_report_v1(out, source, group); });
  }
}

}  // namespace godwit::dataplane::tcp
