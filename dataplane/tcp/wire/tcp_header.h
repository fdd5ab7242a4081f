// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>

#include "base/bytes.h"
#include "dataplane/tcp/wire/drop.h"
#include "dataplane/tcp/wire/ip.h"
#include "dataplane/tcp/wire/segment.h"

// The TCP header and its options (RFC 9293, 3.1). Values; thread safe.

namespace godwit::dataplane::tcp {

inline constexpr std::size_t tcp_header_size = 20;  // without options
inline constexpr std::size_t tcp_options_size_max = 40;

// The segment in an IP packet to us. Refuses a bad header length, port 0 and, unless the port has
// checked it, a wrong checksum. Options that are malformed end the reading of options and nothing
// else (RFC 9293, 3.1, MUST-7); those a SYN alone may have are left out of other segments.
std::expected<SegmentIn, Drop> parse_tcp(const IpPacket& packet, bool checksum_good);

// Reads as parse_tcp does, of a header's options alone.
Options parse_tcp_options(Bytes options, bool is_syn);

// Bytes that write_tcp_options takes: a multiple of 4. Blocks for which there is no room are left
// out, the last ones first.
std::size_t tcp_options_size(const Options& options);

// In the order that most senders use, each aligned to four bytes with no-operations before it: MSS;
// SACK permitted; timestamps; window scale; SACK blocks. `out` has exactly tcp_options_size()
// bytes.
void write_tcp_options(MutableBytes out, const Options& options);

std::size_t tcp_size(const SegmentOut& segment);
std::size_t tcp_head_size(const SegmentOut& segment);  // header and options

enum class ChecksumBy : std::uint8_t {
  us,    // complete
  port,  // the pseudo header's sum, which the port goes on from
};
// Writes header, options and payload, tcp_size() bytes.
void write_tcp(MutableBytes out, const SegmentOut& segment, ChecksumBy by);
// Writes header and options, tcp_head_size() bytes, of what the port shall cut: with the pseudo
// header's sum of a length of 0, to which the port adds that of each segment.
void write_tcp_head_to_cut(MutableBytes out, const SegmentOut& segment);

}  // namespace godwit::dataplane::tcp
