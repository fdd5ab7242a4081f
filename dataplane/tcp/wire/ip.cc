// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/ip.h"

#include <algorithm>

namespace godwit::dataplane::tcp {

namespace {

bool zeros(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

// 0.0.0.0/8, 127.0.0.0/8 and 240.0.0.0/4, which has the broadcast address in it.
bool is_martian_v4(Bytes four) {
  return four[0] == 0 || four[0] == 127 || four[0] >= 240;
}

// ::, ::1 and the rest of ::/96, and ::ffff:0:0/96.
bool is_martian_v6(const IpAddress& address) {
  const Bytes bytes(address.bytes);
  return address.is_v4() || zeros(bytes.first(12));
}

}  // namespace

bool is_multicast(const IpAddress& address) {
  return address.is_v4() ? address.bytes[12] >> 4 == 0xe : address.bytes[0] == 0xff;
}

bool is_link_local(const IpAddress& address) {
  if (address.is_v4()) return address.bytes[12] == 169 && address.bytes[13] == 254;
  return address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80;
}

bool is_broadcast(const IpAddress& address) {
  return address.is_v4() && std::ranges::all_of(Bytes(address.bytes).last(4),
                                                [](std::uint8_t byte) { return byte == 255; });
}

bool is_martian_source(const IpAddress& address, bool in_v6_packet) {
  return is_martian_destination(address, in_v6_packet) || is_multicast(address) ||
         is_broadcast(address);
}

bool is_martian_destination(const IpAddress& address, bool in_v6_packet) {
  if (in_v6_packet) return is_martian_v6(address);
  return is_martian_v4(Bytes(address.bytes).last(4)) && !is_broadcast(address);
}

}  // namespace godwit::dataplane::tcp
