// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "crypto/x25519_ladder.h"

// Two Montgomery ladders at once, in two lanes each: of a step's ten multiplications two squarings
// go together, and no lane is idle, which makes two cost less than one and a half (one ladder alone
// leaves lanes idle, and squares by multiplying). Internal to crypto. Thread safe; no branch or
// index depends on the scalars or the points.

namespace godwit::crypto::x25519 {

template <typename Field>
struct PairLadder {
  using Lanes = typename Field::Lanes;
  using Vector = typename Field::Vector;
  using Four = typename Field::Four;
  static constexpr std::uint64_t ones = ~std::uint64_t{0};

  // Lanes 0 and 1 are the first ladder's, 2 and 3 the second's.
  struct State {
    Four two;    // x2, z2
    Four three;  // x3, z3
  };

  enum class Sign : std::uint64_t { plus = 0, minus = ones };

  // Of lanes p, q: p + q or p - q in each.
  template <Sign First, Sign Second>
  [[gnu::always_inline]] static inline Four combined(const Four& a) {
    constexpr auto first = static_cast<std::uint64_t>(First);
    constexpr auto second = static_cast<std::uint64_t>(Second);
    Four both;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      both.limb[i] = sum<Field>(Lanes::template order<0, 0, 2, 2>(a.limb[i]),
                                Lanes::template order<1, 1, 3, 3>(a.limb[i]),
                                Lanes::of(first, second, first, second), i);
    }
    Field::settle(both);
    return both;
  }

  // Where `swap` is all ones the two points change places.
  [[gnu::always_inline]] static inline void swap_points(State& state, Vector swap) {
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      Vector& two = state.two.limb[i];
      Vector& three = state.three.limb[i];
      const Vector change = Lanes::both(swap, Lanes::differ(two, three));
      two = Lanes::differ(two, change);
      three = Lanes::differ(three, change);
    }
  }

  // Lane 0 of the one and lane 1 of the other, for both ladders.
  [[gnu::always_inline]] static inline Four join(const Four& zero, const Four& one) {
    Four joined;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      joined.limb[i] = Lanes::template choose<0, 1, 0, 1>(zero.limb[i], one.limb[i]);
    }
    return joined;
  }

  // Names as in RFC 7748. `last`: a24 and x1.
  [[gnu::always_inline]] static inline void step(State& state, const Four& last) {
    constexpr Sign plus = Sign::plus;
    constexpr Sign minus = Sign::minus;
    const Four ab = combined<plus, minus>(state.two);
    const Four dc = combined<minus, plus>(state.three);
    const Four cross = Field::multiply(ab, dc);                      // DA, CB
    const Four squares = Field::square(ab);                          // AA, BB
    const Four outer = Field::square(combined<plus, minus>(cross));  // x3, (DA - CB)^2
    const Four e = combined<minus, minus>(squares);                  // E, E
    const Four a24_e_and_z3 = Field::multiply(join(e, outer), last);
    Four right;  // BB, AA + a24 E
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      const Vector a24_e = Lanes::both(Lanes::template order<0, 0, 2, 2>(a24_e_and_z3.limb[i]),
                                       Lanes::of(0, ones, 0, ones));
      right.limb[i] = Field::add(Lanes::template order<1, 0, 3, 2>(squares.limb[i]), a24_e);
    }
    Field::settle(right);
    state.two = Field::multiply(join(squares, e), right);
    state.three = join(outer, a24_e_and_z3);
  }

  // All ones or zero.
  static std::uint64_t mask(std::uint64_t bit) {
    std::uint64_t mask = 0 - bit;
    asm("" : "+r"(mask));  // so that no branch is made of it
    return mask;
  }

  static void run(const LadderCall& first, const LadderCall& second) {
    State state;
    Four last;
    for (std::size_t i = 0; i < limb_count; ++i) {
      const std::uint64_t one = i == 0 ? 1 : 0;
      const std::uint64_t u_first = Field::packed(first.u[i]);
      const std::uint64_t u_second = Field::packed(second.u[i]);
      last.limb[i] = Lanes::of(121'665 * one, u_first, 121'665 * one, u_second);
      state.two.limb[i] = Lanes::of(one, 0, one, 0);
      state.three.limb[i] = Lanes::of(u_first, one, u_second, one);
    }
    std::uint64_t first_swapped = 0;
    std::uint64_t second_swapped = 0;
    for (unsigned place = 255; place-- > 0;) {
      const std::uint64_t first_bit = first.scalar[place / 8] >> (place % 8) & 1;
      const std::uint64_t second_bit = second.scalar[place / 8] >> (place % 8) & 1;
      const std::uint64_t swap_first = mask(first_swapped ^ first_bit);
      const std::uint64_t swap_second = mask(second_swapped ^ second_bit);
      swap_points(state, Lanes::of(swap_first, swap_first, swap_second, swap_second));
      step(state, last);
      first_swapped = first_bit;
      second_swapped = second_bit;
    }
    // Clamped scalars end with zeros: nothing is left to be exchanged.
    for (std::size_t i = 0; i < limb_count; ++i) {
      std::uint64_t lanes[4];
      Lanes::store(lanes, state.two.limb[i]);
      first.x[i] = Field::unpacked(lanes[0]);
      first.z[i] = Field::unpacked(lanes[1]);
      second.x[i] = Field::unpacked(lanes[2]);
      second.z[i] = Field::unpacked(lanes[3]);
    }
  }
};

}  // namespace godwit::crypto::x25519
