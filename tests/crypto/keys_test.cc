// SPDX-License-Identifier: Apache-2.0
#include "crypto/keys.h"

#include <gtest/gtest.h>

#include <new>

#include "base/random.h"
#include "crypto/keyed_hash.h"
#include "crypto/signature.h"
#include "tests/crypto/vectors.h"

// X25519 (RFC 7748), Ed25519 (RFC 8032), SipHash (its paper), and secrets that leave nothing
// behind.

namespace godwit::crypto {
namespace {

using testing::unhex;
using testing::unhex_array;

Secret<32> secret(std::string_view hex) {
  return Secret<32>(unhex_array<32>(hex));
}

std::string x25519(std::string_view scalar, std::string_view point) {
  Secret<32> shared;
  EXPECT_TRUE(diffie_hellman(shared, secret(scalar), unhex_array<32>(point)));
  return to_hex(shared.bytes());
}

TEST(X25519, Rfc7748Section5_2) {
  EXPECT_EQ(x25519("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                   "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  EXPECT_EQ(x25519("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
                   "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"),
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
  std::string k = "0900000000000000000000000000000000000000000000000000000000000000";
  std::string u = k;
  for (int i = 0; i < 1000; ++i) {
    const std::string next = x25519(k, u);
    u = std::exchange(k, next);
    if (i == 0) {
      EXPECT_EQ(k, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
  }
  EXPECT_EQ(k, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

TEST(X25519, Rfc7748Section6_1) {
  const KeyPair alice = KeyPair::from_private(
      unhex_array<32>("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
  const KeyPair bob = KeyPair::from_private(
      unhex_array<32>("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
  EXPECT_EQ(to_hex(alice.public_key),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  EXPECT_EQ(to_hex(bob.public_key),
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  Secret<32> at_alice;
  Secret<32> at_bob;
  ASSERT_TRUE(diffie_hellman(at_alice, alice.private_key, bob.public_key));
  ASSERT_TRUE(diffie_hellman(at_bob, bob.private_key, alice.public_key));
  EXPECT_EQ(to_hex(at_alice.bytes()),
            "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  EXPECT_TRUE(at_alice.equals(at_bob));
}

TEST(X25519, PointOfSmallOrderIsRefusedAndLeavesNothing) {
  SeededRandom random(1);
  const KeyPair local = KeyPair::generate(random);
  for (const std::uint8_t u : {0, 1}) {
    Secret<32> shared = local.private_key.copy();
    EXPECT_FALSE(diffie_hellman(shared, local.private_key, PublicKey{u}));
    EXPECT_TRUE(shared.equals(Secret<32>()));
  }
}

TEST(X25519, SeveralAtOnceAreThoseAlone) {
  SeededRandom random(2);
  const KeyPair remote = KeyPair::generate(random);
  for (std::size_t count = 0; count <= 9; ++count) {
    std::vector<KeyPair> local;
    std::vector<Secret<32>> shared(count);
    std::vector<DiffieHellman> calls;
    for (std::size_t i = 0; i < count; ++i) local.push_back(KeyPair::generate(random));
    for (std::size_t i = 0; i < count; ++i) {
      calls.push_back({shared[i], local[i].private_key, remote.public_key});
    }
    diffie_hellman_each(calls);
    for (std::size_t i = 0; i < count; ++i) {
      Secret<32> alone;
      ASSERT_TRUE(diffie_hellman(alone, local[i].private_key, remote.public_key));
      EXPECT_TRUE(calls[i].made);
      EXPECT_TRUE(shared[i].equals(alone));
    }
  }
}

TEST(X25519, OfSeveralAtOnceOnlyThoseOfSmallOrderAreRefused) {
  SeededRandom random(3);
  const KeyPair local = KeyPair::generate(random);
  const KeyPair remote = KeyPair::generate(random);
  Secret<32> alone;
  ASSERT_TRUE(diffie_hellman(alone, local.private_key, remote.public_key));
  constexpr PublicKey small{1};
  for (unsigned which = 0; which < 32; ++which) {
    std::array<Secret<32>, 5> shared;
    std::vector<DiffieHellman> calls;
    for (std::size_t i = 0; i < shared.size(); ++i) {
      shared[i] = local.private_key.copy();
      const bool is_small = which >> i & 1;
      calls.push_back({shared[i], local.private_key, is_small ? small : remote.public_key});
    }
    diffie_hellman_each(calls);
    for (std::size_t i = 0; i < shared.size(); ++i) {
      const bool is_small = which >> i & 1;
      EXPECT_EQ(calls[i].made, !is_small);
      EXPECT_TRUE(is_small ? shared[i].equals(Secret<32>()) : shared[i].equals(alone));
    }
  }
}

TEST(KeyPair, SeveralAtOnceAreThoseOfTheirPrivateKeys) {
  SeededRandom random(4);
  for (std::size_t count = 0; count <= 9; ++count) {
    std::vector<KeyPair> pairs(count);
    std::vector<KeyPair*> all;
    for (KeyPair& pair : pairs) all.push_back(&pair);
    KeyPair::generate_each(all, random);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(pairs[i].public_key,
                KeyPair::from_private(pairs[i].private_key.bytes()).public_key);
      for (std::size_t other = 0; other < i; ++other) {
        EXPECT_NE(pairs[i].public_key, pairs[other].public_key);
      }
    }
  }
}

TEST(KeyPair, GeneratedFromTheSourceGiven) {
  SeededRandom first(7);
  SeededRandom same(7);
  SeededRandom other(8);
  const KeyPair pair = KeyPair::generate(first);
  EXPECT_EQ(pair.public_key, KeyPair::generate(same).public_key);
  EXPECT_NE(pair.public_key, KeyPair::generate(other).public_key);
  const KeyPair copy = pair.copy();
  EXPECT_EQ(copy.public_key, pair.public_key);
  EXPECT_TRUE(copy.private_key.equals(pair.private_key));
}

TEST(Ed25519, Rfc8032Section7_1) {
  struct {
    const char* seed;
    const char* public_key;
    const char* message;
    const char* signature;
  } const tests[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
       "f9b46bd25bf5f0595bbe24655141438e7a100b"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
       "f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
  };
  for (const auto& test : tests) {
    const Secret<32> seed = secret(test.seed);
    const auto message = unhex(test.message);
    const SigningPublicKey key = signing_public_key(seed);
    EXPECT_EQ(to_hex(key), test.public_key);
    Signature signature = sign(seed, message);
    EXPECT_EQ(to_hex(signature), test.signature);
    EXPECT_TRUE(verify_signature(key, message, signature));
    for (std::size_t i = 0; i < signature.size(); ++i) {
      signature[i] ^= 1;
      EXPECT_FALSE(verify_signature(key, message, signature)) << i;
      signature[i] ^= 1;
    }
    EXPECT_FALSE(verify_signature(key, as_bytes("another message"), signature));
  }
}

TEST(KeyedHash, SipHashPaperAppendixA) {
  const HashKey key{Secret<16>(unhex_array<16>("000102030405060708090a0b0c0d0e0f"))};
  EXPECT_EQ(keyed_hash(key, unhex("000102030405060708090a0b0c0d0e")), 0xa129ca6149be45e5);
  EXPECT_EQ(keyed_hash(key, {}), 0x726fdb47dd0e0e31);
  const HashKey other{Secret<16>(unhex_array<16>("010102030405060708090a0b0c0d0e0f"))};
  EXPECT_NE(keyed_hash(other, {}), keyed_hash(key, {}));
}

TEST(KeyedHash, AnySizeAsLibsodium) {
  HashKey key;
  std::array<std::uint8_t, 80> input;
  SeededRandom random(1);
  random.fill(key.key.writable());
  random.fill(input);
  for (std::size_t size = 0; size <= input.size(); ++size) {
    std::uint64_t expected;
    static_assert(sizeof expected == crypto_shorthash_BYTES);
    crypto_shorthash(reinterpret_cast<std::uint8_t*>(&expected), input.data(), size,
                     key.key.data());
    EXPECT_EQ(keyed_hash(key, Bytes(input).first(size)), expected) << size;
  }
}

TEST(Secret, MovedFromIsWiped) {
  Secret<32> source = secret("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
  const Secret<32> original = source.copy();
  Secret<32> moved = std::move(source);
  EXPECT_TRUE(moved.equals(original));
  EXPECT_TRUE(source.equals(Secret<32>()));  // NOLINT(bugprone-use-after-move): the point here
  Secret<32> assigned;
  assigned = std::move(moved);
  EXPECT_TRUE(assigned.equals(original));
  EXPECT_TRUE(moved.equals(Secret<32>()));  // NOLINT(bugprone-use-after-move)
}

TEST(Secret, DestroyedIsWiped) {
  alignas(Secret<32>) std::array<std::uint8_t, sizeof(Secret<32>)> memory;
  memory.fill(0xaa);
  std::array<std::uint8_t, 32> source;
  source.fill(0x55);
  auto* const secret = new (memory.data()) Secret<32>(std::span<const std::uint8_t, 32>(source));
  ASSERT_EQ(secret->data()[31], 0x55);
  secret->~Secret();
  const volatile std::uint8_t* const seen = memory.data();
  for (std::size_t i = 0; i < memory.size(); ++i) EXPECT_EQ(seen[i], 0) << i;
}

}  // namespace
}  // namespace godwit::crypto
