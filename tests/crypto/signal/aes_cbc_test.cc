// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/aes_cbc.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/crypto/vectors.h"

// AES-256-CBC with PKCS #7 padding: Project Wycheproof's vectors, and the lengths around a block.

namespace godwit::crypto::signal {
namespace {

using crypto::testing::unhex;
using crypto::testing::unhex_array;

TEST(AesCbc, Wycheproof) {
  GODWIT_VECTORS_OR_SKIP(json, "wycheproof/aes_cbc_pkcs5_test.json");
  int valid = 0;
  int invalid = 0;
  for (const auto& group : (*json)["testGroups"]) {
    if (group["keySize"] != 256) continue;
    for (const auto& test : group["tests"]) {
      SCOPED_TRACE("tcId " + std::to_string(test["tcId"].get<int>()));
      const Secret<32> key(unhex_array<32>(test["key"].get<std::string>()));
      const Secret<16> iv(unhex_array<16>(test["iv"].get<std::string>()));
      const auto ciphertext = unhex(test["ct"].get<std::string>());
      const auto plaintext = aes_cbc_decrypt({key, iv}, ciphertext);
      const bool good = test["result"] == "valid";
      ++(good ? valid : invalid);
      EXPECT_EQ(plaintext.has_value(), good);
      if (!good || !plaintext) continue;
      EXPECT_EQ(to_hex(*plaintext), test["msg"].get<std::string>());
      EXPECT_EQ(aes_cbc_encrypt({key, iv}, *plaintext), ciphertext);
    }
  }
  EXPECT_GT(valid, 10);
  EXPECT_GT(invalid, 10);
}

TEST(AesCbc, LengthsAroundABlock) {
  SeededRandom random(4);
  Secret<32> key;
  Secret<16> iv;
  random.fill(key.writable());
  random.fill(iv.writable());
  for (std::size_t size = 0; size <= 65; ++size) {
    const std::vector<std::uint8_t> plaintext(size, 0xab);
    const auto ciphertext = aes_cbc_encrypt({key, iv}, plaintext);
    EXPECT_EQ(ciphertext.size(), (size / 16 + 1) * 16);
    const auto read = aes_cbc_decrypt({key, iv}, ciphertext);
    ASSERT_TRUE(read);
    EXPECT_TRUE(std::ranges::equal(*read, plaintext));
    EXPECT_FALSE(aes_cbc_decrypt({key, iv}, Bytes(ciphertext).first(size % 16)));
  }
  EXPECT_FALSE(aes_cbc_decrypt({key, iv}, {}));
}

}  // namespace
}  // namespace godwit::crypto::signal
