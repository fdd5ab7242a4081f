// SPDX-License-Identifier: Apache-2.0
#include "crypto/cipher.h"

#include "base/result.h"
#include "crypto/constant_time.h"
#include "crypto/sodium_ready.h"

namespace godwit::crypto {
namespace {

void aes_gcm_seal(const CipherCall& call) {
  const aes_gcm::Functions* const functions = aes_gcm::fastest();
  if (functions == nullptr) return aes_gcm_seal_libcrypto(call);
  Wiped<aes_gcm::ExpandedKey> expanded;
  functions->expand(call.key.data(), *expanded);
  functions->seal(aes_gcm_call(*expanded, call, call.in.size()));
}

bool aes_gcm_open(const CipherCall& call) {
  const aes_gcm::Functions* const functions = aes_gcm::fastest();
  if (functions == nullptr) return aes_gcm_open_libcrypto(call);
  Wiped<aes_gcm::ExpandedKey> expanded;
  functions->expand(call.key.data(), *expanded);
  return aes_gcm::open(*functions, aes_gcm_call(*expanded, call, call.in.size() - aead_tag_size));
}

void chacha_seal(const CipherCall& call) {
  sodium_ready();
  GODWIT_CHECK(crypto_aead_chacha20poly1305_ietf_encrypt(
                   call.out.data(), nullptr, call.in.data(), call.in.size(), call.associated.data(),
                   call.associated.size(), nullptr, call.nonce.data(), call.key.data()) == 0);
}

bool chacha_open(const CipherCall& call) {
  sodium_ready();
  return crypto_aead_chacha20poly1305_ietf_decrypt(call.out.data(), nullptr, nullptr,
                                                   call.in.data(), call.in.size(),
                                                   call.associated.data(), call.associated.size(),
                                                   call.nonce.data(), call.key.data()) == 0;
}

}  // namespace

bool cpu_has_aes_gcm() {
  return aes_gcm::fastest() != nullptr;
}

void cipher_seal(AeadKind kind, const CipherCall& call) {
  GODWIT_CHECK(call.out.size() >= call.in.size() + aead_tag_size);
  return kind == AeadKind::aes_256_gcm ? aes_gcm_seal(call) : chacha_seal(call);
}

bool cipher_open(AeadKind kind, const CipherCall& call) {
  if (call.in.size() < aead_tag_size) return false;
  GODWIT_CHECK(call.out.size() >= call.in.size() - aead_tag_size);
  return kind == AeadKind::aes_256_gcm ? aes_gcm_open(call) : chacha_open(call);
}

}  // namespace godwit::crypto
