// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "crypto/kem/kem.h"
#include "tests/crypto/vectors.h"

// Project Wycheproof's ML-KEM vectors, all of them. Those of another length do not fit into our
// types; they must be invalid, and are counted. The counts are asserted, so that a filter that goes
// wrong is noticed.

namespace godwit::crypto {
namespace {

using testing::unhex;
using Json = nlohmann::json;

struct Counts {
  int run = 0;
  int refused = 0;
  int other_size = 0;
};

template <typename Function>
void for_each_test(const Json& json, Function function) {
  for (const Json& group : json["testGroups"]) {
    for (const Json& test : group["tests"]) {
      SCOPED_TRACE("tcId " + std::to_string(test["tcId"].get<int>()));
      function(test);
    }
  }
}

// The field, when it has the size of the type; otherwise the vector must be invalid.
template <std::size_t Size>
std::optional<std::array<std::uint8_t, Size>> sized(const Json& test, const char* field) {
  const auto bytes = unhex(test[field].get<std::string>());
  if (bytes.size() != Size) {
    EXPECT_EQ(test["result"], "invalid");
    return std::nullopt;
  }
  std::array<std::uint8_t, Size> array;
  std::ranges::copy(bytes, array.begin());
  return array;
}

std::string text(const Json& test, const char* field) {
  return test[field].get<std::string>();
}

std::string file(int set, const char* kind) {
  return "wycheproof/mlkem_" + std::to_string(set) + "_" + kind + ".json";
}

// A pair from its seed, then what the ciphertext decapsulates to: good ones, random ones, and those
// with a flipped bit.
template <typename K>
Counts run_decapsulation(const Json& json) {
  Counts counts;
  for_each_test(json, [&](const Json& test) {
    const auto seed = sized<64>(test, "seed");
    const auto ciphertext = sized<K::sizes.ciphertext>(test, "c");
    if (!seed || !ciphertext) {
      ++counts.other_size;
      return;
    }
    const auto pair = K::from_seed(Secret<64>(*seed));
    EXPECT_EQ(to_hex(pair.public_key), text(test, "ek"));
    EXPECT_EQ(to_hex(K::decapsulate(pair.private_key, *ciphertext).bytes()), text(test, "K"));
    EXPECT_EQ(test["result"], "valid");
    ++counts.run;
  });
  return counts;
}

template <typename K>
Counts run_key_generation(const Json& json) {
  Counts counts;
  for_each_test(json, [&](const Json& test) {
    const auto pair = K::from_seed(Secret<64>(sized<64>(test, "seed").value()));
    EXPECT_EQ(to_hex(pair.public_key), text(test, "ek"));
    EXPECT_EQ(to_hex(pair.private_key.bytes()), text(test, "dk"));
    EXPECT_TRUE(K::private_key_valid(pair.private_key));
    ++counts.run;
  });
  return counts;
}

template <typename K>
Counts run_encapsulation(const Json& json) {
  Counts counts;
  for_each_test(json, [&](const Json& test) {
    const auto key = sized<K::sizes.public_key>(test, "ek");
    if (!key) {
      ++counts.other_size;
      return;
    }
    const auto made = K::encapsulate_with(*key, Secret<32>(sized<32>(test, "m").value()));
    EXPECT_EQ(made.has_value(), test["result"] == "valid");
    if (!made) {
      ++counts.refused;
      return;
    }
    EXPECT_EQ(to_hex(made->ciphertext), text(test, "c"));
    EXPECT_EQ(to_hex(made->shared_secret.bytes()), text(test, "K"));
    ++counts.run;
  });
  return counts;
}

// Private keys as they are stored, some of them broken.
template <typename K>
Counts run_private_keys(const Json& json) {
  Counts counts;
  for_each_test(json, [&](const Json& test) {
    const auto bytes = sized<K::sizes.private_key>(test, "dk");
    const auto ciphertext = sized<K::sizes.ciphertext>(test, "c");
    if (!bytes || !ciphertext) {
      ++counts.other_size;
      return;
    }
    const typename K::PrivateKey key(*bytes);
    EXPECT_EQ(K::private_key_valid(key), test["result"] == "valid");
    if (test["result"] != "valid") {
      ++counts.refused;
      return;
    }
    EXPECT_EQ(to_hex(K::decapsulate(key, *ciphertext).bytes()), text(test, "K"));
    ++counts.run;
  });
  return counts;
}

template <typename K>
class KemWycheproof : public ::testing::Test {
 protected:
  static constexpr int set = K::sizes.rank == 3 ? 768 : 1024;
};
using Sets = ::testing::Types<MlKem768, MlKem1024>;
TYPED_TEST_SUITE(KemWycheproof, Sets);

TYPED_TEST(KemWycheproof, Decapsulation) {
  GODWIT_VECTORS_OR_SKIP(json, file(TestFixture::set, "test"));
  const Counts counts = run_decapsulation<TypeParam>(*json);
  EXPECT_EQ(counts.run, 153);
  EXPECT_EQ(counts.other_size, 40);
}

TYPED_TEST(KemWycheproof, KeyGeneration) {
  GODWIT_VECTORS_OR_SKIP(json, file(TestFixture::set, "keygen_seed_test"));
  EXPECT_EQ(run_key_generation<TypeParam>(*json).run, 100);
}

TYPED_TEST(KemWycheproof, Encapsulation) {
  GODWIT_VECTORS_OR_SKIP(json, file(TestFixture::set, "encaps_test"));
  const Counts counts = run_encapsulation<TypeParam>(*json);
  EXPECT_EQ(counts.run, 133);
  EXPECT_EQ(counts.refused, TestFixture::set == 768 ? 112 : 116);
  EXPECT_EQ(counts.other_size, 20);
}

TYPED_TEST(KemWycheproof, PrivateKeys) {
  GODWIT_VECTORS_OR_SKIP(json, file(TestFixture::set, "semi_expanded_decaps_test"));
  const Counts counts = run_private_keys<TypeParam>(*json);
  EXPECT_EQ(counts.run, 3);
  EXPECT_EQ(counts.refused, 2);
  EXPECT_EQ(counts.other_size, 4);
}

}  // namespace
}  // namespace godwit::crypto
