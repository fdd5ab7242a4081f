// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>

#include <climits>
#include <memory>

#include "base/result.h"
#include "crypto/cipher.h"

namespace godwit::crypto {
namespace {

// Freeing the context wipes the expanded key, so none is kept between calls.
using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

// Looked up once: the look-up by name costs more than sealing a short frame. libcrypto frees it at
// exit.
const EVP_CIPHER* aes_256_gcm() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  GODWIT_CHECK(cipher != nullptr);
  return cipher;
}

int checked_size(Bytes bytes) {
  GODWIT_CHECK(bytes.size() <= INT_MAX);
  return static_cast<int>(bytes.size());
}

}  // namespace

void aes_gcm_seal_libcrypto(const CipherCall& call) {
  GODWIT_CHECK(call.out.size() >= call.in.size() + aead_tag_size);
  const Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  std::uint8_t* const tag = call.out.data() + call.in.size();
  int size = 0;
  const bool sealed =
      context != nullptr &&
      EVP_EncryptInit_ex2(context.get(), aes_256_gcm(), call.key.data(), call.nonce.data(),
                          nullptr) == 1 &&
      (call.associated.empty() ||
       EVP_EncryptUpdate(context.get(), nullptr, &size, call.associated.data(),
                         checked_size(call.associated)) == 1) &&
      (call.in.empty() || EVP_EncryptUpdate(context.get(), call.out.data(), &size, call.in.data(),
                                            checked_size(call.in)) == 1) &&
      EVP_EncryptFinal_ex(context.get(), tag, &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, aead_tag_size, tag) == 1;
  GODWIT_CHECK(sealed);
}

bool aes_gcm_open_libcrypto(const CipherCall& call) {
  if (call.in.size() < aead_tag_size) return false;
  const Bytes sealed = call.in.first(call.in.size() - aead_tag_size);
  GODWIT_CHECK(call.out.size() >= sealed.size());
  std::array<std::uint8_t, aead_tag_size> tag;
  std::copy_n(call.in.data() + sealed.size(), tag.size(), tag.begin());
  const Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  int size = 0;
  const bool decrypted =
      context != nullptr &&
      EVP_DecryptInit_ex2(context.get(), aes_256_gcm(), call.key.data(), call.nonce.data(),
                          nullptr) == 1 &&
      (call.associated.empty() ||
       EVP_DecryptUpdate(context.get(), nullptr, &size, call.associated.data(),
                         checked_size(call.associated)) == 1) &&
      (sealed.empty() || EVP_DecryptUpdate(context.get(), call.out.data(), &size, sealed.data(),
                                           checked_size(sealed)) == 1) &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, aead_tag_size, tag.data()) == 1;
  GODWIT_CHECK(decrypted);
  std::array<std::uint8_t, aead_tag_size> nothing;
  if (EVP_DecryptFinal_ex(context.get(), nothing.data(), &size) == 1) return true;
  // libcrypto decrypts before it knows the tag.
  if (!sealed.empty()) sodium_memzero(call.out.data(), sealed.size());
  return false;
}

}  // namespace godwit::crypto
