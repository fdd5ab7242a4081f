// SPDX-License-Identifier: Apache-2.0
#include "crypto/hkdf.h"

#include <gtest/gtest.h>

#include "tests/crypto/vectors.h"

// RFC 5869's first vectors, all of Project Wycheproof's, and the limit.

namespace godwit::crypto {
namespace {

using testing::unhex;

std::string derived(std::size_t size, const HkdfInput& input) {
  std::vector<std::uint8_t> out(size);
  hkdf_sha256(out, input);
  return to_hex(out);
}

TEST(Hkdf, VectorsOfTheRfc) {
  const auto key = unhex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
  EXPECT_EQ(derived(42, {.salt = unhex("000102030405060708090a0b0c"),
                         .key_material = key,
                         .info = unhex("f0f1f2f3f4f5f6f7f8f9")}),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  EXPECT_EQ(derived(42, {.key_material = key}),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Hkdf, NoSaltIsAHashOfZeros) {
  const std::array<std::uint8_t, 32> zeros{};
  const std::array<std::uint8_t, 3> key{1, 2, 3};
  EXPECT_EQ(derived(96, {.salt = zeros, .key_material = key}), derived(96, {.key_material = key}));
}

TEST(Hkdf, Wycheproof) {
  GODWIT_VECTORS_OR_SKIP(json, "wycheproof/hkdf_sha256_test.json");
  int run = 0;
  int too_long = 0;
  for (const auto& group : (*json)["testGroups"]) {
    for (const auto& test : group["tests"]) {
      SCOPED_TRACE("tcId " + std::to_string(test["tcId"].get<int>()));
      const auto size = test["size"].get<std::size_t>();
      if (size > hkdf_size_max) {
        EXPECT_EQ(test["result"], "invalid");
        ++too_long;
        continue;
      }
      EXPECT_EQ(derived(size, {.salt = unhex(test["salt"].get<std::string>()),
                               .key_material = unhex(test["ikm"].get<std::string>()),
                               .info = unhex(test["info"].get<std::string>())}),
                test["okm"].get<std::string>());
      ++run;
    }
  }
  EXPECT_EQ(run, 83);
  EXPECT_EQ(too_long, 3);
}

TEST(HkdfDeathTest, MoreThanTheLimitIsABug) {
  std::vector<std::uint8_t> out(hkdf_size_max + 1);
  hkdf_sha256(MutableBytes(out).first(hkdf_size_max), {});
  EXPECT_NE(out[hkdf_size_max - 1], 0);  // all of it is written
  EXPECT_DEATH(hkdf_sha256(out, {}), "hkdf_size_max");
}

}  // namespace
}  // namespace godwit::crypto
