// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

// Keccak-f[1600] (FIPS 202, section 3) over any lane: a 64-bit number, or a vector of them that
// permutes as many states at once. Internal to crypto/kem. Thread safe.
//
// Arrays are C's: this is compiled for newer processors too, and no inline function of the library
// may come out of that and be linked into code that runs on every one.

namespace godwit::crypto::keccak {

inline constexpr std::size_t lane_count = 25;
inline constexpr std::size_t round_count = 24;

struct RoundConstants {
  std::uint64_t of[round_count];
};

// Algorithm 5: bit 2^j - 1 of a round's constant is a bit of a linear feedback shift register.
consteval RoundConstants make_round_constants() {
  RoundConstants constants{};
  unsigned shift_register = 1;
  for (std::uint64_t& constant : constants.of) {
    for (unsigned j = 0; j < 7; ++j) {
      constant |= std::uint64_t{shift_register & 1} << ((1u << j) - 1);
      shift_register = ((shift_register << 1) ^ ((shift_register >> 7) * 0x171)) & 0xff;
    }
  }
  return constants;
}
inline constexpr RoundConstants round_constants = make_round_constants();

// Where rho and pi bring a lane of the new state from, and by how much it is rotated.
struct Moves {
  unsigned from[lane_count];
  unsigned rotation[lane_count];
};

consteval Moves make_moves() {
  Moves moves{};
  unsigned x = 1;
  unsigned y = 0;
  for (unsigned t = 0; t < lane_count - 1; ++t) {
    const unsigned next_y = (2 * x + 3 * y) % 5;
    moves.from[y + 5 * next_y] = x + 5 * y;
    moves.rotation[y + 5 * next_y] = (t + 1) * (t + 2) / 2 % 64;
    x = y;
    y = next_y;
  }
  return moves;
}
inline constexpr Moves moves = make_moves();

template <unsigned Count, typename Lane>
[[gnu::always_inline]] inline Lane rotated(const Lane& lane) {
  if constexpr (Count == 0) {
    return lane;
  } else {
    return (lane << Count) | (lane >> (64 - Count));
  }
}

// The loops over lanes are folds, so that every index is known to the compiler and the state stays
// in registers as far as there are any.
template <typename Lane>
[[gnu::always_inline]] inline void round(Lane (&a)[lane_count], std::uint64_t constant) {
  constexpr auto columns = std::make_index_sequence<5>{};
  constexpr auto lanes = std::make_index_sequence<lane_count>{};
  Lane sums[5];
  Lane theta[5];
  Lane b[lane_count];
  [&]<std::size_t... X>(std::index_sequence<X...>) __attribute__((always_inline)) {
    ((sums[X] = a[X] ^ a[X + 5] ^ a[X + 10] ^ a[X + 15] ^ a[X + 20]), ...);
    ((theta[X] = sums[(X + 4) % 5] ^ rotated<1>(sums[(X + 1) % 5])), ...);
  }
  (columns);
  [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
    ((b[I] = rotated<moves.rotation[I]>(a[moves.from[I]] ^ theta[moves.from[I] % 5])), ...);
    ((a[I] = b[I] ^ (~b[I / 5 * 5 + (I + 1) % 5] & b[I / 5 * 5 + (I + 2) % 5])), ...);
  }
  (lanes);
  a[0] = a[0] ^ constant;
}

template <typename Lane>
[[gnu::always_inline]] inline void permute(Lane (&state)[lane_count]) {
  for (std::uint64_t constant : round_constants.of) round(state, constant);
}

}  // namespace godwit::crypto::keccak
