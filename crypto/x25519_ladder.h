// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// The Montgomery ladder of X25519 (RFC 7748, section 5) with four multiplications at once, over any
// vector of four 64-bit lanes that can multiply 52 bits. One is the processor's, another a plain
// one that tests hold it to, and under which the check for constant time sees the same source.
// Internal to crypto. Thread safe; no branch or index depends on the scalar or the point.
//
// Arrays are C's: this is compiled for newer processors too, and no inline function of the library
// may come out of that and be linked into code that runs on every one.
//
// Four field elements are five vectors, limbs of 51 bits. A product needs limbs below 2^52.
// Whatever was carried has limbs below 2^51 + 2^15; whatever was only added or subtracted must be
// carried.

namespace godwit::crypto::x25519 {

inline constexpr std::size_t limb_count = 5;
inline constexpr unsigned limb_bits = 51;
inline constexpr std::uint64_t limb_mask = (std::uint64_t{1} << limb_bits) - 1;
// Limbs of 2p, more than those of anything carried.
inline constexpr std::uint64_t twice_p[limb_count] = {2 * (limb_mask - 18), 2 * limb_mask,
                                                      2 * limb_mask, 2 * limb_mask, 2 * limb_mask};

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

template <typename Lanes>
struct Ladder {
  using Vector = typename Lanes::Vector;
  struct Four {
    Vector limb[limb_count];
  };
  struct Constants {
    Four x1;   // in the last lane
    Four a24;  // 121665, in the second
  };

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

  // left + right, or left - right where `negative` is all ones.
  [[gnu::always_inline]] static inline Vector sum(Vector left, Vector right, Vector negative,
                                                  std::uint64_t multiple_of_p) {
    // -x is ~x + 1.
    const Vector bias = Lanes::both(negative, Lanes::every(multiple_of_p + 1));
    return Lanes::add(Lanes::add(left, bias), Lanes::differ(right, negative));
  }

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
      abcd.limb[i] = sum(Lanes::template order<0, 0, 2, 2>(state.limb[i]),
                         Lanes::template order<1, 1, 3, 3>(state.limb[i]),
                         Lanes::of(0, ones, 0, ones), twice_p[i]);
    }
    carry(abcd);
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      abba.limb[i] = Lanes::template order<0, 1, 1, 0>(abcd.limb[i]);
    }
    const Four squares = multiply(abcd, abba);  // AA, BB, CB, DA

    Four left;  // AA, E, DA + CB, DA - CB
    Four right;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      const Vector limb = squares.limb[i];
      const Vector second =
          Lanes::both(Lanes::template order<0, 1, 2, 2>(limb), Lanes::of(0, ones, ones, ones));
      left.limb[i] = sum(Lanes::template order<0, 0, 3, 3>(limb), second,
                         Lanes::of(0, ones, 0, ones), twice_p[i]);
    }
    carry(left);
#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {  // BB, a24, DA + CB, DA - CB
      const Vector bb = Lanes::template order<1, 1, 1, 1>(squares.limb[i]);
      right.limb[i] = Lanes::template choose<0, 1, 0, 0>(
          Lanes::template choose<1, 0, 0, 0>(left.limb[i], bb), constants.a24.limb[i]);
    }
    const Four products = multiply(left, right);  // x2, a24 E, x3, (DA - CB)^2

#pragma GCC unroll 5
    for (std::size_t i = 0; i < limb_count; ++i) {
      left.limb[i] = Lanes::template choose<0, 0, 0, 1>(left.limb[i], constants.x1.limb[i]);
      const Vector aa =
          Lanes::both(Lanes::template order<0, 0, 0, 0>(squares.limb[i]), Lanes::of(0, ones, 0, 0));
      right.limb[i] = Lanes::add(products.limb[i], aa);
    }
    carry(right);
    const Four z = multiply(left, right);  // z2 second, z3 last
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
      constants.x1.limb[i] = Lanes::of(0, 0, 0, call.u[i]);
      constants.a24.limb[i] = Lanes::of(0, 121'665 * one, 0, 0);
      state.limb[i] = Lanes::of(one, 0, call.u[i], one);
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
      call.x[i] = lanes[0];
      call.z[i] = lanes[1];
    }
  }
};

}  // namespace godwit::crypto::x25519
