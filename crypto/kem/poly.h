// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "crypto/kem/path.h"
#include "crypto/kem/ring.h"

// The ring of ML-KEM and Kyber: polynomials modulo X^256 + 1 with coefficients modulo q = 3329
// (FIPS 203, sections 2.4 and 4.3). Internal to crypto/kem. Thread safe.
//
// Coefficients are signed and need not be the least ones; each function says which it takes and
// which it gives. "Centred" is at most (q - 1) / 2 either way. Products are by Montgomery's method
// with R = 2^16. Nothing here branches on, indexes by or divides a coefficient.

namespace godwit::crypto {

struct alignas(32) Poly {
  std::array<std::int16_t, poly_size> c;
};

template <std::size_t Rank>
using PolyVector = std::array<Poly, Rank>;

// value / R modulo q, below q either way. REQUIRES: |value| < q * 2^15.
constexpr std::int16_t montgomery_reduce(std::int32_t value) {
  const auto factor = static_cast<std::int16_t>(static_cast<std::int16_t>(value) * q_inverse);
  return static_cast<std::int16_t>((value - factor * kem_q) >> 16);
}

// The centred coefficient, of any 16-bit one (Barrett's method).
constexpr std::int16_t barrett_reduce(std::int16_t value) {
  const std::int32_t quotient = (q_reciprocal * value + (1 << 25)) >> 26;
  return static_cast<std::int16_t>(value - quotient * kem_q);
}

// The least coefficient that is not negative, of a centred one.
constexpr std::uint16_t least(std::int16_t centred) {
  return static_cast<std::uint16_t>(centred + ((centred >> 15) & kem_q));
}

// Algorithm 9, in place. Takes coefficients below q either way; gives centred ones.
void ntt(Poly& poly, KemPath path = kem_path());
// Algorithm 10, in place, and times R, which undoes the division of inner_product. Takes
// coefficients below q either way; gives centred ones.
void inverse_ntt(Poly& poly, KemPath path = kem_path());
// The sum of row[i] * column[i] / R in the domain of the transform (algorithms 11 and 12). Takes
// coefficients below q either way, and gives such. REQUIRES: two vectors of at most four.
void inner_product(Poly& sum, std::span<const Poly> row, std::span<const Poly> column,
                   KemPath path = kem_path());
// Times R: undoes the division of inner_product without leaving the domain. Takes any coefficients;
// gives those below q either way.
void multiply_by_r(Poly& poly, KemPath path = kem_path());

void add(Poly& sum, const Poly& other);
void subtract(Poly& difference, const Poly& other);
// Any coefficients in, centred ones out.
void reduce(Poly& poly, KemPath path = kem_path());

}  // namespace godwit::crypto
