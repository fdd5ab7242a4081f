// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include "base/bytes.h"
#include "crypto/secret.h"

// The hash functions of Noise (revision 34, section 12) and what section 4.3 derives from them.
// Thread safe.

namespace godwit::crypto {

enum class NoiseHash : std::uint8_t { sha256, blake2b };

inline constexpr std::size_t hash_size_max = 64;

// HASHLEN and BLOCKLEN, in bytes.
constexpr std::size_t hash_size(NoiseHash kind) {
  return kind == NoiseHash::sha256 ? 32 : 64;
}
constexpr std::size_t hash_block_size(NoiseHash kind) {
  return kind == NoiseHash::sha256 ? 64 : 128;
}

// A digest; the first hash_size(kind) bytes count and the others are zero.
using Digest = Secret<hash_size_max>;

// HASH over the parts one after another.
Digest hash(NoiseHash kind, std::initializer_list<Bytes> parts);
// HMAC-HASH (RFC 2104), for BLAKE2b too: Noise does not use that hash's own keyed mode. A key has
// at most a block.
Digest hmac(NoiseHash kind, Bytes key, std::initializer_list<Bytes> parts);

// HKDF(chaining_key, input_key_material, 2).
struct HkdfOutputs {
  Digest first;
  Digest second;
};
HkdfOutputs hkdf(NoiseHash kind, const Digest& chaining_key, Bytes input);

}  // namespace godwit::crypto
