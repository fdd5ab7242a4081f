// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "crypto/x25519_ladder.h"

// Four Montgomery ladders at once, one in each lane: nothing is moved from lane to lane, and every
// square is one, where a pair moves lanes and a ladder alone leaves some idle. Internal to crypto.
// Thread safe; no branch or index depends on the scalars or the points.

namespace godwit::crypto::x25519 {

template <typename Field>
struct FourLadders {
  using Lanes = typename Field::Lanes;
  using Vector = typename Field::Vector;
  using Four = typename Field::Four;

  struct State {
    Four x2, z2, x3, z3;
  };

  [[gnu::always_inline]] static inline Four plus(const Four& a, const Four& b) {
    Four both;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      both.limb[i] = Field::add(a.limb[i], b.limb[i]);
    }
    Field::settle(both);
    return both;
  }
  [[gnu::always_inline]] static inline Four minus(const Four& a, const Four& b) {
    const Vector ones = Lanes::every(~std::uint64_t{0});
    Four both;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      both.limb[i] = sum<Field>(a.limb[i], b.limb[i], ones, i);
    }
    Field::settle(both);
    return both;
  }

  // Where `swap` is all ones the two change places.
  [[gnu::always_inline]] static inline void swap_elements(Four& a, Four& b, Vector swap) {
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      const Vector change = Lanes::both(swap, Lanes::differ(a.limb[i], b.limb[i]));
      a.limb[i] = Lanes::differ(a.limb[i], change);
      b.limb[i] = Lanes::differ(b.limb[i], change);
    }
  }

  // Names as in RFC 7748.
  [[gnu::always_inline]] static inline void step(State& state, const Four& x1) {
    const Four a = plus(state.x2, state.z2);
    const Four b = minus(state.x2, state.z2);
    const Four c = plus(state.x3, state.z3);
    const Four d = minus(state.x3, state.z3);
    const Four da = Field::multiply(d, a);
    const Four cb = Field::multiply(c, b);
    const Four aa = Field::square(a);
    const Four bb = Field::square(b);
    state.x3 = Field::square(plus(da, cb));
    state.z3 = Field::multiply(Field::square(minus(da, cb)), x1);
    state.x2 = Field::multiply(aa, bb);
    const Four e = minus(aa, bb);
    state.z2 = Field::multiply(e, plus(aa, Field::multiply_by(e, a24)));
  }

  static void run(const LadderCall (&calls)[4]) {
    Four x1;
    State state;
    for (std::size_t i = 0; i < limb_count; ++i) {
      const Vector one = Lanes::every(i == 0 ? 1 : 0);
      x1.limb[i] = Lanes::of(Field::packed(calls[0].u[i]), Field::packed(calls[1].u[i]),
                             Field::packed(calls[2].u[i]), Field::packed(calls[3].u[i]));
      state.x2.limb[i] = one;
      state.z2.limb[i] = Lanes::every(0);
      state.x3.limb[i] = x1.limb[i];
      state.z3.limb[i] = one;
    }
    Vector swapped = Lanes::every(0);
    for (unsigned place = 255; place-- > 0;) {
      const Vector bits = Lanes::of(mask(calls[0], place), mask(calls[1], place),
                                    mask(calls[2], place), mask(calls[3], place));
      const Vector swap = Lanes::differ(swapped, bits);
      swap_elements(state.x2, state.x3, swap);
      swap_elements(state.z2, state.z3, swap);
      step(state, x1);
      swapped = bits;
    }
    // Clamped scalars end with zeros: nothing is left to be exchanged.
    for (std::size_t i = 0; i < limb_count; ++i) {
      std::uint64_t x[4];
      std::uint64_t z[4];
      Lanes::store(x, state.x2.limb[i]);
      Lanes::store(z, state.z2.limb[i]);
      for (std::size_t lane = 0; lane < 4; ++lane) {
        calls[lane].x[i] = Field::unpacked(x[lane]);
        calls[lane].z[i] = Field::unpacked(z[lane]);
      }
    }
  }

 private:
  static constexpr std::uint64_t a24 = 121'665;

  // All ones where the bit of the scalar is set.
  static std::uint64_t mask(const LadderCall& call, unsigned place) {
    std::uint64_t mask = 0 - static_cast<std::uint64_t>(call.scalar[place / 8] >> (place % 8) & 1);
    asm("" : "+r"(mask));  // so that no branch is made of it
    return mask;
  }
};

}  // namespace godwit::crypto::x25519
