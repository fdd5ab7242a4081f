// SPDX-License-Identifier: Apache-2.0
#include "crypto/hash.h"

#include <gtest/gtest.h>

#include "tests/crypto/vectors.h"

// The hashes and Noise's HMAC and HKDF over them. HMAC over BLAKE2b has no RFC; its values were
// computed with Python's hmac and hashlib.

namespace godwit::crypto {
namespace {

using testing::unhex;

std::string hex(NoiseHash kind, const Digest& digest) {
  return to_hex(Bytes(digest.bytes()).first(hash_size(kind)));
}

std::vector<std::uint8_t> counting(std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i);
  return bytes;
}

TEST(Hash, KnownDigests) {
  EXPECT_EQ(hex(NoiseHash::sha256, hash(NoiseHash::sha256, {as_bytes("abc")})),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(NoiseHash::blake2b, hash(NoiseHash::blake2b, {as_bytes("abc")})),
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5"
            "de4533cc9518d38aa8dbf1925ab92386edd4009923");
}

TEST(Hash, PartsAreOneInput) {
  for (const NoiseHash kind : {NoiseHash::sha256, NoiseHash::blake2b}) {
    const auto input = counting(300);
    const Digest whole = hash(kind, {input});
    for (std::size_t at = 0; at <= input.size(); ++at) {
      const Digest parts = hash(kind, {Bytes(input).first(at), Bytes(input).subspan(at)});
      ASSERT_TRUE(whole.equals(parts)) << at;
    }
  }
}

TEST(Hmac, Rfc4231Case2) {
  EXPECT_EQ(hex(NoiseHash::sha256, hmac(NoiseHash::sha256, as_bytes("Jefe"),
                                        {as_bytes("what do ya want "), as_bytes("for nothing?")})),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Hmac, KeyOfOneBlockAtMost) {
  const std::vector<std::uint8_t> zeros(200);
  EXPECT_EQ(hex(NoiseHash::sha256, hmac(NoiseHash::sha256, counting(64), {zeros})),
            "5df13923ac4fc4d3046533e03282f2d1544dde7f406f5a33f3669989fb78ac2f");
  EXPECT_DEATH(hmac(NoiseHash::sha256, counting(65), {zeros}), "broken invariant");
  EXPECT_EQ(hex(NoiseHash::blake2b, hmac(NoiseHash::blake2b, counting(128), {zeros})),
            "17f6253bddf7819bf96d3cf05380832cb3bdeaa7cba9bdcb79c8bad838a29d008cad63061786fa1b6d2900"
            "26d58f8e67ecaf3edf7cfae9fd82cc31717d73c3dd");
  EXPECT_DEATH(hmac(NoiseHash::blake2b, counting(129), {zeros}), "broken invariant");
}

TEST(Hmac, Blake2bIsHmacAndNotTheKeyedMode) {
  EXPECT_EQ(
      hex(NoiseHash::blake2b, hmac(NoiseHash::blake2b, as_bytes("key"),
                                   {as_bytes("The quick brown fox jumps over the lazy dog")})),
      "92294f92c0dfb9b00ec9ae8bd94d7e7d8a036b885a499f149dfe2fd2199394aaaf6b8894a1730cccb2cd05"
      "0f9bcf5062a38b51b0dab33207f8ef35ae2c9df51b");
}

// Noise's HKDF is RFC 5869's with the chaining key as salt, no info and two hashes of output.
TEST(Hkdf, Rfc5869Case3) {
  const HkdfOutputs outputs =
      hkdf(NoiseHash::sha256, Digest(), unhex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"));
  EXPECT_EQ(hex(NoiseHash::sha256, outputs.first),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
  EXPECT_EQ(hex(NoiseHash::sha256, outputs.second).substr(0, 20), "9d201395faa4b61a96c8");
}

}  // namespace
}  // namespace godwit::crypto
