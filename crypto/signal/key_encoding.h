// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "crypto/kem/kem.h"
#include "crypto/keys.h"

// Keys as Signal writes them: a byte for the kind, then the key. Thread safe.

namespace godwit::crypto::signal {

inline constexpr std::uint8_t curve_25519_kind = 0x05;
inline constexpr std::uint8_t kyber_1024_kind = 0x08;

using EncodedPublicKey = std::array<std::uint8_t, 1 + 32>;
using EncodedKyberKey = std::array<std::uint8_t, 1 + Kyber1024::sizes.public_key>;
using EncodedKyberCiphertext = std::array<std::uint8_t, 1 + Kyber1024::sizes.ciphertext>;

EncodedPublicKey encode_public_key(const PublicKey& key);
EncodedKyberKey encode_kyber_key(Kyber1024::PublicKeyView key);
EncodedKyberCiphertext encode_kyber_ciphertext(Kyber1024::CiphertextView ciphertext);

// None for another kind or length.
std::optional<PublicKey> decode_public_key(Bytes bytes);
std::optional<Kyber1024::PublicKey> decode_kyber_key(Bytes bytes);
// A view of the input.
std::optional<Kyber1024::CiphertextView> decode_kyber_ciphertext(Bytes bytes);

// Canonical, on the curve and not its twist, in the subgroup of prime order: what an honest side
// sends. With any other base key two different messages could open the same session. Costs a
// multiplication by the group's order.
[[nodiscard]] bool in_prime_order_subgroup(const PublicKey& key);

}  // namespace godwit::crypto::signal
