// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/secret.h"

// The two ciphers with the nonce as an argument: what Noise's handshake and the transport keys are
// built on. Nothing here keeps a nonce from being used twice; callers outside this folder use
// crypto/aead.h.
//
// `out` may be the same memory as the input or not overlap it. Thread safe.

namespace godwit::crypto {

using AeadNonce = std::array<std::uint8_t, 12>;

// Noise, section 12: four zero bytes, then n, big-endian for AES-GCM and little-endian for
// ChaChaPoly.
AeadNonce noise_nonce(AeadKind kind, std::uint64_t n);

struct CipherCall {
  const Secret<32>& key;
  const AeadNonce& nonce;
  Bytes associated;
  Bytes in;
  MutableBytes out;
};

// ENCRYPT of section 4.2: writes in.size() + 16 bytes.
void cipher_seal(AeadKind kind, const CipherCall& call);
// DECRYPT: writes in.size() - 16 bytes. False when the tag is wrong or missing; `out` then holds no
// plaintext.
[[nodiscard]] bool cipher_open(AeadKind kind, const CipherCall& call);

// AES-256-GCM by libcrypto: needs no instruction of the CPU, and wins over libsodium's for long
// inputs.
void aes_gcm_seal_libcrypto(const CipherCall& call);
[[nodiscard]] bool aes_gcm_open_libcrypto(const CipherCall& call);

// Inputs of at least this size go to libcrypto even where libsodium can do AES. Measured with AES
// and VAES: about equal at 1 152 bytes, a third less in libcrypto at 2 048 and 40 % less at 4 096;
// below, its set-up of 350 ns a call decides.
inline constexpr std::size_t aes_gcm_libcrypto_from = 1280;

}  // namespace godwit::crypto
