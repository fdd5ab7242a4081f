// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/random.h"
#include "crypto/kem/parameters.h"
#include "crypto/secret.h"

// Key encapsulation: ML-KEM-768 and ML-KEM-1024 (FIPS 203) and Kyber1024 as it was in the third
// round (CRYSTALS-Kyber 3.02), which PQXDH uses. Thread safe; constant time in everything secret,
// which tests/constant_time shows. Sizes are part of the types, so a wrong length cannot get here.

namespace godwit::crypto {

template <KemSet Set>
struct Kem {
  static constexpr KemSizes sizes = kem_sizes(Set);

  using PublicKey = std::array<std::uint8_t, sizes.public_key>;
  using PrivateKey = Secret<sizes.private_key>;
  using Ciphertext = std::array<std::uint8_t, sizes.ciphertext>;
  using SharedSecret = Secret<32>;
  using PublicKeyView = std::span<const std::uint8_t, sizes.public_key>;
  using PrivateKeyView = std::span<const std::uint8_t, sizes.private_key>;
  using CiphertextView = std::span<const std::uint8_t, sizes.ciphertext>;

  struct KeyPair {
    PrivateKey private_key;
    PublicKey public_key;
  };

  struct Encapsulation {
    Ciphertext ciphertext;
    SharedSecret shared_secret;
  };

  static KeyPair generate(RandomSource& random);
  // The pair of a seed d ‖ z (FIPS 203, algorithm 16; Kyber, algorithm 7). A seed takes 64 bytes to
  // store, and always gives the same pair.
  static KeyPair from_seed(const Secret<64>& seed);

  // None when the key is not one (see key_valid).
  [[nodiscard]] static std::optional<Encapsulation> encapsulate(PublicKeyView key,
                                                                RandomSource& random);
  // The same with the 32 random bytes chosen by the caller (FIPS 203, algorithm 17; Kyber,
  // algorithm 8).
  [[nodiscard]] static std::optional<Encapsulation> encapsulate_with(PublicKeyView key,
                                                                     const Secret<32>& random);

  // The hash of a key, which encapsulation begins with (H of FIPS 203, section 4.1; of Kyber). Of
  // several keys, four at once, which costs what one does.
  using KeyHash = std::array<std::uint8_t, 32>;
  // REQUIRES: as many of the one as of the other.
  static void hash_each(std::span<const PublicKey* const> keys, std::span<KeyHash> hashes);
  // With that of this key at hand.
  [[nodiscard]] static std::optional<Encapsulation> encapsulate(PublicKeyView key,
                                                                const KeyHash& hash,
                                                                RandomSource& random);

  // Never fails: a ciphertext that was not made for this key gives a secret that nobody else knows
  // (FIPS 203, algorithm 18; Kyber, algorithm 9).
  static SharedSecret decapsulate(const PrivateKey& key, CiphertextView ciphertext);

  // FIPS 203, section 7.2: every coefficient is below q. Kyber knows no such check and takes every
  // key.
  [[nodiscard]] static bool key_valid(PublicKeyView key);
  // FIPS 203, section 7.3, for a private key that was stored or received: its public key is valid
  // and has the hash that the private key states.
  [[nodiscard]] static bool private_key_valid(const PrivateKey& key);

  // The parts of a private key.
  static std::span<const std::uint8_t, sizes.vector> private_vector(PrivateKeyView key);
  static PublicKeyView public_key(PrivateKeyView key);
  static std::span<const std::uint8_t, 32> public_key_hash(PrivateKeyView key);
  static std::span<const std::uint8_t, 32> rejection_seed(PrivateKeyView key);

 private:
  static std::optional<Encapsulation> encapsulate_hashed(PublicKeyView key, const KeyHash& hash,
                                                         const Secret<32>& random);
};

extern template struct Kem<KemSet::ml_kem_768>;
extern template struct Kem<KemSet::ml_kem_1024>;
extern template struct Kem<KemSet::kyber_1024>;

using MlKem768 = Kem<KemSet::ml_kem_768>;
using MlKem1024 = Kem<KemSet::ml_kem_1024>;
using Kyber1024 = Kem<KemSet::kyber_1024>;

}  // namespace godwit::crypto
