// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "crypto/constant_time.h"
#include "crypto/kem/parameters.h"
#include "crypto/kem/poly.h"
#include "crypto/kem/sampling.h"

// K-PKE (FIPS 203, section 5), which Kyber's round 3 has too: the encryption that the key
// encapsulation is made of. Not secure against a chosen ciphertext by itself, so internal to
// crypto/kem. Thread safe; constant time in all but the matrix seed.
//
// Encryption comes in two halves, because a sender who knows only the matrix seed can already make
// the first part of the ciphertext (u), and needs the key's vector only for the second (v).

namespace godwit::crypto {

template <KemSet Set>
struct Pke {
  static constexpr KemSizes sizes = kem_sizes(Set);
  using Vector = PolyVector<sizes.rank>;
  using VectorBytes = std::span<const std::uint8_t, sizes.vector>;

  // What both halves of one encryption need of its coins: the vector y, transformed.
  using Ephemeral = Wiped<Vector>;

  struct Generate {
    Seed matrix_seed;
    Seed noise_seed;
    std::span<std::uint8_t, sizes.vector> public_vector;   // t, encoded
    std::span<std::uint8_t, sizes.vector> private_vector;  // s, encoded
  };
  // Algorithm 13, from step 2 on.
  static void generate(const Generate& call);

  // Algorithm 14, steps 9 to 12 and 18.
  static void sample_ephemeral(Ephemeral& ephemeral, Seed coins);

  struct EncryptU {
    const Ephemeral& ephemeral;
    Seed coins;
    Seed matrix_seed;
    std::span<std::uint8_t, sizes.ciphertext_u> out;
  };
  // Steps 4 to 8, 13 to 16, 19 and 22.
  static void encrypt_u(const EncryptU& call);

  struct EncryptV {
    const Ephemeral& ephemeral;
    Seed coins;
    VectorBytes public_vector;
    Seed message;
    std::span<std::uint8_t, sizes.ciphertext_v> out;
  };
  // Steps 2, 17, 20, 21 and 23.
  static void encrypt_v(const EncryptV& call);

  // Algorithm 15.
  static void decrypt(std::span<std::uint8_t, 32> message, VectorBytes private_vector,
                      std::span<const std::uint8_t, sizes.ciphertext> ciphertext);
};

extern template struct Pke<KemSet::ml_kem_768>;
extern template struct Pke<KemSet::ml_kem_1024>;
extern template struct Pke<KemSet::kyber_1024>;

}  // namespace godwit::crypto
