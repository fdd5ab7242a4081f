// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "base/bytes.h"
#include "crypto/secret.h"
#include "crypto/signal/secret_bytes.h"

// AES-256 in CBC mode with PKCS #7 padding (NIST SP 800-38A; RFC 5652, section 6.3), as Signal's
// messages are encrypted. Authenticates nothing: check a MAC or signature first. Thread safe.

namespace godwit::crypto::signal {

struct CbcKey {
  const Secret<32>& key;
  const Secret<16>& iv;
};

std::vector<std::uint8_t> aes_cbc_encrypt(const CbcKey& key, Bytes plaintext);
// None when the length or the padding is not right.
[[nodiscard]] std::optional<SecretBytes> aes_cbc_decrypt(const CbcKey& key, Bytes ciphertext);

}  // namespace godwit::crypto::signal
