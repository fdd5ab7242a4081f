// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// The parameter sets (FIPS 203, section 8; CRYSTALS-Kyber 3.02, section 1.4) and their sizes in
// bytes. eta1 = eta2 = 2 in all of them.

namespace godwit::crypto {

enum class KemSet : std::uint8_t { ml_kem_768, ml_kem_1024, kyber_1024 };

struct KemSizes {
  std::size_t rank;    // k
  unsigned u_bits;     // du
  unsigned v_bits;     // dv
  std::size_t vector;  // an encoded vector: t, or s
  std::size_t public_key;
  std::size_t private_key;  // s, the public key, its hash, and z
  std::size_t ciphertext_u;
  std::size_t ciphertext_v;
  std::size_t ciphertext;
};

constexpr KemSizes kem_sizes(KemSet set) {
  const bool small = set == KemSet::ml_kem_768;
  KemSizes sizes{};
  sizes.rank = small ? 3 : 4;
  sizes.u_bits = small ? 10 : 11;
  sizes.v_bits = small ? 4 : 5;
  sizes.vector = 384 * sizes.rank;
  sizes.public_key = sizes.vector + 32;
  sizes.private_key = sizes.vector + sizes.public_key + 32 + 32;
  sizes.ciphertext_u = 32 * sizes.u_bits * sizes.rank;
  sizes.ciphertext_v = 32 * sizes.v_bits;
  sizes.ciphertext = sizes.ciphertext_u + sizes.ciphertext_v;
  return sizes;
}

static_assert(kem_sizes(KemSet::ml_kem_768).public_key == 1184);
static_assert(kem_sizes(KemSet::ml_kem_768).private_key == 2400);
static_assert(kem_sizes(KemSet::ml_kem_768).ciphertext_u == 960);
static_assert(kem_sizes(KemSet::ml_kem_768).ciphertext_v == 128);
static_assert(kem_sizes(KemSet::kyber_1024).public_key == 1568);
static_assert(kem_sizes(KemSet::kyber_1024).private_key == 3168);
static_assert(kem_sizes(KemSet::kyber_1024).ciphertext == 1568);

}  // namespace godwit::crypto
