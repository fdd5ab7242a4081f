// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/ip_layer.h"
#include "dataplane/tcp/wire/tcp_header.h"

namespace godwit::dataplane::tcp {
namespace {

constexpr std::uint8_t code_protocol_unreachable = 2;
constexpr std::uint8_t code_port_unreachable_v4 = 3;
constexpr std::uint8_t code_port_unreachable_v6 = 4;
constexpr std::uint8_t code_unknown_header = 1;

bool is_neighbour_message(std::uint8_t type) {
  return type == v6_neighbour_solicitation || type == v6_neighbour_advertisement;
}

}  // namespace

// `link_group`: the frame was for a group, so nobody may be answered with an error.
IpLayer::Received IpLayer::receive_packet(MutableBytes bytes, RxHints hints, bool link_group) {
  if (bytes.empty()) {
    drop(Drop::short_frame);
    return {};
  }
  const bool v4 = bytes[0] >> 4 == 4;
  const auto packet = v4 ? parse_ipv4(bytes, hints.checksums_good) : parse_ipv6(bytes);
  if (!packet) {
    const IpRefusal& refusal = packet.error();
    drop(refusal.drop);
    const auto kind = addresses_.kind_of(refusal.packet.destination);
    if (!refusal.problem || refuse_addresses(refusal.packet, kind)) return {};
    answer_error(refusal.packet,
                 {v6_parameter_problem, refusal.problem->code, refusal.problem->pointer, {}},
                 refusal.problem->to_multicast);
    return {};
  }
  const auto kind = addresses_.kind_of(packet->destination);
  if (const auto refused = refuse_addresses(*packet, kind)) {
    drop(*refused);
    return {};
  }
  const bool group = link_group || kind != Addresses::Kind::own;
  switch (packet->protocol) {
    case Protocol::tcp:
      return receive_tcp(*packet, hints, group);
    case Protocol::icmp:
    case Protocol::icmp_v6:
      if ((packet->protocol == Protocol::icmp) == v4) return receive_icmp(*packet, group);
      [[fallthrough]];
    default:
      refuse_protocol(*packet, group);
      return {};
  }
}

// Why a packet between these addresses is not looked at. An address that is being checked hears of
// its neighbours only, from :: too (RFC 4862, 5.4).
std::optional<Drop> IpLayer::refuse_addresses(const IpPacket& packet,
                                              Addresses::Kind destination) const {
  const bool v6 = !packet.destination.is_v4() || !packet.source.is_v4();
  const bool icmp_v6 = packet.protocol == Protocol::icmp_v6;
  const bool nobody = v6 && icmp_v6 && packet.source == IpAddress{};
  if (!nobody && is_martian_source(packet.source, v6)) return Drop::martian_source;
  if (is_martian_destination(packet.destination, v6)) return Drop::martian_destination;
  switch (addresses_.kind_of(packet.source)) {
    case Addresses::Kind::own:
    case Addresses::Kind::not_ready:
      // Who has our address as well says so by neighbour discovery. Where every address is ours,
      // so is the source's.
      if (!icmp_v6 && addresses_.is_own(packet.source)) return Drop::martian_source;
      break;
    case Addresses::Kind::broadcast:
      return Drop::martian_source;
    default:
      break;
  }
  switch (destination) {
    case Addresses::Kind::foreign:
      return Drop::not_our_address;
    case Addresses::Kind::not_ready:
      return icmp_v6 ? std::nullopt : std::optional(Drop::address_not_ready);
    case Addresses::Kind::group:
      if (v6 && !addresses_.listens_to(packet.destination)) return Drop::not_our_address;
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

// RFC 1122, 4.2.3.10: nobody connects to a group.
IpLayer::Received IpLayer::receive_tcp(const IpPacket& packet, RxHints hints, bool group) {
  if (group) {
    drop(Drop::group_address);
    return {};
  }
  const auto segment = parse_tcp(packet, hints.checksums_good);
  if (!segment) {
    drop(segment.error());
    return {};
  }
  return *segment;
}

IpLayer::Received IpLayer::receive_icmp(const IpPacket& packet, bool group) {
  const auto message = parse_icmp(packet);
  if (!message) {
    drop(message.error());
    return {};
  }
  const bool v4 = packet.protocol == Protocol::icmp;
  if (!v4 && is_neighbour_message(message->type)) {
    receive_neighbour(packet, *message);
    return {};
  }
  if (!v4 && message->type == v6_listener_query) {
    receive_listener_query(packet, *message);
    return {};
  }
  if (addresses_.is_own(packet.source)) {
    drop(Drop::martian_source);
    return {};
  }
  const bool ready = addresses_.kind_of(packet.destination) == Addresses::Kind::own;
  // Echo to a group would make every host answer at once (RFC 1122, 3.2.2.6).
  if (group || !ready || !packet.source.known()) {
    drop(Drop::group_address);
    return {};
  }
  if (message->type == (v4 ? v4_echo : v6_echo)) {
    answer_echo(packet, *message);
    return {};
  }
  const auto error = parse_icmp_error(packet, *message);
  if (!error) {
    drop(error.error());
    return {};
  }
  ++counters_.errors_received;
  return *error;
}

void IpLayer::refuse_protocol(const IpPacket& packet, bool group) {
  const bool v4 = packet.destination.is_v4();
  if (group) return drop(Drop::group_address);
  if (packet.protocol == Protocol::udp) {
    if (!is_valid_udp(packet)) return drop(Drop::bad_udp);
    drop(Drop::closed_udp_port);
    if (v4) return answer_error(packet, {v4_unreachable, code_port_unreachable_v4, 0, {}}, false);
    return answer_error(packet, {v6_unreachable, code_port_unreachable_v6, 0, {}}, false);
  }
  drop(Drop::unknown_protocol);
  if (packet.protocol == Protocol::none) return;
  if (v4) return answer_error(packet, {v4_unreachable, code_protocol_unreachable, 0, {}}, false);
  answer_error(packet, {v6_parameter_problem, code_unknown_header, packet.protocol_offset, {}},
               false);
}

}  // namespace godwit::dataplane::tcp
