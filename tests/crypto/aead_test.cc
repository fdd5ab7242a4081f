// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/random.h"
#include "crypto/cipher.h"
#include "tests/crypto/vectors.h"

// The ciphers under known answers, the counter of a transport key at its ends, and the cache of
// expanded keys, which must not be told from no cache by anything but time.

namespace godwit::crypto {
namespace {

using testing::unhex;
using testing::unhex_array;
using Buffer = std::vector<std::uint8_t>;

constexpr AeadKind kinds[] = {AeadKind::aes_256_gcm, AeadKind::chacha20_poly1305};
// Around the cipher's block and the eight that are taken at once.
constexpr std::size_t sizes[] = {0,   1,   15,  16,  17,   63,   64,   65,   100,  127,
                                 128, 129, 200, 300, 1000, 1279, 1280, 1281, 4096, 70'000};

Buffer random_buffer(SeededRandom& random, std::size_t size) {
  Buffer bytes(size);
  random.fill(bytes);
  return bytes;
}

TransportKey transport_key(AeadKind kind, std::uint64_t seed = 1, std::uint64_t counter = 0) {
  SeededRandom random(seed);
  TransportKey key;
  random.fill(key.key.writable());
  key.kind = kind;
  key.counter = counter;
  return key;
}

Buffer sealed_with(TransportKey& key, Bytes plain, Bytes associated = {}) {
  Buffer sealed(plain.size() + aead_tag_size);
  EXPECT_TRUE(seal(key, associated, plain, sealed));
  return sealed;
}

TEST(Cipher, Rfc8439Section2_8_2) {
  const Secret<32> key(
      unhex_array<32>("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"));
  const auto nonce = unhex_array<12>("070000004041424344454647");
  const auto associated = unhex("50515253c0c1c2c3c4c5c6c7");
  const Bytes plain = as_bytes(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
      "sunscreen would be it.");
  Buffer sealed(plain.size() + aead_tag_size);
  cipher_seal(AeadKind::chacha20_poly1305, {key, nonce, associated, plain, sealed});
  EXPECT_EQ(to_hex(sealed),
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb"
            "69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad6"
            "75945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd06006"
            "91");
}

// Cases 13 and 14 of McGrew and Viega, "The Galois/Counter Mode of Operation": key and nonce all
// zeros.
TEST(Cipher, GcmPaperCases13And14) {
  const Secret<32> key;
  const AeadNonce nonce{};
  const std::string expected[] = {
      "530f8afbc74536b9a963b4f1c4cb738b",
      "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"};
  for (const std::size_t blocks : {0, 1}) {
    const Buffer plain(16 * blocks);
    Buffer sealed(plain.size() + aead_tag_size);
    cipher_seal(AeadKind::aes_256_gcm, {key, nonce, {}, plain, sealed});
    EXPECT_EQ(to_hex(sealed), expected[blocks]);
    Buffer by_libcrypto(sealed.size());
    aes_gcm_seal_libcrypto({key, nonce, {}, plain, by_libcrypto});
    EXPECT_EQ(to_hex(by_libcrypto), expected[blocks]);
  }
}

TEST(Cipher, NonceIsBigEndianForGcmAndLittleEndianForChaCha) {
  EXPECT_EQ(to_hex(noise_nonce(AeadKind::aes_256_gcm, 0x0102030405060708)),
            "000000000102030405060708");
  EXPECT_EQ(to_hex(noise_nonce(AeadKind::chacha20_poly1305, 0x0102030405060708)),
            "000000000807060504030201");
}

// What a machine without AES instructions does gives the same bytes.
TEST(Cipher, BothAesGcmAgree) {
  SeededRandom random(2);
  for (const std::size_t size : sizes) {
    const TransportKey key = transport_key(AeadKind::aes_256_gcm, size + 1);
    const AeadNonce nonce = noise_nonce(AeadKind::aes_256_gcm, size);
    const Buffer plain = random_buffer(random, size);
    const Buffer associated = random_buffer(random, size % 40);
    Buffer one(size + aead_tag_size);
    Buffer other(size + aead_tag_size);
    cipher_seal(AeadKind::aes_256_gcm, {key.key, nonce, associated, plain, one});
    aes_gcm_seal_libcrypto({key.key, nonce, associated, plain, other});
    ASSERT_EQ(to_hex(one), to_hex(other)) << size;
    Buffer opened(size);
    ASSERT_TRUE(aes_gcm_open_libcrypto({key.key, nonce, associated, one, opened})) << size;
    ASSERT_EQ(opened, plain);
    other.back() ^= 1;
    ASSERT_FALSE(aes_gcm_open_libcrypto({key.key, nonce, associated, other, opened})) << size;
    EXPECT_EQ(opened, Buffer(size)) << "unauthenticated plaintext left behind";
  }
}

TEST(TransportKey, OpensWhatItSealedInPlaceAndApart) {
  SeededRandom random(3);
  for (const AeadKind kind : kinds) {
    TransportKey sender = transport_key(kind);
    TransportKey receiver = transport_key(kind);
    for (const std::size_t size : sizes) {
      const Buffer plain = random_buffer(random, size);
      const Buffer associated = random_buffer(random, 9);
      Buffer apart(size + aead_tag_size);
      TransportKey same{sender.key.copy(), sender.counter, kind};
      ASSERT_TRUE(seal(same, associated, plain, apart));
      Buffer in_place = plain;
      in_place.resize(size + aead_tag_size);
      ASSERT_TRUE(seal(sender, associated, Bytes(in_place).first(size), in_place));
      ASSERT_EQ(in_place, apart) << size;
      ASSERT_TRUE(open(receiver, associated, in_place, in_place)) << size;
      in_place.resize(size);
      ASSERT_EQ(in_place, plain);
    }
    EXPECT_EQ(sender.counter, std::size(sizes));
    EXPECT_EQ(receiver.counter, std::size(sizes));
  }
}

TEST(TransportKey, EveryFlippedBitIsNoticedAndTheCounterStays) {
  for (const AeadKind kind : kinds) {
    for (const std::size_t size : {40, 1280}) {
      TransportKey sender = transport_key(kind);
      TransportKey receiver = transport_key(kind);
      Buffer sealed = sealed_with(sender, Buffer(size, 7), as_bytes("bound"));
      Buffer opened(size, 0xee);
      const std::size_t step = size > 100 ? 101 : 1;
      for (std::size_t bit = 0; bit < sealed.size() * 8; bit += step) {
        sealed[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
        ASSERT_FALSE(open(receiver, as_bytes("bound"), sealed, opened)) << bit;
        sealed[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      }
      EXPECT_FALSE(open(receiver, as_bytes("bounD"), sealed, opened));
      EXPECT_FALSE(open(receiver, {}, sealed, opened));
      EXPECT_EQ(receiver.counter, 0);
      EXPECT_TRUE(open(receiver, as_bytes("bound"), sealed, opened));
      EXPECT_EQ(opened, Buffer(size, 7));
    }
  }
}

TEST(TransportKey, TruncationsAndReplaysDoNotOpen) {
  for (const AeadKind kind : kinds) {
    TransportKey sender = transport_key(kind);
    TransportKey receiver = transport_key(kind);
    const Buffer first = sealed_with(sender, Buffer(20, 1));
    const Buffer second = sealed_with(sender, Buffer(20, 2));
    Buffer opened(40);
    for (std::size_t size = 0; size < first.size(); ++size) {
      EXPECT_FALSE(open(receiver, {}, Bytes(first).first(size), opened)) << size;
    }
    Buffer longer = first;
    longer.push_back(0);
    EXPECT_FALSE(open(receiver, {}, longer, opened));
    EXPECT_FALSE(open(receiver, {}, second, opened)) << "out of order";
    EXPECT_TRUE(open(receiver, {}, first, opened));
    EXPECT_FALSE(open(receiver, {}, first, opened)) << "replayed";
    EXPECT_TRUE(open(receiver, {}, second, opened));
  }
}

TEST(TransportKey, CounterEndsBeforeTheReservedValue) {
  constexpr std::uint64_t last = TransportKey::counter_end - 1;
  AeadCache cache(4);
  for (const AeadKind kind : kinds) {
    TransportKey sender = transport_key(kind, 1, last);
    TransportKey receiver = transport_key(kind, 1, last);
    Buffer sealed = sealed_with(sender, as_bytes("end"));
    Buffer opened(3);
    ASSERT_TRUE(open(receiver, {}, sealed, opened));
    EXPECT_EQ(sender.counter, last + 1);
    const Buffer before = sealed;
    EXPECT_FALSE(seal(sender, {}, as_bytes("end"), sealed));
    EXPECT_FALSE(seal(cache, 1, sender, {}, as_bytes("end"), sealed));
    EXPECT_EQ(sealed, before);
    EXPECT_FALSE(open(receiver, {}, sealed, opened));
    EXPECT_FALSE(open(cache, 1, receiver, {}, sealed, opened));
    EXPECT_EQ(sender.counter, last + 1);
  }
}

TEST(TransportKey, OutputTooSmallIsABrokenInvariant) {
  TransportKey key = transport_key(AeadKind::chacha20_poly1305);
  Buffer out(18);
  EXPECT_DEATH(static_cast<void>(seal(key, {}, as_bytes("abc"), out)), "broken invariant");
}

class AeadCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cpu_has_aes_gcm()) GTEST_SKIP() << "this CPU has no AES, so nothing is cached";
  }
};

TEST_F(AeadCacheTest, SameBytesAsWithout) {
  SeededRandom random(4);
  AeadCache cache(8);
  for (const AeadKind kind : kinds) {
    TransportKey plain_sender = transport_key(kind);
    TransportKey sender = transport_key(kind);
    TransportKey receiver = transport_key(kind);
    for (const std::size_t size : sizes) {
      const Buffer plain = random_buffer(random, size);
      Buffer sealed(size + aead_tag_size);
      ASSERT_TRUE(seal(cache, 5, sender, as_bytes("x"), plain, sealed));
      ASSERT_EQ(sealed, sealed_with(plain_sender, plain, as_bytes("x"))) << size;
      Buffer broken = sealed;
      broken.front() ^= 1;
      Buffer opened(size);
      ASSERT_FALSE(open(cache, 5, receiver, as_bytes("x"), broken, opened));
      ASSERT_TRUE(open(cache, 5, receiver, as_bytes("x"), sealed, opened));
      ASSERT_EQ(opened, plain);
    }
  }
  EXPECT_EQ(cache.misses(), 2) << "one expansion for each direction";
  EXPECT_GT(cache.hits(), 20);
}

TEST_F(AeadCacheTest, AnotherKeyUnderTheSameNameIsNotConfused) {
  AeadCache cache(4);
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    TransportKey cached = transport_key(AeadKind::aes_256_gcm, seed);
    TransportKey plain = transport_key(AeadKind::aes_256_gcm, seed);
    Buffer sealed(5 + aead_tag_size);
    ASSERT_TRUE(seal(cache, 1, cached, {}, as_bytes("hello"), sealed));
    ASSERT_EQ(sealed, sealed_with(plain, as_bytes("hello")));
  }
  EXPECT_EQ(cache.hits(), 0);
  EXPECT_EQ(cache.size(), 1) << "the stale state was overwritten in place";
}

TEST_F(AeadCacheTest, HoldsWhatItWasMadeForAndEvictsTheLeastRecentlyUsed) {
  AeadCache cache(4);  // one set
  ASSERT_EQ(cache.capacity(), 4);
  const auto use = [&](std::uint64_t connection) {
    const TransportKey key = transport_key(AeadKind::aes_256_gcm, connection);
    cache.expand(connection, AeadCache::Direction::send, key.key);
  };
  for (std::uint64_t connection : {1, 2, 3, 4}) use(connection);
  EXPECT_EQ(cache.misses(), 4);
  use(1);
  EXPECT_EQ(cache.hits(), 1);
  use(5);  // puts out 2
  use(1);
  use(3);
  use(4);
  EXPECT_EQ(cache.hits(), 4);
  use(2);
  EXPECT_EQ(cache.misses(), 6);
  EXPECT_EQ(cache.size(), 4);
}

TEST_F(AeadCacheTest, ForgetsBothDirectionsOfOneConnection) {
  AeadCache cache(64);
  const TransportKey key = transport_key(AeadKind::aes_256_gcm);
  for (std::uint64_t connection : {1, 2}) {
    cache.expand(connection, AeadCache::Direction::send, key.key);
    cache.expand(connection, AeadCache::Direction::receive, key.key);
  }
  EXPECT_EQ(cache.size(), 4);
  cache.forget(1);
  EXPECT_EQ(cache.size(), 2);
  cache.forget(1);
  cache.forget(99);
  EXPECT_EQ(cache.size(), 2);
  cache.expand(2, AeadCache::Direction::send, key.key);
  EXPECT_EQ(cache.hits(), 1);
  cache.expand(1, AeadCache::Direction::send, key.key);
  EXPECT_EQ(cache.misses(), 5);
}

TEST_F(AeadCacheTest, WipesAState) {
  AeadCache cache(4);
  const TransportKey key = transport_key(AeadKind::aes_256_gcm);
  const auto& state = cache.expand(1, AeadCache::Direction::send, key.key);
  const Bytes bytes(reinterpret_cast<const std::uint8_t*>(&state), sizeof state);
  EXPECT_TRUE(std::ranges::any_of(bytes, [](std::uint8_t byte) { return byte != 0; }));
  cache.forget(1);
  EXPECT_TRUE(std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; }));
}

TEST_F(AeadCacheTest, CapacityIsFourTimesAPowerOfTwo) {
  const std::pair<std::size_t, std::size_t> cases[] = {{0, 4}, {1, 4},  {4, 4},
                                                       {5, 8}, {9, 16}, {1024, 1024}};
  for (const auto& [asked, got] : cases) EXPECT_EQ(AeadCache(asked).capacity(), got) << asked;
}

// Neighbouring connections (and the two directions) spread: a cache twice the need keeps nearly all
// of them.
TEST_F(AeadCacheTest, NeighboursSpread) {
  AeadCache cache(512);
  const TransportKey key = transport_key(AeadKind::aes_256_gcm);
  for (int round = 0; round < 2; ++round) {
    for (std::uint64_t connection = 0; connection < 128; ++connection) {
      cache.expand(connection, AeadCache::Direction::send, key.key);
      cache.expand(connection, AeadCache::Direction::receive, key.key);
    }
  }
  EXPECT_GE(cache.hits(), 240);
}

}  // namespace
}  // namespace godwit::crypto
