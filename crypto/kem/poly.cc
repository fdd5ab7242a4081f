// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/poly.h"

#include "base/result.h"
#include "crypto/kem/avx2.h"

namespace godwit::crypto {
namespace {

constexpr std::int16_t multiply(std::int16_t left, std::int16_t right) {
  return montgomery_reduce(left * right);
}

}  // namespace

void ntt(Poly& poly, KemPath path) {
  if (path == KemPath::avx2) return avx2::ntt(poly.c.data());
  std::size_t next = 1;
  for (std::size_t length = poly_size / 2; length >= 2; length /= 2) {
    for (std::size_t start = 0; start < poly_size; start += 2 * length) {
      const std::int16_t zeta = zetas.of[next++];
      for (std::size_t j = start; j < start + length; ++j) {
        // Each of the seven layers adds less than q, so eight q are never reached.
        const std::int16_t product = multiply(zeta, poly.c[j + length]);
        poly.c[j + length] = static_cast<std::int16_t>(poly.c[j] - product);
        poly.c[j] = static_cast<std::int16_t>(poly.c[j] + product);
      }
    }
  }
  reduce(poly, path);
}

void inverse_ntt(Poly& poly, KemPath path) {
  if (path == KemPath::avx2) return avx2::inverse_ntt(poly.c.data());
  std::size_t next = 127;
  for (std::size_t length = 2; length <= poly_size / 2; length *= 2) {
    for (std::size_t start = 0; start < poly_size; start += 2 * length) {
      const std::int16_t zeta = zetas.of[next--];
      for (std::size_t j = start; j < start + length; ++j) {
        // Both are below q, so their difference is below 2q, and with a centred zeta the product
        // below q * 2^15.
        const std::int16_t low = poly.c[j];
        const std::int16_t high = poly.c[j + length];
        poly.c[j] = barrett_reduce(static_cast<std::int16_t>(low + high));
        poly.c[j + length] = multiply(zeta, static_cast<std::int16_t>(high - low));
      }
    }
  }
  for (std::int16_t& coefficient : poly.c) {
    coefficient = barrett_reduce(multiply(inverse_scale, coefficient));
  }
}

void inner_product(Poly& sum, std::span<const Poly> row, std::span<const Poly> column,
                   KemPath path) {
  GODWIT_CHECK(row.size() == column.size() && row.size() <= 4);
  if (path == KemPath::avx2) {
    return avx2::inner_product(sum.c.data(), row.data()->c.data(), column.data()->c.data(),
                               row.size());
  }
  for (std::size_t i = 0; i < poly_size; i += 2) {
    const std::int16_t zeta = zetas.of[64 + i / 4];  // 17^(2 bitrev7(2i) + 1)
    const auto gamma = static_cast<std::int16_t>(i % 4 == 0 ? zeta : -zeta);
    // Eight products below q^2 are below q * 2^15, so one reduction of their sum does.
    std::int32_t even = 0;
    std::int32_t odd = 0;
    for (std::size_t j = 0; j < row.size(); ++j) {
      const auto& a = row[j].c;
      const auto& b = column[j].c;
      even += a[i] * b[i] + a[i + 1] * multiply(b[i + 1], gamma);
      odd += a[i] * b[i + 1] + a[i + 1] * b[i];
    }
    sum.c[i] = montgomery_reduce(even);
    sum.c[i + 1] = montgomery_reduce(odd);
  }
}

void multiply_by_r(Poly& poly, KemPath path) {
  if (path == KemPath::avx2) return avx2::multiply_by_r(poly.c.data());
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

void reduce(Poly& poly, KemPath path) {
  if (path == KemPath::avx2) return avx2::reduce(poly.c.data());
  for (std::int16_t& coefficient : poly.c) coefficient = barrett_reduce(coefficient);
}

}  // namespace godwit::crypto
