// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/icmp.h"

#include <algorithm>
#include <cstring>

#include "dataplane/tcp/wire/checksum.h"

namespace godwit::dataplane::tcp {
namespace {

using ErrorKind = IcmpError::Kind;

constexpr std::size_t udp_header_size = 8;
constexpr std::size_t quoted_tcp_min = 8;  // ports and sequence number (RFC 792)

void add_pseudo_header(Checksum& checksum, const IpPacket& packet) {
  tcp::add_pseudo_header(checksum, {packet.source, packet.destination,
                                    static_cast<std::uint32_t>(packet.payload.size()),
                                    static_cast<std::uint8_t>(packet.protocol)});
}

std::optional<ErrorKind> kind_v4(const IcmpMessage& message) {
  switch (message.type) {
    case v4_time_exceeded:
    case v4_parameter_problem:
      return ErrorKind::unreachable_soft;
    case v4_unreachable:
      break;
    default:
      return std::nullopt;
  }
  switch (message.code) {
    case 4:
      return ErrorKind::too_big;
    case 2:
    case 3:
    case 9:  // network, host, or communication administratively prohibited
    case 10:
    case 13:
      return ErrorKind::unreachable_hard;
    default:
      return ErrorKind::unreachable_soft;
  }
}

std::optional<ErrorKind> kind_v6(const IcmpMessage& message) {
  switch (message.type) {
    case v6_too_big:
      return ErrorKind::too_big;
    case v6_time_exceeded:
      return ErrorKind::unreachable_soft;
    case v6_parameter_problem:
      return message.code == 1 ? ErrorKind::unreachable_hard : ErrorKind::unreachable_soft;
    case v6_unreachable:
      break;
    default:
      return std::nullopt;
  }
  switch (message.code) {
    case 1:  // prohibited, port unreachable, policy, rejected route
    case 4:
    case 5:
    case 6:
      return ErrorKind::unreachable_hard;
    default:
      return ErrorKind::unreachable_soft;
  }
}

struct Quote {
  IpAddress source;
  IpAddress destination;
  Protocol protocol{};
  Bytes transport;
};

// The quoted header alone is looked at: its packet is cut off, and routers have changed its hop
// limit and perhaps its length.
std::optional<Quote> parse_quote_v4(Bytes quote) {
  if (quote.size() < ipv4_header_size) return std::nullopt;
  const std::size_t header_size = (quote[0] & 0x0fu) * 4u;
  if (quote[0] >> 4 != 4 || header_size < ipv4_header_size || header_size > quote.size()) {
    return std::nullopt;
  }
  if (((quote[6] & 0x1f) | quote[7]) != 0) return std::nullopt;  // a later fragment has no ports
  const auto address = [&](std::size_t at) {
    return IpAddress::v4({quote[at], quote[at + 1], quote[at + 2], quote[at + 3]});
  };
  return Quote{address(12), address(16), Protocol{quote[9]}, quote.subspan(header_size)};
}

// We send no extension headers, so none are walked.
std::optional<Quote> parse_quote_v6(Bytes quote) {
  if (quote.size() < ipv6_header_size || quote[0] >> 4 != 6) return std::nullopt;
  Quote parsed;
  parsed.protocol = Protocol{quote[6]};
  std::ranges::copy(quote.subspan(8, 16), parsed.source.bytes.begin());
  std::ranges::copy(quote.subspan(24, 16), parsed.destination.bytes.begin());
  parsed.transport = quote.subspan(ipv6_header_size);
  return parsed;
}

// Bytes of packet the next link takes; 0 when an old router does not say (RFC 1191, 4).
std::uint32_t next_mtu(bool v4, std::uint32_t rest) {
  return v4 ? rest & 0xffff : rest;
}

}  // namespace

std::expected<IcmpMessage, Drop> parse_icmp(const IpPacket& packet) {
  if (packet.payload.size() < icmp_header_size) return std::unexpected(Drop::bad_icmp);
  Checksum checksum;
  if (packet.protocol == Protocol::icmp_v6) add_pseudo_header(checksum, packet);
  checksum.add(packet.payload);
  if (checksum.finish() != 0) return std::unexpected(Drop::bad_icmp);
  ByteReader in(packet.payload);
  IcmpMessage message;
  message.type = in.u8();
  message.code = in.u8();
  in.take(2);
  message.rest = in.u32();
  message.body = packet.payload.subspan(icmp_header_size);
  return message;
}

bool is_icmp_error(Protocol protocol, std::uint8_t type) {
  if (protocol == Protocol::icmp_v6) return type < 128;
  // Unreachable, source quench, redirect, time exceeded, parameter problem.
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

std::expected<IcmpError, Drop> parse_icmp_error(const IpPacket& packet,
                                                const IcmpMessage& message) {
  const bool v4 = packet.protocol == Protocol::icmp;
  const auto kind = v4 ? kind_v4(message) : kind_v6(message);
  if (!kind) return std::unexpected(Drop::icmp_ignored);
  const auto quote = v4 ? parse_quote_v4(message.body) : parse_quote_v6(message.body);
  if (!quote || quote->source != packet.destination) return std::unexpected(Drop::icmp_foreign);
  if (quote->protocol != Protocol::tcp) return std::unexpected(Drop::icmp_ignored);
  if (quote->transport.size() < quoted_tcp_min) return std::unexpected(Drop::icmp_foreign);
  ByteReader in(quote->transport);
  IcmpError error;
  error.kind = *kind;
  error.flow = {quote->source, quote->destination, 0, 0};
  error.flow.local_port = in.u16();
  error.flow.remote_port = in.u16();
  error.seq = in.u32();
  if (*kind == ErrorKind::too_big) error.mtu = next_mtu(v4, message.rest);
  return error;
}

void write_icmp(MutableBytes out, const IpAddress& source, const IpAddress& destination,
                const IcmpOut& message) {
  if (!message.body.empty()) {
    std::memmove(out.data() + icmp_header_size, message.body.data(), message.body.size());
  }
  ByteWriter header(out.first(icmp_header_size));
  header.u8(message.type);
  header.u8(message.code);
  header.u16(0);
  header.u32(message.rest);
  const MutableBytes whole = out.first(icmp_header_size + message.body.size());
  Checksum checksum;
  if (!source.is_v4()) {
    tcp::add_pseudo_header(checksum, {source, destination, static_cast<std::uint32_t>(whole.size()),
                                      static_cast<std::uint8_t>(Protocol::icmp_v6)});
  }
  checksum.add(whole);
  ByteWriter(out.subspan(2, 2)).u16(checksum.finish());
}

std::size_t quote_size(const IpPacket& packet) {
  const bool v4 = packet.source.is_v4();
  const std::size_t answer_max = v4 ? mtu_min_v4 : mtu_min_v6;
  return std::min(packet.whole.size(), answer_max - ip_header_size(v4) - icmp_header_size);
}

bool is_valid_udp(const IpPacket& packet) {
  const Bytes bytes = packet.payload;
  if (bytes.size() < udp_header_size) return false;
  const std::size_t length = bytes[4] << 8 | bytes[5];
  if (length < udp_header_size || length > bytes.size()) return false;
  if ((bytes[6] | bytes[7]) == 0) return packet.source.is_v4();
  Checksum checksum;
  tcp::add_pseudo_header(checksum,
                         {packet.source, packet.destination, static_cast<std::uint32_t>(length),
                          static_cast<std::uint8_t>(Protocol::udp)});
  checksum.add(bytes.first(length));
  return checksum.finish() == 0;
}

}  // namespace godwit::dataplane::tcp
