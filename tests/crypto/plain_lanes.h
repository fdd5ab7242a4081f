// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "crypto/x25519_ladder.h"

// What the ladder asks of vector instructions, written out for four numbers. Thread safe.

namespace godwit::crypto::testing {

struct PlainLanes {
  struct Vector {
    std::uint64_t lane[4];
  };

  template <typename Function>
  static Vector each(Function function) {
    Vector v;
    for (std::size_t i = 0; i < 4; ++i) v.lane[i] = function(i);
    return v;
  }
  static Vector every(std::uint64_t value) { return {{value, value, value, value}}; }
  static Vector of(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) {
    return {{a, b, c, d}};
  }
  static void store(std::uint64_t (&to)[4], Vector v) {
    for (std::size_t i = 0; i < 4; ++i) to[i] = v.lane[i];
  }
  static Vector add(Vector a, Vector b) {
    return each([&](std::size_t i) { return a.lane[i] + b.lane[i]; });
  }
  static Vector both(Vector a, Vector b) {
    return each([&](std::size_t i) { return a.lane[i] & b.lane[i]; });
  }
  static Vector differ(Vector a, Vector b) {
    return each([&](std::size_t i) { return a.lane[i] ^ b.lane[i]; });
  }
  template <int Count>
  static Vector left(Vector a) {
    return each([&](std::size_t i) { return a.lane[i] << Count; });
  }
  template <int Count>
  static Vector right(Vector a) {
    return each([&](std::size_t i) { return a.lane[i] >> Count; });
  }

  // The product of the lower 52 bits of each; what is above them does not count.
  __extension__ using Wide = unsigned __int128;
  static Wide product(std::uint64_t a, std::uint64_t b) {
    return Wide{a & mask_52} * (b & mask_52);
  }
  static Vector add_low(Vector sum, Vector a, Vector b) {
    return each([&](std::size_t i) {
      return sum.lane[i] + (static_cast<std::uint64_t>(product(a.lane[i], b.lane[i])) & mask_52);
    });
  }
  static Vector add_high(Vector sum, Vector a, Vector b) {
    return each([&](std::size_t i) {
      return sum.lane[i] + static_cast<std::uint64_t>(product(a.lane[i], b.lane[i]) >> 52);
    });
  }
  template <int A, int B, int C, int D>
  static Vector order(Vector v) {
    return {{v.lane[A], v.lane[B], v.lane[C], v.lane[D]}};
  }
  template <int A, int B, int C, int D>
  static Vector choose(Vector zero, Vector one) {
    return {{(A ? one : zero).lane[0], (B ? one : zero).lane[1], (C ? one : zero).lane[2],
             (D ? one : zero).lane[3]}};
  }

 private:
  static constexpr std::uint64_t mask_52 = (std::uint64_t{1} << 52) - 1;
};

inline void plain_ladder(const x25519::LadderCall& call) {
  x25519::Ladder<PlainLanes>::run(call);
}

}  // namespace godwit::crypto::testing
