// SPDX-License-Identifier: Apache-2.0
#include "crypto/cipher.h"

#include "base/result.h"
#include "crypto/sodium_ready.h"

namespace godwit::crypto {
namespace {

bool use_libcrypto(const CipherCall& call) {
  return call.in.size() >= aes_gcm_libcrypto_from || !cpu_has_aes_gcm();
}

void aes_gcm_seal(const CipherCall& call) {
  if (use_libcrypto(call)) return aes_gcm_seal_libcrypto(call);
  GODWIT_CHECK(crypto_aead_aes256gcm_encrypt(
                   call.out.data(), nullptr, call.in.data(), call.in.size(), call.associated.data(),
                   call.associated.size(), nullptr, call.nonce.data(), call.key.data()) == 0);
}

bool aes_gcm_open(const CipherCall& call) {
  if (use_libcrypto(call)) return aes_gcm_open_libcrypto(call);
  return crypto_aead_aes256gcm_decrypt(call.out.data(), nullptr, nullptr, call.in.data(),
                                       call.in.size(), call.associated.data(),
                                       call.associated.size(), call.nonce.data(),
                                       call.key.data()) == 0;
}

void chacha_seal(const CipherCall& call) {
  GODWIT_CHECK(crypto_aead_chacha20poly1305_ietf_encrypt(
                   call.out.data(), nullptr, call.in.data(), call.in.size(), call.associated.data(),
                   call.associated.size(), nullptr, call.nonce.data(), call.key.data()) == 0);
}

bool chacha_open(const CipherCall& call) {
  return crypto_aead_chacha20poly1305_ietf_decrypt(call.out.data(), nullptr, nullptr,
                                                   call.in.data(), call.in.size(),
                                                   call.associated.data(), call.associated.size(),
                                                   call.nonce.data(), call.key.data()) == 0;
}

}  // namespace

bool cpu_has_aes_gcm() {
  sodium_ready();
  return crypto_aead_aes256gcm_is_available() != 0;
}

AeadNonce noise_nonce(AeadKind kind, std::uint64_t n) {
  AeadNonce nonce{};
  for (std::size_t i = 0; i < 8; ++i) {
    const std::size_t at = kind == AeadKind::aes_256_gcm ? 11 - i : 4 + i;
    nonce[at] = static_cast<std::uint8_t>(n >> (8 * i));
  }
  return nonce;
}

void cipher_seal(AeadKind kind, const CipherCall& call) {
  GODWIT_CHECK(call.out.size() >= call.in.size() + aead_tag_size);
  sodium_ready();
  return kind == AeadKind::aes_256_gcm ? aes_gcm_seal(call) : chacha_seal(call);
}

bool cipher_open(AeadKind kind, const CipherCall& call) {
  if (call.in.size() < aead_tag_size) return false;
  GODWIT_CHECK(call.out.size() >= call.in.size() - aead_tag_size);
  sodium_ready();
  return kind == AeadKind::aes_256_gcm ? aes_gcm_open(call) : chacha_open(call);
}

}  // namespace godwit::crypto
