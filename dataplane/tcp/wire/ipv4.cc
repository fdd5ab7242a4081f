// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "base/big_endian.h"
#include "base/result.h"
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

IpAddress read_address(const std::uint8_t* four) {
  return IpAddress::v4({four[0], four[1], four[2], four[3]});
}

bool sum_right(Bytes header) {
  Checksum checksum;
  checksum.add(header);
  return checksum.finish() == 0;
}

}  // namespace

std::expected<IpPacket, IpRefusal> parse_ipv4(MutableBytes packet, bool checksum_good) {
  if (packet.size() < ipv4_header_size) return refuse(Drop::short_frame);
  const std::uint8_t* const at = packet.data();
  const std::size_t header_size = (at[0] & 0x0fu) * 4u;
  if (at[0] >> 4 != 4 || header_size < ipv4_header_size) return refuse(Drop::bad_ip_header);
  const std::size_t total = load_u16(at + 2);
  if (total < header_size) return refuse(Drop::bad_ip_header);
  if (total > packet.size()) return refuse(Drop::short_frame);
  if (!checksum_good && !sum_right(packet.first(header_size))) {
    return refuse(Drop::bad_ip_checksum);
  }
  IpPacket parsed;
  if (header_size > ipv4_header_size) {
    const Bytes options = packet.subspan(ipv4_header_size, header_size - ipv4_header_size);
    if (const auto drop = walk_options(options, parsed.router_alert)) return refuse(*drop);
  }
  if ((load_u16(at + 6) & more_fragments_and_offset) != 0) return refuse(Drop::fragment);
  parsed.ecn = Ecn{static_cast<std::uint8_t>(at[1] & 3)};
  parsed.hop_limit = at[8];
  parsed.protocol = Protocol{at[9]};
  parsed.protocol_offset = 9;
  parsed.source = read_address(at + 12);
  parsed.destination = read_address(at + 16);
  parsed.whole = packet.first(total);
  parsed.payload = parsed.whole.subspan(header_size);
  return parsed;
}

void write_ipv4(MutableBytes out, const IpOut& packet) {
  GODWIT_CHECK(out.size() >= ipv4_header_size);
  std::uint8_t* const at = out.data();
  const auto total = static_cast<std::uint16_t>(ipv4_header_size + packet.payload_size);
  const std::uint32_t first = 0x45000000u | static_cast<std::uint32_t>(packet.ecn) << 16 | total;
  const auto hops = static_cast<std::uint16_t>(packet.hop_limit << 8 |
                                               static_cast<std::uint8_t>(packet.protocol));
  store_u32(at, first);
  store_u32(at + 4, dont_fragment);
  store_u16(at + 8, hops);
  store_u16(at + 10, 0);
  std::memcpy(at + 12, packet.source.bytes.data() + 12, 4);
  std::memcpy(at + 16, packet.destination.bytes.data() + 12, 4);
  if (!packet.checksum) return;
  // From what was written: reading it back would wait for stores of other sizes.
  Checksum checksum;
  checksum.add_u32(first);
  checksum.add_u32(dont_fragment);
  checksum.add_u16(hops);
  checksum.add_fixed<4>(packet.source.bytes.data() + 12);
  checksum.add_fixed<4>(packet.destination.bytes.data() + 12);
  store_u16(at + 10, checksum.finish());
}

}  // namespace godwit::dataplane::tcp
