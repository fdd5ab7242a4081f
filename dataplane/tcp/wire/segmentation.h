// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// Segmentation offload (TSO): a port takes a TCP packet larger than the path carries and cuts it
// into segments. Each has the headers of the whole but for its own sequence number, lengths,
// checksums and IPv4 identification; PSH and FIN are the last one's. Values.

namespace godwit::dataplane::tcp {

// What a port cuts, by family.
struct Segmentation {
  std::uint32_t v4 = 0;          // bytes of the largest IP packet it takes; 0: it cuts none
  std::uint32_t v6 = 0;          // likewise
  std::uint32_t packet_max = 0;  // bytes of the largest IP packet it makes; 0: the MTU's

  std::uint32_t of(bool is_v4) const { return is_v4 ? v4 : v6; }
  bool any() const { return v4 != 0 || v6 != 0; }
};

// What an IP packet's length field holds (RFC 791, 3.1; for IPv6, RFC 8200, 3, it is less).
inline constexpr std::uint32_t uncut_bytes_max = 65535;
// Full segments of an Ethernet in such a packet. A driver that cuts by software has a list of 64.
inline constexpr std::uint32_t uncut_segments_max = 44;

}  // namespace godwit::dataplane::tcp
