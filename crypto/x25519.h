// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "crypto/secret.h"
#include "crypto/x25519_base_comb.h"
#include "crypto/x25519_ladder.h"

// X25519 (RFC 7748): ways of our own where the processor has the instructions that make them
// faster than libsodium's, and libsodium's elsewhere. All give the same bytes. Internal to crypto.
// Thread safe, constant time; what secrets leave on the stack is wiped.

namespace godwit::crypto::x25519 {

// What this processor does fastest; null where there is nothing better than what stands below.
LadderFunction fastest_ladder();  // else libsodium's
PairFunction fastest_pair();      // else two ladders one after another
FourFunction fastest_four();      // else pairs
BaseFunction fastest_base();      // else the ladder

struct Multiply {
  std::span<std::uint8_t, 32> out;
  const Secret<32>& scalar;
  std::span<const std::uint8_t, 32> point;
  LadderFunction ladder = fastest_ladder();
};
// False when the result is all zeros, that is, when the point has small order. That alone becomes
// known of the result.
[[nodiscard]] bool multiply(const Multiply& call);

// At most so many share what several at once save.
inline constexpr std::size_t together_max = 4;
struct Together {
  PairFunction pair = fastest_pair();
  FourFunction four = fastest_four();
};
// The same for several of any scalars and points, as many as there are; `made` gets what multiply()
// returns for each. REQUIRES: as many of the one as of the other.
void multiply_each(std::span<const Multiply> calls, std::span<bool> made, Together ways = {});

struct MultiplyBase {
  std::span<std::uint8_t, 32> out;
  const Secret<32>& scalar;
  BaseFunction base = fastest_base();
};
// The base point, 9: never all zeros.
void multiply_base(const MultiplyBase& call);
void multiply_base_each(std::span<const MultiplyBase> calls);

}  // namespace godwit::crypto::x25519
