// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/aes_gcm.h"
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
inline AeadNonce noise_nonce(AeadKind kind, std::uint64_t n) {
  static_assert(std::endian::native == std::endian::little);
  const std::uint64_t number = kind == AeadKind::aes_256_gcm ? std::byteswap(n) : n;
  // In the pieces that it is read in, since the processor stalls on a read of two writes.
  const std::uint64_t front = number << 32;
  const auto back = static_cast<std::uint32_t>(number >> 32);
  AeadNonce nonce;
  std::memcpy(nonce.data(), &front, sizeof front);
  std::memcpy(nonce.data() + sizeof front, &back, sizeof back);
  return nonce;
}

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

// AES-256-GCM by libcrypto, for processors without the instructions that ours is made of.
void aes_gcm_seal_libcrypto(const CipherCall& call);
[[nodiscard]] bool aes_gcm_open_libcrypto(const CipherCall& call);

// The same call for our own, under the key that was expanded.
inline aes_gcm::Call aes_gcm_call(const aes_gcm::ExpandedKey& expanded, const CipherCall& call,
                                  std::size_t text_size) {
  return {.key = expanded,
          .nonce = call.nonce.data(),
          .associated = call.associated.data(),
          .associated_size = call.associated.size(),
          .in = call.in.data(),
          .text_size = text_size,
          .out = call.out.data()};
}

}  // namespace godwit::crypto
