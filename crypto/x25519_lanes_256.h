// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstdint>

// Four lanes of 64 bits in AVX2's registers, but for their multiplication. For the files that are
// compiled for newer processors alone; each derives lanes of its own from these, in a namespace
// without a name, so that none is linked elsewhere.

namespace godwit::crypto::x25519 {

struct Lanes256 {
  using Vector = __m256i;

  [[gnu::always_inline]] static inline Vector every(std::uint64_t value) {
    return _mm256_set1_epi64x(static_cast<long long>(value));
  }
  [[gnu::always_inline]] static inline Vector of(std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                                 std::uint64_t d) {
    return _mm256_setr_epi64x(static_cast<long long>(a), static_cast<long long>(b),
                              static_cast<long long>(c), static_cast<long long>(d));
  }
  // From an address that 32 divides.
  [[gnu::always_inline]] static inline Vector load(const std::uint64_t (&from)[4]) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
  }
  [[gnu::always_inline]] static inline void store(std::uint64_t (&to)[4], Vector v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v);
  }
  [[gnu::always_inline]] static inline Vector add(Vector a, Vector b) {
    return _mm256_add_epi64(a, b);
  }
  [[gnu::always_inline]] static inline Vector both(Vector a, Vector b) {
    return _mm256_and_si256(a, b);
  }
  [[gnu::always_inline]] static inline Vector differ(Vector a, Vector b) {
    return _mm256_xor_si256(a, b);
  }
  template <int Count>
  [[gnu::always_inline]] static inline Vector left(Vector a) {
    return _mm256_slli_epi64(a, Count);
  }
  template <int Count>
  [[gnu::always_inline]] static inline Vector right(Vector a) {
    return _mm256_srli_epi64(a, Count);
  }
  template <int A, int B, int C, int D>
  [[gnu::always_inline]] static inline Vector order(Vector v) {
    return _mm256_permute4x64_epi64(v, A | B << 2 | C << 4 | D << 6);
  }
  template <int A, int B, int C, int D>
  [[gnu::always_inline]] static inline Vector choose(Vector zero, Vector one) {
    return _mm256_blend_epi32(zero, one, 3 * (A | B << 2 | C << 4 | D << 6));
  }
};

}  // namespace godwit::crypto::x25519
