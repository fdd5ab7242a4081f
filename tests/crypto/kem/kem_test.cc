// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/kem.h"

#include <gtest/gtest.h>

#include "crypto/kem/incremental.h"
#include "crypto/kem/keccak.h"
#include "tests/crypto/kem/textbook.h"

// Properties that hold for every set, and the rules that the split adds.

namespace godwit::crypto {
namespace {

template <typename K>
class KemTest : public ::testing::Test {};
using AllSets = ::testing::Types<MlKem768, MlKem1024, Kyber1024>;
TYPED_TEST_SUITE(KemTest, AllSets);

TYPED_TEST(KemTest, BothSidesGetTheSameSecret) {
  SeededRandom random(1);
  for (int round = 0; round < 20; ++round) {
    const auto pair = TypeParam::generate(random);
    EXPECT_TRUE(TypeParam::private_key_valid(pair.private_key));
    const auto made = TypeParam::encapsulate(pair.public_key, random);
    ASSERT_TRUE(made);
    EXPECT_TRUE(
        TypeParam::decapsulate(pair.private_key, made->ciphertext).equals(made->shared_secret));
  }
}

TYPED_TEST(KemTest, HashesOfSeveralKeysAreThoseThatEncapsulationUses) {
  SeededRandom random(4);
  for (std::size_t count = 0; count <= 9; ++count) {
    std::vector<typename TypeParam::PublicKey> keys(count);
    std::vector<const typename TypeParam::PublicKey*> all;
    for (auto& key : keys) {
      key = TypeParam::generate(random).public_key;
      all.push_back(&key);
    }
    std::vector<typename TypeParam::KeyHash> hashes(count);
    TypeParam::hash_each(all, hashes);
    for (std::size_t i = 0; i < count; ++i) {
      SeededRandom first(i);
      SeededRandom same(i);
      const auto with_hash = TypeParam::encapsulate(keys[i], hashes[i], first);
      const auto without = TypeParam::encapsulate(keys[i], same);
      ASSERT_TRUE(with_hash && without);
      EXPECT_EQ(with_hash->ciphertext, without->ciphertext);
      EXPECT_TRUE(with_hash->shared_secret.equals(without->shared_secret));
    }
  }
}

// Any flipped bit gives another secret, which depends on z, on the ciphertext and on nothing else.
TYPED_TEST(KemTest, AnotherCiphertextIsRejectedImplicitly) {
  SeededRandom random(2);
  const auto pair = TypeParam::generate(random);
  const auto made = TypeParam::encapsulate(pair.public_key, random);
  ASSERT_TRUE(made);
  for (std::size_t place :
       {std::size_t{0}, made->ciphertext.size() / 2, TypeParam::sizes.ciphertext_u - 1,
        TypeParam::sizes.ciphertext_u, made->ciphertext.size() - 1}) {
    auto ciphertext = made->ciphertext;
    ciphertext[place] ^= 0x80;
    std::array<std::uint8_t, 32> expected;
    const Bytes z = TypeParam::rejection_seed(pair.private_key.bytes());
    if constexpr (std::is_same_v<TypeParam, Kyber1024>) {
      std::array<std::uint8_t, 32> hash;
      sha3_256(hash, {ciphertext});
      shake256(expected, {z, hash});
    } else {
      shake256(expected, {z, ciphertext});
    }
    const auto secret = TypeParam::decapsulate(pair.private_key, ciphertext);
    EXPECT_EQ(to_hex(secret.bytes()), to_hex(expected));
  }
}

TYPED_TEST(KemTest, APrivateKeyThatDoesNotFitItsPublicKeyIsSeen) {
  SeededRandom random(3);
  const auto pair = TypeParam::generate(random);
  const std::size_t public_at = TypeParam::sizes.vector;
  const std::size_t hash_at = public_at + TypeParam::sizes.public_key;
  for (std::size_t place : {public_at, hash_at - 1, hash_at, hash_at + 31}) {
    auto key = pair.private_key.copy();
    key.data()[place] ^= 1;
    EXPECT_FALSE(TypeParam::private_key_valid(key)) << place;
  }
}

TYPED_TEST(KemTest, ANumberThatIsNotBelowQIsForKyberOnly) {
  SeededRandom random(4);
  auto pair = TypeParam::generate(random);
  pair.public_key[0] = 0x01;  // 3329, which is 0
  pair.public_key[1] = static_cast<std::uint8_t>((pair.public_key[1] & 0xf0) | 0x0d);
  const bool taken = std::is_same_v<TypeParam, Kyber1024>;
  EXPECT_EQ(TypeParam::key_valid(pair.public_key), taken);
  EXPECT_EQ(TypeParam::encapsulate(pair.public_key, random).has_value(), taken);
  pair.public_key[0] = 0x00;  // 3328
  EXPECT_TRUE(TypeParam::key_valid(pair.public_key));
}

// Keys and ciphertexts that fit, that nearly fit, and that are noise.
TYPED_TEST(KemTest, DecapsulationIsThatOfTheStandard) {
  SeededRandom random(8);
  const auto textbook = testing::Textbook::of<TypeParam>();
  const auto compare = [&](const auto& key, const auto& ciphertext) {
    const auto secret = TypeParam::decapsulate(key, ciphertext);
    EXPECT_EQ(to_hex(secret.bytes()), to_hex(textbook.decapsulate(key.bytes(), ciphertext)));
  };
  const auto pair = TypeParam::generate(random);
  const auto made = TypeParam::encapsulate(pair.public_key, random);
  ASSERT_TRUE(made);
  EXPECT_EQ(to_hex(textbook.decapsulate(pair.private_key.bytes(), made->ciphertext)),
            to_hex(made->shared_secret.bytes()));
  compare(pair.private_key, made->ciphertext);
  for (int round = 0; round < 4; ++round) {
    auto ciphertext = made->ciphertext;
    ciphertext[random.below(ciphertext.size())] ^= 1u << random.below(8);
    compare(pair.private_key, ciphertext);
    auto key = pair.private_key.copy();
    key.data()[random.below(key.size)] ^= 1u << random.below(8);
    compare(key, made->ciphertext);
    random.fill(ciphertext);
    random.fill(key.writable());
    compare(key, ciphertext);
  }
}

template <typename K>
class IncrementalKemTest : public ::testing::Test {};
using SplitSets = ::testing::Types<IncrementalMlKem768, IncrementalMlKem1024>;
TYPED_TEST_SUITE(IncrementalKemTest, SplitSets);

// The parts, put together, are what the whole makes of the same random bytes.
TYPED_TEST(IncrementalKemTest, PartsAreTheWhole) {
  using Whole = typename TypeParam::Whole;
  SeededRandom random(5);
  const auto pair = Whole::generate(random);
  Secret<32> bytes;
  random.fill(bytes.writable());
  const auto header = TypeParam::header(pair.public_key);
  const auto vector = TypeParam::vector(pair.public_key);
  const auto begun = TypeParam::begin_encapsulation_with(header, bytes);
  const auto v = TypeParam::finish_encapsulation(begun.state, header, vector);
  ASSERT_TRUE(v);
  const auto whole = Whole::encapsulate_with(pair.public_key, bytes);
  ASSERT_TRUE(whole);
  EXPECT_EQ(to_hex(begun.ciphertext_u) + to_hex(*v), to_hex(whole->ciphertext));
  EXPECT_TRUE(begun.shared_secret.equals(whole->shared_secret));
  EXPECT_TRUE(TypeParam::decapsulate(pair.private_key, {.u = begun.ciphertext_u, .v = *v})
                  .equals(whole->shared_secret));
}

TYPED_TEST(IncrementalKemTest, AVectorOfAnotherHeaderIsRefused) {
  SeededRandom random(6);
  const auto pair = TypeParam::Whole::generate(random);
  const auto other = TypeParam::Whole::generate(random);
  const auto header = TypeParam::header(pair.public_key);
  const auto begun = TypeParam::begin_encapsulation(header, random);
  EXPECT_FALSE(
      TypeParam::finish_encapsulation(begun.state, header, TypeParam::vector(other.public_key)));
  auto vector = TypeParam::vector(pair.public_key);
  vector.back() ^= 1;
  EXPECT_FALSE(TypeParam::finish_encapsulation(begun.state, header, vector));
}

// A header can be made for a vector that no key may have; the hash alone would let it pass.
TYPED_TEST(IncrementalKemTest, AVectorThatIsNotReducedIsRefused) {
  SeededRandom random(7);
  auto pair = TypeParam::Whole::generate(random);
  pair.public_key[0] = 0xff;
  pair.public_key[1] |= 0x0f;
  const auto header = TypeParam::header(pair.public_key);
  const auto begun = TypeParam::begin_encapsulation(header, random);
  EXPECT_FALSE(
      TypeParam::finish_encapsulation(begun.state, header, TypeParam::vector(pair.public_key)));
}

}  // namespace
}  // namespace godwit::crypto
