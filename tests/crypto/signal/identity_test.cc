// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "crypto/signal/fingerprint.h"
#include "crypto/signal/retry.h"
#include "tests/crypto/signal/device.h"

// Safety numbers and requests to send again, without libsignal (tests/interop has it).

namespace godwit::crypto::signal {
namespace {

using testing::Device;
using Buffer = std::vector<std::uint8_t>;

TEST(Fingerprint, TheSameOnBothSidesAndOfBothIdentities) {
  Device alice("alice@example.org", 1);
  Device bob("bob@example.org", 2);
  const auto number = [](const Device& local, const Device& remote) {
    return Fingerprint::make({as_bytes(local.address.name), local.identity.public_key},
                             {as_bytes(remote.address.name), remote.identity.public_key});
  };
  const Fingerprint ours = number(alice, bob);
  const Fingerprint theirs = number(bob, alice);
  EXPECT_EQ(ours.digits(), theirs.digits());
  EXPECT_EQ(ours.digits().size(), 60u);
  EXPECT_EQ(ours.digits().find_first_not_of("0123456789"), std::string::npos);
  EXPECT_EQ(ours.matches(theirs.scannable()), true);
  EXPECT_EQ(theirs.matches(ours.scannable()), true);
  EXPECT_EQ(ours.matches(ours.scannable()), false) << "one's own screen";
  bob.identity = KeyPair::generate(bob.random);
  const Fingerprint changed = number(alice, bob);
  EXPECT_NE(changed.digits(), ours.digits());
  EXPECT_EQ(changed.matches(theirs.scannable()), false);
}

TEST(Fingerprint, WhatIsNoSafetyNumber) {
  Device alice("alice@example.org", 1);
  const Fingerprint number = Fingerprint::make({as_bytes("a"), alice.identity.public_key},
                                               {as_bytes("b"), alice.identity.public_key});
  Buffer scanned = number.scannable();
  ASSERT_EQ(scanned[0], 0x08);
  for (std::size_t size = 0; size < scanned.size(); ++size) {
    const auto cut = number.matches(Bytes(scanned).first(size));
    ASSERT_FALSE(cut) << size;
    EXPECT_EQ(cut.error().code, ErrorCode::malformed);
  }
  EXPECT_FALSE(number.matches(Buffer(257, 0)));
  scanned[1] = 3;
  const auto later = number.matches(scanned);
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, ErrorCode::refused);
}

TEST(Retry, NamesTheRatchetKeyOfWhatDidNotDecrypt) {
  Device alice("alice@example.org", 1);
  Device bob("bob@example.org", 2);
  ASSERT_TRUE(alice.open(bob.address, bob.bundle()));
  const auto message = alice.send(bob.address, "lost");
  const WallTime sent_at{std::chrono::milliseconds(1234567)};
  const auto made = RetryRequest::about({*message, sent_at, 3});
  ASSERT_TRUE(made);
  const Buffer content = made->encode();
  const auto request = RetryRequest::parse(content);
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->sent_at, sent_at);
  EXPECT_EQ(request->device_id, 3u);
  ASSERT_TRUE(request->ratchet_key);
  EXPECT_TRUE(alice.with(bob.address).current_ratchet_key_is(*request->ratchet_key));
  alice.with(bob.address).archive_current();
  EXPECT_FALSE(alice.with(bob.address).current_ratchet_key_is(*request->ratchet_key));
  for (std::size_t size = 0; size < content.size(); ++size) {
    EXPECT_FALSE(RetryRequest::parse(Bytes(content).first(size))) << size;
  }
}

TEST(Retry, OfAGroupMessageNoRatchetKey) {
  const CiphertextMessage message{MessageKind::sender_key, {0x33}};
  const auto request = RetryRequest::about({message, WallTime(std::chrono::milliseconds(1)), 2});
  ASSERT_TRUE(request);
  EXPECT_FALSE(request->ratchet_key);
  EXPECT_EQ(to_hex(request->encode()),
            "c04204"
            "10011802"
            "80");
}

TEST(Retry, WhatIsNone) {
  const auto parse = [](std::string_view hex) { return RetryRequest::parse(*from_hex(hex)); };
  EXPECT_TRUE(
      parse("c0420410011802"
            "80"));
  EXPECT_TRUE(
      parse("c0420410011802"
            "80000000"))
      << "padding";
  EXPECT_FALSE(parse("c0420410011802")) << "no end";
  EXPECT_FALSE(
      parse("c1420410011802"
            "80"));
  EXPECT_FALSE(parse("c0420218028"
                     "0"
                     "00")
                   .has_value())
      << "no time";
  EXPECT_FALSE(
      parse("c0"
            "80"))
      << "something else";
  EXPECT_FALSE(
      parse("c0"
            "42081001"
            "1802"
            "0a020500"
            "80"))
      << "a ratchet key that is none";
  EXPECT_FALSE(RetryRequest::parse({}));
  EXPECT_FALSE(RetryRequest::about({{MessageKind::signal, {0x44}}, {}, 1}));
  EXPECT_FALSE(RetryRequest::about({{MessageKind::prekey, {0x44}}, {}, 1}));
  Buffer large(1024, 0);
  large[0] = 0xc0;
  std::ranges::copy(*from_hex("42041001180280"), large.begin() + 1);
  EXPECT_TRUE(RetryRequest::parse(large)) << "at the limit";
  large.push_back(0);
  EXPECT_FALSE(RetryRequest::parse(large));
}

}  // namespace
}  // namespace godwit::crypto::signal
