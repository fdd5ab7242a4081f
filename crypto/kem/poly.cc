// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/poly.h"

namespace godwit::crypto {
namespace {

constexpr std::int32_t r_mod_q = (1 << 16) % kem_q;
constexpr std::int32_t r_squared_mod_q = r_mod_q * r_mod_q % kem_q;

consteval std::int32_t power_mod_q(std::int32_t base, unsigned exponent) {
  std::int32_t power = 1;
  for (unsigned i = 0; i < exponent; ++i) power = power * base % kem_q;
  return power;
}

// zetas[i] = 17^bitrev7(i) * R, centred (FIPS 203, section 4.3: 17 is a 256th root of unity).
consteval std::array<std::int16_t, 128> make_zetas() {
  std::array<std::int16_t, 128> zetas{};
  for (unsigned i = 0; i < zetas.size(); ++i) {
    unsigned reversed = 0;
    for (unsigned bit = 0; bit < 7; ++bit) reversed |= ((i >> bit) & 1) << (6 - bit);
    const std::int32_t zeta = power_mod_q(17, reversed) * r_mod_q % kem_q;
    zetas[i] = static_cast<std::int16_t>(zeta > kem_q / 2 ? zeta - kem_q : zeta);
  }
  return zetas;
}
constexpr auto zetas = make_zetas();

constexpr std::int16_t multiply(std::int16_t left, std::int16_t right) {
  return montgomery_reduce(left * right);
}

}  // namespace

void ntt(Poly& poly) {
  std::size_t next = 1;
  for (std::size_t length = poly_size / 2; length >= 2; length /= 2) {
    for (std::size_t start = 0; start < poly_size; start += 2 * length) {
      const std::int16_t zeta = zetas[next++];
      for (std::size_t j = start; j < start + length; ++j) {
        // Each of the seven layers adds less than q, so eight q are never reached.
        const std::int16_t product = multiply(zeta, poly.c[j + length]);
        poly.c[j + length] = static_cast<std::int16_t>(poly.c[j] - product);
        poly.c[j] = static_cast<std::int16_t>(poly.c[j] + product);
      }
    }
  }
  reduce(poly);
}

void inverse_ntt(Poly& poly) {
  std::size_t next = zetas.size() - 1;
  for (std::size_t length = 2; length <= poly_size / 2; length *= 2) {
    for (std::size_t start = 0; start < poly_size; start += 2 * length) {
      const std::int16_t zeta = zetas[next--];
      for (std::size_t j = start; j < start + length; ++j) {
        const std::int16_t low = barrett_reduce(poly.c[j]);
        const std::int16_t high = barrett_reduce(poly.c[j + length]);
        poly.c[j] = static_cast<std::int16_t>(low + high);
        poly.c[j + length] = multiply(zeta, static_cast<std::int16_t>(high - low));
      }
    }
  }
  // 1/128, once by R for the multiplication here and once for that of multiply_add.
  constexpr auto scale =
      static_cast<std::int16_t>(power_mod_q(2, kem_q - 1 - 7) * r_squared_mod_q % kem_q);
  for (std::int16_t& coefficient : poly.c) {
    coefficient = barrett_reduce(multiply(scale, coefficient));
  }
}

void multiply_add(Poly& sum, const Poly& left, const Poly& right) {
  const auto pair = [&](std::size_t i, std::int16_t gamma) {
    const std::int16_t cross = multiply(multiply(left.c[i + 1], right.c[i + 1]), gamma);
    const std::int16_t even = multiply(left.c[i], right.c[i]);
    const std::int16_t outer = multiply(left.c[i], right.c[i + 1]);
    const std::int16_t inner = multiply(left.c[i + 1], right.c[i]);
    sum.c[i] = static_cast<std::int16_t>(sum.c[i] + even + cross);
    sum.c[i + 1] = static_cast<std::int16_t>(sum.c[i + 1] + outer + inner);
  };
  for (std::size_t i = 0; i < poly_size / 4; ++i) {
    const std::int16_t gamma = zetas[64 + i];  // 17^(2 bitrev7(2i) + 1)
    pair(4 * i, gamma);
    pair(4 * i + 2, static_cast<std::int16_t>(-gamma));
  }
}

void multiply_by_r(Poly& poly) {
  for (std::int16_t& coefficient : poly.c) {
    coefficient = multiply(coefficient, static_cast<std::int16_t>(r_squared_mod_q));
  }
}

void add(Poly& sum, const Poly& other) {
  for (std::size_t i = 0; i < poly_size; ++i) {
    sum.c[i] = static_cast<std::int16_t>(sum.c[i] + other.c[i]);
  }
}

void subtract(Poly& difference, const Poly& other) {
  for (std::size_t i = 0; i < poly_size; ++i) {
    difference.c[i] = static_cast<std::int16_t>(difference.c[i] - other.c[i]);
  }
}

void reduce(Poly& poly) {
  for (std::int16_t& coefficient : poly.c) coefficient = barrett_reduce(coefficient);
}

}  // namespace godwit::crypto
