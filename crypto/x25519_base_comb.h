// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "crypto/x25519_ladder.h"

// The base point of X25519 times a scalar, by a comb over its Edwards form (RFC 7748, section 4.1):
// 65 additions and 7 doublings, each two multiplications of four lanes. Extended coordinates and
// their formulas are those of Hisil, Wong, Carter and Dawson (2008, sections 3.1 and 3.3), which
// hold for every two points of this curve. Internal to crypto. Thread safe; no branch or index
// depends on the scalar.
//
// A clamped scalar k is 8j. With G = 4B that is (2j + 1) G - G, and 2j + 1 is the sum of 2^i, or
// of -2^i where bit i of j + 2^255 is 0, for i below 256: 256 digits of 1 and -1, none of them 0.
// Digit i = 64 t + 8 b + p is tooth t of block b at place p. The table has each block's sums of
// four teeth, of which the last is positive: where it is not, all four are the negative of others.

namespace godwit::crypto::x25519 {

inline constexpr std::size_t comb_teeth = 4;
inline constexpr std::size_t comb_blocks = 8;
inline constexpr std::size_t comb_places = 8;
inline constexpr std::size_t comb_sums = 1 << (comb_teeth - 1);
static_assert(comb_teeth * comb_blocks * comb_places == 256);

// A point as it is added: lanes y - x, y + x, 2 and 2dxy, limbs of 51 bits.
struct CombPoint {
  alignas(32) std::uint64_t limb[limb_count][4];
};
// Sum `s` of a block has tooth t positive where bit t of s is set; the last always is.
struct CombTable {
  CombPoint sums[comb_blocks][comb_sums];
  CombPoint minus_g;
};
const CombTable& comb_table();

// The product as y and z of Edwards coordinates, limbs below 2^52: its u is (z + y) / (z - y), and
// z - y is never 0. `digits`: the 32 bytes of j + 2^255.
struct BaseCall {
  std::uint64_t* y;
  std::uint64_t* z;
  const std::uint8_t* digits;
  const CombTable* table;
};
using BaseFunction = void (*)(const BaseCall&);
// REQUIRES: a processor with AVX2.
void base_avx2(const BaseCall& call);

template <typename Field>
struct BaseComb {
  using Lanes = typename Field::Lanes;
  using Vector = typename Field::Vector;
  using Four = typename Field::Four;
  static constexpr std::uint64_t ones = ~std::uint64_t{0};

  // All ones where the two, below 2^63, are equal.
  static std::uint64_t equal_mask(std::uint64_t a, std::uint64_t b) {
    std::uint64_t mask = 0 - (((a ^ b) - 1) >> 63);
    asm("" : "+r"(mask));  // so that no branch is made of it
    return mask;
  }

  static Four from_table(const CombPoint& point) {
    Four four;
    for (std::size_t i = 0; i < limb_count; ++i) {
      four.limb[i] = Field::packed_lanes(Lanes::load(point.limb[i]));
    }
    return four;
  }

  // The negative where `negative` is all ones: y - x and y + x change places, and 2dxy its sign.
  [[gnu::always_inline]] static inline void negate(Four& point, std::uint64_t negative) {
    const Vector change = Lanes::every(negative);
    const Vector last = Lanes::of(0, 0, 0, negative);
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      Vector& limb = point.limb[i];
      const Vector other = Lanes::template order<1, 0, 2, 3>(limb);
      limb = Lanes::differ(limb, Lanes::both(change, Lanes::differ(limb, other)));
      // 0 - 2dxy, or 0 + what there is.
      const Vector rest = Lanes::both(limb, Lanes::of(ones, ones, ones, 0));
      const Vector product = Lanes::both(limb, Lanes::of(0, 0, 0, ones));
      limb = Field::add(rest, sum<Field>(Lanes::every(0), product, last, i));
    }
    Field::settle(point);
  }

  // `digits`: a bit for each tooth, the last one's uppermost. Every sum of the block is read.
  [[gnu::always_inline]] static inline Four choose(const CombPoint (&block)[comb_sums],
                                                   std::uint64_t digits) {
    const std::uint64_t negative = (digits >> (comb_teeth - 1)) - 1;
    const std::uint64_t wanted = (digits ^ negative) & (comb_sums - 1);
    Four point;
    for (Vector& limb : point.limb) limb = Lanes::every(0);
#pragma GCC unroll 8
    for (std::size_t s = 0; s < comb_sums; ++s) {
      const Vector mask = Lanes::every(equal_mask(s, wanted));
#pragma GCC unroll 5
      for (std::size_t i = 0; i < limb_count; ++i) {
        point.limb[i] = Lanes::add(point.limb[i], Lanes::both(mask, Lanes::load(block[s].limb[i])));
      }
    }
#pragma GCC unroll 5
    for (Vector& limb : point.limb) limb = Field::packed_lanes(limb);
    std::uint64_t mask = negative;
    asm("" : "+r"(mask));  // so that no branch is made of it
    negate(point, mask);
    return point;
  }

  // E, G, F, E times F, H, G, H is X, Y, Z, T; lanes of `efgh` are E, G, F, H.
  [[gnu::always_inline]] static inline Four from_efgh(const Four& efgh) {
    Four left;
    Four right;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      left.limb[i] = Lanes::template order<0, 1, 2, 0>(efgh.limb[i]);
      right.limb[i] = Lanes::template order<2, 3, 1, 3>(efgh.limb[i]);
    }
    return Field::multiply(left, right);
  }

  // Lanes of a sum: X, Y, Z, T.
  [[gnu::always_inline]] static inline Four add(const Four& to, const Four& point) {
    Four left;  // Y - X, Y + X, Z, T
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      const Vector x =
          Lanes::both(Lanes::template order<0, 0, 0, 0>(to.limb[i]), Lanes::of(ones, ones, 0, 0));
      left.limb[i] =
          sum<Field>(Lanes::template order<1, 1, 2, 3>(to.limb[i]), x, Lanes::of(ones, 0, 0, 0), i);
    }
    Field::settle(left);
    const Four abdc = Field::multiply(left, point);
    Four efgh;  // B - A, D + C, D - C, B + A
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      efgh.limb[i] = sum<Field>(Lanes::template order<1, 2, 2, 1>(abdc.limb[i]),
                                Lanes::template order<0, 3, 3, 0>(abdc.limb[i]),
                                Lanes::of(ones, 0, ones, 0), i);
    }
    Field::settle(efgh);
    return from_efgh(efgh);
  }

  [[gnu::always_inline]] static inline Four twice(const Four& of) {
    Four bases;  // X, Y, Z, X + Y
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      const Vector y =
          Lanes::both(Lanes::template order<1, 1, 1, 1>(of.limb[i]), Lanes::of(0, 0, 0, ones));
      bases.limb[i] = Field::add(Lanes::template order<0, 1, 2, 0>(of.limb[i]), y);
    }
    Field::settle(bases);
    const Four squares = Field::square(bases);  // A, B, C / 2, (X + Y)^2
    Four efgh;                                  // A + B - (X + Y)^2, A - B, C + A - B, A + B
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      const Vector limb = squares.limb[i];
      const Vector a_and_b =
          sum<Field>(Lanes::template order<0, 0, 0, 0>(limb),
                     Lanes::template order<1, 1, 1, 1>(limb), Lanes::of(0, ones, ones, 0), i);
      const Vector half_c =
          Lanes::both(Lanes::template order<2, 2, 2, 2>(limb), Lanes::of(0, 0, ones, 0));
      const Vector square =
          Lanes::both(Lanes::template order<3, 3, 3, 3>(limb), Lanes::of(ones, 0, 0, 0));
      efgh.limb[i] = sum<Field>(Field::add(a_and_b, Field::add(half_c, half_c)), square,
                                Lanes::of(ones, 0, 0, 0), i);
    }
    Field::carry(efgh);
    return from_efgh(efgh);
  }

  static std::uint64_t digits_at(const std::uint8_t* digits, std::size_t block, std::size_t place) {
    std::uint64_t of_teeth = 0;
    for (std::size_t tooth = 0; tooth < comb_teeth; ++tooth) {
      const std::uint64_t byte = digits[comb_blocks * tooth + block];
      of_teeth |= (byte >> place & 1) << tooth;
    }
    return of_teeth;
  }

  static void run(const BaseCall& call) {
    Four point;  // the neutral element, 0, 1, 1, 0
    for (std::size_t i = 0; i < limb_count; ++i) {
      const std::uint64_t one = i == 0 ? 1 : 0;
      point.limb[i] = Lanes::of(0, one, one, 0);
    }
    for (std::size_t place = comb_places; place-- > 0;) {
      if (place + 1 < comb_places) point = twice(point);
      for (std::size_t block = 0; block < comb_blocks; ++block) {
        point = add(point, choose(call.table->sums[block], digits_at(call.digits, block, place)));
      }
    }
    point = add(point, from_table(call.table->minus_g));
    for (std::size_t i = 0; i < limb_count; ++i) {
      std::uint64_t lanes[4];
      Lanes::store(lanes, point.limb[i]);
      call.y[i] = Field::unpacked(lanes[1]);
      call.z[i] = Field::unpacked(lanes[2]);
    }
  }
};

}  // namespace godwit::crypto::x25519
