// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/aes_cbc.h"

#include <openssl/evp.h>

#include <climits>
#include <memory>

#include "base/result.h"

namespace godwit::crypto::signal {
namespace {

// Freeing the context wipes the expanded key.
using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

constexpr std::size_t block_size = 16;

// Looked up once; libcrypto frees it at exit.
const EVP_CIPHER* aes_256_cbc() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  GODWIT_CHECK(cipher != nullptr);
  return cipher;
}

}  // namespace

std::vector<std::uint8_t> aes_cbc_encrypt(const CbcKey& key, Bytes plaintext) {
  GODWIT_CHECK(plaintext.size() <= INT_MAX - block_size);
  std::vector<std::uint8_t> out((plaintext.size() / block_size + 1) * block_size);
  const Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  int size = 0;
  int last = 0;
  const bool encrypted =
      context != nullptr &&
      EVP_EncryptInit_ex2(context.get(), aes_256_cbc(), key.key.data(), key.iv.data(), nullptr) ==
          1 &&
      (plaintext.empty() || EVP_EncryptUpdate(context.get(), out.data(), &size, plaintext.data(),
                                              static_cast<int>(plaintext.size())) == 1) &&
      EVP_EncryptFinal_ex(context.get(), out.data() + size, &last) == 1;
  GODWIT_CHECK(encrypted && static_cast<std::size_t>(size + last) == out.size());
  return out;
}

std::optional<SecretBytes> aes_cbc_decrypt(const CbcKey& key, Bytes ciphertext) {
  if (ciphertext.empty() || ciphertext.size() % block_size != 0) return std::nullopt;
  GODWIT_CHECK(ciphertext.size() <= INT_MAX - block_size);
  SecretBytes out(ciphertext.size() + block_size);
  const Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  int size = 0;
  int last = 0;
  const bool begun = context != nullptr &&
                     EVP_DecryptInit_ex2(context.get(), aes_256_cbc(), key.key.data(),
                                         key.iv.data(), nullptr) == 1 &&
                     EVP_DecryptUpdate(context.get(), out.data(), &size, ciphertext.data(),
                                       static_cast<int>(ciphertext.size())) == 1;
  GODWIT_CHECK(begun);
  if (EVP_DecryptFinal_ex(context.get(), out.data() + size, &last) != 1) return std::nullopt;
  out.resize(static_cast<std::size_t>(size + last));
  return out;
}

}  // namespace godwit::crypto::signal
