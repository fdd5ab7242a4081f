// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/spqr/chains.h"

#include <gtest/gtest.h>

#include "tests/crypto/spqr/stored_form.h"

// Chains alone: which keys there are, in which order, how far ahead and for how long.

namespace godwit::crypto::signal {
namespace {

Secret<32> key_of(std::uint8_t byte) {
  Secret<32> key;
  std::ranges::fill(key.writable(), byte);
  return key;
}

struct Pair {
  Chains alice = Chains::start(key_of(1), Role::alice);
  Chains bob = Chains::start(key_of(1), Role::bob);

  void add(std::uint64_t epoch) {
    const auto byte = static_cast<std::uint8_t>(epoch);
    alice.add({.epoch = epoch, .key = key_of(byte)});
    bob.add({.epoch = epoch, .key = key_of(byte)});
  }

  // Alice's key of that index; those before it are taken.
  Secret<32> sent(std::uint64_t epoch, std::uint32_t index) {
    for (;;) {
      auto taken = alice.send(epoch);
      if (taken->index == index) return std::move(taken->key);
    }
  }
};

ErrorCode error_of(Result<Secret<32>> result) {
  EXPECT_FALSE(result);
  return result ? ErrorCode{} : result.error().code;
}

TEST(Chains, BothSidesHaveTheSameKeysInEachDirectionAndEpoch) {
  Pair pair;
  std::vector<std::string> seen;
  for (std::uint64_t epoch = 0; epoch < 4; ++epoch) {
    if (epoch > 0) pair.add(epoch);
    for (std::uint32_t index = 1; index <= 3; ++index) {
      for (auto [from, to] :
           {std::pair(&pair.alice, &pair.bob), std::pair(&pair.bob, &pair.alice)}) {
        const auto sent = from->send(epoch);
        ASSERT_TRUE(sent);
        EXPECT_EQ(sent->index, index);
        const auto received = to->receive(epoch, index);
        ASSERT_TRUE(received);
        EXPECT_TRUE(received->equals(sent->key));
        seen.push_back(to_hex(sent->key.bytes()));
      }
    }
  }
  std::ranges::sort(seen);
  EXPECT_EQ(std::ranges::unique(seen).begin(), seen.end()) << "a key twice";
}

TEST(Chains, KeysComeInAnyOrderAndOnceEach) {
  Pair pair;
  std::vector<Secret<32>> sent;
  for (int i = 0; i < 5; ++i) sent.push_back(std::move(pair.alice.send(0)->key));
  for (std::uint32_t index : {5, 1, 3, 4, 2}) {
    const auto key = pair.bob.receive(0, index);
    ASSERT_TRUE(key) << index;
    EXPECT_TRUE(key->equals(sent[index - 1]));
    const auto before = stored_form(pair.bob);
    EXPECT_EQ(error_of(pair.bob.receive(0, index)), ErrorCode::expired);
    EXPECT_EQ(stored_form(pair.bob), before);
  }
}

TEST(Chains, AJumpOfTheLimitIsTakenAndOneMoreIsNot) {
  Pair pair;
  ASSERT_TRUE(pair.bob.receive(0, 1));
  const auto before = stored_form(pair.bob);
  EXPECT_EQ(error_of(pair.bob.receive(0, chain_jump_max + 2)), ErrorCode::limit);
  EXPECT_EQ(stored_form(pair.bob), before);
  const auto key = pair.bob.receive(0, chain_jump_max + 1);
  ASSERT_TRUE(key);
  EXPECT_TRUE(key->equals(pair.sent(0, chain_jump_max + 1)));
  // Only the last of those before it are kept.
  EXPECT_EQ(error_of(pair.bob.receive(0, chain_jump_max - skipped_keys_max)), ErrorCode::expired);
  EXPECT_TRUE(pair.bob.receive(0, chain_jump_max + 1 - skipped_keys_max));
  EXPECT_TRUE(pair.bob.receive(0, chain_jump_max));
}

TEST(Chains, SkippedKeysAreKeptUpToTheirLimit) {
  constexpr auto limit = static_cast<std::uint32_t>(skipped_keys_max);
  Pair pair;
  ASSERT_TRUE(pair.bob.receive(0, limit + 1));
  EXPECT_TRUE(pair.bob.copy().receive(0, 1)) << "at the limit";
  EXPECT_LE(pair.bob.write_size(), Chains::write_size_max);
  ASSERT_TRUE(pair.bob.receive(0, limit + 3));
  EXPECT_EQ(error_of(pair.bob.receive(0, 1)), ErrorCode::expired) << "one above";
  EXPECT_TRUE(pair.bob.receive(0, 2));
}

TEST(Chains, SkippedKeysOfTheOldestEpochGoFirst) {
  constexpr auto limit = static_cast<std::uint32_t>(skipped_keys_max);
  Pair pair;
  ASSERT_TRUE(pair.bob.receive(0, 11));
  pair.add(1);
  ASSERT_TRUE(pair.bob.receive(1, limit - 10 + 1));
  EXPECT_TRUE(pair.bob.copy().receive(0, 1)) << "at the limit";
  ASSERT_TRUE(pair.bob.receive(1, limit - 10 + 4));
  EXPECT_EQ(error_of(pair.bob.receive(0, 2)), ErrorCode::expired) << "two above";
  EXPECT_TRUE(pair.bob.receive(0, 3));
  EXPECT_TRUE(pair.bob.receive(1, 1));
}

TEST(Chains, EpochsAreKeptForMessagesThatAreLate) {
  Pair pair;
  for (std::uint64_t epoch = 1; epoch <= late_epochs_kept + 1; ++epoch) pair.add(epoch);
  ASSERT_TRUE(pair.bob.send(late_epochs_kept));
  EXPECT_TRUE(pair.bob.receive(0, 1)) << "as late as may be";
  ASSERT_TRUE(pair.bob.send(late_epochs_kept + 1));
  EXPECT_EQ(error_of(pair.bob.receive(0, 2)), ErrorCode::expired) << "one later";
  EXPECT_TRUE(pair.bob.receive(1, 1));
  EXPECT_TRUE(pair.bob.receive(late_epochs_kept + 1, 1));
  EXPECT_EQ(error_of(pair.bob.receive(late_epochs_kept + 2, 1)), ErrorCode::not_found);
}

// The stored form: role, root, two epochs and a count, then the first chain's key.
constexpr std::size_t sending_index_at = 1 + 32 + 8 + 8 + 1 + 32;

TEST(Chains, TheLastIndexIsUsedAndNoneAfterIt) {
  const Chains chains = Chains::start(key_of(1), Role::alice);
  auto form = stored_form(chains);
  for (std::size_t i = 0; i < 3; ++i) form[sending_index_at + i] = 0xff;
  form[sending_index_at + 3] = 0xfe;
  ByteReader in(form);
  Chains last = Chains::read(in);
  ASSERT_TRUE(in.ok() && in.at_end());
  const auto sent = last.send(0);
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->index, chain_index_max);
  const auto before = stored_form(last);
  const auto none = last.send(0);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::limit);
  EXPECT_EQ(stored_form(last), before);
}

TEST(Chains, MoreSkippedKeysThanAreKeptAreRefused) {
  Pair pair;
  pair.add(1);
  ASSERT_TRUE(pair.bob.receive(0, 2));
  ASSERT_TRUE(pair.bob.receive(1, static_cast<std::uint32_t>(skipped_keys_max)));
  auto form = stored_form(pair.bob);
  const auto read = [&form] {
    ByteReader in(form);
    Chains::read(in);
    return in.ok() && in.at_end();
  };
  EXPECT_TRUE(read()) << "at the limit";
  // One more in the first epoch, which has the key of index 1: of index 2, with the chain at 3.
  const std::size_t receiving_index_at = sending_index_at + 4 + 32;
  const std::size_t skipped_at = receiving_index_at + 4 + 2;
  form[receiving_index_at + 3] = 3;
  form[skipped_at - 1] = 2;
  std::vector<std::uint8_t> more(form.begin() + static_cast<std::ptrdiff_t>(skipped_at),
                                 form.begin() + static_cast<std::ptrdiff_t>(skipped_at + 36));
  more[3] = 2;
  form.insert(form.begin() + static_cast<std::ptrdiff_t>(skipped_at + 36), more.begin(),
              more.end());
  EXPECT_FALSE(read()) << "one above";
}

TEST(Chains, DamagedFormsAreRefused) {
  Pair pair;
  pair.add(1);
  ASSERT_TRUE(pair.bob.receive(0, 4));
  const auto form = stored_form(pair.bob);
  const auto refused = [](const std::vector<std::uint8_t>& bytes) {
    ByteReader in(bytes);
    Chains::read(in);
    return !in.ok() || !in.at_end();
  };
  EXPECT_FALSE(refused(form));
  for (std::size_t size = 0; size < form.size(); ++size) {
    ASSERT_TRUE(refused({form.begin(), form.begin() + static_cast<std::ptrdiff_t>(size)})) << size;
  }
  const auto with = [&form](std::size_t place, std::uint8_t byte) {
    auto bytes = form;
    bytes[place] = byte;
    return bytes;
  };
  EXPECT_TRUE(refused(with(0, 2))) << "no such role";
  EXPECT_TRUE(refused(with(40, 1))) << "the first epoch after the sending epoch";
  EXPECT_TRUE(refused(with(49, 0))) << "no epochs";
  EXPECT_TRUE(refused(with(49, 3))) << "more epochs than there can be";
  const std::size_t skipped_at = 50 + 2 * Chains::chain_write_size + 2;
  EXPECT_EQ(form[skipped_at + 3], 1);
  EXPECT_TRUE(refused(with(skipped_at + 3, 0))) << "an index 0";
  EXPECT_TRUE(refused(with(skipped_at + 3, 2))) << "an index twice";
  EXPECT_TRUE(refused(with(skipped_at + 2 * 36 + 3, 4))) << "an index not yet passed";
}

}  // namespace
}  // namespace godwit::crypto::signal
