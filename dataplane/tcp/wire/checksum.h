// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ip_address.h"

namespace godwit::dataplane::tcp {

// The internet checksum (RFC 1071): the one's complement of the one's complement sum of 16-bit
// words. Taken in pieces, of which any may have an odd length. A value, not thread safe.
class Checksum {
 public:
  void add(Bytes piece);
  void add_u16(std::uint16_t value) {
    const std::uint8_t bytes[] = {static_cast<std::uint8_t>(value >> 8),
                                  static_cast<std::uint8_t>(value)};
    add(bytes);
  }

  // What goes into the header, where the field itself counted as 0. A packet that arrived, its
  // field included, is right when this is 0.
  std::uint16_t finish() const { return static_cast<std::uint16_t>(~sum()); }
  // The sum, not complemented: what a port that completes checksums wants to find in the field.
  std::uint16_t sum() const;

 private:
  std::uint64_t sum_ = 0;  // of words in the machine's order (RFC 1071, 2, B)
  bool odd_ = false;       // an odd number of bytes so far
};

// Addresses, length of the transport header and payload, and protocol: what a transport's checksum
// covers besides itself (RFC 9293, 3.1; RFC 8200, 8.1). Both addresses are of one family.
struct PseudoHeader {
  const IpAddress& source;
  const IpAddress& destination;
  std::uint32_t length = 0;
  std::uint8_t protocol = 0;
};
void add_pseudo_header(Checksum& checksum, const PseudoHeader& header);

}  // namespace godwit::dataplane::tcp
