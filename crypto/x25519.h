// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "crypto/secret.h"
#include "crypto/x25519_ladder.h"

// X25519 (RFC 7748): libsodium's, or a ladder of our own where the processor has the instructions
// that make it more than twice as fast. Internal to crypto. Thread safe, constant time.

namespace godwit::crypto::x25519 {

// The ladder of our own that this processor can run; null where it is to be libsodium's.
LadderFunction fastest_ladder();

struct Multiply {
  std::span<std::uint8_t, 32> out;
  const Secret<32>& scalar;
  std::span<const std::uint8_t, 32> point;
  LadderFunction ladder = fastest_ladder();
};
// False when the result is all zeros, that is, when the point has small order. That alone becomes
// known of the result.
[[nodiscard]] bool multiply(const Multiply& call);

}  // namespace godwit::crypto::x25519
