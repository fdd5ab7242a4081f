// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/crypto/signal/session_pair.h"

// The limits of a session and of a record, at, below and above; and what is stored of them. The
// limits of one chain are in reading_chain_test.cc.

namespace godwit::crypto::signal {
namespace {

using testing::code_of;
using testing::Device;
using SessionLimits = testing::SessionPair;

TEST_F(SessionLimits, ForwardJump) {
  establish();
  ChainKey& chain = SessionEdit(alices()).current()->sender_chain;
  for (std::uint32_t i = 0; i < forward_jump_max; ++i) chain = chain.next();
  const CiphertextMessage at = from_alice("at the limit");
  const CiphertextMessage above = from_alice("above");
  EXPECT_EQ(code_of(to_bob(above)), ErrorCode::limit);
  EXPECT_EQ(to_bob(at), "at the limit");
  EXPECT_EQ(to_bob(above), "above");
}

TEST_F(SessionLimits, ReceiverChains) {
  establish();
  // Each is the first of its chain; the chain that it is of ages with each answer.
  std::vector<CiphertextMessage> late;
  for (std::size_t i = 0; i <= receiver_chains_max; ++i) {
    late.push_back(from_alice(std::to_string(i)));
    ASSERT_EQ(to_bob(from_alice("on")), "on");
    ASSERT_EQ(to_alice(from_bob("back")), "back");
  }
  EXPECT_EQ(bobs().current()->receiver_chains.size(), receiver_chains_max);
  EXPECT_FALSE(to_bob(late[0])) << "the sixth chain back";
  for (std::size_t i = 1; i < late.size(); ++i) EXPECT_EQ(to_bob(late[i]), std::to_string(i));
}

TEST_F(SessionLimits, ArchivedSessions) {
  std::vector<CiphertextMessage> late;
  for (std::size_t i = 0; i <= archived_sessions_max + 1; ++i) {
    ASSERT_TRUE(alice.open(bob.address, bob.bundle()));
    ASSERT_EQ(to_bob(from_alice("open")), "open");
    late.push_back(from_alice(std::to_string(i)));
    EXPECT_EQ(bobs().archived_count(), std::min(i, archived_sessions_max));
  }
  alice.restart();
  bob.restart();
  EXPECT_EQ(code_of(to_bob(late[0])), ErrorCode::not_found) << "the 41st";
  for (std::size_t i = 1; i < late.size(); ++i) {
    EXPECT_EQ(to_bob(late[i]), std::to_string(i));
    EXPECT_EQ(bobs().archived_count(), archived_sessions_max);
  }
}

TEST_F(SessionLimits, AnUnansweredSessionIsTooOldToSendWith) {
  ASSERT_TRUE(alice.open(bob.address, bob.bundle()));
  const WallTime begun = alice.now;
  const std::chrono::milliseconds one(1);
  alice.now = begun + unacknowledged_age_max - one;
  EXPECT_TRUE(alice.send(bob.address, "below"));
  alice.now = begun + unacknowledged_age_max;
  const auto at = alice.send(bob.address, "at");
  EXPECT_TRUE(at);
  alice.now = begun + unacknowledged_age_max + one;
  EXPECT_FALSE(alices().can_send(alice.now));
  EXPECT_EQ(code_of(alice.send(bob.address, "above")), ErrorCode::not_found);
  ASSERT_EQ(to_bob(*at), "at");
  ASSERT_EQ(to_alice(from_bob("answer")), "answer");
  alice.now = begun + 2 * unacknowledged_age_max;
  EXPECT_TRUE(alice.send(bob.address, "answered, so never too old"));
}

TEST_F(SessionLimits, TheLastNumberOfAChain) {
  establish();
  SessionEdit(alices()).current()->sender_chain.index = UINT32_MAX - 1;
  EXPECT_TRUE(alice.send(bob.address, "the last"));
  const SecretBytes before = alices().write();
  EXPECT_EQ(code_of(alice.send(bob.address, "one more")), ErrorCode::limit);
  EXPECT_EQ(alices().write(), before);
}

TEST_F(SessionLimits, StoredAndRead) {
  establish();
  from_alice("lost");
  ASSERT_EQ(to_bob(from_alice("on")), "on");
  ASSERT_TRUE(bob.open(alice.address, alice.bundle({.one_time = false})));
  const SecretBytes bytes = bobs().write();
  EXPECT_LE(bytes.size(), session_record_size_max);
  const auto read = SessionRecord::read(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->write(), bytes);
  EXPECT_EQ(read->copy().write(), bytes);
  for (std::size_t size = 0; size < bytes.size(); size += 1 + size / 50) {
    EXPECT_EQ(code_of(SessionRecord::read(Bytes(bytes).first(size))), ErrorCode::corrupt) << size;
  }
  SecretBytes longer = bytes;
  longer.push_back(0);
  EXPECT_EQ(code_of(SessionRecord::read(longer)), ErrorCode::corrupt);
  SecretBytes later = bytes;
  ++later[0];
  EXPECT_EQ(code_of(SessionRecord::read(later)), ErrorCode::corrupt) << "a later version";
  const SecretBytes empty = SessionRecord().write();
  EXPECT_EQ(SessionRecord::read(empty)->write(), empty);
}

// A chain with as many skipped keys as there may be.
ReadingChain full_chain() {
  ReadingChain chain({Secret<32>(), 0});
  GODWIT_CHECK(chain.take_seed(skipped_message_keys_max).has_value());
  return chain;
}

TEST_F(SessionLimits, TheLargestState) {
  ASSERT_TRUE(alice.open(bob.address, bob.bundle()));  // so that prekeys are pending
  SessionState state = alices().current()->copy();
  state.receiver_chains.clear();
  while (state.receiver_chains.size() < receiver_chains_max) {
    state.receiver_chains.push_back({KeyPair::generate(alice.random).public_key, full_chain()});
  }
  const SecretBytes bytes = state.write();
  EXPECT_EQ(bytes.size(), session_state_size_max - spqr_state_size_max + state.pq.write_size());
  EXPECT_EQ(SessionState::read(bytes)->write(), bytes);
  state.receiver_chains.push_back({alice.identity.public_key, full_chain()});
  EXPECT_EQ(code_of(SessionState::read(state.write())), ErrorCode::corrupt) << "a sixth chain";
}

TEST_F(SessionLimits, TheLargestRecord) {
  for (std::size_t i = 0; i <= archived_sessions_max; ++i) {
    ASSERT_TRUE(alice.open(bob.address, bob.bundle()));
  }
  const SecretBytes bytes = alices().write();
  EXPECT_TRUE(SessionRecord::read(bytes));
  // One archived session more, by hand: the count, and the last one again.
  const std::size_t state_size = alices().current()->write().size();
  const std::size_t count_at = 2 + 4 + state_size;
  const std::size_t entry_size = (bytes.size() - count_at - 4) / archived_sessions_max;
  SecretBytes more = bytes;
  ++more[count_at + 3];
  more.insert(more.end(), bytes.end() - static_cast<std::ptrdiff_t>(entry_size), bytes.end());
  EXPECT_EQ(code_of(SessionRecord::read(more)), ErrorCode::corrupt);
}

TEST_F(SessionLimits, ADamagedArchiveIsPassedOver) {
  establish();
  const CiphertextMessage late = from_alice("late");
  ASSERT_TRUE(alice.open(bob.address, bob.bundle()));
  ASSERT_EQ(to_bob(from_alice("new")), "new");
  ASSERT_EQ(to_alice(from_bob("answer")), "answer");
  SecretBytes bytes = bobs().write();
  const std::size_t current_size = bobs().current()->write().size();
  bytes[1 + 1 + 4 + current_size + 4 + 32 + 4] = 0xff;  // the version of the archived state
  auto damaged = SessionRecord::read(bytes);
  ASSERT_TRUE(damaged) << "the current session must go on";
  bobs() = std::move(*damaged);
  EXPECT_EQ(code_of(to_bob(late)), ErrorCode::invalid);
  EXPECT_EQ(to_bob(from_alice("on")), "on");
}

}  // namespace
}  // namespace godwit::crypto::signal
