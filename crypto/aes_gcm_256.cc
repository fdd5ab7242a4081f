// SPDX-License-Identifier: Apache-2.0
#include "crypto/aes_gcm_kernel.h"

namespace godwit::crypto::aes_gcm {
namespace {

struct TwoBlocks {
  using Vector = __m256i;
  static constexpr std::size_t blocks = 2;

  [[gnu::always_inline]] static inline Vector load(const void* from) {
    return _mm256_loadu_si256(static_cast<const Vector*>(from));
  }
  [[gnu::always_inline]] static inline void store(void* to, Vector v) {
    _mm256_storeu_si256(static_cast<Vector*>(to), v);
  }
  [[gnu::always_inline]] static inline Vector every(Block block) {
    return _mm256_broadcastsi128_si256(block);
  }
  [[gnu::always_inline]] static inline Vector first(Block block) {
    return _mm256_zextsi128_si256(block);
  }
  [[gnu::always_inline]] static inline Vector count_from(int number) {
    return _mm256_setr_epi32(number, 0, 0, 0, number + 1, 0, 0, 0);
  }
  [[gnu::always_inline]] static inline Vector sum_32(Vector a, Vector b) {
    return _mm256_add_epi32(a, b);
  }
  [[gnu::always_inline]] static inline Vector differ(Vector a, Vector b) {
    return _mm256_xor_si256(a, b);
  }
  [[gnu::always_inline]] static inline Vector shuffle(Vector v, Vector order) {
    return _mm256_shuffle_epi8(v, order);
  }
  [[gnu::always_inline]] static inline Vector round(Vector v, Vector key) {
    return _mm256_aesenc_epi128(v, key);
  }
  [[gnu::always_inline]] static inline Vector last_round(Vector v, Vector key) {
    return _mm256_aesenclast_epi128(v, key);
  }
  template <int Halves>
  [[gnu::always_inline]] static inline Vector product(Vector a, Vector b) {
    return _mm256_clmulepi64_epi128(a, b, Halves);
  }
  [[gnu::always_inline]] static inline Block total(Vector v) {
    return _mm_xor_si128(at<0>(v), at<1>(v));
  }
  template <int Place>
  [[gnu::always_inline]] static inline Block at(Vector v) {
    return _mm256_extracti128_si256(v, Place);
  }
};

}  // namespace

const Functions on_256_bits{&expand, &Kernel<TwoBlocks>::seal, &Kernel<TwoBlocks>::decrypt};

}  // namespace godwit::crypto::aes_gcm
