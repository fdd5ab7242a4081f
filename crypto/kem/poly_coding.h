// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "crypto/kem/poly.h"

// Polynomials as bytes (FIPS 203, section 4.2.1). Internal to crypto/kem. Thread safe, constant
// time.

namespace godwit::crypto {

constexpr std::size_t packed_size(unsigned bits) {
  return poly_size / 8 * bits;
}
inline constexpr std::size_t poly_bytes = packed_size(12);

using PolyBytes = std::span<const std::uint8_t, poly_bytes>;

// ByteEncode12 of centred coefficients.
void encode(std::span<std::uint8_t, poly_bytes> out, const Poly& poly, KemPath path = kem_path());
// ByteDecode12: numbers not below q are taken modulo q. Gives centred coefficients.
void decode(Poly& poly, PolyBytes bytes, KemPath path = kem_path());
// Whether every number is below q (section 7.2, check 2). The bytes are public; this may branch.
bool encoding_reduced(PolyBytes bytes, KemPath path = kem_path());

// Compress (4.7) to 1, 4, 5, 10 or 11 bits, then ByteEncode. Takes centred coefficients.
template <unsigned Bits>
void compress(std::span<std::uint8_t, packed_size(Bits)> out, const Poly& poly,
              KemPath path = kem_path());
// ByteDecode, then Decompress (4.8). Gives coefficients from 0 to q.
template <unsigned Bits>
void decompress(Poly& poly, std::span<const std::uint8_t, packed_size(Bits)> bytes,
                KemPath path = kem_path());

// Compress of one least coefficient, without the division that it is defined with: a division may
// take a time that depends on its operands.
template <unsigned Bits>
constexpr std::uint32_t compressed(std::uint16_t least_coefficient) {
  // floor(n / q) = n * ceil(2^36 / q) >> 36 for every n below 2^36 / q, and n is below 2^23 here.
  constexpr std::uint64_t reciprocal = (std::uint64_t{1} << 36) / kem_q + 1;
  const std::uint64_t rounded = (std::uint64_t{least_coefficient} << Bits) + kem_q / 2;
  return static_cast<std::uint32_t>(rounded * reciprocal >> 36) & ((1u << Bits) - 1);
}

template <unsigned Bits>
constexpr std::int16_t decompressed(std::uint32_t value) {
  return static_cast<std::int16_t>((value * kem_q + (1u << (Bits - 1))) >> Bits);
}

}  // namespace godwit::crypto
