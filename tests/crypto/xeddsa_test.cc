// SPDX-License-Identifier: Apache-2.0
#include "crypto/xeddsa.h"

#include <gtest/gtest.h>

#include "crypto/field_25519.h"
#include "tests/crypto/vectors.h"

// Signatures that libsignal made, with either sign; the rules of the specification's verification;
// and the same bytes as Debian's libxeddsa from the same random bytes, where it is installed.

#ifdef GODWIT_LIBXEDDSA
// Its header includes one that is not packaged.
extern "C" {
int xeddsa_init();
void priv_force_sign(std::uint8_t* out, const std::uint8_t* key, bool sign);
void ed25519_priv_sign(std::uint8_t* signature, const std::uint8_t* key,
                       const std::uint8_t* message, std::uint32_t size, const std::uint8_t* nonce);
int ed25519_verify(const std::uint8_t* signature, const std::uint8_t* key,
                   const std::uint8_t* message, std::uint32_t size);
void curve25519_pub_to_ed25519_pub(std::uint8_t* out, const std::uint8_t* key, bool sign);
}
#endif

namespace godwit::crypto {
namespace {

using testing::unhex;
using testing::unhex_array;

struct Sample {
  const char* private_key;
  const char* public_key;
  const char* message;
  const char* signature;
};

// The second and the fourth carry the sign of their Edwards key.
constexpr Sample samples[] = {
    {"9832fd322dad2556112140dd6ec269c1e05a7b4a4870285f629c050643350143",
     "c9a39544e78289cf9dcf1e889d692a2a0eb317c103e16766e2ef3fb856b4f507",
     "fe2145f2234077caf0137d5e4bfab17f5daa8e035409ae8c244b285d47cee732e6",
     "1fcdfddbfcacef2c3006156fe324150b78c6a975966ee33679eb7378bb92b5ff"
     "7cf6d1d295804f2c39d9ddd6a1ef92906f915aa13bbb639025f2a1fa034bfd04"},
    {"f88f5a9596e932e9d259fc34ae8a9b90f284d6c8d92050846444a07de9cb3c57",
     "de56496f7d41787d6930e2f70cc1344bcbc5c94142bf5ea38d1e6333ce529327",
     "422fd4aa73aec40a11d8b287fedeaf3355a6802796e96cea657280b3be539849ce",
     "7f08b9f211643d0bffc181e31d1e226a73a799f8159734166b46cf6aa6863fdf"
     "a6a6e5d54779fef7c3178ebb719d87b8c92a228a596e6dde86da95bd84d9fc80"},
    {"b82ad2f96ed36c344969dada8fb85c9ee2c659a09c20f50c78e9fc39f691557b",
     "4742d84b51f7e6a1810f4a74dc580270bb965a42361d7133d4016d105ed87911",
     "ca21b8365264c864c2c724a9efa8e149d52f526c3ddd6d9351c2116923539a9dab",
     "e66ea1fec2080983a03e53c964a154cd72e7326174f8802608d8e922adaed960"
     "33de67cea32c74baa22071a1d05619912f48e19cacfdaa90fca3fbeb278dc70c"},
    {"68d003a9dc00dfac6b7a876de75d4ed6f467567c6cca66d9922d7020272e0a6c",
     "010be9ea3f9db2563676ee94b02ca9b6dcb425880cb385f62117bac796e13402",
     "4f6e541dc8397a43e8712d3a41b7a0b860bf209596747b604d49856d3a3d996240",
     "19850892a22f7c287d5254d847d62a25b9e5b236cc5f344f27dd32fbdb8717ad"
     "ab4bb127a2f4c07259b4020cdae1b7e15411ec854ac98b6e7f848403cb109889"},
};

TEST(Xeddsa, TakesWhatLibsignalSigned) {
  for (const Sample& sample : samples) {
    const auto key = unhex_array<32>(sample.public_key);
    const auto message = unhex(sample.message);
    Signature signature = unhex_array<64>(sample.signature);
    EXPECT_TRUE(xeddsa_verify(key, message, signature)) << sample.public_key;
    signature[63] ^= 0x80;  // the sign belongs to the signature
    EXPECT_FALSE(xeddsa_verify(key, message, signature)) << sample.public_key;
  }
}

TEST(Xeddsa, SignaturesOfEitherSignOfKeyVerifyAndCarryNone) {
  SeededRandom random(1);
  for (const Sample& sample : samples) {
    const KeyPair pair = KeyPair::from_private(unhex_array<32>(sample.private_key));
    EXPECT_EQ(to_hex(pair.public_key), sample.public_key);
    const auto message = unhex(sample.message);
    const Signature signature = xeddsa_sign(pair.private_key, message, random);
    EXPECT_TRUE(xeddsa_verify(pair.public_key, message, signature));
    EXPECT_EQ(signature[63] & 0xe0, 0);
  }
}

TEST(Xeddsa, AnyChangedBitIsRefused) {
  SeededRandom random(2);
  const KeyPair pair = KeyPair::generate(random);
  std::array<std::uint8_t, 5> message{1, 2, 3, 4, 5};
  const Signature good = xeddsa_sign(pair.private_key, message, random);
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    Signature signature = good;
    signature[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_FALSE(xeddsa_verify(pair.public_key, message, signature)) << bit;
  }
  for (std::size_t bit = 0; bit < 8 * pair.public_key.size(); ++bit) {
    PublicKey key = pair.public_key;
    key[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_FALSE(xeddsa_verify(key, message, good)) << bit;
  }
  EXPECT_FALSE(xeddsa_verify(pair.public_key, Bytes(message).first(4), good));
  message[0] ^= 1;
  EXPECT_FALSE(xeddsa_verify(pair.public_key, message, good));
}

TEST(Xeddsa, EachSignatureDiffersAndZDecides) {
  SeededRandom random(3);
  const KeyPair pair = KeyPair::generate(random);
  EXPECT_NE(xeddsa_sign(pair.private_key, {}, random), xeddsa_sign(pair.private_key, {}, random));
  Secret<64> z;
  random.fill(z.writable());
  EXPECT_EQ(xeddsa_sign_with(pair.private_key, {}, z), xeddsa_sign_with(pair.private_key, {}, z));
}

// Points of small order and encodings that are not canonical; with s = 0 and R the neutral element
// a verifier that does not look would take any message for those.
TEST(Xeddsa, KeysOfSmallOrderAndNotCanonicalOnesAreRefused) {
  Signature forged{};
  forged[0] = 1;
  const std::string minus_one = "ec" + std::string(60, 'f') + "7f";
  for (const std::string& key :
       {std::string(64, '0'), "01" + std::string(62, '0'), minus_one,
        "ed" + std::string(60, 'f') + "7f", "ee" + std::string(60, 'f') + "7f",
        std::string(64, 'f'),
        std::string("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        std::string("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")}) {
    EXPECT_FALSE(xeddsa_verify(unhex_array<32>(key), {}, forged)) << key;
    forged[63] = 0x80;
    EXPECT_FALSE(xeddsa_verify(unhex_array<32>(key), {}, forged)) << key;
    forged[63] = 0;
  }
}

TEST(Xeddsa, AnSNotBelowTheOrderIsRefused) {
  SeededRandom random(4);
  const KeyPair pair = KeyPair::generate(random);
  Signature signature = xeddsa_sign(pair.private_key, {}, random);
  const auto order =
      unhex_array<32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    carry += signature[32 + i] + order[i];
    signature[32 + i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  EXPECT_FALSE(xeddsa_verify(pair.public_key, {}, signature));
}

TEST(Field25519, InverseAndLeastForm) {
  SeededRandom random(5);
  const auto one = Field25519::one();
  for (int round = 0; round < 100; ++round) {
    std::array<std::uint8_t, 32> bytes;
    random.fill(bytes);
    bytes[31] &= 0x3f;
    const Field25519 element = Field25519::from_bytes(bytes);
    EXPECT_EQ(element.bytes(), bytes);
    EXPECT_EQ((element * element.inverse()).bytes(), one.bytes());
    EXPECT_EQ((element + one - one).bytes(), bytes);
    EXPECT_EQ((element - element).bytes(), (one - one).bytes());
  }
  EXPECT_EQ((one - one).inverse().bytes(), (one - one).bytes());
}

TEST(Field25519, NumbersFromPOnAreTakenModuloP) {
  for (unsigned above = 0; above < 19; ++above) {
    std::array<std::uint8_t, 32> bytes;
    bytes.fill(0xff);
    bytes[0] = static_cast<std::uint8_t>(0xed + above);
    bytes[31] = 0x7f;
    std::array<std::uint8_t, 32> least{};
    least[0] = static_cast<std::uint8_t>(above);
    EXPECT_EQ(Field25519::from_bytes(bytes).bytes(), least);
  }
  std::array<std::uint8_t, 32> largest;
  largest.fill(0xff);
  largest[0] = 0xec;
  largest[31] = 0x7f;
  EXPECT_EQ(Field25519::from_bytes(largest).bytes(), largest);
  EXPECT_EQ((Field25519::from_bytes(largest) + Field25519::one()).bytes(),
            (std::array<std::uint8_t, 32>{}));
}

TEST(Xeddsa, SameBytesAsLibxeddsa) {
#ifdef GODWIT_LIBXEDDSA
  ASSERT_GE(xeddsa_init(), 0);
  const auto same_scalar = [](const PrivateKey& forced, const PrivateKey& key) {
    PrivateKey clamped = key.copy();
    clamped.data()[0] &= 248;
    clamped.data()[31] = static_cast<std::uint8_t>((clamped.data()[31] & 127) | 64);
    return forced.equals(clamped);
  };
  SeededRandom random(6);
  int compared = 0;
  for (std::uint32_t round = 0; round < 200; ++round) {
    const KeyPair pair = KeyPair::generate(random);
    std::vector<std::uint8_t> message(round);
    random.fill(message);
    Secret<64> z;
    random.fill(z.writable());
    const Signature ours = xeddsa_sign_with(pair.private_key, message, z);
    Signature theirs;
    PrivateKey forced;
    priv_force_sign(forced.data(), pair.private_key.data(), false);
    ed25519_priv_sign(theirs.data(), forced.data(), message.data(), round, z.data());
    // A key that it need not negate goes into the nonce's hash as it is, where the specification
    // has it modulo q; then R differs, and both signatures are good.
    if (!same_scalar(forced, pair.private_key)) {
      EXPECT_EQ(to_hex(ours), to_hex(theirs));
      ++compared;
    }
    EXPECT_TRUE(xeddsa_verify(pair.public_key, message, theirs));
    PublicKey edwards;
    curve25519_pub_to_ed25519_pub(edwards.data(), pair.public_key.data(), false);
    EXPECT_EQ(ed25519_verify(ours.data(), edwards.data(), message.data(), round), 0);
  }
  EXPECT_GT(compared, 50);
#else
  GTEST_SKIP() << "libxeddsa is not installed";
#endif
}

}  // namespace
}  // namespace godwit::crypto
