// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "crypto/secret.h"

// The two ciphers of Noise (revision 34, section 12) and the transport key of one direction.

namespace godwit::crypto {

enum class AeadKind : std::uint8_t { aes_256_gcm = 1, chacha20_poly1305 = 2 };

inline constexpr std::size_t aead_tag_size = 16;

// True when this CPU runs AES-GCM in constant time and fast (AES and carry-less multiply instructions).
bool cpu_has_aes_gcm();

// One direction of a session: 48 bytes. The counter is Noise's n; after 2^64 - 2 it refuses.
struct TransportKey {
  Secret<32> key;
  std::uint64_t counter = 0;
  AeadKind kind = AeadKind::aes_256_gcm;
};

// Encrypts `plain` into `out` (plain.size() + 16 bytes), which may be the same memory or not overlap at all, with
// the key's counter, and counts up. False when the counter is used up.
[[nodiscard]] bool seal(TransportKey& key, Bytes associated, Bytes plain, MutableBytes out);
// Decrypts in the same manner. False, and the counter as it was, when the tag is wrong.
[[nodiscard]] bool open(TransportKey& key, Bytes associated, Bytes sealed, MutableBytes out);

}  // namespace godwit::crypto
