// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// The numbers of the ring of ML-KEM and Kyber (FIPS 203, sections 2.4 and 4.3). Internal to
// crypto/kem. Computed by the compiler, in C's arrays: this is compiled for newer processors too,
// and no inline function may come out of that.

namespace godwit::crypto {

inline constexpr std::size_t poly_size = 256;
inline constexpr std::int16_t kem_q = 3329;

// Montgomery's R is 2^16.
inline constexpr std::int16_t q_inverse = -3327;  // of q modulo R
inline constexpr std::int32_t r_mod_q = (1 << 16) % kem_q;
inline constexpr std::int32_t r_squared_mod_q = r_mod_q * r_mod_q % kem_q;

// Barrett's: 2^26 / q, rounded.
inline constexpr std::int32_t q_reciprocal = ((1 << 26) + kem_q / 2) / kem_q;

consteval std::int32_t power_mod_q(std::int32_t base, unsigned exponent) {
  std::int32_t power = 1;
  for (unsigned i = 0; i < exponent; ++i) power = power * base % kem_q;
  return power;
}

// 1/128, once by R for the multiplication with it and once for that of inner_product.
inline constexpr auto inverse_scale =
    static_cast<std::int16_t>(power_mod_q(2, kem_q - 1 - 7) * r_squared_mod_q % kem_q);

// of[i] = 17^bitrev7(i) * R, centred; 17 is a 256th root of unity.
struct Zetas {
  std::int16_t of[128];
};

consteval Zetas make_zetas() {
  Zetas zetas{};
  for (unsigned i = 0; i < 128; ++i) {
    unsigned reversed = 0;
    for (unsigned bit = 0; bit < 7; ++bit) reversed |= ((i >> bit) & 1) << (6 - bit);
    const std::int32_t zeta = power_mod_q(17, reversed) * r_mod_q % kem_q;
    zetas.of[i] = static_cast<std::int16_t>(zeta > kem_q / 2 ? zeta - kem_q : zeta);
  }
  return zetas;
}
inline constexpr Zetas zetas = make_zetas();

}  // namespace godwit::crypto
