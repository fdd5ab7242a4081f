// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// The Montgomery ladder of X25519 (RFC 7748, section 5) with four multiplications at once, over the
// field of x25519_five_limbs.h or x25519_ten_limbs.h and any vector of four 64-bit lanes. Some
// lanes are the processor's, others plain ones that tests hold them to, and under which the check
// for constant time sees the same source. Internal to crypto. Thread safe; no branch or index
// depends on the scalar or the point.
//
// Arrays are C's: this is compiled for newer processors too, and no inline function of the library
// may come out of that and be linked into code that runs on every one.

namespace godwit::crypto::x25519 {

inline constexpr std::size_t limb_count = 5;
inline constexpr unsigned limb_bits = 51;
inline constexpr std::uint64_t limb_mask = (std::uint64_t{1} << limb_bits) - 1;
// Four field elements are five vectors; how a limb of 51 bits lies in a lane is the field's to say.

// x / z is the u of scalar * point, where `u` is that of the point: x, z and u as limbs, the least
// significant first, below 2^52. REQUIRES: the scalar's 32 bytes clamped.
struct LadderCall {
  std::uint64_t* x;
  std::uint64_t* z;
  const std::uint8_t* scalar;
  const std::uint64_t* u;
};
using LadderFunction = void (*)(const LadderCall&);

// REQUIRES: a processor with AVX-512 IFMA, and that on 256 bits.
void ladder_ifma(const LadderCall& call);
// REQUIRES: a processor with AVX2.
void ladder_avx2(const LadderCall& call);

// Two and four at once, of any scalars and points.
using PairFunction = void (*)(const LadderCall& first, const LadderCall& second);
// REQUIRES: a processor with AVX2.
void pair_avx2(const LadderCall& first, const LadderCall& second);
using FourFunction = void (*)(const LadderCall (&calls)[4]);
// REQUIRES: a processor with AVX2.
void four_avx2(const LadderCall (&calls)[4]);

// left + right, or left - right where `negative` is all ones.
template <typename Field>
[[gnu::always_inline]] static inline typename Field::Vector sum(typename Field::Vector left,
                                                                typename Field::Vector right,
                                                                typename Field::Vector negative,
                                                                std::size_t limb) {
  using Lanes = typename Field::Lanes;
  // -x is ~x + 1.
  const auto bias = Lanes::both(negative, Lanes::every(Field::twice_p_and_1(limb)));
  return Field::add(Field::add(left, bias), Lanes::differ(right, negative));
}

template <typename Field>
struct Ladder {
  using Lanes = typename Field::Lanes;
  using Vector = typename Field::Vector;
  using Four = typename Field::Four;
  struct Constants {
    Four x1;   // in the last lane
    Four a24;  // 121665, in the second
  };

  // Lanes of the state: x2, z2, x3, z3. Where `swap` is all ones the two points change places.
  [[gnu::always_inline]] static inline void swap_points(Four& state, Vector swap) {
#pragma GCC unroll 5
    for (Vector& limb : state.limb) {
      const Vector other = Lanes::template order<2, 3, 0, 1>(limb);
      limb = Lanes::differ(limb, Lanes::both(swap, Lanes::differ(limb, other)));
    }
  }

  // Names as in RFC 7748.
  [[gnu::always_inline]] static inline void step(Four& state, const Constants& constants) {
    constexpr std::uint64_t ones = ~std::uint64_t{0};
    Four abcd;
    Four abba;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      abcd.limb[i] = sum<Field>(Lanes::template order<0, 0, 2, 2>(state.limb[i]),
                                Lanes::template order<1, 1, 3, 3>(state.limb[i]),
                                Lanes::of(0, ones, 0, ones), i);
    }
    Field::settle(abcd);
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      abba.limb[i] = Lanes::template order<0, 1, 1, 0>(abcd.limb[i]);
    }
    const Four squares = Field::multiply(abcd, abba);  // AA, BB, CB, DA

    Four left;  // AA, E, DA + CB, DA - CB
    Four right;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      const Vector limb = squares.limb[i];
      const Vector second =
          Lanes::both(Lanes::template order<0, 1, 2, 2>(limb), Lanes::of(0, ones, ones, ones));
      left.limb[i] = sum<Field>(Lanes::template order<0, 0, 3, 3>(limb), second,
                                Lanes::of(0, ones, 0, ones), i);
    }
    Field::settle(left);
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {  // BB, a24, DA + CB, DA - CB
      const Vector bb = Lanes::template order<1, 1, 1, 1>(squares.limb[i]);
      right.limb[i] = Lanes::template choose<0, 1, 0, 0>(
          Lanes::template choose<1, 0, 0, 0>(left.limb[i], bb), constants.a24.limb[i]);
    }
    const Four products = Field::multiply(left, right);  // x2, a24 E, x3, (DA - CB)^2

#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      left.limb[i] = Lanes::template choose<0, 0, 0, 1>(left.limb[i], constants.x1.limb[i]);
      const Vector aa =
          Lanes::both(Lanes::template order<0, 0, 0, 0>(squares.limb[i]), Lanes::of(0, ones, 0, 0));
      right.limb[i] = Field::add(products.limb[i], aa);
    }
    Field::settle(right);
    const Four z = Field::multiply(left, right);  // z2 second, z3 last
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      state.limb[i] = Lanes::template choose<0, 1, 0, 1>(products.limb[i], z.limb[i]);
    }
  }

  static void run(const LadderCall& call) {
    Constants constants;
    Four state;
    for (std::size_t i = 0; i < limb_count; ++i) {
      const std::uint64_t one = i == 0 ? 1 : 0;
      const std::uint64_t u = Field::packed(call.u[i]);
      constants.x1.limb[i] = Lanes::of(0, 0, 0, u);
      constants.a24.limb[i] = Lanes::of(0, 121'665 * one, 0, 0);
      state.limb[i] = Lanes::of(one, 0, u, one);
    }
    std::uint64_t swapped = 0;
    for (unsigned place = 255; place-- > 0;) {
      const std::uint64_t bit = call.scalar[place / 8] >> (place % 8) & 1;
      std::uint64_t mask = 0 - (swapped ^ bit);
      asm("" : "+r"(mask));  // so that no branch is made of it
      swap_points(state, Lanes::every(mask));
      step(state, constants);
      swapped = bit;
    }
    swap_points(state, Lanes::every(0 - swapped));
    for (std::size_t i = 0; i < limb_count; ++i) {
      std::uint64_t lanes[4];
      Lanes::store(lanes, state.limb[i]);
      call.x[i] = Field::unpacked(lanes[0]);
      call.z[i] = Field::unpacked(lanes[1]);
    }
  }
};

}  // namespace godwit::crypto::x25519
