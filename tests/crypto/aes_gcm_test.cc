// SPDX-License-Identifier: Apache-2.0
#include "crypto/aes_gcm.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/cipher.h"
#include "tests/crypto/guarded.h"
#include "tests/crypto/vectors.h"

// Our AES-GCM, each set of instructions that this processor has, against libcrypto's: all short
// sizes of text and associated data, in place and apart, at the edge of memory that may not be
// touched. Wycheproof's vectors go through each too, in wycheproof_test.

namespace godwit::crypto {
namespace {

using aes_gcm::ExpandedKey;
using aes_gcm::Functions;
using testing::Guarded;
using Buffer = std::vector<std::uint8_t>;

Buffer random_buffer(SeededRandom& random, std::size_t size) {
  Buffer bytes(size);
  random.fill(bytes);
  return bytes;
}

struct Named {
  const char* name;
  const Functions* functions;
};
std::vector<Named> all() {
  std::vector<Named> found;
  if (aes_gcm::fastest() != nullptr) found.push_back({"blocks_of_128", &aes_gcm::on_128_bits});
  if (aes_gcm::fastest() == &aes_gcm::on_256_bits) {
    found.push_back({"blocks_of_256", &aes_gcm::on_256_bits});
  }
  return found;
}

class AesGcm : public ::testing::TestWithParam<Named> {
 protected:
  explicit AesGcm(std::uint64_t seed = 1) : random_(seed) { new_key(); }

  void new_key() {
    random_.fill(key_.writable());
    random_.fill(nonce_);
    functions().expand(key_.data(), expanded_);
  }

  const Functions& functions() const { return *GetParam().functions; }

  aes_gcm::Call call(Bytes associated, Bytes in, std::size_t text_size, MutableBytes out) const {
    return aes_gcm_call(expanded_, {key_, nonce_, associated, in, out}, text_size);
  }
  void seal(Bytes associated, Bytes plain, MutableBytes out) const {
    functions().seal(call(associated, plain, plain.size(), out));
  }
  bool open(Bytes associated, Bytes sealed, MutableBytes out) const {
    return aes_gcm::open(functions(), call(associated, sealed, sealed.size() - aead_tag_size, out));
  }
  Buffer by_libcrypto(Bytes associated, Bytes plain) const {
    Buffer sealed(plain.size() + aead_tag_size);
    aes_gcm_seal_libcrypto({key_, nonce_, associated, plain, sealed});
    return sealed;
  }
  // Apart, and then in place.
  void expect_as_libcrypto(Bytes associated, Bytes plain) const {
    const Buffer expected = by_libcrypto(associated, plain);
    Buffer sealed(plain.size() + aead_tag_size);
    seal(associated, plain, sealed);
    ASSERT_EQ(sealed, expected) << plain.size() << " " << associated.size();
    Buffer opened(plain.size());
    ASSERT_TRUE(open(associated, sealed, opened)) << plain.size() << " " << associated.size();
    ASSERT_TRUE(std::ranges::equal(opened, plain));
    std::ranges::copy(plain, sealed.begin());
    seal(associated, Bytes(sealed).first(plain.size()), sealed);
    ASSERT_EQ(sealed, expected) << plain.size() << " in place";
    ASSERT_TRUE(open(associated, sealed, MutableBytes(sealed).first(plain.size())));
    ASSERT_TRUE(std::ranges::equal(Bytes(sealed).first(plain.size()), plain));
    ASSERT_TRUE(std::ranges::equal(Bytes(sealed).subspan(plain.size()),
                                   Bytes(expected).subspan(plain.size())))
        << "opening in place leaves the tag alone";
  }

  SeededRandom random_;
  Secret<32> key_;
  AeadNonce nonce_{};
  ExpandedKey expanded_;
};

TEST_P(AesGcm, EverySizeOfTextWithEverySizeOfAssociatedData) {
  const Buffer text = random_buffer(random_, 700);
  const Buffer associated = random_buffer(random_, 100);
  for (std::size_t size = 0; size <= 600; ++size) {
    new_key();
    for (std::size_t bound = 0; bound <= 64; ++bound) {
      // Anywhere in a line of the cache.
      expect_as_libcrypto(Bytes(associated).subspan(size % 29, bound),
                          Bytes(text).subspan(bound % 67, size));
      if (HasFatalFailure()) return;
    }
  }
}

// Where powers of the hash key end, and where the counter carries into its next byte and the one
// after that.
TEST_P(AesGcm, LongTextsAndAssociatedData) {
  const Buffer bytes = random_buffer(random_, (1 << 20) + 200);
  for (const std::size_t around : {1024, 4096, 8192, 65'536, 1 << 20}) {
    for (const std::size_t more : {0, 1, 15, 16, 17, 100, 127, 128, 129, 145}) {
      new_key();
      expect_as_libcrypto({}, Bytes(bytes).first(around - 64 + more));
    }
  }
  for (std::size_t bound = 65; bound < 600; ++bound) {
    expect_as_libcrypto(Bytes(bytes).first(bound), Bytes(bytes).subspan(bound, 20));
    if (HasFatalFailure()) return;
  }
}

TEST_P(AesGcm, NothingBesideItsMemoryIsTouched) {
  Guarded plain(700);
  Guarded sealed(700);
  Guarded associated(100);
  random_.fill(associated.last(64));
  for (std::size_t size = 0; size <= 600; ++size) {
    const Bytes bound = associated.last(size % 65);
    random_.fill(plain.last(size));
    const Buffer expected = by_libcrypto(bound, plain.last(size));
    const Buffer text(plain.last(size).begin(), plain.last(size).end());
    seal(bound, plain.last(size), sealed.last(size + aead_tag_size));
    ASSERT_TRUE(std::ranges::equal(sealed.last(size + aead_tag_size), expected)) << size;
    ASSERT_TRUE(open(bound, sealed.last(size + aead_tag_size), plain.first(size))) << size;
    ASSERT_TRUE(std::ranges::equal(plain.first(size), text)) << size;
    ASSERT_TRUE(open(bound, expected, plain.last(size))) << size;
    ASSERT_TRUE(std::ranges::equal(plain.last(size), text)) << size;
    // What follows the text is the caller's.
    std::ranges::fill(plain.first(size + 20), 0x5a);
    ASSERT_TRUE(open(bound, expected, plain.first(size)));
    ASSERT_TRUE(std::ranges::all_of(plain.first(size + 20).subspan(size), [](std::uint8_t byte) {
      return byte == 0x5a;
    })) << size;
  }
}

TEST_P(AesGcm, WrongTagsAndTextsGiveZeros) {
  for (const std::size_t size : {0, 1, 15, 16, 17, 31, 32, 64, 65, 100, 120, 128, 129, 300, 1000}) {
    const Buffer plain = random_buffer(random_, size);
    const Buffer bound = random_buffer(random_, 13);
    Buffer sealed = by_libcrypto(bound, plain);
    for (std::size_t bit = 0; bit<8 * sealed.size(); bit += size> 128 ? 37 : 1) {
      sealed[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      Buffer opened(size, 0xee);
      ASSERT_FALSE(open(bound, sealed, opened)) << size << " " << bit;
      ASSERT_EQ(opened, Buffer(size));
      Buffer in_place = sealed;
      ASSERT_FALSE(open(bound, in_place, MutableBytes(in_place).first(size)));
      ASSERT_TRUE(std::ranges::equal(Bytes(in_place).first(size), Buffer(size)));
      sealed[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    }
    Buffer opened(size, 0xee);
    ASSERT_FALSE(open(Bytes(bound).first(12), sealed, opened));
    ASSERT_EQ(opened, Buffer(size));
    ASSERT_TRUE(open(bound, sealed, opened));
    ASSERT_EQ(opened, plain);
  }
}

TEST_P(AesGcm, RandomKeysAndNonces) {
  for (int round = 0; round < 1000; ++round) {
    new_key();
    const Buffer bytes = random_buffer(random_, 400);
    expect_as_libcrypto(Bytes(bytes).first(bytes[0] % 40), Bytes(bytes).subspan(40, bytes[1]));
    if (HasFatalFailure()) return;
  }
  for (const std::uint8_t fill : {0x00, 0x01, 0x80, 0xff}) {
    std::ranges::fill(key_.writable(), fill);
    nonce_.fill(fill);
    functions().expand(key_.data(), expanded_);
    expect_as_libcrypto(Buffer(20, fill), Buffer(300, fill));
  }
}

// FIPS 197, appendix A.3.
TEST_P(AesGcm, RoundKeysOfTheStandard) {
  const auto key =
      testing::unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
  functions().expand(key.data(), expanded_);
  EXPECT_EQ(to_hex(expanded_.round[0]), "603deb1015ca71be2b73aef0857d7781");
  EXPECT_EQ(to_hex(expanded_.round[1]), "1f352c073b6108d72d9810a30914dff4");
  EXPECT_EQ(to_hex(expanded_.round[2]), "9ba354118e6925afa51a8b5f2067fcde");
  EXPECT_EQ(to_hex(expanded_.round[3]), "a8b09c1a93d194cdbe49846eb75d5b9a");
  EXPECT_EQ(to_hex(expanded_.round[13]), "cafaaae3e4d59b349adf6acebd10190d");
  EXPECT_EQ(to_hex(expanded_.round[14]), "fe4890d1e6188d0b046df344706c631e");
}

// A processor without AES has none.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AesGcm);
INSTANTIATE_TEST_SUITE_P(Instructions, AesGcm, ::testing::ValuesIn(all()),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace godwit::crypto
