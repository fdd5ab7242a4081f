// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/session.h"

#include <gtest/gtest.h>

#include "crypto/signal/aes_cbc.h"
#include "tests/crypto/signal/session_pair.h"

// Two devices and their sessions: what each rule of session.h says, one test a rule.

namespace godwit::crypto::signal {
namespace {

using testing::code_of;
using testing::Device;
using SessionTest = testing::SessionPair;

TEST_F(SessionTest, PrekeyMessagesUntilTheFirstAnswer) {
  ASSERT_TRUE(alice.open(bob.address, bob.bundle()));
  const CiphertextMessage first = from_alice("one");
  const CiphertextMessage second = from_alice("two");
  EXPECT_EQ(first.kind, MessageKind::prekey);
  EXPECT_EQ(second.kind, MessageKind::prekey);
  EXPECT_EQ(to_bob(first), "one");
  ASSERT_TRUE(bob.last_used);
  EXPECT_TRUE(bob.last_used->one_time_id);
  EXPECT_EQ(to_bob(second), "two");
  EXPECT_FALSE(bob.last_used) << "the second opens nothing";
  const CiphertextMessage answer = from_bob("three");
  EXPECT_EQ(answer.kind, MessageKind::signal);
  EXPECT_EQ(to_alice(answer), "three");
  EXPECT_EQ(from_alice("four").kind, MessageKind::signal);
}

TEST_F(SessionTest, WithoutOneTimePrekey) {
  ASSERT_TRUE(alice.open(bob.address, bob.bundle({.one_time = false, .last_resort = true})));
  EXPECT_EQ(to_bob(from_alice("one")), "one");
  ASSERT_TRUE(bob.last_used);
  EXPECT_FALSE(bob.last_used->one_time_id);
  EXPECT_TRUE(bob.last_used->last_resort);
}

TEST_F(SessionTest, TheEmptyAndTheLongestMessage) {
  establish();
  EXPECT_EQ(to_bob(from_alice("")), "");
  const std::string longest(session_plaintext_size_max, 'x');
  EXPECT_EQ(to_bob(from_alice(longest)), longest);
  EXPECT_EQ(code_of(alice.send(bob.address, longest + "x")), ErrorCode::invalid);
  Device carol("carol@example.org", 9);
  ASSERT_TRUE(alice.open(carol.address, carol.bundle()));
  EXPECT_EQ(carol.receive(alice.address, *alice.send(carol.address, longest)), longest);
}

TEST_F(SessionTest, AMessageIsReadOnce) {
  establish();
  const CiphertextMessage message = from_alice("once");
  ASSERT_EQ(to_bob(message), "once");
  EXPECT_EQ(code_of(to_bob(message)), ErrorCode::exists);
  ASSERT_EQ(to_alice(from_bob("answer")), "answer");
  ASSERT_EQ(to_bob(from_alice("after")), "after");
  EXPECT_EQ(code_of(to_bob(message)), ErrorCode::exists) << "from an earlier chain";
}

TEST_F(SessionTest, AFailedDecryptChangesNothing) {
  establish();
  const CiphertextMessage message = from_alice("whole");
  const SecretBytes before = bob.with(alice.address).write();
  for (std::size_t i = 0; i < message.bytes.size(); ++i) {
    CiphertextMessage changed = message;
    changed.bytes[i] ^= 0x10;
    ASSERT_FALSE(to_bob(changed)) << "byte " << i;
    ASSERT_EQ(bob.with(alice.address).write(), before);
  }
  for (std::size_t size = 0; size < message.bytes.size(); ++size) {
    CiphertextMessage cut = message;
    cut.bytes.resize(size);
    ASSERT_FALSE(to_bob(cut)) << "cut to " << size;
  }
  EXPECT_EQ(bob.with(alice.address).write(), before);
  EXPECT_EQ(to_bob(message), "whole");
}

TEST_F(SessionTest, AFailedPrekeyMessageChangesNothing) {
  ASSERT_TRUE(alice.open(bob.address, bob.bundle()));
  const CiphertextMessage message = from_alice("whole");
  const auto parsed = PreKeySignalMessage::parse(message.bytes);
  // Every part but the registration id, which nothing authenticates, is tried: the ids, the keys,
  // the ciphertext, and the message inside.
  const std::vector<Bytes> parts{parsed->kyber_ciphertext, parsed->message};
  for (const Bytes part : parts) {
    for (std::size_t i = 0; i < part.size(); i += 1 + part.size() / 40) {
      CiphertextMessage changed = message;
      changed.bytes[static_cast<std::size_t>(part.data() - message.bytes.data()) + i] ^= 1;
      ASSERT_FALSE(to_bob(changed)) << "byte " << i;
      ASSERT_EQ(bobs().current(), nullptr);
    }
  }
  const auto refused = [&](auto&& change) {
    PreKeySignalMessage other = *parsed;
    change(other);
    const auto read = to_bob({MessageKind::prekey, other.encode()});
    return !read && bobs().current() == nullptr;
  };
  EXPECT_TRUE(refused([](auto& m) { m.one_time_prekey_id.reset(); }));
  EXPECT_TRUE(refused([](auto& m) { m.one_time_prekey_id = 99; }));
  EXPECT_TRUE(refused([](auto& m) { m.signed_prekey_id = 99; }));
  EXPECT_TRUE(refused([](auto& m) { m.kyber_prekey_id = 99; }));
  EXPECT_TRUE(refused([&](auto& m) { m.base_key = bob.identity.public_key; }));
  EXPECT_TRUE(refused([&](auto& m) { m.identity_key = bob.identity.public_key; }));
  EXPECT_TRUE(refused([&](auto& m) { m.identity_key = {}; }));
  EXPECT_EQ(to_bob(message), "whole");
}

TEST_F(SessionTest, AnIdentityThatAMessageOnlyNames) {
  ASSERT_TRUE(alice.open(bob.address, bob.bundle()));
  ASSERT_EQ(to_bob(from_alice("one")), "one");
  const CiphertextMessage second = from_alice("two");
  PreKeySignalMessage other = *PreKeySignalMessage::parse(second.bytes);
  other.identity_key = bob.identity.public_key;
  EXPECT_EQ(code_of(to_bob({MessageKind::prekey, other.encode()})), ErrorCode::invalid);
  EXPECT_EQ(bobs().current()->remote_identity, alice.identity.public_key);
  EXPECT_EQ(to_bob(second), "two");
}

TEST_F(SessionTest, AnIdentityThatIsNotTheKnownOne) {
  establish();
  Device mallory("bob@example.org", 5);
  alice.known_identity = mallory.identity.public_key;
  EXPECT_EQ(code_of(alice.send(bob.address, "text")), ErrorCode::refused);
  EXPECT_EQ(code_of(to_alice(from_bob("text"))), ErrorCode::refused);
  EXPECT_EQ(code_of(alice.open(bob.address, bob.bundle())), ErrorCode::refused);
  ASSERT_TRUE(bob.open(alice.address, alice.bundle()));
  EXPECT_EQ(code_of(to_alice(from_bob("text"))), ErrorCode::refused);
  alice.known_identity = bob.identity.public_key;
  EXPECT_EQ(to_alice(from_bob("text")), "text");
}

TEST_F(SessionTest, WithoutASession) {
  EXPECT_EQ(code_of(alice.send(bob.address, "text")), ErrorCode::not_found);
  EXPECT_FALSE(alices().can_send(alice.now));
  ASSERT_TRUE(bob.open(alice.address, alice.bundle()));
  ASSERT_EQ(to_alice(from_bob("text")), "text");
  const CiphertextMessage message = from_alice("text");
  ASSERT_EQ(message.kind, MessageKind::signal);
  bob.records.clear();
  EXPECT_EQ(code_of(to_bob(message)), ErrorCode::not_found);
  Device carol("carol@example.org", 6);
  ASSERT_TRUE(bob.open(alice.address, carol.bundle()));
  EXPECT_EQ(code_of(to_bob(message)), ErrorCode::invalid) << "of a session that is not here";
}

TEST_F(SessionTest, BothOpenAtOnce) {
  ASSERT_TRUE(alice.open(bob.address, bob.bundle()));
  ASSERT_TRUE(bob.open(alice.address, alice.bundle()));
  const CiphertextMessage alices_first = from_alice("a1");
  const CiphertextMessage alices_second = from_alice("a2");
  const CiphertextMessage bobs_first = from_bob("b1");
  EXPECT_EQ(to_alice(bobs_first), "b1");
  EXPECT_EQ(to_bob(alices_first), "a1");
  EXPECT_EQ(to_bob(alices_second), "a2");
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(to_bob(from_alice("on")), "on");
    EXPECT_EQ(to_alice(from_bob("back")), "back");
  }
  EXPECT_EQ(alices().current()->base_key, bobs().current()->base_key) << "they agree";
  EXPECT_EQ(alices().archived_count(), 1u);
  EXPECT_EQ(bobs().archived_count(), 1u);
}

TEST_F(SessionTest, AResetSessionStillReadsWhatIsLate) {
  establish();
  const CiphertextMessage late = from_bob("late");
  alices().archive_current();
  EXPECT_EQ(code_of(alice.send(bob.address, "text")), ErrorCode::not_found);
  ASSERT_TRUE(alice.open(bob.address, bob.bundle()));
  EXPECT_EQ(to_alice(late), "late");
  EXPECT_EQ(code_of(to_alice(late)), ErrorCode::exists);
  // What was late has made its session the current one again, as libsignal does.
  EXPECT_EQ(to_bob(from_alice("old session")), "old session");
  EXPECT_EQ(alices().archived_count(), 1u);
}

TEST_F(SessionTest, ALastResortDoesNotOpenTheSameSessionTwice) {
  ASSERT_TRUE(alice.open(bob.address, bob.bundle({.one_time = false, .last_resort = true})));
  const CiphertextMessage message = from_alice("one");
  ASSERT_EQ(to_bob(message), "one");
  bob.records.clear();
  EXPECT_EQ(code_of(to_bob(message)), ErrorCode::exists);
  EXPECT_EQ(bobs().current(), nullptr);
}

TEST_F(SessionTest, NamesInAMessage) {
  alice.address.name = "9d0652a3-dcc3-4d11-975f-74d61598733f";
  bob.address.name = "796abedb-ca4e-4f18-8803-1fde5b921f9f";
  establish();
  // Written by hand, since we never put names in.
  SessionState& state = *SessionEdit(alices()).current();
  const auto with_names = [&](const ProtocolAddress& sender, const ProtocolAddress& receiver) {
    const auto pq = state.pq.send(alice.random);
    const MessageKeys keys =
        derive_message_keys(state.sender_chain.message_seed(), pq->key.bytes());
    const auto ciphertext = aes_cbc_encrypt({keys.cipher_key, keys.iv}, as_bytes("named"));
    const auto names = encode_addresses({sender, receiver});
    SignalMessage message;
    message.ratchet_key = state.ratchet.public_key;
    message.counter = state.sender_chain.index;
    message.ciphertext = ciphertext;
    message.pq_ratchet = pq->message;
    message.addresses = *names;
    state.sender_chain = state.sender_chain.next();
    return CiphertextMessage{
        MessageKind::signal,
        message.encode(keys.mac_key, {state.local_identity, state.remote_identity})};
  };
  EXPECT_EQ(to_bob(with_names(alice.address, bob.address)), "named");
  EXPECT_EQ(code_of(to_bob(with_names(bob.address, alice.address))), ErrorCode::invalid);
  const ProtocolAddress other{bob.address.name, 2};
  EXPECT_EQ(code_of(to_bob(with_names(alice.address, other))), ErrorCode::invalid);
}

}  // namespace
}  // namespace godwit::crypto::signal
