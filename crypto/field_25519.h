// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>

// The field of 2^255 - 19 elements, as little as it takes to turn a Montgomery u into an Edwards y
// and to end a ladder: libsodium keeps its own to itself. Thread safe; no branch or index depends
// on an element.

namespace godwit::crypto {

// Five limbs of 51 bits, each below 2^52.
class Field25519 {
 public:
  using Limbs = std::array<std::uint64_t, 5>;

  static Field25519 one() { return Field25519({1, 0, 0, 0, 0}); }
  // Little-endian; the top bit is ignored, and a number not below p is taken modulo p.
  static Field25519 from_bytes(std::span<const std::uint8_t, 32> bytes);
  // REQUIRES: limbs below 2^52.
  static Field25519 from_limbs(const Limbs& limbs) { return Field25519(limbs); }
  const Limbs& limbs() const { return limbs_; }

  // The least form.
  std::array<std::uint8_t, 32> bytes() const;

  Field25519 operator+(const Field25519& other) const;
  Field25519 operator-(const Field25519& other) const;
  Field25519 operator*(const Field25519& other) const;
  // By Fermat's little theorem; that of 0 is 0.
  Field25519 inverse() const;

 private:
  __extension__ using Wide = unsigned __int128;
  explicit Field25519(const Limbs& limbs) : limbs_(limbs) {}
  // From its product sums by weight, limb by limb.
  static Field25519 of_products(const std::array<Wide, 5>& sums);
  Field25519 squared(int times) const;
  void carry();

  Limbs limbs_;
};

}  // namespace godwit::crypto
