// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "crypto/secret.h"

// Ed25519 signatures (RFC 8032, section 5.1). Thread safe.

namespace godwit::crypto {

using Signature = std::array<std::uint8_t, 64>;
using SigningPublicKey = std::array<std::uint8_t, 32>;

SigningPublicKey signing_public_key(const Secret<32>& seed);
Signature sign(const Secret<32>& seed, Bytes message);
// Refuses what is not canonical: S not below the group's order, and a key or R of small order.
[[nodiscard]] bool verify_signature(const SigningPublicKey& key, Bytes message,
                                    const Signature& signature);

}  // namespace godwit::crypto
