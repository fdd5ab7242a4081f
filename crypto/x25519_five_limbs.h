// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "crypto/x25519_ladder.h"

// Four elements of the field of 2^255 - 19 for lanes that multiply 52 bits: limbs of 51 bits, one
// in a lane. Internal to crypto. Thread safe; no branch or index depends on an element.
//
// A product needs limbs below 2^52. Whatever was carried has limbs below 2^51 + 2^15; whatever was
// only added or subtracted must be settled.

namespace godwit::crypto::x25519 {

template <typename GivenLanes>
struct FiveLimbs {
  using Lanes = GivenLanes;
  using Vector = typename Lanes::Vector;
  struct Four {
    Vector limb[limb_count];
  };

  static std::uint64_t packed(std::uint64_t limb) { return limb; }
  [[gnu::always_inline]] static inline Vector packed_lanes(Vector limb) { return limb; }
  static std::uint64_t unpacked(std::uint64_t lane) { return lane; }
  static std::uint64_t twice_p_and_1(std::size_t limb) {
    return 2 * (limb == 0 ? limb_mask - 18 : limb_mask) + 1;
  }
  [[gnu::always_inline]] static inline Vector add(Vector a, Vector b) { return Lanes::add(a, b); }
  [[gnu::always_inline]] static inline void settle(Four& a) { carry(a); }

  [[gnu::always_inline]] static inline Vector times_19(Vector v) {
    return Lanes::add(Lanes::add(v, Lanes::template left<1>(v)), Lanes::template left<4>(v));
  }

  // Limbs below 2^61 to limbs below 2^51 + 2^15.
  [[gnu::always_inline]] static inline void carry(Four& a) {
    const Vector mask = Lanes::every(limb_mask);
    Vector above[limb_count];
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      above[i] = Lanes::template right<limb_bits>(a.limb[i]);
      a.limb[i] = Lanes::both(a.limb[i], mask);
    }
    a.limb[0] = Lanes::add(a.limb[0], times_19(above[limb_count - 1]));
#pragma GCC unroll 5
    for (std::size_t i = 1; i < limb_count; ++i) a.limb[i] = Lanes::add(a.limb[i], above[i - 1]);
  }

  // The upper part of a product of limbs has the weight of 2^52: twice that of the next limb.
  [[gnu::always_inline]] static inline Four multiply(const Four& a, const Four& b) {
    Vector sums[2 * limb_count];
#pragma GCC unroll 10
    for (Vector& sum : sums) sum = Lanes::every(0);
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
#pragma GCC unroll 5
      for (std::size_t j = 0; j < limb_count; ++j) {
        sums[i + j + 1] = Lanes::add_high(sums[i + j + 1], a.limb[i], b.limb[j]);
      }
    }
#pragma GCC unroll 10
    for (Vector& sum : sums) sum = Lanes::add(sum, sum);
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
#pragma GCC unroll 5
      for (std::size_t j = 0; j < limb_count; ++j) {
        sums[i + j] = Lanes::add_low(sums[i + j], a.limb[i], b.limb[j]);
      }
    }
    // At most 5 upper parts twice and 4 lower ones come back 19 times: below 2^61.
    Four product;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      product.limb[i] = Lanes::add(sums[i], times_19(sums[i + limb_count]));
    }
    carry(product);
    return product;
  }

  // REQUIRES: a factor below 2^30, settled limbs.
  [[gnu::always_inline]] static inline Four multiply_by(const Four& a, std::uint64_t factor) {
    Four constant;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      constant.limb[i] = Lanes::every(i == 0 ? factor : 0);
    }
    return multiply(a, constant);
  }

  [[gnu::always_inline]] static inline Four square(const Four& a) {
    return multiply(a, a);
  }
};

}  // namespace godwit::crypto::x25519
