// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "crypto/x25519_ladder.h"

// Four elements of the field of 2^255 - 19 for lanes that multiply 32 bits into 64: each lane of 51
// bits has two limbs, of 26 bits in its lower half and of 25 in its upper one, so that adding and
// exchanging cost as little as with five limbs. Internal to crypto. Thread safe; no branch or index
// depends on an element.
//
// In units of 2^26 for the even limbs, and of 2^25 for the odd: a product has limbs below 1 +
// 2^-13. A sum or difference of two such is below 3 + 2^-12, and may be multiplied without being
// carried: 19 * 3 * 2^26 fits into 32 bits, and the sum of the ten products stays below 2^63. What
// is larger must be carried, and may reach 2^32.

namespace godwit::crypto::x25519 {

template <typename GivenLanes>
struct TenLimbs {
  using Lanes = GivenLanes;
  using Vector = typename Lanes::Vector;
  struct Four {
    Vector limb[limb_count];
  };
  static constexpr std::size_t half_count = 2 * limb_count;
  static constexpr unsigned half_bits[2] = {26, 25};
  static constexpr std::uint64_t half_mask[2] = {(1u << 26) - 1, (1u << 25) - 1};

  static std::uint64_t packed(std::uint64_t limb) {
    return (limb & half_mask[0]) | limb >> half_bits[0] << 32;
  }
  static std::uint64_t unpacked(std::uint64_t lane) {
    return (lane & 0xffff'ffff) + (lane >> 32 << half_bits[0]);
  }
  static std::uint64_t twice_p_and_1(std::size_t limb) {
    const std::uint64_t lower = half_mask[0] - (limb == 0 ? 18 : 0);
    return (2 * lower + 1) | (2 * half_mask[1] + 1) << 32;
  }
  [[gnu::always_inline]] static inline Vector packed_lanes(Vector limb) {
    return Lanes::add(Lanes::both(limb, Lanes::every(half_mask[0])),
                      Lanes::template left<32>(Lanes::template right<half_bits[0]>(limb)));
  }
  [[gnu::always_inline]] static inline Vector add(Vector a, Vector b) {
    return Lanes::add_halves(a, b);
  }
  [[gnu::always_inline]] static inline void settle(Four&) {}

  [[gnu::always_inline]] static inline Vector times_19(Vector v) {
    return Lanes::add(Lanes::add(v, Lanes::template left<1>(v)), Lanes::template left<4>(v));
  }

  // A limb in each lower half; what is in the upper ones is not looked at by multiplications.
  // Shifts move no limb into the other half: 16 times one fits into 32 bits.
  struct Halves {
    Vector limb[half_count];
  };
  [[gnu::always_inline]] static inline Halves halves(const Four& a, unsigned factor) {
    Halves split;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      Vector packed = a.limb[i];
      if (factor == 19) {
        packed = Lanes::add_halves(packed, Lanes::add_halves(Lanes::template left<1>(packed),
                                                             Lanes::template left<4>(packed)));
      }
      split.limb[2 * i] = packed;
      split.limb[2 * i + 1] = Lanes::template right<32>(packed);
    }
    return split;
  }

  // What is above limb i goes to the next.
  template <std::size_t I>
  [[gnu::always_inline]] static inline Vector carry_out(Vector& limb) {
    const Vector above = Lanes::template right<half_bits[I % 2]>(limb);
    limb = Lanes::both(limb, Lanes::every(half_mask[I % 2]));
    return above;
  }
  template <std::size_t... I>
  [[gnu::always_inline]] static inline void carry_up(Vector (&limbs)[half_count]) {
    ((limbs[I + 1] = Lanes::add(limbs[I + 1], carry_out<I>(limbs[I]))), ...);
  }

  // Two chains side by side, since each step waits for the one before it.
  [[gnu::always_inline]] static inline Four carried(Vector (&sums)[half_count]) {
    carry_up<0, 4, 1, 5, 2, 6, 3, 7, 4, 8>(sums);
    sums[0] = Lanes::add(sums[0], times_19(carry_out<9>(sums[9])));
    carry_up<0>(sums);
    Four product;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      product.limb[i] = Lanes::add(sums[2 * i], Lanes::template left<32>(sums[2 * i + 1]));
    }
    return product;
  }

  [[gnu::always_inline]] static inline void carry(Four& a) {
    Halves limbs = halves(a, 1);
#pragma GCC unroll 5
    for (std::size_t i = 0; i < half_count; i += 2) {
      limbs.limb[i] = Lanes::both(limbs.limb[i], Lanes::every(0xffff'ffff));
    }
    a = carried(limbs.limb);
  }

  // To the limb of that weight; what has the weight of 2^255 or more comes back at the bottom.
  [[gnu::always_inline]] static inline void add_product(Vector (&sums)[half_count], Vector left,
                                                        Vector right, std::size_t weight) {
    Vector& sum = sums[weight < half_count ? weight : weight - half_count];
    sum = Lanes::add(sum, Lanes::multiply_halves(left, right));
  }
  [[gnu::always_inline]] static inline void keep_all(Vector (&sums)[half_count]) {
#pragma GCC unroll 10
    for (Vector& sum : sums) Lanes::keep(sum);
  }

  // Two odd limbs have half a bit each too much; what has the weight of 2^255 or more comes back 19
  // times.
  [[gnu::always_inline]] static inline Four multiply(const Four& a, const Four& b) {
    const Halves f = halves(a, 1);
    const Halves g = halves(b, 1);
    const Halves g_19 = halves(b, 19);
    Vector sums[half_count];
#pragma GCC unroll 10
    for (Vector& sum : sums) sum = Lanes::every(0);
#pragma GCC unroll 10
    for (std::size_t i = 0; i < half_count; ++i) {
      const Vector twice = Lanes::add(f.limb[i], f.limb[i]);
#pragma GCC unroll 10
      for (std::size_t j = 0; j < half_count; ++j) {
        const Vector left = i % 2 == 1 && j % 2 == 1 ? twice : f.limb[i];
        add_product(sums, left, i + j < half_count ? g.limb[j] : g_19.limb[j], i + j);
      }
      keep_all(sums);
    }
    return carried(sums);
  }

  // REQUIRES: a factor below 2^30; `a` carried, or the sum or difference of two such.
  [[gnu::always_inline]] static inline Four multiply_by(const Four& a, std::uint64_t factor) {
    const Halves f = halves(a, 1);
    Vector sums[half_count];
#pragma GCC unroll 10
    for (std::size_t i = 0; i < half_count; ++i) {
      sums[i] = Lanes::multiply_halves(f.limb[i], Lanes::every(factor));
    }
    return carried(sums);
  }

  [[gnu::always_inline]] static inline Four square(const Four& a) {
    const Halves f = halves(a, 1);
    const Halves f_19 = halves(a, 19);
    Vector sums[half_count];
#pragma GCC unroll 10
    for (Vector& sum : sums) sum = Lanes::every(0);
#pragma GCC unroll 10
    for (std::size_t i = 0; i < half_count; ++i) {
      const Vector twice = Lanes::add(f.limb[i], f.limb[i]);
      const Vector four_times = Lanes::add(twice, twice);
#pragma GCC unroll 10
      for (std::size_t j = i; j < half_count; ++j) {
        const bool odd = i % 2 == 1 && j % 2 == 1;
        const Vector left = i == j ? (odd ? twice : f.limb[i]) : (odd ? four_times : twice);
        add_product(sums, left, i + j < half_count ? f.limb[j] : f_19.limb[j], i + j);
      }
      keep_all(sums);
    }
    return carried(sums);
  }
};

}  // namespace godwit::crypto::x25519
