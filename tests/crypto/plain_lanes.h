// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "crypto/x25519_base_comb.h"
#include "crypto/x25519_five_limbs.h"
#include "crypto/x25519_four.h"
#include "crypto/x25519_pair.h"
#include "crypto/x25519_ten_limbs.h"

// What ladders and combs ask of vector instructions, written out for four numbers: those of both
// fields, so that each field goes through every one of them. Thread safe.

namespace godwit::crypto::testing {

struct PlainLanes {
  // The compiler's own, for which it needs no instructions beyond the least that all processors
  // have.
  using Vector = std::uint64_t __attribute__((vector_size(32)));
  using Halves = std::uint32_t __attribute__((vector_size(32)));

  template <typename Function>
  static Vector each(Function function) {
    Vector v{};
    for (int i = 0; i < 4; ++i) v[i] = function(i);
    return v;
  }
  static Vector every(std::uint64_t value) { return Vector{value, value, value, value}; }
  static Vector of(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) {
    return Vector{a, b, c, d};
  }
  static Vector load(const std::uint64_t (&from)[4]) {
    return Vector{from[0], from[1], from[2], from[3]};
  }
  static void store(std::uint64_t (&to)[4], Vector v) {
    for (int i = 0; i < 4; ++i) to[i] = v[i];
  }
  static Vector add(Vector a, Vector b) { return a + b; }
  static Vector both(Vector a, Vector b) { return a & b; }
  static Vector differ(Vector a, Vector b) { return a ^ b; }
  template <int Count>
  static Vector left(Vector a) {
    return a << Count;
  }
  template <int Count>
  static Vector right(Vector a) {
    return a >> Count;
  }

  // The product of the lower 52 bits of each; what is above them does not count.
  __extension__ using Wide = unsigned __int128;
  static Wide product(std::uint64_t a, std::uint64_t b) {
    return Wide{a & mask_52} * (b & mask_52);
  }
  static Vector add_low(Vector sum, Vector a, Vector b) {
    return sum +
           each([&](int i) { return static_cast<std::uint64_t>(product(a[i], b[i])) & mask_52; });
  }
  static Vector add_high(Vector sum, Vector a, Vector b) {
    return sum + each([&](int i) { return static_cast<std::uint64_t>(product(a[i], b[i]) >> 52); });
  }

  // Of two numbers of 32 bits in each.
  static Vector add_halves(Vector a, Vector b) {
    return reinterpret_cast<Vector>(reinterpret_cast<Halves>(a) + reinterpret_cast<Halves>(b));
  }
  static Vector multiply_halves(Vector a, Vector b) {
    return (a & every(mask_32)) * (b & every(mask_32));
  }
  static void keep(Vector&) {}

  template <int A, int B, int C, int D>
  static Vector order(Vector v) {
    return Vector{v[A], v[B], v[C], v[D]};
  }
  template <int A, int B, int C, int D>
  static Vector choose(Vector zero, Vector one) {
    return Vector{(A ? one : zero)[0], (B ? one : zero)[1], (C ? one : zero)[2],
                  (D ? one : zero)[3]};
  }

 private:
  static constexpr std::uint64_t mask_32 = 0xffff'ffff;
  static constexpr std::uint64_t mask_52 = (std::uint64_t{1} << 52) - 1;
};

using FiveLimbs = x25519::FiveLimbs<PlainLanes>;
using TenLimbs = x25519::TenLimbs<PlainLanes>;

template <typename Field>
void plain_ladder(const x25519::LadderCall& call) {
  x25519::Ladder<Field>::run(call);
}
template <typename Field>
void plain_pair(const x25519::LadderCall& first, const x25519::LadderCall& second) {
  x25519::PairLadder<Field>::run(first, second);
}
template <typename Field>
void plain_four(const x25519::LadderCall (&calls)[4]) {
  x25519::FourLadders<Field>::run(calls);
}
template <typename Field>
void plain_base(const x25519::BaseCall& call) {
  x25519::BaseComb<Field>::run(call);
}

}  // namespace godwit::crypto::testing
