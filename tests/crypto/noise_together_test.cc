// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>

#include "tests/crypto/noise_pair.h"

// Several handshakes whose messages are written and read together: each must go as it would alone,
// whatever the others are and however they end.

namespace godwit::crypto {
namespace {

using testing::all_patterns;
using testing::all_suites;
using testing::Message;
using testing::NoiseKeys;
using testing::NoisePair;

class NoiseTogether : public ::testing::Test {
 protected:
  NoisePair& add(NoisePattern pattern, NoiseSuite suite = all_suites[0]) {
    return pairs_.emplace_back(keys_, pattern, suite);
  }
  void add_all() {
    for (const NoisePattern pattern : all_patterns) {
      for (const NoiseSuite suite : all_suites) add(pattern, suite);
    }
  }

  // The next message of every pair that is not finished, with its number as the payload.
  void write_all() {
    under_way_.clear();
    messages_.clear();
    std::vector<NoiseHandshake::Write> writes;
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      if (pairs_[i].finished()) continue;
      receivers_.insert_or_assign(i, &pairs_[i].receiver());
      under_way_.push_back(i);
      payloads_[i] = static_cast<std::uint8_t>(i);
      messages_.emplace_back(noise_message_size_max);
      writes.push_back({pairs_[i].sender(), {&payloads_[i], 1}, messages_.back()});
    }
    NoiseHandshake::write_each(writes, keys_.random);
    for (std::size_t at = 0; at < writes.size(); ++at) {
      ASSERT_TRUE(writes[at].result) << writes[at].result.error().message;
      messages_[at].resize(*writes[at].result);
    }
  }
  // Which pairs' messages opened, with the payloads they were written with.
  std::vector<std::size_t> read_all() {
    std::vector<NoiseHandshake::Read> reads;
    std::vector<Message> payloads(messages_.size(), Message(noise_message_size_max));
    for (std::size_t at = 0; at < messages_.size(); ++at) {
      reads.push_back({*receivers_.at(under_way_[at]), messages_[at], payloads[at]});
    }
    NoiseHandshake::read_each(reads);
    std::vector<std::size_t> opened;
    for (std::size_t at = 0; at < reads.size(); ++at) {
      if (!reads[at].result) continue;
      EXPECT_EQ(*reads[at].result, 1u);
      EXPECT_EQ(payloads[at].front(), payloads_[under_way_[at]]);
      opened.push_back(under_way_[at]);
    }
    return opened;
  }
  static void expect_same_keys(NoisePair& pair) {
    ASSERT_TRUE(pair.finished());
    const NoiseResult client = pair.client.finish();
    const NoiseResult server = pair.server.finish();
    EXPECT_TRUE(client.send.key.equals(server.receive.key));
    EXPECT_TRUE(client.receive.key.equals(server.send.key));
    EXPECT_EQ(client.handshake_hash, server.handshake_hash);
    EXPECT_EQ(server.remote_static, pair.keys.client.public_key);
    EXPECT_EQ(client.remote_static, pair.keys.server.public_key);
  }

  NoiseKeys keys_{1};
  std::deque<NoisePair> pairs_;
  std::vector<std::size_t> under_way_;  // whose messages those are
  std::vector<Message> messages_;
  std::map<std::size_t, NoiseHandshake*> receivers_;
  std::array<std::uint8_t, 64> payloads_{};
};

TEST_F(NoiseTogether, AllPatternsAndSuitesAtOnce) {
  add_all();
  for (int message = 0; message < 3; ++message) {
    write_all();
    EXPECT_EQ(read_all(), under_way_);
  }
  for (NoisePair& pair : pairs_) expect_same_keys(pair);
}

TEST_F(NoiseTogether, AnyNumberOfThem) {
  for (std::size_t count = 0; count <= 9; ++count) {
    pairs_.clear();
    for (std::size_t i = 0; i < count; ++i) add(NoisePattern::xx_hfs);
    for (int message = 0; message < 3; ++message) {
      write_all();
      EXPECT_EQ(read_all(), under_way_);
    }
    for (NoisePair& pair : pairs_) expect_same_keys(pair);
  }
}

TEST_F(NoiseTogether, EachHasAnEphemeralKeyOfItsOwn) {
  for (int i = 0; i < 6; ++i) add(NoisePattern::xx);
  write_all();
  std::vector<PublicKey> ephemerals;
  for (NoisePair& pair : pairs_) ephemerals.push_back(pair.client.local_ephemeral().public_key);
  std::ranges::sort(ephemerals);
  EXPECT_EQ(std::ranges::adjacent_find(ephemerals), ephemerals.end());
}

// One of the messages does not open, at each place among the others and at each message.
TEST_F(NoiseTogether, OneThatFailsIsAlone) {
  for (int broken_message = 0; broken_message < 3; ++broken_message) {
    for (std::size_t broken = 0; broken < 5; ++broken) {
      pairs_.clear();
      for (int i = 0; i < 5; ++i) add(NoisePattern::xx_hfs);
      for (int message = 0; message < broken_message; ++message) {
        write_all();
        ASSERT_EQ(read_all(), under_way_);
      }
      write_all();
      // The first message is all clear, and only its length is wrong.
      if (broken_message == 0) {
        messages_[broken].resize(40);
      } else {
        messages_[broken].back() ^= 1;
      }
      std::vector<std::size_t> others = under_way_;
      std::erase(others, broken);
      EXPECT_EQ(read_all(), others);
      EXPECT_FALSE(receivers_.at(broken)->my_turn());
      EXPECT_EQ(receivers_.at(broken)->remote_static(), std::nullopt);
    }
  }
}

// A point of small order is noticed when the answer is written: by one of four that are computed
// together.
TEST_F(NoiseTogether, APointOfSmallOrderFailsOneAnswer) {
  for (int i = 0; i < 4; ++i) add(NoisePattern::xx);
  write_all();
  std::ranges::fill(std::span(messages_[2]).first(32), 0);
  ASSERT_EQ(read_all(), under_way_);
  std::vector<Message> replies(4, Message(noise_message_size_max));
  std::vector<NoiseHandshake::Write> writes;
  for (std::size_t i = 0; i < 4; ++i) writes.push_back({pairs_[i].server, {}, replies[i]});
  NoiseHandshake::write_each(writes, keys_.random);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(writes[i].result.has_value(), i != 2);
    replies[i].resize(writes[i].result.value_or(0));
    if (i == 2) continue;
    EXPECT_TRUE(testing::read(pairs_[i].client, replies[i]));
  }
  EXPECT_EQ(writes[2].result.error().code, ErrorCode::malformed);
}

// Those that cannot begin, for want of room or of a turn, hinder no other.
TEST_F(NoiseTogether, OneThatCannotBeginIsAlone) {
  for (int i = 0; i < 3; ++i) add(NoisePattern::xx);
  std::array<std::uint8_t, 31> small;
  Message message(100);
  std::vector<NoiseHandshake::Write> writes{{pairs_[0].client, {}, small},
                                            {pairs_[1].server, {}, message},
                                            {pairs_[2].client, {}, message}};
  NoiseHandshake::write_each(writes, keys_.random);
  EXPECT_EQ(writes[0].result.error().code, ErrorCode::limit);
  EXPECT_EQ(writes[1].result.error().code, ErrorCode::invalid);
  ASSERT_TRUE(writes[2].result);
  std::array<std::uint8_t, 1> none;
  std::vector<NoiseHandshake::Read> reads{{pairs_[0].server, Bytes(small).first(20), none},
                                          {pairs_[2].server, Bytes(message).first(32), none}};
  NoiseHandshake::read_each(reads);
  EXPECT_EQ(reads[0].result.error().code, ErrorCode::malformed);
  EXPECT_TRUE(reads[1].result);
}

}  // namespace
}  // namespace godwit::crypto
