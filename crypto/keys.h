// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/secret.h"

// Curve25519 key pairs (RFC 7748). Thread safe.

namespace godwit::crypto {

using PublicKey = std::array<std::uint8_t, 32>;
using PrivateKey = Secret<32>;

struct KeyPair {
  PrivateKey private_key;
  PublicKey public_key{};

  KeyPair copy() const;
  static KeyPair generate(RandomSource& random);
  // Several, which costs less than one after another.
  static void generate_each(std::span<KeyPair* const> pairs, RandomSource& random);
  static KeyPair from_private(std::span<const std::uint8_t, 32> private_key);
};

// X25519. False when the result is all zeros, that is, when the peer's point has small order; `out`
// is then wiped.
[[nodiscard]] bool diffie_hellman(Secret<32>& out, const PrivateKey& local,
                                  const PublicKey& remote);

struct DiffieHellman {
  Secret<32>& out;
  const PrivateKey& local;
  const PublicKey& remote;
  bool made = false;  // set to what diffie_hellman() returns
};
// The same for each of several, which costs less than one after another: four at once half as much.
void diffie_hellman_each(std::span<DiffieHellman> calls);

}  // namespace godwit::crypto
