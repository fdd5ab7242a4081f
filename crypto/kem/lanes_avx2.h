// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include "crypto/kem/ring.h"

// Sixteen coefficients at once. For the files that are compiled for AVX2 alone; each has its own
// copy, so that none is linked elsewhere. Each gives what its namesake in poly.h gives.

namespace godwit::crypto::avx2 {

using Lanes = __m256i;
inline constexpr std::size_t lane_count = 16;
inline constexpr std::size_t vector_count = poly_size / lane_count;

[[gnu::always_inline]] static inline Lanes load(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

[[gnu::always_inline]] static inline void store(void* to, Lanes lanes) {
  _mm256_storeu_si256(static_cast<__m256i*>(to), lanes);
}

[[gnu::always_inline]] static inline Lanes every(std::int16_t value) {
  return _mm256_set1_epi16(value);
}

// lanes * factor / R, where factor_low is factor / q modulo R.
[[gnu::always_inline]] static inline Lanes multiply(Lanes lanes, Lanes factor, Lanes factor_low) {
  const Lanes multiple = _mm256_mullo_epi16(lanes, factor_low);
  return _mm256_sub_epi16(_mm256_mulhi_epi16(lanes, factor),
                          _mm256_mulhi_epi16(multiple, every(kem_q)));
}

// The half in barrett_reduce is added by the rounding of mulhrs: its factor of 2^5 leaves ten bits
// of the 26 to be shifted out.
[[gnu::always_inline]] static inline Lanes barrett_reduce(Lanes lanes) {
  const Lanes quotient =
      _mm256_mulhrs_epi16(_mm256_mulhi_epi16(lanes, every(q_reciprocal)), every(1 << 5));
  return _mm256_sub_epi16(lanes, _mm256_mullo_epi16(quotient, every(kem_q)));
}

[[gnu::always_inline]] static inline Lanes least(Lanes centred) {
  return _mm256_add_epi16(centred, _mm256_and_si256(_mm256_srai_epi16(centred, 15), every(kem_q)));
}

}  // namespace godwit::crypto::avx2
