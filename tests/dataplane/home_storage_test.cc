// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/home_fixture.h"

// A home when storage fails, is full of requests, or answers when the device has come or gone
// meanwhile.

namespace godwit::dataplane {
namespace {

TEST_F(HomeTest, WhatWasPostedBehindAFailedPutIsNotKeptForADeviceThatComesMeanwhile) {
  send(1, 10);
  load();
  send(2, 11);
  const std::vector<StoreRequest> requests = std::exchange(to_store_, {});
  std::vector<StoreReply> failures;
  for (const StoreRequest& request : requests) {
    if (request.kind != StoreRequestKind::put) continue;
    failures.push_back({.kind = StoreReplyKind::failed,
                        .mailbox = request.mailbox,
                        .sequence = request.sequence,
                        .file = request.file});
  }
  ASSERT_EQ(failures.size(), 2u);
  reply(failures[0]);
  EXPECT_EQ(front(CommandKind::refused).size(), 2u);
  attach();
  reply(failures[1]);
  EXPECT_TRUE(front(CommandKind::deliver).empty()) << "11 before 10 would hide 10 for ever";
  EXPECT_TRUE(home_->quiet());
}

TEST_F(HomeTest, ADeviceThatComesBackDuringALoadGetsWhatItHadBeforeFirst) {
  attach();
  load(1, {{.device = 1, .sequence = base - 5, .high = base - 3, .count = 3, .bytes = 300}});
  ASSERT_EQ(store_count(StoreRequestKind::load), 1u);
  const MailboxName mailbox = to_store_.back().mailbox;
  const auto loaded = [&](std::uint64_t sequence) {
    reply({.kind = StoreReplyKind::loaded,
           .mailbox = mailbox,
           .sequence = sequence,
           .buffer = pool_.allocate(100).release()});
  };
  loaded(base - 5);
  ASSERT_EQ(front(CommandKind::deliver).size(), 1u);
  detach();
  attach();
  loaded(base - 4);
  loaded(base - 3);
  EXPECT_EQ(front(CommandKind::deliver).size(), 1u) << "the first is missing";
  to_store_.clear();
  reply({.kind = StoreReplyKind::load_end, .mailbox = mailbox});
  ASSERT_EQ(store_count(StoreRequestKind::load), 1u);
  EXPECT_EQ(to_store_.back().sequence, base - 6) << "asked for again from the first on";
  for (const std::uint64_t back : {5u, 4u, 3u}) loaded(base - back);
  const auto delivered = front(CommandKind::deliver);
  ASSERT_EQ(delivered.size(), 4u);
  EXPECT_EQ(delivered[1].sequence, base - 5);
  EXPECT_EQ(delivered[3].sequence, base - 3);
}

TEST_F(HomeTest, StorageThatCouldNotSayWhatItHoldsIsAskedAgainAlthoughNobodyComes) {
  attach();
  queues::AccountRecord record{.account_id = 5, .user = "bob"};
  record.devices.push_back({.id = 1, .key = {1}});
  handle({.kind = CommandKind::account_found,
          .account = bob,
          .id = to_control_.back().id,
          .buffer = encode(pool_, record).release()});
  reply({.kind = StoreReplyKind::summary_failed, .mailbox = to_store_.back().mailbox});
  EXPECT_EQ(front(CommandKind::attached).size(), 1u);
  to_store_.clear();
  advance(std::chrono::milliseconds(1100));
  EXPECT_EQ(store_count(StoreRequestKind::summarize), 1u);
}

TEST_F(HomeTest, WhatIsStoredIsCountedAnewWhenAllOfItIsInMemory) {
  settings_.mailbox_messages_max = 3;
  attach(base - 4);  // two of three acknowledged, none of them loaded
  load(1, {{.device = 1, .sequence = base - 5, .high = base - 3, .count = 3, .bytes = 300}});
  ASSERT_EQ(store_count(StoreRequestKind::load), 1u);
  const MailboxName mailbox = to_store_.back().mailbox;
  reply({.kind = StoreReplyKind::loaded,
         .mailbox = mailbox,
         .sequence = base - 3,
         .buffer = pool_.allocate(100).release()});
  reply({.kind = StoreReplyKind::load_end, .mailbox = mailbox});
  send(1, 10);
  send(2, 11);
  EXPECT_TRUE(front(CommandKind::refused).empty()) << "one is stored, two are new";
  send(3, 12);
  EXPECT_EQ(front(CommandKind::refused).size(), 1u);
}

TEST_F(HomeTest, AFullRingToStoragePutsOffLoadsAndErasesAndForgetsNone) {
  attach(base - 5);
  const queues::StoreRequest filler{.kind = StoreRequestKind::summarize};
  load(1, {{.device = 1, .sequence = base - 5, .high = base - 3, .count = 3, .bytes = 300}});
  ASSERT_EQ(store_count(StoreRequestKind::load), 1u);
  const MailboxName mailbox = to_store_.back().mailbox;
  ASSERT_EQ(store_count(StoreRequestKind::erase), 1u);
  to_store_.clear();
  // A window was loaded; more is there, and now there is no room to ask for anything.
  while (storage_.try_post(filler)) continue;
  home_->handle({.kind = StoreReplyKind::loaded,
                 .mailbox = mailbox,
                 .sequence = base - 4,
                 .buffer = pool_.allocate(100).release()},
                now_);
  home_->handle({.kind = StoreReplyKind::load_end, .mailbox = mailbox, .sequence = base - 3}, now_);
  Command acknowledged{.kind = CommandKind::acknowledge,
                       .session = bob_session,
                       .account = bob,
                       .sequence = base - 4};
  acknowledged.id = front(CommandKind::attached).back().id;
  home_->handle(acknowledged, now_);
  gather();
  EXPECT_EQ(store_count(StoreRequestKind::load) + store_count(StoreRequestKind::erase), 0u);
  while (storage_.waiting() > 0) gather();
  advance(std::chrono::milliseconds(50));
  EXPECT_EQ(store_count(StoreRequestKind::load), 1u);
  EXPECT_EQ(store_count(StoreRequestKind::erase), 1u);
}

}  // namespace
}  // namespace godwit::dataplane
