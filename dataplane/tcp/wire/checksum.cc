// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/checksum.h"

#include <bit>
#include <cstring>

namespace godwit::dataplane::tcp {
namespace {

static_assert(std::endian::native == std::endian::little);

template <typename Word>
Word word_at(const std::uint8_t* data) {
  Word word;
  std::memcpy(&word, data, sizeof word);
  return word;
}

// Words of 64 bits, whose carries go into the upper half. As a sum of 32-bit words, which leaves
// room for 2^30 pieces.
std::uint64_t sum_words(const std::uint8_t* data, std::size_t size) {
  __extension__ using Wide = unsigned __int128;
  Wide sum = 0;
  for (; size >= 32; data += 32, size -= 32) {
    sum += word_at<std::uint64_t>(data);
    sum += word_at<std::uint64_t>(data + 8);
    sum += word_at<std::uint64_t>(data + 16);
    sum += word_at<std::uint64_t>(data + 24);
  }
  for (; size >= 8; data += 8, size -= 8) sum += word_at<std::uint64_t>(data);
  // The rest piece by piece: a copy whose size is not known beforehand is a call.
  if ((size & 4) != 0) {
    sum += word_at<std::uint32_t>(data);
    data += 4;
  }
  if ((size & 2) != 0) {
    sum += word_at<std::uint16_t>(data);
    data += 2;
  }
  if ((size & 1) != 0) sum += *data;  // padded with a zero
  const auto low = static_cast<std::uint64_t>(sum);
  return (low >> 32) + (low & 0xffffffff) + static_cast<std::uint64_t>(sum >> 64);
}

}  // namespace

void Checksum::add(Bytes piece) {
  add_words(sum_words(piece.data(), piece.size()), piece.size());
}

}  // namespace godwit::dataplane::tcp
