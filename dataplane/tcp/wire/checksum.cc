// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/checksum.h"

#include <bit>
#include <cstring>

namespace godwit::dataplane::tcp {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint16_t swap(std::uint16_t value) {
  return static_cast<std::uint16_t>(value << 8 | value >> 8);
}

constexpr std::uint16_t fold(std::uint64_t sum) {
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<std::uint16_t>(sum);
}

// Sums of 32-bit words: 2^32 of them fit, and four lanes of them go into one vector register.
std::uint64_t sum_words(const std::uint8_t* data, std::size_t size) {
  std::uint64_t lanes[4] = {};
  std::size_t i = 0;
  for (; i + 16 <= size; i += 16) {
    std::uint32_t words[4];
    std::memcpy(words, data + i, sizeof words);
    for (int lane = 0; lane < 4; ++lane) lanes[lane] += words[lane];
  }
  // Whole words apart from the rest: a copy whose size is not known beforehand is a call.
  for (; i + 4 <= size; i += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, data + i, sizeof word);
    lanes[0] += word;
  }
  if (i < size) {
    std::uint32_t word = 0;  // padded with zeros
    std::memcpy(&word, data + i, size - i);
    lanes[0] += word;
  }
  return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

}  // namespace

void Checksum::add(Bytes piece) {
  const std::uint64_t words = sum_words(piece.data(), piece.size());
  // Behind an odd number of bytes each byte is in the other half of its word (RFC 1071, 2, B).
  sum_ += odd_ ? swap(fold(words)) : words;
  odd_ = odd_ != (piece.size() % 2 != 0);
}

std::uint16_t Checksum::sum() const {
  return swap(fold(sum_));
}

void add_pseudo_header(Checksum& checksum, const PseudoHeader& header) {
  const std::size_t first = header.source.is_v4() ? 12 : 0;
  checksum.add(Bytes(header.source.bytes).subspan(first));
  checksum.add(Bytes(header.destination.bytes).subspan(first));
  checksum.add_u16(static_cast<std::uint16_t>(header.length >> 16));
  checksum.add_u16(static_cast<std::uint16_t>(header.length));
  checksum.add_u16(header.protocol);
}

}  // namespace godwit::dataplane::tcp
