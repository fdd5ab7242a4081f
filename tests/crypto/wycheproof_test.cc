// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "crypto/signature.h"
#include "tests/crypto/vectors.h"

// Project Wycheproof's vectors, as far as our functions reach: AES-GCM with 256-bit keys, 96-bit
// nonces and 128-bit tags; ChaCha20-Poly1305 with 96-bit nonces; HMAC with keys of at most a block;
// HKDF with no info and two hashes of output. The count of each is asserted, so that a filter that
// goes wrong is noticed.

namespace godwit::crypto {
namespace {

using testing::unhex;
using testing::unhex_array;
using Json = nlohmann::json;

template <typename Function>
void for_each_test(const Json& json, Function function) {
  for (const Json& group : json["testGroups"]) {
    for (const Json& test : group["tests"]) {
      SCOPED_TRACE("tcId " + std::to_string(test["tcId"].get<int>()));
      function(group, test);
    }
  }
}

std::vector<std::uint8_t> bytes(const Json& test, const char* field) {
  return unhex(test[field].get<std::string>());
}

TEST(Wycheproof, X25519) {
  GODWIT_VECTORS_OR_SKIP(json, "wycheproof/x25519_test.json");
  int run = 0;
  int refused = 0;
  for_each_test(*json, [&](const Json&, const Json& test) {
    Secret<32> shared;
    const bool agreed =
        diffie_hellman(shared, Secret<32>(unhex_array<32>(test["private"].get<std::string>())),
                       unhex_array<32>(test["public"].get<std::string>()));
    const std::string expected = test["shared"].get<std::string>();
    EXPECT_EQ(to_hex(shared.bytes()), expected);
    // Everything the file calls acceptable gives its result, but for the all-zero secret.
    EXPECT_EQ(agreed, expected != std::string(64, '0'));
    refused += !agreed;
    ++run;
  });
  EXPECT_EQ(run, 518);
  EXPECT_EQ(refused, 31);
}

struct AeadCounts {
  int run = 0;
  int invalid = 0;
};

using SealFunction = void (*)(AeadKind, const CipherCall&);
using OpenFunction = bool (*)(AeadKind, const CipherCall&);

AeadCounts run_aead(const Json& json, AeadKind kind, SealFunction seal, OpenFunction open) {
  AeadCounts counts;
  for_each_test(json, [&](const Json& group, const Json& test) {
    const bool ours = group["ivSize"] == 96 && group["keySize"] == 256 && group["tagSize"] == 128;
    if (!ours) return;
    const Secret<32> key(unhex_array<32>(test["key"].get<std::string>()));
    const auto nonce = unhex_array<12>(test["iv"].get<std::string>());
    const auto associated = bytes(test, "aad");
    const auto plain = bytes(test, "msg");
    auto sealed = bytes(test, "ct");
    const auto tag = bytes(test, "tag");
    sealed.insert(sealed.end(), tag.begin(), tag.end());
    const bool valid = test["result"] == "valid";
    std::vector<std::uint8_t> opened(plain.size());
    EXPECT_EQ(open(kind, {key, nonce, associated, sealed, opened}), valid);
    if (valid) {
      EXPECT_EQ(to_hex(opened), to_hex(plain));
      std::vector<std::uint8_t> out(plain.size() + aead_tag_size);
      seal(kind, {key, nonce, associated, plain, out});
      EXPECT_EQ(to_hex(out), to_hex(sealed));
    }
    ++counts.run;
    counts.invalid += !valid;
  });
  return counts;
}

TEST(Wycheproof, ChaCha20Poly1305) {
  GODWIT_VECTORS_OR_SKIP(json, "wycheproof/chacha20_poly1305_test.json");
  const AeadCounts counts = run_aead(*json, AeadKind::chacha20_poly1305, cipher_seal, cipher_open);
  EXPECT_EQ(counts.run, 316);
  EXPECT_EQ(counts.invalid, 60);
}

TEST(Wycheproof, AesGcm) {
  GODWIT_VECTORS_OR_SKIP(json, "wycheproof/aes_gcm_test.json");
  const AeadCounts counts = run_aead(*json, AeadKind::aes_256_gcm, cipher_seal, cipher_open);
  EXPECT_EQ(counts.run, 66);
  EXPECT_EQ(counts.invalid, 27);
}

aes_gcm::ExpandedKey expanded_on_128_bits(const CipherCall& call) {
  aes_gcm::ExpandedKey expanded;
  aes_gcm::on_128_bits.expand(call.key.data(), expanded);
  return expanded;
}
void seal_on_128_bits(AeadKind, const CipherCall& call) {
  aes_gcm::on_128_bits.seal(aes_gcm_call(expanded_on_128_bits(call), call, call.in.size()));
}
bool open_on_128_bits(AeadKind, const CipherCall& call) {
  if (call.in.size() < aead_tag_size) return false;
  return aes_gcm::open(aes_gcm::on_128_bits, aes_gcm_call(expanded_on_128_bits(call), call,
                                                          call.in.size() - aead_tag_size));
}

// On fewer blocks at once than this processor may be able to take.
TEST(Wycheproof, AesGcmOn128Bits) {
  if (!cpu_has_aes_gcm()) GTEST_SKIP() << "this CPU has no AES";
  GODWIT_VECTORS_OR_SKIP(json, "wycheproof/aes_gcm_test.json");
  const AeadCounts counts =
      run_aead(*json, AeadKind::aes_256_gcm, seal_on_128_bits, open_on_128_bits);
  EXPECT_EQ(counts.run, 66);
  EXPECT_EQ(counts.invalid, 27);
}

TEST(Wycheproof, AesGcmWithoutAesInstructions) {
  GODWIT_VECTORS_OR_SKIP(json, "wycheproof/aes_gcm_test.json");
  const AeadCounts counts = run_aead(
      *json, AeadKind::aes_256_gcm,
      [](AeadKind, const CipherCall& call) { aes_gcm_seal_libcrypto(call); },
      [](AeadKind, const CipherCall& call) { return aes_gcm_open_libcrypto(call); });
  EXPECT_EQ(counts.run, 66);
  EXPECT_EQ(counts.invalid, 27);
}

TEST(Wycheproof, Ed25519) {
  GODWIT_VECTORS_OR_SKIP(json, "wycheproof/ed25519_test.json");
  int run = 0;
  int other_size = 0;
  for_each_test(*json, [&](const Json& group, const Json& test) {
    const auto key = unhex_array<32>(group["publicKey"]["pk"].get<std::string>());
    const auto signature = bytes(test, "sig");
    const bool valid = test["result"] == "valid";
    if (signature.size() != Signature{}.size()) {  // our type does not admit it
      EXPECT_FALSE(valid);
      ++other_size;
      return;
    }
    Signature fixed;
    std::ranges::copy(signature, fixed.begin());
    EXPECT_EQ(verify_signature(key, bytes(test, "msg"), fixed), valid);
    ++run;
  });
  EXPECT_EQ(run, 139);
  EXPECT_EQ(other_size, 12);
}

TEST(Wycheproof, HmacSha256) {
  GODWIT_VECTORS_OR_SKIP(json, "wycheproof/hmac_sha256_test.json");
  int run = 0;
  for_each_test(*json, [&](const Json& group, const Json& test) {
    const auto key = bytes(test, "key");
    if (key.size() > hash_block_size(NoiseHash::sha256)) return;
    const auto message = bytes(test, "msg");
    const Digest digest = hmac(NoiseHash::sha256, key, {message});
    const std::size_t size = group["tagSize"].get<std::size_t>() / 8;
    const bool same = to_hex(Bytes(digest.bytes()).first(size)) == test["tag"].get<std::string>();
    EXPECT_EQ(same, test["result"] == "valid");
    ++run;
  });
  EXPECT_EQ(run, 168);
}

TEST(Wycheproof, HkdfSha256) {
  GODWIT_VECTORS_OR_SKIP(json, "wycheproof/hkdf_sha256_test.json");
  int run = 0;
  for_each_test(*json, [&](const Json&, const Json& test) {
    const auto salt = bytes(test, "salt");
    const std::size_t size = test["size"].get<std::size_t>();
    const bool ours = test["result"] == "valid" && test["info"] == "" && size <= 64 &&
                      salt.size() <= hash_size(NoiseHash::sha256);
    if (!ours) return;
    Digest chaining_key;
    std::ranges::copy(salt, chaining_key.data());
    const auto input = bytes(test, "ikm");
    const HkdfOutputs outputs = hkdf(NoiseHash::sha256, chaining_key, input);
    const std::string both = to_hex(Bytes(outputs.first.bytes()).first(32)) +
                             to_hex(Bytes(outputs.second.bytes()).first(32));
    EXPECT_EQ(both.substr(0, 2 * size), test["okm"].get<std::string>());
    ++run;
  });
  EXPECT_EQ(run, 28);
}

}  // namespace
}  // namespace godwit::crypto
