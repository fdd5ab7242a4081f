// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/session.h"

#include <gtest/gtest.h>

#include "tests/crypto/signal/device.h"

// Two devices and their sessions: what each rule of session.h says, one test a rule.

namespace godwit::crypto::signal {
namespace {

using testing::Device;

class SessionTest : public ::testing::Test {
 protected:
  CiphertextMessage from_alice(std::string_view text) {
    auto message = alice.send(bob.address, text);
    GODWIT_CHECK(message.has_value());
    return std::move(*message);
  }
  CiphertextMessage from_bob(std::string_view text) {
    auto message = bob.send(alice.address, text);
    GODWIT_CHECK(message.has_value());
    return std::move(*message);
  }
  Result<std::string> to_alice(const CiphertextMessage& message) {
    return alice.receive(bob.address, message);
  }
  Result<std::string> to_bob(const CiphertextMessage& message) {
    return bob.receive(alice.address, message);
  }
  // A session that both have used.
  void establish() {
    ASSERT_TRUE(alice.open(bob.address, bob.bundle()));
    ASSERT_EQ(to_bob(from_alice("first")), "first");
    ASSERT_EQ(to_alice(from_bob("second")), "second");
  }

  Device alice{"alice@example.org", 1};
  Device bob{"bob@example.org", 2};
};

template <typename T>
ErrorCode code_of(const Result<T>& result) {
  GODWIT_CHECK(!result.has_value());
  return result.error().code;
}

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
  const std::size_t step = message.bytes.size() / 100;
  for (std::size_t i = 1; i < message.bytes.size(); i += step) {
    CiphertextMessage changed = message;
    changed.bytes[i] ^= 1;
    if (to_bob(changed)) {
      // The registration id is not authenticated: only where the session begins.
      bob.records.clear();
      FAIL() << "byte " << i;
    }
    ASSERT_EQ(bob.with(alice.address).current(), nullptr);
  }
  EXPECT_EQ(to_bob(message), "whole");
}

TEST_F(SessionTest, ForwardJump) {
  establish();
  for (std::uint32_t i = 0; i < forward_jump_max; ++i) {
    SessionState* const state = const_cast<SessionState*>(alice.with(bob.address).current());
    state->sender_chain = state->sender_chain.next();
  }
  const CiphertextMessage at = from_alice("at the limit");
  Device copy("bob@example.org", 3);
  const CiphertextMessage above = from_alice("above");
  EXPECT_EQ(code_of(to_bob(above)), ErrorCode::limit);
  EXPECT_EQ(to_bob(at), "at the limit");
  EXPECT_EQ(to_bob(above), "above");
}

}  // namespace
}  // namespace godwit::crypto::signal
