// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/listener_discovery.h"

#include <algorithm>
#include <array>

namespace godwit::dataplane::tcp {
namespace {

constexpr std::uint8_t hop_limit = 1;
constexpr std::size_t alert_size = 8;
constexpr std::size_t record_size = 20;
constexpr std::size_t body_v1 = 16;      // the group
constexpr std::size_t body_v2_min = 20;  // and who asks, how often, and no source

// RFC 3810, 5.1.3: milliseconds, or for the large ones a mantissa and an exponent.
Duration response_delay(std::uint32_t code, bool version_1) {
  if (version_1 || code < 0x8000) return std::chrono::milliseconds(code);
  const std::uint32_t mantissa = (code & 0xfff) | 0x1000;
  const std::uint32_t exponent = code >> 12 & 7;
  return std::chrono::milliseconds(std::uint64_t{mantissa} << (exponent + 3));
}

// The headers of a packet whose ICMPv6 part has `size` bytes; returns that part.
MutableBytes write_headers(MutableBytes out, const IpAddress& source, const IpAddress& destination,
                           std::size_t size) {
  IpOut header{source, destination, Protocol::hop_by_hop, alert_size + size};
  header.hop_limit = hop_limit;
  write_ipv6(out, header);
  const auto next = static_cast<std::uint8_t>(Protocol::icmp_v6);
  // Router alert with value 0, listener discovery (RFC 2711, 2.1), and two bytes of padding.
  const std::array<std::uint8_t, alert_size> alert = {next, 0, 5, 2, 0, 0, 1, 0};
  std::ranges::copy(alert, out.begin() + ipv6_header_size);
  return out.subspan(ipv6_header_size + alert_size, size);
}

}  // namespace

std::expected<ListenerQuery, Drop> parse_listener_query(const IpPacket& packet,
                                                        const IcmpMessage& message) {
  const auto bad = std::unexpected(Drop::bad_neighbour);
  if (packet.hop_limit != hop_limit || !packet.router_alert) return bad;
  if (!is_link_local(packet.source)) return bad;
  const bool version_1 = message.body.size() == body_v1;
  if (!version_1 && message.body.size() < body_v2_min) return bad;
  ListenerQuery query;
  std::ranges::copy(message.body.first(16), query.group.bytes.begin());
  if (query.group.known() && !is_multicast(query.group)) return bad;
  query.version_1 = version_1;
  query.answer_within = response_delay(message.rest >> 16, version_1);
  return query;
}

std::size_t listener_report_size(std::size_t groups) {
  return ipv6_header_size + alert_size + icmp_header_size + groups * record_size;
}

void write_listener_report(MutableBytes out, const IpAddress& source,
                           std::span<const IpAddress> groups, ListenerRecord record) {
  const std::size_t size = icmp_header_size + groups.size() * record_size;
  const MutableBytes message = write_headers(out, source, listener_routers, size);
  const MutableBytes body = message.subspan(icmp_header_size);
  ByteWriter writer(body);
  for (const IpAddress& group : groups) {
    writer.u8(static_cast<std::uint8_t>(record));
    writer.u8(0);   // no auxiliary data
    writer.u16(0);  // no sources
    writer.bytes(group.bytes);
  }
  write_icmp(message, source, listener_routers,
             {v6_listener_report, 0, static_cast<std::uint32_t>(groups.size()), body});
}

std::size_t listener_report_v1_size() {
  return ipv6_header_size + alert_size + icmp_header_size + body_v1;
}

void write_listener_report_v1(MutableBytes out, const IpAddress& source, const IpAddress& group) {
  const MutableBytes message = write_headers(out, source, group, icmp_header_size + body_v1);
  write_icmp(message, source, group, {v6_listener_report_v1, 0, 0, group.bytes});
}

}  // namespace godwit::dataplane::tcp
