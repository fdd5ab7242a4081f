// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "crypto/kem/keccak.h"
#include "crypto/kem/kem.h"
#include "tests/crypto/kem/nist_random.h"

// Known answers that the project carries itself, as hashes of many runs.

namespace godwit::crypto {
namespace {

using testing::NistRandom;

std::string digest_of(Keccak& sponge) {
  std::array<std::uint8_t, 32> digest;
  sponge.squeeze(digest);
  return to_hex(digest);
}

struct Answers {
  std::string first_secret;
  std::string all;  // SHA3-256 of public key, private key, ciphertext and secret of every run
};

// The hundred runs of the known answer file of a submission to NIST.
template <typename K>
Answers nist_answers() {
  NistRandom::NistSeed seed;
  for (std::size_t i = 0; i < seed.size(); ++i) seed[i] = static_cast<std::uint8_t>(i);
  NistRandom seeds(seed);
  Answers answers;
  Keccak all(KeccakKind::sha3_256);
  for (int run = 0; run < 100; ++run) {
    seeds.fill(seed);
    NistRandom random(seed);
    // d and z are two requests to the generator.
    Secret<64> key_seed;
    random.fill(key_seed.writable().first<32>());
    random.fill(key_seed.writable().last<32>());
    const auto pair = K::from_seed(key_seed);
    const auto made = K::encapsulate(pair.public_key, random);
    if (!made) return {};
    EXPECT_TRUE(K::decapsulate(pair.private_key, made->ciphertext).equals(made->shared_secret));
    if (run == 0) answers.first_secret = to_hex(made->shared_secret.bytes());
    all.absorb(pair.public_key);
    all.absorb(pair.private_key.bytes());
    all.absorb(made->ciphertext);
    all.absorb(made->shared_secret.bytes());
  }
  answers.all = digest_of(all);
  return answers;
}

// From PQCkemKAT_3168.rsp of the third round's submission.
TEST(KemKnownAnswer, Kyber1024AsSubmittedToTheThirdRound) {
  const Answers answers = nist_answers<Kyber1024>();
  EXPECT_EQ(answers.first_secret,
            "b10f7394926ad3b49c5d62d5aeb531d5757538bcc0da9e550d438f1b61bd7419");
  EXPECT_EQ(answers.all, "e9474a93ed64a766b8ac911eeeed0dfeed957bf8ab843a623ddf531d4df03ec6");
}

// The same seeds; every value of these runs is in Project Wycheproof's files too.
TEST(KemKnownAnswer, MlKem768OfTheSameSeeds) {
  const Answers answers = nist_answers<MlKem768>();
  EXPECT_EQ(answers.first_secret,
            "e7184a0975ee3470878d2d159ec83129c8aec253d4ee17b4810311d198cd0368");
  EXPECT_EQ(answers.all, "a629d92ec314f2ada139f3d809540bf30853b5a85c3b28f4936231441fc8dc30");
}

TEST(KemKnownAnswer, MlKem1024OfTheSameSeeds) {
  const Answers answers = nist_answers<MlKem1024>();
  EXPECT_EQ(answers.first_secret,
            "489dd1e9c2be4af3482bdb35bb26ce760e6e414da6ecbe489985748a825f1cd6");
  EXPECT_EQ(answers.all, "8ed5058e2d0615469046e6b06c50e2f38489d147c6c332cf76930a3ca52dbf35");
}

// CCTV's accumulated vectors: everything drawn from SHAKE128 of nothing, a random ciphertext
// decapsulated in each run.
template <typename K>
std::string accumulated(int runs) {
  Keccak source(KeccakKind::shake128);
  Keccak all(KeccakKind::shake128);
  for (int run = 0; run < runs; ++run) {
    Secret<64> seed;
    source.squeeze(seed.writable());
    const auto pair = K::from_seed(seed);
    all.absorb(pair.public_key);
    Secret<32> random;
    source.squeeze(random.writable());
    const auto made = K::encapsulate_with(pair.public_key, random);
    if (!made) return "a key of our own was refused";
    all.absorb(made->ciphertext);
    all.absorb(made->shared_secret.bytes());
    EXPECT_TRUE(K::decapsulate(pair.private_key, made->ciphertext).equals(made->shared_secret));
    typename K::Ciphertext other;
    source.squeeze(other);
    all.absorb(K::decapsulate(pair.private_key, other).bytes());
  }
  return digest_of(all);
}

TEST(KemKnownAnswer, MlKem768Accumulated) {
  EXPECT_EQ(accumulated<MlKem768>(100),
            "1114b1b6699ed191734fa339376afa7e285c9e6acf6ff0177d346696ce564415");
}

}  // namespace
}  // namespace godwit::crypto
