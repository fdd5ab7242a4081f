// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bytes.h"

// HKDF with SHA-256 (RFC 5869). Thread safe; constant time in the key material.

namespace godwit::crypto {

// RFC 5869, section 2.3: 255 hashes.
inline constexpr std::size_t hkdf_size_max = 255 * 32;

struct HkdfInput {
  Bytes salt;  // of any length; empty is the same as 32 zeros
  Bytes key_material;
  Bytes info;
};

// Extract and expand. REQUIRES: out.size() <= hkdf_size_max.
void hkdf_sha256(MutableBytes out, const HkdfInput& input);

}  // namespace godwit::crypto
