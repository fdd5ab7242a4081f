// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/arp.h"

#include <algorithm>

namespace godwit::dataplane::tcp {
namespace {

constexpr std::uint16_t hardware_ethernet = 1;

MacAddress read_mac(ByteReader& in) {
  MacAddress mac;
  std::ranges::copy(in.take(6), mac.bytes.begin());
  return mac;
}

IpAddress read_v4(ByteReader& in) {
  std::array<std::uint8_t, 4> four{};
  std::ranges::copy(in.take(4), four.begin());
  return IpAddress::v4(four);
}

}  // namespace

std::expected<Arp, Drop> parse_arp(Bytes packet) {
  ByteReader in(packet);
  const bool ours = in.u16() == hardware_ethernet && EtherType{in.u16()} == EtherType::ipv4 &&
                    in.u8() == 6 && in.u8() == 4;
  Arp arp;
  const std::uint16_t operation = in.u16();
  arp.operation = Arp::Operation{operation};
  arp.sender_mac = read_mac(in);
  arp.sender = read_v4(in);
  arp.target_mac = read_mac(in);
  arp.target = read_v4(in);
  if (!in.ok()) return std::unexpected(Drop::short_frame);
  if (!ours || operation < 1 || operation > 2 || arp.sender_mac.is_group() ||
      !arp.sender_mac.known()) {
    return std::unexpected(Drop::bad_arp);
  }
  return arp;
}

void write_arp(MutableBytes out, const Arp& arp) {
  ByteWriter writer(out);
  writer.u16(hardware_ethernet);
  writer.u16(static_cast<std::uint16_t>(EtherType::ipv4));
  writer.u8(6);
  writer.u8(4);
  writer.u16(static_cast<std::uint16_t>(arp.operation));
  writer.bytes(arp.sender_mac.bytes);
  writer.bytes(Bytes(arp.sender.bytes).last(4));
  writer.bytes(arp.target_mac.bytes);
  writer.bytes(Bytes(arp.target.bytes).last(4));
}

}  // namespace godwit::dataplane::tcp
