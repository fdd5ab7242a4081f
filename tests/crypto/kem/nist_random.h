// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/evp.h>

#include <array>

#include "base/random.h"

namespace godwit::crypto::testing {

// The generator that known answers submitted to NIST are made with: CTR_DRBG of AES-256 without a
// derivation function (SP 800-90A, section 10.2.1), 48 bytes of seed. For tests only.
class NistRandom final : public RandomSource {
 public:
  using NistSeed = std::array<std::uint8_t, 48>;

  explicit NistRandom(const NistSeed& seed) { update(seed); }

  void fill(MutableBytes out) override {
    while (!out.empty()) {
      const auto block = next_block();
      const std::size_t size = std::min(out.size(), block.size());
      std::copy_n(block.begin(), size, out.begin());
      out = out.subspan(size);
    }
    update({});
  }

 private:
  std::array<std::uint8_t, 16> next_block() {
    for (std::size_t i = counter_.size(); i-- > 0 && ++counter_[i] == 0;) {
    }
    std::array<std::uint8_t, 16> block;
    int size = 0;
    EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
    GODWIT_CHECK(EVP_EncryptInit_ex(context, EVP_aes_256_ecb(), nullptr, key_.data(), nullptr));
    GODWIT_CHECK(EVP_EncryptUpdate(context, block.data(), &size, counter_.data(), 16) &&
                 size == 16);
    EVP_CIPHER_CTX_free(context);
    return block;
  }

  void update(const NistSeed& provided) {
    NistSeed fresh;
    for (std::size_t i = 0; i < fresh.size(); i += 16) {
      std::ranges::copy(next_block(), fresh.begin() + static_cast<std::ptrdiff_t>(i));
    }
    for (std::size_t i = 0; i < fresh.size(); ++i) fresh[i] ^= provided[i];
    std::copy_n(fresh.begin(), 32, key_.begin());
    std::copy_n(fresh.begin() + 32, 16, counter_.begin());
  }

  std::array<std::uint8_t, 32> key_{};
  std::array<std::uint8_t, 16> counter_{};
};

}  // namespace godwit::crypto::testing
