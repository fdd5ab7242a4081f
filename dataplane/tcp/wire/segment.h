// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include "base/bytes.h"
#include "base/ip_address.h"

// A TCP segment as the two halves of the stack see it (RFC 9293, 3.1). The network half (ip/) makes
// SegmentIn from packets, lengths and checksums already checked, and packets from SegmentOut; the
// transport half knows no packet. Numbers are in host order. Values, valid as long as the bytes
// they view.

namespace godwit::dataplane::tcp {

// One connection's addresses, as this side sees them.
struct Flow {
  IpAddress local;
  IpAddress remote;
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;

  // Asked for each segment: without a call for each address.
  friend bool operator==(const Flow& a, const Flow& b) {
    const auto of_a = std::bit_cast<Words>(a);
    const auto of_b = std::bit_cast<Words>(b);
    std::uint32_t differs = 0;
    for (std::size_t i = 0; i < of_a.size(); ++i) differs |= of_a[i] ^ of_b[i];
    return differs == 0;
  }

 private:
  using Words = std::array<std::uint32_t, 9>;
};
static_assert(std::has_unique_object_representations_v<Flow>);

// The control bits of RFC 9293, 3.1, with their places in the header's fourteenth octet.
enum Flags : std::uint8_t {
  fin = 0x01,
  syn = 0x02,
  rst = 0x04,
  psh = 0x08,
  ack = 0x10,
  urg = 0x20,
  ece = 0x40,
  cwr = 0x80,
};

// The two bits of the IP header that say whether a router met congestion (RFC 3168, 5).
enum class Ecn : std::uint8_t { not_capable = 0, capable_1 = 1, capable_0 = 2, congested = 3 };

// Half open: [begin, end) of the sequence space.
struct SequenceRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

inline constexpr std::size_t payload_pieces_max = 16;  // that the payload of one lies in
inline constexpr std::size_t sack_blocks_max = 4;  // what 40 bytes of options hold (RFC 2018, 3)

struct Timestamps {
  std::uint32_t value = 0;
  std::uint32_t echo = 0;
};

// The options that mean something here; others are skipped (RFC 9293, 3.1; 1122, 4.2.2.5).
struct Options {
  std::optional<std::uint16_t> mss;  // RFC 9293, 3.7.1; on a SYN only
  std::optional<std::uint8_t>
      window_scale;                      // RFC 7323, 2; on a SYN only; as sent, not yet cut to 14
  bool sack_permitted = false;           // RFC 2018, 2; on a SYN only
  std::optional<Timestamps> timestamps;  // RFC 7323, 3
  std::uint8_t sack_count = 0;           // of the blocks below
  std::array<SequenceRange, sack_blocks_max> sack{};  // RFC 2018, 3; 2883

  std::span<const SequenceRange> sack_blocks() const { return {sack.data(), sack_count}; }
};

// Arrived, with the checksum found right.
struct SegmentIn {
  Flow flow;
  std::uint32_t seq = 0;
  std::uint32_t ack = 0;     // means something with Flags::ack only
  std::uint16_t window = 0;  // as in the header, not scaled
  std::uint16_t urgent = 0;  // means something with Flags::urg only
  std::uint8_t flags = 0;
  Ecn ecn = Ecn::not_capable;
  Options options;
  MutableBytes payload;  // the callee may overwrite it

  bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
  // What it takes of the sequence space: SYN and FIN count one each (RFC 9293, 3.4).
  std::uint32_t length() const {
    return static_cast<std::uint32_t>(payload.size()) + (has(Flags::syn) ? 1 : 0) +
           (has(Flags::fin) ? 1 : 0);
  }
};

// To be sent. The payload may lie in pieces. Several segments may be sent as one, for the port to
// cut (segmentation.h): all full but the last one, with the same options, without SYN, RST or CWR.
struct SegmentOut {
  Flow flow;
  std::uint32_t seq = 0;
  std::uint32_t ack = 0;
  std::uint16_t window = 0;
  std::uint8_t flags = 0;
  Ecn ecn = Ecn::not_capable;
  Options options;
  std::span<const Bytes> payload;
  std::uint16_t segment_size = 0;  // bytes of payload of a full one; 0: this is one segment
};

inline std::size_t payload_size(const SegmentOut& segment) {
  std::size_t size = 0;
  for (const Bytes piece : segment.payload) size += piece.size();
  return size;
}

// What a router or host said of a packet of ours (RFC 792, 4443). Believed only after the quoted
// sequence number was found in flight (RFC 5927, 4.1).
struct IcmpError {
  enum class Kind : std::uint8_t {
    unreachable_soft,  // may pass: network, host, hop limit
    unreachable_hard,  // protocol or port unreachable, administratively prohibited
    too_big,           // path MTU in `mtu`
  };
  Kind kind = Kind::unreachable_soft;
  Flow flow;
  std::uint32_t seq = 0;  // of the packet quoted
  std::uint32_t mtu = 0;  // bytes of IP packet, for too_big; 0 when the router did not say
};

}  // namespace godwit::dataplane::tcp
