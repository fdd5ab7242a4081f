// SPDX-License-Identifier: Apache-2.0
#include "crypto/x25519_five_limbs.h"
#include "crypto/x25519_lanes_256.h"

namespace godwit::crypto::x25519 {
namespace {

// On 256 bits: wider ones would need two ladders at once.
struct IfmaLanes : Lanes256 {
  [[gnu::always_inline]] static inline Vector add_low(Vector sum, Vector a, Vector b) {
    return _mm256_madd52lo_epu64(sum, a, b);
  }
  [[gnu::always_inline]] static inline Vector add_high(Vector sum, Vector a, Vector b) {
    return _mm256_madd52hi_epu64(sum, a, b);
  }
};

}  // namespace

void ladder_ifma(const LadderCall& call) {
  Ladder<FiveLimbs<IfmaLanes>>::run(call);
}

}  // namespace godwit::crypto::x25519
