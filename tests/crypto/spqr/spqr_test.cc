// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/spqr/spqr.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/crypto/spqr/stored_form.h"

// Two ratchets against each other over a connection that loses, doubles and reorders as a seed
// says. After every step the state is stored and read again. Whatever the connection does, both
// sides have the same key for a message, each key once, and the agreements go on.

namespace godwit::crypto::signal {
namespace {

Secret<32> session_key() {
  Secret<32> key;
  std::ranges::fill(key.writable(), 7);
  return key;
}

// In a stored form: after the version, the epoch and the authenticator.
constexpr std::size_t state_number_at = 1 + 8 + Authenticator::write_size;

struct Schedule {
  std::uint64_t seed = 1;
  std::uint64_t lost_percent = 0;
  std::uint64_t doubled_percent = 0;
  std::size_t late_max = 0;     // how many messages may wait in one direction
  std::uint64_t burst_max = 1;  // messages of one side in a row
  int messages = 300;
};

struct Side {
  Spqr ratchet;
  std::vector<Spqr::Sent> to_peer{};
};

class Conversation {
 public:
  explicit Conversation(const Schedule& schedule) : schedule_(schedule), random_(schedule.seed) {}

  void run() {
    int sent = 0;
    while (sent < schedule_.messages && !::testing::Test::HasFatalFailure()) {
      Side& from = random_.below(2) == 0 ? alice_ : bob_;
      for (std::uint64_t burst = 1 + random_.below(schedule_.burst_max); burst > 0;
           --burst, ++sent) {
        send(from);
      }
      deliver(alice_, bob_);
      deliver(bob_, alice_);
    }
  }

  std::uint64_t epoch() const { return std::min(alice_.ratchet.epoch(), bob_.ratchet.epoch()); }
  const std::set<std::uint8_t>& states() const { return states_; }
  std::size_t state_size_max() const { return state_size_max_; }

 private:
  void send(Side& from) {
    auto sent = from.ratchet.send(random_);
    ASSERT_TRUE(sent);
    ASSERT_LE(sent->message.size(), spqr_message_size_max);
    store(from);
    if (random_.below(100) < schedule_.lost_percent) return;
    if (random_.below(100) < schedule_.doubled_percent) {
      from.to_peer.push_back({.message = sent->message, .key = sent->key.copy()});
    }
    from.to_peer.push_back(std::move(*sent));
  }

  void deliver(Side& from, Side& to) {
    const std::size_t waiting = schedule_.late_max == 0 ? 0 : random_.below(schedule_.late_max + 1);
    while (from.to_peer.size() > waiting && !::testing::Test::HasFatalFailure()) {
      const std::size_t place = schedule_.late_max == 0 ? 0 : random_.below(from.to_peer.size());
      const Spqr::Sent message = std::move(from.to_peer[place]);
      from.to_peer.erase(from.to_peer.begin() + static_cast<std::ptrdiff_t>(place));
      receive(to, message);
    }
  }

  void receive(Side& to, const Spqr::Sent& sent) {
    const auto key = to.ratchet.receive(sent.message);
    if (key) {
      ASSERT_TRUE(key->equals(sent.key));
      store(to);
    }
    // The second time, or at once for a double: no key, and nothing has changed.
    const auto before = stored_form(to.ratchet);
    const auto again = to.ratchet.receive(sent.message);
    ASSERT_FALSE(again);
    ASSERT_EQ(again.error().code, ErrorCode::expired);
    ASSERT_EQ(stored_form(to.ratchet), before);
    if (!key) {
      ASSERT_GT(schedule_.doubled_percent, 0U) << key.error().message;
    }
  }

  void store(Side& side) {
    const auto form = stored_form(side.ratchet);
    state_size_max_ = std::max(state_size_max_, form.size());
    auto read = Spqr::read(form);
    ASSERT_TRUE(read) << read.error().message;
    ASSERT_EQ(stored_form(*read), form);
    states_.insert(form[state_number_at]);
    side.ratchet = random_.below(2) == 0 ? std::move(*read) : read->copy();
  }

  Schedule schedule_;
  SeededRandom random_;
  Side alice_{Spqr::start(session_key(), Role::alice)};
  Side bob_{Spqr::start(session_key(), Role::bob)};
  std::size_t state_size_max_ = 0;
  std::set<std::uint8_t> states_;  // of the braid, by number
};

TEST(Spqr, EpochsAdvanceInAnOrdinaryConversation) {
  Conversation conversation({.seed = 1});
  conversation.run();
  EXPECT_GE(conversation.epoch(), 4U);
  EXPECT_LT(conversation.state_size_max(), 4096U) << "nothing was skipped";
}

TEST(Spqr, KeysAreTheSameWhateverIsLostDoubledOrLate) {
  std::set<std::uint8_t> states;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    Conversation conversation({.seed = seed,
                               .lost_percent = 5 * seed,
                               .doubled_percent = 20,
                               .late_max = 3 * seed,
                               .burst_max = 1 + 4 * (seed % 4),
                               .messages = 800});
    conversation.run();
    EXPECT_GE(conversation.epoch(), 4U) << seed;
    EXPECT_LE(conversation.state_size_max(), spqr_state_size_max);
    if (HasFatalFailure()) return;
    states.insert(conversation.states().begin(), conversation.states().end());
  }
  EXPECT_EQ(states.size(), std::variant_size_v<braid::State>) << "a state that no schedule came to";
}

TEST(Spqr, AgreementWaitsForAnswersAndThenGoesOn) {
  Conversation bursts({.seed = 3, .burst_max = 120, .messages = 2'000});
  bursts.run();
  EXPECT_GE(bursts.epoch(), 3U);
}

TEST(Spqr, AllButTheChunksNeededMayBeLost) {
  Conversation conversation({.seed = 5, .lost_percent = 80, .late_max = 5, .messages = 2'000});
  conversation.run();
  EXPECT_GE(conversation.epoch(), 3U);
}

// Each side's randomness is new in each agreement, so who read one state is out again later.
TEST(Spqr, ACopyThatIsReadDoesNotFollowForEver) {
  SeededRandom random(1), other(2);
  Spqr alice = Spqr::start(session_key(), Role::alice);
  Spqr bob = Spqr::start(session_key(), Role::bob);
  Spqr thief = bob.copy();
  bool followed = true;
  for (int i = 0; i < 200; ++i) {
    const auto to_bob = alice.send(random);
    const auto key = bob.receive(to_bob->message);
    ASSERT_TRUE(key && key->equals(to_bob->key));
    const auto stolen = thief.receive(to_bob->message);
    followed = stolen && stolen->equals(to_bob->key);
    ASSERT_TRUE(followed || alice.epoch() > 1) << "the first epoch is the thief's";
    const auto to_alice = bob.send(random);
    ASSERT_TRUE(alice.receive(to_alice->message));
    ASSERT_TRUE(thief.send(other));
  }
  EXPECT_GE(alice.epoch(), 3U);
  EXPECT_FALSE(followed);
}

// Whoever changes a message in any bit gets an error, or a state that the caller drops when the MAC
// over the message fails; the state that was there goes on.
TEST(Spqr, AChangedMessageNeverHarmsTheStateThatIsKept) {
  SeededRandom random(4);
  Spqr alice = Spqr::start(session_key(), Role::alice);
  Spqr bob = Spqr::start(session_key(), Role::bob);
  for (int i = 0; i < 250; ++i) {
    const bool to_bob = i % 2 == 0;
    const auto sent = (to_bob ? alice : bob).send(random);
    Spqr& receiver = to_bob ? bob : alice;
    auto changed = sent->message;
    changed[random.below(changed.size())] ^= static_cast<std::uint8_t>(1 + random.below(255));
    Spqr trial = receiver.copy();
    const auto before = stored_form(receiver);
    if (!trial.receive(changed)) {
      ASSERT_EQ(stored_form(trial), before);
    }
    ASSERT_EQ(stored_form(receiver), before);
    const auto key = receiver.receive(sent->message);
    ASSERT_TRUE(key && key->equals(sent->key));
  }
  EXPECT_GE(alice.epoch(), 3U);
}

// A pair just before an agreement's step: `type` is the chunk that completes it at `receiver`.
struct Moment {
  Spqr receiver;
  std::vector<std::uint8_t> message;
};

Moment moment_before(BraidType type, std::uint16_t chunk_index) {
  SeededRandom random(6);
  Spqr alice = Spqr::start(session_key(), Role::alice);
  Spqr bob = Spqr::start(session_key(), Role::bob);
  for (int i = 0; i < 400; ++i) {
    const bool to_bob = i % 2 == 0;
    const auto sent = (to_bob ? alice : bob).send(random);
    Spqr& receiver = to_bob ? bob : alice;
    const auto message = decode_spqr_message(sent->message)->braid;
    if (message.type == type && message.chunk.index == chunk_index) {
      return {.receiver = std::move(receiver), .message = sent->message};
    }
    EXPECT_TRUE(receiver.receive(sent->message));
  }
  ADD_FAILURE() << "no such message";
  return {.receiver = std::move(alice), .message = {}};
}

TEST(Spqr, PartsThatThePeerDidNotMakeAreRefused) {
  for (auto [type, chunk_index] :
       {std::pair(BraidType::header, 2), std::pair(BraidType::ek_ct1_ack, 35),
        std::pair(BraidType::ct2, 4)}) {
    Moment moment = moment_before(type, static_cast<std::uint16_t>(chunk_index));
    ASSERT_FALSE(moment.message.empty());
    const auto before = stored_form(moment.receiver);
    auto changed = moment.message;
    changed.back() ^= 1;
    const auto key = moment.receiver.receive(changed);
    ASSERT_FALSE(key) << static_cast<int>(type);
    EXPECT_EQ(key.error().code, ErrorCode::refused);
    EXPECT_EQ(stored_form(moment.receiver), before);
    EXPECT_TRUE(moment.receiver.receive(moment.message));
  }
}

TEST(Spqr, AnEpochThatCannotHaveBegunIsNotFound) {
  Spqr bob = Spqr::start(session_key(), Role::bob);
  for (std::uint64_t epoch : {std::uint64_t{2}, std::uint64_t{3}, ~std::uint64_t{0}}) {
    const auto key = bob.receive(encode({.braid = {.epoch = epoch}, .index = 1}));
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code, ErrorCode::not_found);
  }
  EXPECT_TRUE(bob.receive(encode({.braid = {.epoch = 1}, .index = 1})));
}

TEST(Spqr, AnotherSessionsKeyGivesOtherKeys) {
  SeededRandom random(8);
  Spqr alice = Spqr::start(session_key(), Role::alice);
  Spqr stranger = Spqr::start(Secret<32>(), Role::bob);
  for (int i = 0; i < 3; ++i) {
    const auto sent = alice.send(random);
    const auto key = stranger.receive(sent->message);
    if (i < 2) {
      ASSERT_TRUE(key);
      EXPECT_FALSE(key->equals(sent->key));
    } else {
      ASSERT_FALSE(key) << "a header with another session's MAC";
      EXPECT_EQ(key.error().code, ErrorCode::refused);
    }
  }
}

TEST(Spqr, TheLargestStateIsAsLargeAsStated) {
  // Ct1Sampled with every chunk but one, all epochs, and as many keys skipped as are kept.
  SeededRandom random(9);
  Spqr alice = Spqr::start(session_key(), Role::alice);
  Spqr bob = Spqr::start(session_key(), Role::bob);
  std::size_t largest = 0;
  for (int i = 0; i < 800; ++i) {
    const auto to_bob = alice.send(random);
    const auto to_alice = bob.send(random);
    if (alice.epoch() < 5) {
      ASSERT_TRUE(bob.receive(to_bob->message));
    } else if (i % 2 == 0) {
      auto far = *decode_spqr_message(to_bob->message);
      far.index += 3'000;
      const auto key = bob.receive(encode(far));
      ASSERT_TRUE(key || key.error().code == ErrorCode::expired);
    }
    ASSERT_TRUE(alice.receive(to_alice->message));
    largest = std::max({largest, bob.write_size(), alice.write_size()});
  }
  EXPECT_GT(largest, spqr_state_size_max - 500);
  EXPECT_LE(largest, spqr_state_size_max);
}

TEST(Spqr, StoredFormsThatAreDamagedAreCorruptOrHarmless) {
  for (auto [type, chunk_index] :
       {std::pair(BraidType::header, 1), std::pair(BraidType::ek, 3), std::pair(BraidType::ct1, 9),
        std::pair(BraidType::ek_ct1_ack, 34), std::pair(BraidType::ct2, 2)}) {
    const Moment moment = moment_before(type, static_cast<std::uint16_t>(chunk_index));
    const auto form = stored_form(moment.receiver);
    ASSERT_TRUE(Spqr::read(form));
    for (std::size_t size = 0; size < form.size(); ++size) {
      const auto cut = Spqr::read(Bytes(form).first(size));
      ASSERT_FALSE(cut) << size;
      ASSERT_EQ(cut.error().code, ErrorCode::corrupt);
    }
    auto longer = form;
    longer.push_back(0);
    ASSERT_FALSE(Spqr::read(longer));
    SeededRandom random(10);
    for (std::size_t place = 0; place < form.size(); ++place) {
      auto damaged = form;
      damaged[place] ^= static_cast<std::uint8_t>(1 << place % 8);
      auto read = Spqr::read(damaged);
      if (!read) continue;
      // Secrets have no form of their own; the state is another one, and still a state.
      ASSERT_EQ(stored_form(*read), damaged) << place;
      ASSERT_TRUE(read->send(random)) << place;
      (void)read->receive(moment.message);
      ASSERT_LE(read->write_size(), spqr_state_size_max);
    }
  }
}

TEST(Spqr, HalvesThatDoNotFitAreCorrupt) {
  const auto form = stored_form(Spqr::start(session_key(), Role::alice));
  const auto refused = [&form](std::size_t place, std::uint8_t byte) {
    auto damaged = form;
    damaged[place] = byte;
    const auto read = Spqr::read(damaged);
    return !read && read.error().code == ErrorCode::corrupt;
  };
  EXPECT_FALSE(refused(0, spqr_state_version));
  EXPECT_TRUE(refused(0, spqr_state_version + 1)) << "another version";
  EXPECT_TRUE(refused(8, 0)) << "the braid in epoch 0";
  EXPECT_TRUE(refused(8, 2)) << "the braid an epoch ahead of the chains";
  EXPECT_TRUE(refused(1, 0x40)) << "an epoch that no session reaches";
  EXPECT_TRUE(refused(state_number_at, 11)) << "no such state";
}

}  // namespace
}  // namespace godwit::crypto::signal
