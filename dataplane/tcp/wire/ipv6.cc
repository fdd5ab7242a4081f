// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "dataplane/tcp/wire/ip.h"

namespace godwit::dataplane::tcp {
namespace {

constexpr std::uint8_t problem_header_field = 0;
constexpr std::uint8_t problem_next_header = 1;  // hop-by-hop options are first or nowhere
constexpr std::uint8_t problem_option = 2;
constexpr std::uint8_t option_pad_1 = 0;
constexpr std::uint8_t option_pad_n = 1;
constexpr std::uint8_t option_router_alert = 5;

std::unexpected<IpRefusal> refuse(Drop drop) {
  return std::unexpected(IpRefusal{drop, {}, {}});
}

IpRefusal problem(Drop drop, std::uint8_t code, std::size_t pointer) {
  return {drop, IpRefusal::ParameterProblem{code, static_cast<std::uint32_t>(pointer), false}, {}};
}

IpRefusal discard() {
  return {Drop::extension_headers, {}, {}};
}

// What an option that we do not know says by its first two bits (RFC 8200, 4.2).
std::optional<IpRefusal> unknown_option(std::uint8_t type, std::size_t offset) {
  switch (type >> 6) {
    case 0:
      return std::nullopt;
    case 1:
      return discard();
    default: {
      IpRefusal refusal = problem(Drop::extension_headers, problem_option, offset);
      refusal.problem->to_multicast = type >> 6 == 2;
      return refusal;
    }
  }
}

// The options of one hop-by-hop or destination options header, which starts at `offset`.
std::optional<IpRefusal> walk_options(Bytes header, std::size_t offset, bool& router_alert) {
  ByteReader in(header.subspan(2));
  while (!in.at_end()) {
    const std::size_t at = offset + header.size() - in.remaining();
    const std::uint8_t type = in.u8();
    if (type == option_pad_1) continue;
    in.take(in.u8());
    if (!in.ok()) return discard();
    if (type == option_pad_n) continue;
    if (type == option_router_alert) {
      router_alert = true;
      continue;
    }
    if (auto refusal = unknown_option(type, at)) return refusal;
  }
  return std::nullopt;
}

// What makes one extension header end the walk.
std::optional<IpRefusal> check_extension(Protocol kind, Bytes header, std::size_t offset,
                                         bool& router_alert) {
  if (kind != Protocol::routing) return walk_options(header, offset, router_alert);
  const std::uint8_t type = header[2];
  const std::uint8_t segments_left = header[3];
  if (type == 0) return problem(Drop::source_route, problem_header_field, offset + 2);
  if (segments_left == 0) return std::nullopt;  // RFC 8200, 4.4: go on with the next header
  return problem(Drop::source_route, problem_header_field, offset + 2);
}

bool is_walked(Protocol protocol) {
  return protocol == Protocol::hop_by_hop || protocol == Protocol::routing ||
         protocol == Protocol::destination_options;
}

// Sets protocol, protocol_offset and payload to what lies behind the extension headers. Goes on
// behind what is to be refused with an answer: whether that may be sent depends on what lies there.
std::optional<IpRefusal> walk_extensions(IpPacket& packet) {
  std::size_t offset = ipv6_header_size;
  std::optional<IpRefusal> refusal;
  for (std::size_t count = 0; is_walked(packet.protocol); ++count) {
    const Bytes rest = packet.whole.subspan(offset);
    if (count == extension_headers_max || rest.size() < 8) return discard();
    const std::size_t size = 8u + rest[1] * 8u;
    if (size > rest.size() || offset + size > ipv6_header_size + extension_bytes_max) {
      return discard();
    }
    if (!refusal) {
      refusal =
          packet.protocol == Protocol::hop_by_hop && count > 0
              ? problem(Drop::extension_headers, problem_next_header, packet.protocol_offset)
              : check_extension(packet.protocol, rest.first(size), offset, packet.router_alert);
    }
    if (refusal && !refusal->problem) return refusal;
    packet.protocol_offset = static_cast<std::uint16_t>(offset);
    packet.protocol = Protocol{rest[0]};
    offset += size;
  }
  packet.payload = packet.whole.subspan(offset);
  if (!refusal && packet.protocol == Protocol::fragment)
    refusal = IpRefusal{Drop::fragment, {}, {}};
  return refusal;
}

}  // namespace

std::expected<IpPacket, IpRefusal> parse_ipv6(MutableBytes packet) {
  if (packet.size() < ipv6_header_size) return refuse(Drop::short_frame);
  ByteReader in(packet);
  const std::uint32_t first = in.u32();
  if (first >> 28 != 6) return refuse(Drop::bad_ip_header);
  IpPacket parsed;
  parsed.ecn = Ecn{static_cast<std::uint8_t>(first >> 20 & 3)};
  const std::size_t payload_size = in.u16();
  if (payload_size > packet.size() - ipv6_header_size) return refuse(Drop::short_frame);
  parsed.protocol = Protocol{in.u8()};
  parsed.protocol_offset = 6;
  parsed.hop_limit = in.u8();
  std::ranges::copy(in.take(16), parsed.source.bytes.begin());
  std::ranges::copy(in.take(16), parsed.destination.bytes.begin());
  parsed.whole = packet.first(ipv6_header_size + payload_size);
  if (auto refusal = walk_extensions(parsed)) {
    refusal->packet = parsed;
    return std::unexpected(*refusal);
  }
  return parsed;
}

void write_ipv6(MutableBytes out, const IpOut& packet) {
  ByteWriter writer(out);
  writer.u32(6u << 28 | static_cast<std::uint32_t>(packet.ecn) << 20);
  writer.u16(static_cast<std::uint16_t>(packet.payload_size));
  writer.u8(static_cast<std::uint8_t>(packet.protocol));
  writer.u8(packet.hop_limit);
  writer.bytes(packet.source.bytes);
  writer.bytes(packet.destination.bytes);
}

}  // namespace godwit::dataplane::tcp
