// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "crypto/signal/spqr/spqr.h"
#include "tests/crypto/spqr/stored_form.h"

// Single steps of an agreement that random schedules come to by chance or not at all: messages late
// by whole epochs, and the side roads of who encapsulates.

namespace godwit::crypto::signal {
namespace {

constexpr std::size_t state_number_at = 1 + 8 + Authenticator::write_size;

template <typename State>
bool is_in(const Spqr& ratchet) {
  const auto form = stored_form(ratchet);
  ByteReader in(Bytes(form).subspan(state_number_at));
  return std::holds_alternative<State>(braid::read(in));
}

struct Pair {
  SeededRandom random{11};
  Spqr alice = Spqr::start(Secret<32>(), Role::alice);
  Spqr bob = Spqr::start(Secret<32>(), Role::bob);

  std::vector<std::uint8_t> from_alice() { return alice.send(random)->message; }
  std::vector<std::uint8_t> from_bob() { return bob.send(random)->message; }
  void exchange() {
    ASSERT_TRUE(bob.receive(from_alice()));
    ASSERT_TRUE(alice.receive(from_bob()));
  }
  // Bob has the header and has sent one chunk of ct1, so that Alice sends her vector; nothing of
  // what Bob sends later comes.
  void begin_vector() {
    for (int i = 0; i < 3; ++i) exchange();
    ASSERT_TRUE(is_in<braid::HeaderSent>(alice));
    ASSERT_TRUE(is_in<braid::Ct1Sampled>(bob));
  }
};

// The chunks of a header, of a vector while ct1 comes, and of ct2, where none is lost.
TEST(BraidSteps, AnAgreementTakesAsManyMessagesAsItsChunks) {
  Pair pair;
  for (int i = 0; i < 43; ++i) {
    ASSERT_EQ(pair.alice.epoch(), 1U) << i;
    pair.exchange();
    // Three chunks of header, the last of which lets ct1 begin, and thirty of ct1.
    if (i < 33) {
      ASSERT_EQ(is_in<braid::Ct1Received>(pair.alice), i >= 31) << i;
    }
  }
  EXPECT_EQ(pair.alice.epoch(), 2U);
  EXPECT_EQ(pair.bob.epoch(), 1U);
  pair.exchange();
  EXPECT_EQ(pair.bob.epoch(), 2U);
}

TEST(BraidSteps, ChunksOfAnEarlierAgreementAreNotTakenForThisOnes) {
  Pair pair;
  while (pair.bob.epoch() < 3) pair.exchange();
  ASSERT_TRUE(is_in<braid::NoHeaderReceived>(pair.bob));
  const auto braid_of = [](const Spqr& ratchet) {
    const auto form = stored_form(ratchet);
    ByteReader in(Bytes(form).subspan(1));
    return stored_form(Braid::read(in));
  };
  const auto before = braid_of(pair.bob);
  SpqrMessage late{.braid = {.epoch = 1, .type = BraidType::header}, .index = 500};
  late.braid.chunk.index = 900;
  ASSERT_TRUE(pair.bob.receive(encode(late)));
  EXPECT_EQ(braid_of(pair.bob), before);
  late.braid.epoch = 3;
  ASSERT_TRUE(pair.bob.receive(encode(late)));
  EXPECT_NE(braid_of(pair.bob), before) << "of this one it is taken";
}

// Bob has the key of the epoch, and so a chain for the messages after it, but cannot have got one.
TEST(BraidSteps, TheNextEpochBeginsOnlyAfterCt2) {
  Pair pair;
  pair.begin_vector();
  const auto before = stored_form(pair.bob);
  const auto key = pair.bob.receive(encode({.braid = {.epoch = 2}, .index = 1}));
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code, ErrorCode::not_found);
  EXPECT_EQ(stored_form(pair.bob), before);
  for (int i = 3; i < 42; ++i) pair.exchange();
  ASSERT_TRUE(is_in<braid::Ct2Sampled>(pair.bob));
  ASSERT_FALSE(pair.bob.receive(encode({.braid = {.epoch = 3}, .index = 1})));
  ASSERT_TRUE(pair.bob.receive(encode({.braid = {.epoch = 2}, .index = 1})));
  EXPECT_EQ(pair.bob.epoch(), 2U);
}

TEST(BraidSteps, AVectorThatComesBeforeCt1IsThereIsCheckedAtOnce) {
  Pair pair;
  pair.begin_vector();
  for (int chunk = 0; chunk < 35; ++chunk) ASSERT_TRUE(pair.bob.receive(pair.from_alice()));
  const auto last = pair.from_alice();
  auto changed = last;
  changed.back() ^= 1;
  const auto before = stored_form(pair.bob);
  const auto key = pair.bob.receive(changed);
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code, ErrorCode::refused);
  EXPECT_EQ(stored_form(pair.bob), before);
  ASSERT_TRUE(pair.bob.receive(last));
  EXPECT_TRUE(is_in<braid::EkReceivedCt1Sampled>(pair.bob));
  while (pair.alice.epoch() == 1) pair.exchange();
}

TEST(BraidSteps, AChunkSentBeforeAnAcknowledgementCountsAfterIt) {
  Pair pair;
  pair.begin_vector();
  const auto late = pair.from_alice();
  for (int i = 0; i < 34; ++i) pair.exchange();
  ASSERT_TRUE(pair.bob.receive(pair.from_alice()));
  ASSERT_TRUE(is_in<braid::Ct1Acknowledged>(pair.bob));
  ASSERT_TRUE(pair.bob.receive(late));
  EXPECT_TRUE(is_in<braid::Ct2Sampled>(pair.bob));
}

// Between taking ct1 and finishing, chains may be an epoch ahead of the braid, but not in sending.
TEST(BraidSteps, AStateThatWouldSendInAnEpochThePeerHasNotGotIsCorrupt) {
  Pair pair;
  pair.begin_vector();
  auto form = stored_form(pair.bob);
  constexpr std::size_t chain = Chains::chain_write_size;
  constexpr std::size_t chains_size = 50 + 2 * (2 * chain + 2);
  const auto chains = form.begin() + static_cast<std::ptrdiff_t>(form.size() - chains_size);
  ASSERT_EQ(chains[49], 2) << "two epochs";
  chains[48] = 1;  // the sending epoch; the one before it then has no chain for sending
  form.erase(chains + 50, chains + 50 + chain);
  ByteReader in(Bytes(form).last(chains_size - chain));
  Chains::read(in);
  ASSERT_TRUE(in.ok() && in.at_end()) << "the chains alone are sound";
  const auto read = Spqr::read(form);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace godwit::crypto::signal
