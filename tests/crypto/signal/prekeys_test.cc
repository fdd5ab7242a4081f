// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/prekeys.h"

#include <gtest/gtest.h>

#include "tests/crypto/signal/device.h"

// Prekeys as they are stored and as a bundle gives them out.

namespace godwit::crypto::signal {
namespace {

using testing::Device;

template <typename Record>
void stored_and_read(const Record& record) {
  const SecretBytes bytes = record.write();
  const auto read = Record::read(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->write(), bytes);
  EXPECT_EQ(read->id, record.id);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = Record::read(Bytes(bytes).first(size));
    ASSERT_FALSE(cut);
    ASSERT_EQ(cut.error().code, ErrorCode::corrupt);
  }
  SecretBytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(Record::read(longer));
  for (const std::size_t head : {0u, 1u}) {
    SecretBytes other = bytes;
    other[head] ^= 0x80;
    EXPECT_FALSE(Record::read(other)) << "another kind or version";
  }
}

TEST(PreKeys, StoredAndRead) {
  SeededRandom random(1);
  const WallTime now{std::chrono::hours(500'000)};
  const IdentityKeyPair identity = KeyPair::generate(random);
  stored_and_read(PreKeyRecord{UINT32_MAX, KeyPair::generate(random)});
  stored_and_read(SignedPreKeyRecord::generate(3, identity, now, random));
  const auto kyber =
      KyberPreKeyRecord::generate({.id = 4, .last_resort = true, .now = now}, identity, random);
  stored_and_read(kyber);
  const auto read = KyberPreKeyRecord::read(kyber.write());
  EXPECT_TRUE(read->last_resort);
  EXPECT_EQ(read->created_at, now);
  EXPECT_EQ(Kyber1024::from_seed(read->seed).public_key, read->public_key);
}

TEST(PreKeys, ABundleIsVerified) {
  Device bob("bob", 2);
  Device mallory("mallory", 3);
  const PreKeyBundle good = bob.bundle();
  EXPECT_TRUE(good.verify());
  const auto refused = [](const PreKeyBundle& bundle) {
    const auto verified = bundle.verify();
    return !verified && verified.error().code == ErrorCode::refused;
  };
  PreKeyBundle bundle = good;
  bundle.signed_signature[5] ^= 1;
  EXPECT_TRUE(refused(bundle));
  bundle = good;
  bundle.kyber_signature[5] ^= 1;
  EXPECT_TRUE(refused(bundle));
  bundle = good;
  bundle.kyber_key[100] ^= 1;
  EXPECT_TRUE(refused(bundle));
  bundle = good;
  bundle.identity_key = mallory.identity.public_key;
  EXPECT_TRUE(refused(bundle));
  bundle = good;
  bundle.signed_key = mallory.bundle().signed_key;
  EXPECT_TRUE(refused(bundle));
  SessionRecord record;
  Device alice("alice", 1);
  EXPECT_FALSE(open_session(record, bundle, alice.context(bob.address), alice.random));
  EXPECT_EQ(record.current(), nullptr);
}

TEST(PreKeys, KeysOfSmallOrderOpenNothing) {
  Device bob("bob", 2);
  Device alice("alice", 1);
  PreKeyBundle bundle = bob.bundle();
  bundle.one_time->key = {};
  const auto opened = alice.open(bob.address, bundle);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::refused);
}

}  // namespace
}  // namespace godwit::crypto::signal
