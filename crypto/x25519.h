// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <utility>

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

// The same for two at once, of any scalars and points, where `pair` is not null.
[[nodiscard]] std::pair<bool, bool> multiply_two(const Multiply& first, const Multiply& second,
                                                 PairFunction pair = fastest_pair());

struct MultiplyBase {
  std::span<std::uint8_t, 32> out;
  const Secret<32>& scalar;
  BaseFunction base = fastest_base();
};
// The base point, 9: never all zeros.
void multiply_base(const MultiplyBase& call);

}  // namespace godwit::crypto::x25519
