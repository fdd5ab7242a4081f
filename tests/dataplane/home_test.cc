// SPDX-License-Identifier: Apache-2.0
#include "dataplane/home.h"

#include <gtest/gtest.h>

#include "dataplane/settled_window.h"

// A home alone: the test is the front, control and storage at the other ends of its rings, on
// virtual time. Alice is a session somewhere; bob's mailboxes are at this home.

namespace godwit::dataplane {
namespace {

using protocol::Condition;
using queues::Command;
using queues::CommandKind;
using queues::MailboxName;
using queues::StoreReply;
using queues::StoreReplyKind;
using queues::StoreRequest;
using queues::StoreRequestKind;

constexpr std::uint64_t bob = 0x1234;
constexpr std::uint64_t alice_hash = 0x9999;
constexpr std::uint64_t base = std::uint64_t{1000} << 24;
constexpr ConnectionName alice_session{.slot = 7, .shard = 0, .generation = 1};
constexpr ConnectionName bob_session{.slot = 8, .shard = 0, .generation = 1};

class HomeTest : public testing::Test {
 protected:
  HomeTest() { restart(); }

  void restart() {
    home_.reset();
    home_ = std::make_unique<Home>(Home::Options{.shard = 0,
                                                 .control = 1,
                                                 .settings = settings_,
                                                 .pool = pool_,
                                                 .port = port_,
                                                 .storage = {&storage_},
                                                 .counters = counters_,
                                                 .sequence_base = base,
                                                 .start = now_.instant});
  }

  void handle(Command command) {
    home_->handle(command, now_);
    gather();
  }
  void reply(StoreReply answer) {
    home_->handle(answer, now_);
    gather();
  }
  void advance(Duration by) {
    now_.instant += by;
    home_->expire(now_);
    gather();
  }
  void gather() {
    port_.flush();
    storage_.flush();
    for (std::size_t to = 0; to < 2; ++to) {
      mesh_.ring(0, to).drain(10000, [&](const Command& command) {
        (to == 0 ? to_front_ : to_control_).push_back(command);
        queues::Buffer::adopt(command.buffer);
      });
    }
    requests_.drain(10000, [&](const StoreRequest& request) {
      to_store_.push_back(request);
      queues::Buffer::adopt(request.buffer);
    });
  }

  void send(std::uint32_t number, std::uint64_t id, std::uint32_t confirmed = 0,
            std::uint16_t device = 0, ConnectionName session = alice_session) {
    queues::Buffer buffer = pool_.allocate(100);
    queues::write_envelope(buffer.writable(), device, 1, false, "bob");
    handle({.kind = CommandKind::message,
            .number = number,
            .session = session,
            .account = bob,
            .id = id,
            .sender = alice_hash,
            .sender_device = 1,
            .confirmed = confirmed,
            .buffer = buffer.release()});
  }
  void attach(std::uint64_t last_sequence = 0, std::uint8_t key = 1, std::uint16_t device = 1,
              ConnectionName session = bob_session) {
    queues::PublicKeyBytes bytes{key};
    queues::Buffer buffer = encode(pool_, queues::AttachRequest{.user = "bob",
                                                                .device = device,
                                                                .window = 16,
                                                                .last_sequence = last_sequence,
                                                                .key = bytes});
    handle({.kind = CommandKind::attach,
            .session = session,
            .account = bob,
            .buffer = buffer.release()});
  }
  // Control finds bob with so many devices, and storage has nothing.
  void load(std::uint16_t devices = 1, std::vector<StoreReply> stored = {}) {
    ASSERT_FALSE(to_control_.empty());
    queues::AccountRecord record{.account_id = 5, .user = "bob"};
    for (std::uint16_t i = 1; i <= devices; ++i)
      record.devices.push_back({.id = i, .key = {std::uint8_t(i)}});
    handle({.kind = CommandKind::account_found,
            .account = bob,
            .id = to_control_.back().id,
            .buffer = encode(pool_, record).release()});
    ASSERT_FALSE(to_store_.empty());
    const MailboxName token = to_store_.back().mailbox;
    for (StoreReply& summary : stored) {
      summary.kind = StoreReplyKind::summary;
      summary.mailbox = token;
      reply(summary);
    }
    reply({.kind = StoreReplyKind::summary_end, .mailbox = token});
  }
  void ask_to_purge(std::string_view jid) {
    handle({.kind = CommandKind::admin_query,
            .detail = static_cast<std::uint8_t>(queues::AdminQuery::purge),
            .account = bob,
            .id = 77,
            .buffer = pool_.copy(as_bytes(jid)).release()});
  }
  void answer_puts(StoreReplyKind kind) {
    const std::vector<StoreRequest> requests = std::exchange(to_store_, {});
    for (const StoreRequest& request : requests) {
      if (request.kind != StoreRequestKind::put) continue;
      reply({.kind = kind,
             .mailbox = request.mailbox,
             .sequence = request.sequence,
             .file = request.file});
    }
  }
  std::vector<Command> front(CommandKind kind) const {
    std::vector<Command> found;
    for (const Command& command : to_front_) {
      if (command.kind == kind) found.push_back(command);
    }
    return found;
  }
  std::size_t store_count(StoreRequestKind kind) const {
    return static_cast<std::size_t>(std::ranges::count(to_store_, kind, &StoreRequest::kind));
  }
  void acknowledge(std::uint64_t sequence) {
    Command command{.kind = CommandKind::acknowledge,
                    .session = bob_session,
                    .account = bob,
                    .sequence = sequence};
    command.id = front(CommandKind::attached).back().id;
    handle(command);
  }
  void detach() {
    Command command{.kind = CommandKind::detach, .session = bob_session, .account = bob};
    command.id = front(CommandKind::attached).back().id;
    handle(command);
  }

  Settings settings_;
  Now now_{Instant{std::chrono::seconds(50)}, WallTime{std::chrono::seconds(2000)}};
  queues::BufferPool pool_{16 << 20};
  queues::Mesh mesh_{2, 4096};
  queues::Parker parker_{[] {}};
  queues::CommandPort port_{mesh_, 0, {&parker_, &parker_}};
  queues::SpscRing<StoreRequest> requests_{4096};
  queues::Outbox<StoreRequest> storage_{requests_, parker_, 4096};
  queues::ShardCounters counters_;
  std::unique_ptr<Home> home_;
  std::vector<Command> to_front_;
  std::vector<Command> to_control_;
  std::vector<StoreRequest> to_store_;
};

TEST_F(HomeTest, AbsentDeviceIsSettledByTheCommitAndNotBefore) {
  send(1, 10);
  EXPECT_EQ(to_control_.size(), 1u);
  load();
  EXPECT_EQ(store_count(StoreRequestKind::put), 1u);
  EXPECT_TRUE(front(CommandKind::settled).empty());
  EXPECT_FALSE(home_->quiet());
  answer_puts(StoreReplyKind::committed);
  ASSERT_EQ(front(CommandKind::settled).size(), 1u);
  EXPECT_EQ(front(CommandKind::settled)[0].number, 1u);
  EXPECT_TRUE(home_->quiet());
}

TEST_F(HomeTest, PurgeErasesTellsSendersAndCounts) {
  attach();
  load();
  send(1, 10);
  send(2, 11);
  ask_to_purge("bob@localhost/1");
  EXPECT_EQ(front(CommandKind::refused).size(), 2u) << "nothing of it was safe";
  EXPECT_EQ(to_control_.back().kind, CommandKind::admin_end);
  EXPECT_EQ(to_control_.back().id, 77u);
  EXPECT_EQ(to_control_.back().number, 2u);
  EXPECT_EQ(store_count(StoreRequestKind::purge), 1u);
  ask_to_purge("bob@localhost/1");
  EXPECT_EQ(to_control_.back().number, 0u);
  ask_to_purge("bob@localhost/2");
  EXPECT_EQ(to_control_.back().kind, CommandKind::admin_end) << "no such device";
  EXPECT_EQ(to_control_.back().number, 0u);
}

TEST_F(HomeTest, PurgeLoadsTheAccountFirst) {
  ask_to_purge("bob@localhost/1");
  load(1, {{.device = 1, .sequence = base - 5, .high = base - 3, .count = 3, .bytes = 300}});
  EXPECT_EQ(store_count(StoreRequestKind::purge), 1u);
  EXPECT_EQ(to_control_.back().kind, CommandKind::admin_end);
  EXPECT_EQ(to_control_.back().number, 3u);
  attach();
  EXPECT_EQ(front(CommandKind::attached).back().sender, 0u) << "no backlog";
}

TEST_F(HomeTest, PurgeOfAnAccountThatIsNot) {
  ask_to_purge("bob@localhost/1");
  handle({.kind = CommandKind::account_missing, .account = bob, .id = to_control_.back().id});
  EXPECT_EQ(to_control_.back().kind, CommandKind::admin_end);
  EXPECT_EQ(to_control_.back().number, 0u);
  pool_.collect();
  EXPECT_EQ(pool_.in_use(), 0u);
}

TEST_F(HomeTest, ConnectedDeviceIsSettledByItsAcknowledgementAndNothingIsWritten) {
  attach();
  load();
  ASSERT_EQ(front(CommandKind::attached).size(), 1u);
  EXPECT_EQ(front(CommandKind::attached)[0].account, bob) << "whose home a detach must find";
  EXPECT_EQ(front(CommandKind::backlog_end).size(), 1u);
  send(1, 10);
  ASSERT_EQ(front(CommandKind::deliver).size(), 1u);
  EXPECT_TRUE(front(CommandKind::settled).empty());
  acknowledge(front(CommandKind::deliver)[0].sequence);
  EXPECT_EQ(front(CommandKind::settled).size(), 1u);
  advance(std::chrono::seconds(1));
  EXPECT_EQ(store_count(StoreRequestKind::put), 0u);
  pool_.collect();
  EXPECT_EQ(pool_.in_use(), 0u) << "nothing of it is left in memory";
}

TEST_F(HomeTest, SlowDeviceIsPersistedAfterAWhileAndErasedWhenItAcknowledges) {
  attach();
  load();
  send(1, 10);
  advance(std::chrono::milliseconds(95));
  EXPECT_EQ(store_count(StoreRequestKind::put), 0u);
  advance(std::chrono::milliseconds(15));
  EXPECT_EQ(store_count(StoreRequestKind::put), 1u);
  answer_puts(StoreReplyKind::committed);
  EXPECT_EQ(front(CommandKind::settled).size(), 1u);
  acknowledge(front(CommandKind::deliver)[0].sequence);
  EXPECT_EQ(store_count(StoreRequestKind::erase), 1u);
  EXPECT_EQ(front(CommandKind::settled).size(), 1u) << "once";
}

TEST_F(HomeTest, TwoDevicesBothMustBeSafe) {
  attach();
  load(2);
  send(1, 10);
  answer_puts(StoreReplyKind::committed);  // the absent second device
  EXPECT_TRUE(front(CommandKind::settled).empty());
  acknowledge(front(CommandKind::deliver)[0].sequence);
  EXPECT_EQ(front(CommandKind::settled).size(), 1u);
}

TEST_F(HomeTest, AChangedRecordKeepsDropsAndAddsDevices) {
  constexpr ConnectionName second{.slot = 9, .shard = 0, .generation = 1};
  constexpr ConnectionName third{.slot = 10, .shard = 0, .generation = 1};
  attach();
  load(3);
  attach(0, 2, 2, second);
  attach(0, 3, 3, third);
  send(1, 10, 0, 2);  // for the one that goes
  const queues::AccountRecord changed{.account_id = 5,
                                      .user = "bob",
                                      .devices = {{.id = 3, .key = {std::uint8_t{3}}},
                                                  {.id = 4, .key = {std::uint8_t{4}}},
                                                  {.id = 1, .key = {std::uint8_t{1}}}}};
  handle({.kind = CommandKind::account_changed,
          .account = bob,
          .buffer = encode(pool_, changed).release()});
  ASSERT_EQ(front(CommandKind::kick).size(), 1u);
  EXPECT_EQ(front(CommandKind::kick)[0].session, second);
  EXPECT_EQ(front(CommandKind::refused).size(), 1u);
  ASSERT_EQ(store_count(StoreRequestKind::purge), 1u);
  EXPECT_EQ(std::ranges::find(to_store_, StoreRequestKind::purge, &StoreRequest::kind)->device, 2);

  to_front_.clear();
  send(2, 11, 1);
  std::vector<ConnectionName> reached;
  for (const Command& command : front(CommandKind::deliver)) reached.push_back(command.session);
  EXPECT_EQ(reached, (std::vector{third, bob_session})) << "the sessions of both go on";
  ASSERT_EQ(store_count(StoreRequestKind::put), 1u);
  EXPECT_EQ(std::ranges::find(to_store_, StoreRequestKind::put, &StoreRequest::kind)->device, 4);
  attach(0, 2, 2, second);
  EXPECT_EQ(front(CommandKind::attach_refused).size(), 0u) << "control is asked once more";
}

TEST_F(HomeTest, RepeatedMessageIsDroppedAndSettledWhenTheFirstIsSafe) {
  send(1, 10);
  load();
  const ConnectionName again{.slot = 9, .shard = 0, .generation = 1};
  send(1, 10, 0, 0, again);
  EXPECT_EQ(store_count(StoreRequestKind::put), 1u);
  EXPECT_TRUE(front(CommandKind::settled).empty());
  answer_puts(StoreReplyKind::committed);
  ASSERT_EQ(front(CommandKind::settled).size(), 1u);
  EXPECT_EQ(front(CommandKind::settled)[0].session, again);
  send(2, 10, 0, 0, again);
  EXPECT_EQ(front(CommandKind::settled).size(), 2u) << "safe already: settled at once";
}

TEST_F(HomeTest, RefusalSticksUntilConfirmed) {
  send(1, 10);
  handle({.kind = CommandKind::account_missing, .account = bob, .id = to_control_.back().id});
  ASSERT_EQ(front(CommandKind::refused).size(), 1u);
  EXPECT_EQ(front(CommandKind::refused)[0].detail, static_cast<int>(Condition::item_not_found));
  send(2, 11);
  ASSERT_EQ(front(CommandKind::refused).size(), 2u);
  EXPECT_EQ(front(CommandKind::refused)[1].detail, static_cast<int>(Condition::follows_refused));
  send(3, 11, 1);
  EXPECT_EQ(front(CommandKind::refused).size(), 3u) << "2 is not confirmed";
  send(4, 11, 3);
  EXPECT_EQ(front(CommandKind::refused).size(), 3u);
  EXPECT_EQ(to_control_.size(), 2u) << "looked up again";
}

TEST_F(HomeTest, FailedPutRefusesItAndWhatFollowsAndForgetsTheirIds) {
  send(1, 10);
  load();
  send(2, 11);
  answer_puts(StoreReplyKind::failed);
  ASSERT_EQ(front(CommandKind::refused).size(), 2u);
  EXPECT_TRUE(front(CommandKind::settled).empty());
  EXPECT_EQ(store_count(StoreRequestKind::resume), 1u) << "once all that was posted is answered";
  EXPECT_TRUE(home_->quiet());
  const ConnectionName again{.slot = 9, .shard = 0, .generation = 1};
  send(1, 10, 0, 0, again);
  send(2, 11, 0, 0, again);
  EXPECT_EQ(store_count(StoreRequestKind::put), 2u) << "not taken for repeats";
}

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

TEST_F(HomeTest, FailedPutOfAConnectedDeviceIsTriedAgain) {
  attach();
  load();
  send(1, 10);
  advance(std::chrono::milliseconds(120));
  answer_puts(StoreReplyKind::failed);
  EXPECT_TRUE(front(CommandKind::refused).empty());
  advance(std::chrono::milliseconds(1100));
  EXPECT_EQ(store_count(StoreRequestKind::put), 1u);
  detach();
  answer_puts(StoreReplyKind::failed);
  EXPECT_EQ(front(CommandKind::refused).size(), 1u) << "nobody can acknowledge it any more";
}

TEST_F(HomeTest, BacklogIsLoadedInOrderBeforeWhatIsNew) {
  attach();
  load(1, {{.device = 1, .sequence = 40, .high = 41, .count = 2, .bytes = 200}});
  EXPECT_EQ(front(CommandKind::attached)[0].sequence, 39u);
  EXPECT_EQ(front(CommandKind::attached)[0].sender, 2u);
  ASSERT_EQ(store_count(StoreRequestKind::load), 1u);
  const MailboxName name = to_store_.back().mailbox;
  send(1, 10);
  EXPECT_TRUE(front(CommandKind::deliver).empty()) << "not before the stored ones";
  for (const std::uint64_t sequence : {40, 41}) {
    queues::Buffer buffer = pool_.allocate(50);
    queues::write_envelope(buffer.writable(), 0, 1, false, "bob");
    reply({.kind = StoreReplyKind::loaded,
           .mailbox = name,
           .sequence = sequence,
           .buffer = buffer.release()});
  }
  EXPECT_TRUE(front(CommandKind::backlog_end).empty());
  reply({.kind = StoreReplyKind::load_end, .mailbox = name, .sequence = 0});
  const auto delivered = front(CommandKind::deliver);
  ASSERT_EQ(delivered.size(), 3u);
  EXPECT_EQ(delivered[0].sequence, 40u);
  EXPECT_EQ(delivered[1].sequence, 41u);
  EXPECT_GT(delivered[2].sequence, base);
  EXPECT_EQ(front(CommandKind::backlog_end).size(), 1u);
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

TEST_F(HomeTest, WindowBoundsWhatIsInFlight) {
  attach();
  load();
  for (std::uint32_t i = 1; i <= 20; ++i) send(i, i);
  EXPECT_EQ(front(CommandKind::deliver).size(), 16u);
  acknowledge(front(CommandKind::deliver)[3].sequence);
  EXPECT_EQ(front(CommandKind::deliver).size(), 20u);
  EXPECT_EQ(front(CommandKind::settled).size(), 4u);
}

TEST_F(HomeTest, SecondConnectionReplacesTheFirstAndGetsWhatItHasNot) {
  attach();
  load();
  send(1, 10);
  send(2, 11);
  const auto first = front(CommandKind::deliver);
  ASSERT_EQ(first.size(), 2u);
  const ConnectionName second{.slot = 30, .shard = 0, .generation = 1};
  attach(first[0].sequence, 1, 1, second);
  EXPECT_EQ(front(CommandKind::kick).size(), 1u);
  EXPECT_EQ(front(CommandKind::settled).size(), 1u) << "it named the first as stored";
  ASSERT_EQ(front(CommandKind::deliver).size(), 3u);
  EXPECT_EQ(front(CommandKind::deliver)[2].session, second);
  EXPECT_EQ(front(CommandKind::deliver)[2].sequence, first[1].sequence);
}

TEST_F(HomeTest, WrongKeyAndUnknownDevice) {
  attach(0, 9);
  load();
  ASSERT_EQ(front(CommandKind::attach_refused).size(), 1u);
  attach(0, 2, 2);
  EXPECT_EQ(to_control_.size(), 2u) << "registered meanwhile? control is asked once";
  load();
  EXPECT_EQ(front(CommandKind::attach_refused).size(), 2u);
}

TEST_F(HomeTest, MailboxLimitAtAndAbove) {
  settings_.mailbox_messages_max = 3;
  restart();
  send(1, 1);
  load();
  for (std::uint32_t i = 2; i <= 4; ++i) send(i, i);
  EXPECT_EQ(store_count(StoreRequestKind::put), 3u);
  ASSERT_EQ(front(CommandKind::refused).size(), 1u);
  EXPECT_EQ(front(CommandKind::refused)[0].detail,
            static_cast<int>(Condition::resource_constraint));
}

TEST_F(HomeTest, ASequenceFromAnotherLifeAcknowledgesNothing) {
  send(1, 10);
  load();
  attach(base << 8);
  EXPECT_EQ(front(CommandKind::deliver).size(), 1u);
  EXPECT_TRUE(front(CommandKind::settled).empty());
}

TEST(SettledWindow, CumulativeOverAnyOrder) {
  SettledWindow window;
  for (std::uint32_t i = 1; i <= protocol::unacknowledged_max; ++i) EXPECT_EQ(window.take(), i);
  for (std::uint32_t i = protocol::unacknowledged_max; i > 1; --i) EXPECT_FALSE(window.settle(i));
  EXPECT_EQ(window.upto(), 0u);
  EXPECT_EQ(window.outstanding_unsettled(), 1u);
  EXPECT_TRUE(window.settle(1));
  EXPECT_EQ(window.upto(), protocol::unacknowledged_max);
  EXPECT_EQ(window.outstanding(), 0u);
  EXPECT_EQ(window.take(), protocol::unacknowledged_max + 1);
  EXPECT_TRUE(window.settle(protocol::unacknowledged_max + 1));
}

TEST(SettledWindow, AroundSixtyFour) {
  for (const std::uint32_t count : {63u, 64u, 65u, 66u}) {
    SettledWindow window;
    for (std::uint32_t i = 0; i < count; ++i) window.take();
    for (std::uint32_t i = 2; i <= count; ++i) EXPECT_FALSE(window.settle(i)) << count;
    EXPECT_TRUE(window.settle(1));
    EXPECT_EQ(window.upto(), count);
    EXPECT_EQ(window.outstanding_unsettled(), 0u);
  }
}

TEST(Refusals, BoundedByClosingTheOldest) {
  Refusals refusals(2);
  EXPECT_FALSE(refusals.add(alice_session, 1, 5));
  EXPECT_FALSE(refusals.add(alice_session, 2, 6));
  EXPECT_TRUE(refusals.blocks(alice_session, 1, 4));
  EXPECT_EQ(refusals.add(bob_session, 1, 1), alice_session);
  // Given up, and its session is closed: what is still under way of it must not get through.
  EXPECT_TRUE(refusals.blocks(alice_session, 1, 4));
  EXPECT_TRUE(refusals.blocks(alice_session, 3, 9));
  EXPECT_FALSE(refusals.add(alice_session, 3, 9)) << "takes no place of others";
  ConnectionName successor = alice_session;
  ++successor.generation;
  EXPECT_FALSE(refusals.blocks(successor, 1, 0));
  EXPECT_TRUE(refusals.blocks(bob_session, 1, 0));
  EXPECT_FALSE(refusals.blocks(bob_session, 1, 1));
  EXPECT_FALSE(refusals.blocks(bob_session, 1, 0)) << "confirmed and gone";
}

}  // namespace
}  // namespace godwit::dataplane
