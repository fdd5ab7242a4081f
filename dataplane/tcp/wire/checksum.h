// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "base/ip_address.h"

namespace godwit::dataplane::tcp {

// The internet checksum (RFC 1071): the one's complement of the one's complement sum of 16-bit
// words. Taken in pieces, of which any may have an odd length. A value, not thread safe.
class Checksum {
 public:
  void add(Bytes piece);
  // What another has summed up, of an even number of bytes and behind an even number of them.
  void add(const Checksum& other) { sum_ += other.sum_; }
  void add_u16(std::uint16_t value) { add_words(swap(value), 2); }
  void add_u32(std::uint32_t value) { add_words(std::byteswap(value), 4); }
  // `Size` bytes, a multiple of 4 that is known beforehand, without a call.
  template <std::size_t Size>
  void add_fixed(const std::uint8_t* data) {
    static_assert(Size % 4 == 0);
    std::uint64_t words = 0;
    for (std::size_t i = 0; i < Size; i += 4) {
      std::uint32_t word;
      std::memcpy(&word, data + i, sizeof word);
      words += word;
    }
    add_words(words, Size);
  }

  // What goes into the header, where the field itself counted as 0. A packet that arrived, its
  // field included, is right when this is 0.
  std::uint16_t finish() const { return static_cast<std::uint16_t>(~sum()); }
  // The sum, not complemented: what a port that completes checksums wants to find in the field.
  std::uint16_t sum() const { return swap(fold(sum_)); }

 private:
  static constexpr std::uint16_t swap(std::uint16_t value) { return std::byteswap(value); }
  static constexpr std::uint16_t fold(std::uint64_t sum) {
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return static_cast<std::uint16_t>(sum);
  }
  // The sum of a piece of `size` bytes. Behind an odd number of bytes each byte is in the other
  // half of its word (RFC 1071, 2, B).
  void add_words(std::uint64_t words, std::size_t size) {
    sum_ += odd_ ? swap(fold(words)) : words;
    odd_ = odd_ != (size % 2 != 0);
  }

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
inline void add_pseudo_header(Checksum& checksum, const PseudoHeader& header) {
  if (header.source.is_v4()) {
    checksum.add_fixed<4>(header.source.bytes.data() + 12);
    checksum.add_fixed<4>(header.destination.bytes.data() + 12);
  } else {
    checksum.add_fixed<16>(header.source.bytes.data());
    checksum.add_fixed<16>(header.destination.bytes.data());
  }
  checksum.add_u16(static_cast<std::uint16_t>(header.length >> 16));
  checksum.add_u16(static_cast<std::uint16_t>(header.length));
  checksum.add_u16(header.protocol);
}

}  // namespace godwit::dataplane::tcp
