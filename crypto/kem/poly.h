// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// The ring of ML-KEM and Kyber: polynomials modulo X^256 + 1 with coefficients modulo q = 3329
// (FIPS 203, sections 2.4 and 4.3). Internal to crypto/kem. Thread safe.
//
// Coefficients are signed and need not be the least ones; each function says which it takes and
// which it gives. "Centred" is at most (q - 1) / 2 either way. Products are by Montgomery's method
// with R = 2^16. Nothing here branches on, indexes by or divides a coefficient.

namespace godwit::crypto {

inline constexpr std::size_t poly_size = 256;
inline constexpr std::int16_t kem_q = 3329;

struct alignas(32) Poly {
  std::array<std::int16_t, poly_size> c;
};

template <std::size_t Rank>
using PolyVector = std::array<Poly, Rank>;

// value / R modulo q, below q either way. REQUIRES: |value| < q * 2^15.
constexpr std::int16_t montgomery_reduce(std::int32_t value) {
  constexpr std::int16_t q_inverse = -3327;  // of q modulo R
  const auto factor = static_cast<std::int16_t>(static_cast<std::int16_t>(value) * q_inverse);
  return static_cast<std::int16_t>((value - factor * kem_q) >> 16);
}

// The centred coefficient, of any 16-bit one (Barrett's method).
constexpr std::int16_t barrett_reduce(std::int16_t value) {
  constexpr std::int32_t reciprocal = ((1 << 26) + kem_q / 2) / kem_q;
  const std::int32_t quotient = (reciprocal * value + (1 << 25)) >> 26;
  return static_cast<std::int16_t>(value - quotient * kem_q);
}

// The least coefficient that is not negative, of a centred one.
constexpr std::uint16_t least(std::int16_t centred) {
  return static_cast<std::uint16_t>(centred + ((centred >> 15) & kem_q));
}

// Algorithm 9, in place. Takes coefficients below q either way; gives centred ones.
void ntt(Poly& poly);
// Algorithm 10, in place, and times R, which undoes the division of multiply_add. Takes
// coefficients below 8q either way; gives centred ones.
void inverse_ntt(Poly& poly);
// sum += left * right / R in the domain of the transform (algorithms 11 and 12). Takes factors
// below q either way; each call adds less than 2q either way, so a sum of four fits.
void multiply_add(Poly& sum, const Poly& left, const Poly& right);
// Times R: undoes the division of multiply_add without leaving the domain. Takes any coefficients;
// gives those below q either way.
void multiply_by_r(Poly& poly);

void add(Poly& sum, const Poly& other);
void subtract(Poly& difference, const Poly& other);
// Any coefficients in, centred ones out.
void reduce(Poly& poly);

}  // namespace godwit::crypto
