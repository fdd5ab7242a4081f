// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "crypto/signal/spqr/erasure.h"

// GF(2^16) modulo x^16 + x^12 + x^3 + x + 1, and the 16 columns of a chunk as one value. Addition
// is
// ^. Thread safe.

namespace godwit::crypto::signal::gf16 {

// What x^16 is.
inline constexpr std::uint16_t reduction = 0x100b;

constexpr std::uint16_t multiply(std::uint16_t left, std::uint16_t right) {
  std::uint32_t product = 0;
  for (int bit = 15; bit >= 0; --bit) {
    product = product << 1 ^ (reduction & (0 - (product >> 15 & 1)));
    product ^= left & (0 - (std::uint32_t{right} >> bit & 1));
  }
  return static_cast<std::uint16_t>(product);
}

// The inverse of everything but 0: value^(2^16 - 2).
constexpr std::uint16_t inverse(std::uint16_t value) {
  std::uint16_t power = value;
  for (int i = 0; i < 14; ++i) power = multiply(multiply(power, power), value);
  return multiply(power, power);
}

// A chunk's columns, two bytes each, the high one first.
class Columns {
 public:
  Columns() = default;
  explicit Columns(const Chunk& chunk) {
    for (std::size_t half = 0; half < halves_.size(); ++half) {
      std::memcpy(&halves_[half], chunk.data() + half * sizeof(Half), sizeof(Half));
      halves_[half] = swapped(halves_[half]);
    }
  }

  Chunk chunk() const {
    Chunk chunk;
    for (std::size_t half = 0; half < halves_.size(); ++half) {
      const Half bytes = swapped(halves_[half]);
      std::memcpy(chunk.data() + half * sizeof(Half), &bytes, sizeof(Half));
    }
    return chunk;
  }

  // Adds factor * columns.
  void add_scaled(const Columns& columns, std::uint16_t factor) {
    for (std::size_t half = 0; half < halves_.size(); ++half) {
      Half product{};
      for (int bit = 15; bit >= 0; --bit) {
        product = product << 1 ^ (-(product >> 15) & reduction);
        product ^= columns.halves_[half] & static_cast<std::uint16_t>(0 - (factor >> bit & 1));
      }
      halves_[half] ^= product;
    }
  }

 private:
  // The compiler makes vector instructions of it on any processor.
  using Half [[gnu::vector_size(16)]] = std::uint16_t;

  static Half swapped(const Half& half) { return half << 8 | half >> 8; }

  std::array<Half, 2> halves_{};
};

}  // namespace godwit::crypto::signal::gf16
