// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "dataplane/tcp/wire/checksum.h"
#include "dataplane/tcp/wire/ip.h"

namespace godwit::dataplane::tcp {
namespace {

constexpr std::uint16_t dont_fragment = 0x4000;
constexpr std::uint16_t more_fragments_and_offset = 0x3fff;
constexpr std::uint8_t option_end = 0;
constexpr std::uint8_t option_nop = 1;
constexpr std::uint8_t option_loose_route = 131;
constexpr std::uint8_t option_router_alert = 148;
constexpr std::uint8_t option_strict_route = 137;

std::unexpected<IpRefusal> refuse(Drop drop) {
  return std::unexpected(IpRefusal{drop, {}, {}});
}

// Nothing in them serves a host but the refusal of source routes (RFC 1122, 3.2.1.8).
std::optional<Drop> walk_options(Bytes options, bool& router_alert) {
  ByteReader in(options);
  while (!in.at_end()) {
    const std::uint8_t kind = in.u8();
    if (kind == option_end) return std::nullopt;
    if (kind == option_nop) continue;
    const std::uint8_t length = in.u8();
    if (!in.ok() || length < 2) return Drop::bad_ip_header;
    in.take(length - 2u);
    if (!in.ok()) return Drop::bad_ip_header;
    if (kind == option_loose_route || kind == option_strict_route) return Drop::source_route;
    if (kind == option_router_alert) router_alert = true;
  }
  return std::nullopt;
}

IpAddress read_address(Bytes four) {
  std::array<std::uint8_t, 4> bytes;
  std::ranges::copy(four, bytes.begin());
  return IpAddress::v4(bytes);
}

bool sum_right(Bytes header) {
  Checksum checksum;
  checksum.add(header);
  return checksum.finish() == 0;
}

}  // namespace

std::expected<IpPacket, IpRefusal> parse_ipv4(MutableBytes packet, bool checksum_good) {
  if (packet.size() < ipv4_header_size) return refuse(Drop::short_frame);
  const std::size_t header_size = (packet[0] & 0x0fu) * 4u;
  if (packet[0] >> 4 != 4 || header_size < ipv4_header_size) return refuse(Drop::bad_ip_header);
  ByteReader in(packet);
  in.take(1);
  IpPacket parsed;
  parsed.ecn = Ecn{static_cast<std::uint8_t>(in.u8() & 3)};
  const std::size_t total = in.u16();
  if (total < header_size) return refuse(Drop::bad_ip_header);
  if (total > packet.size()) return refuse(Drop::short_frame);
  if (!checksum_good && !sum_right(packet.first(header_size))) {
    return refuse(Drop::bad_ip_checksum);
  }
  in.take(2);
  const std::uint16_t fragment = in.u16();
  parsed.hop_limit = in.u8();
  parsed.protocol = Protocol{in.u8()};
  in.take(2);
  parsed.source = read_address(in.take(4));
  parsed.destination = read_address(in.take(4));
  if (const auto drop = walk_options(packet.subspan(20, header_size - 20), parsed.router_alert)) {
    return refuse(*drop);
  }
  if ((fragment & more_fragments_and_offset) != 0) return refuse(Drop::fragment);
  parsed.protocol_offset = 9;
  parsed.whole = packet.first(total);
  parsed.payload = parsed.whole.subspan(header_size);
  return parsed;
}

void write_ipv4(MutableBytes out, const IpOut& packet) {
  ByteWriter writer(out);
  writer.u8(0x45);
  writer.u8(static_cast<std::uint8_t>(packet.ecn));
  writer.u16(static_cast<std::uint16_t>(ipv4_header_size + packet.payload_size));
  writer.u16(0);
  writer.u16(dont_fragment);
  writer.u8(packet.hop_limit);
  writer.u8(static_cast<std::uint8_t>(packet.protocol));
  writer.u16(0);
  writer.bytes(Bytes(packet.source.bytes).last(4));
  writer.bytes(Bytes(packet.destination.bytes).last(4));
  if (!packet.checksum) return;
  Checksum checksum;
  checksum.add(out.first(ipv4_header_size));
  ByteWriter(out.subspan(10, 2)).u16(checksum.finish());
}

}  // namespace godwit::dataplane::tcp
