// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/dataplane/home_fixture.h"

// Accounts of a home: what happens when a login comes late, or when there is no memory, no control
// or no storage to load an account with.

namespace godwit::dataplane {
namespace {

using protocol::StreamCondition;

constexpr ConnectionName other_session{.slot = 30, .shard = 0, .generation = 1};

TEST_F(HomeTest, ALoginThatALaterOneHasOvertakenDoesNotEndIt) {
  attach(0, 1, 1, bob_session, 70'000);
  load();
  attach(0, 1, 1, other_session, 69'999);
  EXPECT_EQ(front(CommandKind::kick).size(), 0u);
  ASSERT_EQ(front(CommandKind::attach_refused).size(), 1u);
  EXPECT_EQ(front(CommandKind::attach_refused)[0].session, other_session);
  attach(0, 1, 1, other_session, 10'000);
  EXPECT_EQ(front(CommandKind::attach_refused).size(), 2u) << "by as much as that may be";
}

TEST_F(HomeTest, ALoginOfTheSameTimeOrFarFromItReplacesTheSession) {
  for (const std::uint32_t login_ms : {70'000u, 70'001u, 9'999u, 70'000u + (1u << 31)}) {
    to_front_.clear();
    restart();
    attach(0, 1, 1, bob_session, 70'000);
    load();
    attach(0, 1, 1, other_session, login_ms);
    EXPECT_EQ(front(CommandKind::kick).size(), 1u) << login_ms;
    EXPECT_EQ(front(CommandKind::attached).size(), 2u) << login_ms;
  }
}

TEST_F(HomeTest, WithoutMemoryForALookUpASenderIsRefusedAndMayTryAgain) {
  std::vector<queues::Buffer> hoard;
  send(1, 10);
  ASSERT_EQ(to_control_.size(), 1u);
  restart();
  queues::Buffer message = pool_.allocate(100);
  queues::write_envelope(message.writable(), 0, 1, false, "bob");
  while (queues::Buffer more = pool_.allocate(64)) hoard.push_back(std::move(more));
  handle({.kind = CommandKind::message,
          .number = 1,
          .session = alice_session,
          .account = bob,
          .id = 10,
          .sender = alice_hash,
          .sender_device = 1,
          .buffer = message.release()});
  ASSERT_EQ(front(CommandKind::refused).size(), 1u);
  EXPECT_EQ(front(CommandKind::refused)[0].detail,
            static_cast<std::uint8_t>(Condition::resource_constraint));
  EXPECT_EQ(to_control_.size(), 1u);
  hoard.clear();
  pool_.collect();
  send(2, 10, 1);
  EXPECT_EQ(to_control_.size(), 2u);
  load();
  answer_puts(StoreReplyKind::committed);
  EXPECT_EQ(front(CommandKind::settled).size(), 1u);
}

// A device that is not in the record was perhaps registered since; meanwhile the others stay.
TEST_F(HomeTest, ControlThatCannotLookAgainTakesNothingFromThoseWhoAreHere) {
  attach();
  load();
  send(1, 10);
  attach(0, 2, 2, other_session);
  ASSERT_EQ(to_control_.size(), 2u);
  send(2, 11);
  handle({.kind = CommandKind::account_missing,
          .detail = static_cast<std::uint8_t>(Condition::internal_server_error),
          .account = bob,
          .id = to_control_.back().id});
  ASSERT_EQ(front(CommandKind::attach_refused).size(), 1u);
  EXPECT_EQ(front(CommandKind::attach_refused)[0].session, other_session);
  EXPECT_EQ(front(CommandKind::attach_refused)[0].detail,
            static_cast<std::uint8_t>(StreamCondition::internal_server_error))
      << "whether it exists is not known";
  EXPECT_EQ(front(CommandKind::kick).size(), 0u);
  ASSERT_EQ(front(CommandKind::deliver).size(), 2u);
  acknowledge(front(CommandKind::deliver)[1].sequence);
  EXPECT_EQ(front(CommandKind::settled).size(), 2u);
  attach(0, 2, 2, other_session);
  EXPECT_EQ(to_control_.size(), 3u) << "asked again";
}

TEST_F(HomeTest, AStorageRingWithoutRoomAtALookUpIsTriedAgain) {
  attach();
  to_store_.clear();
  while (storage_.try_post({.kind = StoreRequestKind::resume})) {
  }
  queues::AccountRecord record{.account_id = 5, .user = "bob"};
  record.devices.push_back({.id = 1, .key = {1}});
  handle({.kind = CommandKind::account_found,
          .account = bob,
          .id = to_control_.back().id,
          .buffer = encode(pool_, record).release()});
  ASSERT_EQ(front(CommandKind::attached).size(), 1u) << "it may connect";
  EXPECT_EQ(store_count(StoreRequestKind::summarize), 0u);
  send(1, 10);
  ASSERT_EQ(front(CommandKind::refused).size(), 1u) << "nothing may overtake what is stored";
  advance(settings_.storage_retry / 2);
  EXPECT_EQ(store_count(StoreRequestKind::summarize), 0u);
  advance(settings_.storage_retry);
  ASSERT_EQ(store_count(StoreRequestKind::summarize), 1u);
  reply({.kind = StoreReplyKind::summary_end, .mailbox = to_store_.back().mailbox});
  send(2, 10, 1);
  EXPECT_EQ(front(CommandKind::deliver).size(), 1u);
}

}  // namespace
}  // namespace godwit::dataplane
