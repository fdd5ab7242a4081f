// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/ip_layer.h"

namespace godwit::dataplane::tcp {

void IpLayer::answer_echo(const IpPacket& packet, const IcmpMessage& message) {
  if (!echo_rate_.take(settings_.echo_limit, now_)) return drop(Drop::icmp_limited);
  const std::uint8_t type =
      packet.destination.is_v4() ? std::uint8_t{v4_echo_reply} : std::uint8_t{v6_echo_reply};
  if (send_icmp(packet.destination, packet.source, {type, 0, message.rest, message.body})) {
    ++counters_.echoes_answered;
  }
}

// RFC 1122, 3.2.2 and RFC 4443, 2.4 e: never about an error, a group's packet, or to what names no
// single host.
bool IpLayer::may_answer_error(const IpPacket& packet, bool group_too) const {
  if (!packet.source.known() || addresses_.is_own(packet.source)) return false;
  const auto kind = addresses_.kind_of(packet.destination);
  if (kind != Addresses::Kind::own && !(group_too && kind == Addresses::Kind::group)) return false;
  const bool icmp = packet.protocol == Protocol::icmp || packet.protocol == Protocol::icmp_v6;
  if (!icmp) return true;
  return !packet.payload.empty() && !is_icmp_error(packet.protocol, packet.payload[0]);
}

void IpLayer::answer_error(const IpPacket& packet, IcmpOut error, bool group_too) {
  if (!may_answer_error(packet, group_too)) return;
  if (!error_rate_.take(settings_.error_limit, now_)) return drop(Drop::icmp_limited);
  error.body = packet.whole.first(quote_size(packet));
  const bool own = addresses_.kind_of(packet.destination) == Addresses::Kind::own;
  const IpAddress source = own ? packet.destination : addresses_.source_for(packet.source);
  if (!source.known()) return drop(Drop::address_not_ready);
  if (send_icmp(source, packet.source, error)) ++counters_.errors_sent;
}

}  // namespace godwit::dataplane::tcp
