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

// The product of two polynomials over GF(2). Every fourth bit of each factor goes into one integer
// product: at most four bits meet in a place, and their carries stay below the next place.
constexpr std::uint32_t carryless_product(std::uint16_t left, std::uint16_t right) {
  std::uint32_t product = 0;
  for (unsigned place = 0; place < 4; ++place) {
    std::uint32_t sum = 0;
    for (unsigned of_left = 0; of_left < 4; ++of_left) {
      const unsigned of_right = (place - of_left) % 4;
      sum ^= (left & 0x1111U << of_left) * (right & 0x1111U << of_right);
    }
    product |= sum & 0x11111111U << place;
  }
  return product;
}

// Each fold takes four bits off a product of 31.
constexpr std::uint16_t multiply(std::uint16_t left, std::uint16_t right) {
  std::uint32_t product = carryless_product(left, right);
  for (int fold = 0; fold < 4; ++fold) {
    const std::uint32_t high = product >> 16;
    product = (product & 0xffff) ^ high ^ high << 1 ^ high << 3 ^ high << 12;
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
        const std::uint16_t chosen = factor >> bit & 1;
        const Half mask = Half{} - chosen;
        product = product << 1 ^ (-(product >> 15) & reduction);
        product ^= columns.halves_[half] & mask;
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
