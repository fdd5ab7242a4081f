// SPDX-License-Identifier: Apache-2.0
#include "crypto/keyed_hash.h"

#include <bit>
#include <cstring>

namespace godwit::crypto {
namespace {

std::uint64_t load(const std::uint8_t* bytes) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// Named as in the paper, section 2.
struct State {
  std::uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }
  void compress(std::uint64_t word) {
    v3 ^= word;
    for (int i = 0; i < 2; ++i) round();
    v0 ^= word;
  }
};

// What is left behind the last whole word, and the input's size modulo 256 in the highest byte.
std::uint64_t last_word(Bytes bytes) {
  const std::size_t rest = bytes.size() % 8;
  std::uint64_t word = 0;
  if (rest > 0 && bytes.size() >= 8) {
    word = load(bytes.data() + bytes.size() - 8) >> (64 - 8 * rest);
  } else {
    for (std::size_t i = 0; i < rest; ++i) word |= std::uint64_t{bytes[i]} << (8 * i);
  }
  return word | std::uint64_t{bytes.size()} << 56;
}

}  // namespace

std::uint64_t keyed_hash(const HashKey& key, Bytes bytes) {
  const std::uint64_t k0 = load(key.key.data());
  const std::uint64_t k1 = load(key.key.data() + 8);
  State state{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
              k1 ^ 0x7465646279746573};
  const std::uint8_t* const end = bytes.data() + bytes.size() / 8 * 8;
  for (const std::uint8_t* at = bytes.data(); at != end; at += 8) state.compress(load(at));
  state.compress(last_word(bytes));
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace godwit::crypto
