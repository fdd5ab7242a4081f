// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "crypto/kem/kem.h"

// ML-KEM in parts (the ML-KEM Braid): a public key goes as a header of 64 bytes and its vector, and
// whoever has the header can already make most of the ciphertext, and the secret, before the vector
// has come. Keys and ciphertexts are those of FIPS 203, cut in two. Thread safe, constant time.
//
//   holder of the key                    other side
//   header ------------------------------> begin_encapsulation: ciphertext part u, shared secret
//   vector, while it receives u ---------> finish_encapsulation: ciphertext part v
//   decapsulate <------------------------ u, v

namespace godwit::crypto {

template <KemSet Set>
struct IncrementalKem {
  static_assert(Set != KemSet::kyber_1024, "the split is defined for FIPS 203");
  using Whole = Kem<Set>;
  static constexpr KemSizes sizes = Whole::sizes;

  // The seed of the matrix, and SHA3-256 of the whole public key.
  static constexpr std::size_t header_size = 64;
  using Header = std::array<std::uint8_t, header_size>;
  using HeaderView = std::span<const std::uint8_t, header_size>;
  using Vector = std::array<std::uint8_t, sizes.vector>;
  using VectorView = std::span<const std::uint8_t, sizes.vector>;
  using CiphertextU = std::array<std::uint8_t, sizes.ciphertext_u>;
  using CiphertextUView = std::span<const std::uint8_t, sizes.ciphertext_u>;
  using CiphertextV = std::array<std::uint8_t, sizes.ciphertext_v>;
  using CiphertextVView = std::span<const std::uint8_t, sizes.ciphertext_v>;

  // What the second half of an encapsulation needs, 64 bytes to be stored: message ‖ coins.
  using State = Secret<64>;

  struct Begun {
    State state;
    CiphertextU ciphertext_u;
    Secret<32> shared_secret;
  };

  static Header header(typename Whole::PublicKeyView key);
  static Vector vector(typename Whole::PublicKeyView key);

  static Begun begin_encapsulation(HeaderView header, RandomSource& random);
  static Begun begin_encapsulation_with(HeaderView header, const Secret<32>& random);

  // Whether the vector is the one of the header, with every coefficient below q.
  [[nodiscard]] static bool vector_valid(HeaderView header, VectorView vector);
  // None when the vector is not that of the header: then nothing may be sent.
  [[nodiscard]] static std::optional<CiphertextV> finish_encapsulation(const State& state,
                                                                       HeaderView header,
                                                                       VectorView vector);

  struct CiphertextParts {
    CiphertextUView u;
    CiphertextVView v;
  };
  static Secret<32> decapsulate(const typename Whole::PrivateKey& key,
                                const CiphertextParts& ciphertext);
};

extern template struct IncrementalKem<KemSet::ml_kem_768>;
extern template struct IncrementalKem<KemSet::ml_kem_1024>;

using IncrementalMlKem768 = IncrementalKem<KemSet::ml_kem_768>;
using IncrementalMlKem1024 = IncrementalKem<KemSet::ml_kem_1024>;

}  // namespace godwit::crypto
