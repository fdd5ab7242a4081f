// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/aes_cbc.h"

#include <openssl/evp.h>

#include <climits>
#include <memory>

#include "base/result.h"
#include "crypto/constant_time.h"

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

// 1 for `left` below `right`, which are below 2^31; otherwise 0.
std::uint32_t below(std::uint32_t left, std::uint32_t right) {
  return opaque(left - right) >> 31;
}

// The length without the padding, which is not secret; none when that is not right. libcrypto's own
// removal branches on every byte of it. REQUIRES: a block at least.
std::optional<std::size_t> unpadded_size(Bytes plaintext) {
  const std::uint32_t padding = plaintext.back();
  std::uint32_t wrong = below(padding, 1) | below(block_size, padding);
  for (std::uint32_t i = 0; i < block_size; ++i) {
    const std::uint32_t differs = (padding ^ plaintext[plaintext.size() - 1 - i]) + 0xff;
    wrong |= below(i, padding) & differs >> 8;
  }
  publish(&wrong, sizeof wrong);
  if (wrong != 0) return std::nullopt;
  std::size_t size = plaintext.size() - padding;
  publish(&size, sizeof size);
  return size;
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
  SecretBytes out(ciphertext.size());
  const Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  int size = 0;
  const bool decrypted = context != nullptr &&
                         EVP_DecryptInit_ex2(context.get(), aes_256_cbc(), key.key.data(),
                                             key.iv.data(), nullptr) == 1 &&
                         EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
                         EVP_DecryptUpdate(context.get(), out.data(), &size, ciphertext.data(),
                                           static_cast<int>(ciphertext.size())) == 1;
  GODWIT_CHECK(decrypted && static_cast<std::size_t>(size) == out.size());
  const auto unpadded = unpadded_size(out);
  if (!unpadded) return std::nullopt;
  out.resize(*unpadded);
  return out;
}

}  // namespace godwit::crypto::signal
