// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/keccak.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "base/random.h"
#include "crypto/kem/keccak_four.h"

// Held against libcrypto's SHA-3 for every length around the rates; the vectors of FIPS 202's
// examples for the empty message.

namespace godwit::crypto {
namespace {

constexpr std::size_t shake_output = 400;  // past two blocks of either rate

std::vector<std::uint8_t> ours(KeccakKind kind, Bytes message, std::size_t size) {
  Keccak sponge(kind);
  sponge.absorb(message);
  std::vector<std::uint8_t> out(size);
  sponge.squeeze(out);
  return out;
}

std::vector<std::uint8_t> theirs(const EVP_MD* kind, Bytes message, std::size_t size) {
  std::vector<std::uint8_t> out(size);
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  EXPECT_TRUE(EVP_DigestInit_ex(context, kind, nullptr));
  EXPECT_TRUE(EVP_DigestUpdate(context, message.data(), message.size()));
  const bool shake = (EVP_MD_get_flags(kind) & EVP_MD_FLAG_XOF) != 0;
  EXPECT_TRUE(shake ? EVP_DigestFinalXOF(context, out.data(), size)
                    : EVP_DigestFinal_ex(context, out.data(), nullptr));
  EVP_MD_CTX_free(context);
  return out;
}

TEST(Keccak, EmptyMessage) {
  EXPECT_EQ(to_hex(ours(KeccakKind::sha3_256, {}, 32)),
            "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a");
  EXPECT_EQ(to_hex(ours(KeccakKind::shake128, {}, 16)), "7f9c2ba4e88f827d616045507605853e");
}

TEST(Keccak, EveryLengthAroundTheRatesAsLibcrypto) {
  SeededRandom random(1);
  std::vector<std::uint8_t> message(400);
  random.fill(message);
  for (std::size_t size = 0; size <= message.size(); ++size) {
    const Bytes part = Bytes(message).first(size);
    EXPECT_EQ(ours(KeccakKind::sha3_256, part, 32), theirs(EVP_sha3_256(), part, 32));
    EXPECT_EQ(ours(KeccakKind::sha3_512, part, 64), theirs(EVP_sha3_512(), part, 64));
    EXPECT_EQ(ours(KeccakKind::shake128, part, shake_output),
              theirs(EVP_shake128(), part, shake_output));
    EXPECT_EQ(ours(KeccakKind::shake256, part, shake_output),
              theirs(EVP_shake256(), part, shake_output));
  }
}

TEST(Keccak, FourHashesAreThoseAlone) {
  SeededRandom random(3);
  std::array<std::vector<std::uint8_t>, 4> messages;
  for (std::size_t size = 0; size <= 300; ++size) {
    std::array<std::array<std::uint8_t, 32>, 4> hashes;
    for (auto& message : messages) {
      message.resize(size);
      random.fill(message);
    }
    sha3_256_four({hashes[0], hashes[1], hashes[2], hashes[3]},
                  {messages[0], messages[1], messages[2], messages[3]});
    for (std::size_t k = 0; k < 4; ++k) {
      EXPECT_EQ(to_hex(hashes[k]), to_hex(ours(KeccakKind::sha3_256, messages[k], 32))) << size;
    }
  }
}

TEST(KeccakDeathTest, FourMessagesAreOfOneSize) {
  const std::array<std::uint8_t, 2> bytes{};
  std::array<std::array<std::uint8_t, 32>, 4> hashes;
  EXPECT_DEATH(sha3_256_four({hashes[0], hashes[1], hashes[2], hashes[3]},
                             {Bytes(bytes), Bytes(bytes), Bytes(bytes).first(1), Bytes(bytes)}),
               "");
}

TEST(Keccak, PartsGiveWhatTheWholeGives) {
  SeededRandom random(2);
  std::vector<std::uint8_t> message(1000);
  random.fill(message);
  const auto whole = ours(KeccakKind::shake128, message, 1000);
  for (int round = 0; round < 50; ++round) {
    Keccak sponge(KeccakKind::shake128);
    for (Bytes rest = message; !rest.empty();) {
      const std::size_t size = random.below(std::min<std::size_t>(rest.size(), 200) + 1);
      sponge.absorb(rest.first(size));
      rest = rest.subspan(size);
    }
    std::vector<std::uint8_t> out(whole.size());
    for (MutableBytes rest = out; !rest.empty();) {
      const std::size_t size = random.below(std::min<std::size_t>(rest.size(), 200) + 1);
      sponge.squeeze(rest.first(size));
      rest = rest.subspan(size);
    }
    EXPECT_EQ(out, whole);
  }
}

TEST(KeccakDeathTest, AbsorbAfterSqueezeIsABug) {
  Keccak sponge(KeccakKind::shake256);
  std::array<std::uint8_t, 1> byte{};
  sponge.squeeze(byte);
  EXPECT_DEATH(sponge.absorb(byte), "squeezing_");
}

}  // namespace
}  // namespace godwit::crypto
