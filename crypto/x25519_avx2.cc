// SPDX-License-Identifier: Apache-2.0
#include "crypto/x25519_base_comb.h"
#include "crypto/x25519_four.h"
#include "crypto/x25519_lanes_256.h"
#include "crypto/x25519_pair.h"
#include "crypto/x25519_ten_limbs.h"

namespace godwit::crypto::x25519 {
namespace {

struct Avx2Lanes : Lanes256 {
  [[gnu::always_inline]] static inline Vector add_halves(Vector a, Vector b) {
    return _mm256_add_epi32(a, b);
  }
  [[gnu::always_inline]] static inline Vector multiply_halves(Vector a, Vector b) {
    return _mm256_mul_epu32(a, b);
  }
  // The compiler leaves in a register what it would else compute later, and out of order: ten sums
  // then wait in memory, and a ladder takes a third longer.
  [[gnu::always_inline]] static inline void keep(Vector& v) { asm("" : "+x"(v)); }
};

}  // namespace

void ladder_avx2(const LadderCall& call) {
  Ladder<TenLimbs<Avx2Lanes>>::run(call);
}

void pair_avx2(const LadderCall& first, const LadderCall& second) {
  PairLadder<TenLimbs<Avx2Lanes>>::run(first, second);
}

void four_avx2(const LadderCall (&calls)[4]) {
  FourLadders<TenLimbs<Avx2Lanes>>::run(calls);
}

void base_avx2(const BaseCall& call) {
  BaseComb<TenLimbs<Avx2Lanes>>::run(call);
}

}  // namespace godwit::crypto::x25519
