// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/home_fixture.h"

#include "dataplane/settled_window.h"

// What a home does with messages, devices and limits.

namespace godwit::dataplane {
namespace {

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

TEST(SettledWindow, MovesWithMoreThanSixtyFour) {
  SettledWindow wide;
  for (std::uint32_t i = 0; i < 200; ++i) wide.take();
  for (std::uint32_t i = 200; i > 1; --i) EXPECT_FALSE(wide.settle(i));
  SettledWindow narrow;
  narrow.take();
  narrow.take();
  EXPECT_FALSE(narrow.settle(2));
  std::swap(wide, narrow);
  EXPECT_TRUE(wide.settle(1));
  EXPECT_EQ(wide.upto(), 2u);
  const SettledWindow taken = std::move(narrow);
  EXPECT_EQ(taken.outstanding(), 200u);
  EXPECT_EQ(taken.outstanding_unsettled(), 1u);
  wide = SettledWindow{};
  EXPECT_EQ(wide.take(), 1u);
  EXPECT_TRUE(wide.settle(1));
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
