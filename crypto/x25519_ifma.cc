// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "crypto/x25519_ladder.h"

namespace godwit::crypto::x25519 {
namespace {

// On 256 bits: wider ones would need two ladders at once.
struct IfmaLanes {
  using Vector = __m256i;

  [[gnu::always_inline]] static inline Vector every(std::uint64_t value) {
    return _mm256_set1_epi64x(static_cast<long long>(value));
  }
  [[gnu::always_inline]] static inline Vector of(std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                                 std::uint64_t d) {
    return _mm256_setr_epi64x(static_cast<long long>(a), static_cast<long long>(b),
                              static_cast<long long>(c), static_cast<long long>(d));
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
  [[gnu::always_inline]] static inline Vector add_low(Vector sum, Vector a, Vector b) {
    return _mm256_madd52lo_epu64(sum, a, b);
  }
  [[gnu::always_inline]] static inline Vector add_high(Vector sum, Vector a, Vector b) {
    return _mm256_madd52hi_epu64(sum, a, b);
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

}  // namespace

void ladder_ifma(const LadderCall& call) {
  Ladder<IfmaLanes>::run(call);
}

}  // namespace godwit::crypto::x25519
