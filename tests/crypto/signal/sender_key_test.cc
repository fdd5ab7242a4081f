// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/sender_key.h"

#include <gtest/gtest.h>

// One member sends, others read: each rule of sender_key.h.

namespace godwit::crypto::signal {
namespace {

using Buffer = std::vector<std::uint8_t>;

template <typename T>
ErrorCode code_of(const Result<T>& result) {
  GODWIT_CHECK(!result.has_value());
  return result.error().code;
}

class SenderKeyTest : public ::testing::Test {
 protected:
  SenderKeyTest() { sender.rotate(random); }

  Buffer send(std::string_view text) { return sender.encrypt(as_bytes(text), random).value(); }
  SenderKeyRecord reader() {
    SenderKeyRecord record(id);
    GODWIT_CHECK(record.learn(*sender.distribution()).has_value());
    return record;
  }
  static std::string read(SenderKeyRecord& record, const Buffer& message) {
    const auto plaintext = record.decrypt(message);
    return plaintext ? std::string(as_text(*plaintext)) : "error: " + plaintext.error().message;
  }

  SeededRandom random{8};
  DistributionId id{1, 2, 3};
  SenderKeyRecord sender{id};
};

TEST_F(SenderKeyTest, OutOfOrderOnceAndFromWhereOneJoined) {
  SenderKeyRecord first = reader();
  const Buffer one = send("one");
  SenderKeyRecord second = reader();
  const Buffer two = send("two");
  const Buffer three = send("three");
  EXPECT_EQ(read(first, three), "three");
  EXPECT_EQ(read(first, one), "one");
  EXPECT_EQ(read(first, two), "two");
  EXPECT_EQ(code_of(first.decrypt(two)), ErrorCode::exists);
  EXPECT_EQ(code_of(second.decrypt(one)), ErrorCode::exists) << "from before it joined";
  EXPECT_EQ(read(second, two), "two");
}

TEST_F(SenderKeyTest, WhatFailsChangesNothing) {
  SenderKeyRecord record = reader();
  const SecretBytes before = record.write();
  const Buffer message = send("whole");
  for (std::size_t i = 0; i < message.size(); ++i) {
    Buffer changed = message;
    changed[i] ^= 0x20;
    ASSERT_FALSE(record.decrypt(changed)) << i;
    ASSERT_EQ(record.write(), before);
  }
  EXPECT_EQ(read(record, message), "whole");
  SenderKeyRecord other(DistributionId{9});
  EXPECT_EQ(code_of(other.decrypt(message)), ErrorCode::invalid);
  EXPECT_EQ(code_of(other.learn(*sender.distribution())), ErrorCode::invalid);
  SenderKeyRecord empty(id);
  EXPECT_EQ(code_of(empty.decrypt(message)), ErrorCode::not_found);
  EXPECT_EQ(code_of(empty.encrypt({}, random)), ErrorCode::not_found);
  EXPECT_EQ(code_of(empty.distribution()), ErrorCode::not_found);
  EXPECT_EQ(code_of(record.encrypt({}, random)), ErrorCode::not_found) << "only reads";
  EXPECT_EQ(code_of(sender.learn(*sender.distribution())), ErrorCode::refused);
}

TEST_F(SenderKeyTest, AfterARemovalWhoLeftReadsNothing) {
  SenderKeyRecord stays = reader();
  SenderKeyRecord left = reader();
  const Buffer late = send("late");
  sender.rotate(random);
  const Buffer after = send("after");
  ASSERT_TRUE(stays.learn(*sender.distribution()));
  EXPECT_EQ(code_of(left.decrypt(after)), ErrorCode::not_found);
  EXPECT_EQ(read(stays, late), "late") << "the key before is still known";
  EXPECT_EQ(read(stays, send("more")), "more");
}

TEST_F(SenderKeyTest, LearningAgainDoesNotGoBack) {
  SenderKeyRecord record = reader();
  const auto early = sender.distribution();
  const Buffer one = send("one");
  ASSERT_EQ(read(record, one), "one");
  ASSERT_TRUE(record.learn(*early));
  EXPECT_EQ(record.state_count(), 1u);
  EXPECT_EQ(code_of(record.decrypt(one)), ErrorCode::exists);
}

TEST_F(SenderKeyTest, KeysKept) {
  SenderKeyRecord record = reader();
  std::vector<Buffer> messages{send("0")};
  for (std::size_t i = 1; i <= sender_key_states_max; ++i) {
    sender.rotate(random);
    ASSERT_TRUE(record.learn(*sender.distribution()));
    EXPECT_EQ(record.state_count(), std::min(i + 1, sender_key_states_max));
    messages.push_back(send(std::to_string(i)));
  }
  EXPECT_EQ(code_of(record.decrypt(messages[0])), ErrorCode::not_found) << "the sixth";
  for (std::size_t i = 1; i < messages.size(); ++i) {
    EXPECT_EQ(read(record, messages[i]), std::to_string(i));
  }
}

TEST_F(SenderKeyTest, Sizes) {
  SenderKeyRecord record = reader();
  EXPECT_EQ(read(record, send("")), "");
  const std::string longest(group_plaintext_size_max, 'x');
  EXPECT_EQ(read(record, send(longest)), longest);
  EXPECT_EQ(code_of(sender.encrypt(as_bytes(longest + "x"), random)), ErrorCode::invalid);
}

TEST_F(SenderKeyTest, TheLargestRecord) {
  SenderKeyRecord record(id);
  for (std::size_t i = 0; i < sender_key_states_max; ++i) {
    sender.rotate(random);
    ASSERT_TRUE(record.learn(*sender.distribution()));
    for (std::size_t lost = 0; lost < 3; ++lost) send("lost");
    ASSERT_EQ(read(record, send("on")), "on");
  }
  const SecretBytes bytes = record.write();
  EXPECT_TRUE(SenderKeyRecord::read(bytes));
  SecretBytes more = bytes;
  ++more[1 + 16 + 3];
  const std::size_t entry_size = (bytes.size() - 1 - 16 - 4) / sender_key_states_max;
  more.insert(more.end(), bytes.end() - static_cast<std::ptrdiff_t>(entry_size), bytes.end());
  EXPECT_EQ(code_of(SenderKeyRecord::read(more)), ErrorCode::corrupt) << "a sixth key";
}

TEST_F(SenderKeyTest, ForwardJump) {
  SenderKeyRecord record = reader();
  SenderKeyRecord beyond = reader();
  // The sender's chain as it is after so many messages.
  SecretBytes bytes = sender.write();
  ByteReader in(Bytes(bytes).subspan(1 + 16 + 4 + 4 + 32 + 1 + 32));
  ChainKey chain{take_secret<32>(in), 0};
  for (std::uint32_t i = 0; i < forward_jump_max; ++i) chain = chain.next();
  const std::size_t at = bytes.size() - in.remaining() - 32;
  std::ranges::copy(chain.key.bytes(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
  ByteWriter(MutableBytes(bytes).subspan(at + 32, 4)).u32(chain.index);
  sender = SenderKeyRecord::read(bytes).value();
  const Buffer at_limit = send("at");
  const Buffer above = send("above");
  EXPECT_EQ(code_of(beyond.decrypt(above)), ErrorCode::limit);
  EXPECT_EQ(read(record, at_limit), "at");
  EXPECT_EQ(read(record, above), "above");
}

TEST_F(SenderKeyTest, StoredAndRead) {
  SenderKeyRecord record = reader();
  send("lost");
  ASSERT_EQ(read(record, send("one")), "one");
  for (const SenderKeyRecord* kept : {&record, &sender}) {
    const SecretBytes bytes = kept->write();
    EXPECT_LE(bytes.size(), sender_key_record_size_max);
    const auto again = SenderKeyRecord::read(bytes);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->write(), bytes);
    EXPECT_EQ(again->can_encrypt(), kept->can_encrypt());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_EQ(code_of(SenderKeyRecord::read(Bytes(bytes).first(size))), ErrorCode::corrupt);
    }
    SecretBytes longer = bytes;
    longer.push_back(0);
    EXPECT_FALSE(SenderKeyRecord::read(longer));
    SecretBytes later = bytes;
    ++later[0];
    EXPECT_FALSE(SenderKeyRecord::read(later)) << "a later version";
  }
}

}  // namespace
}  // namespace godwit::crypto::signal
