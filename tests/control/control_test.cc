// SPDX-License-Identifier: Apache-2.0
// Control over real rings: what homes and fronts are told, in which order, and what happens when
// memory or the disk runs out.
#include "control/control.h"

#include <gtest/gtest.h>

#include "tests/control/control_fixture.h"

namespace godwit::control {
namespace {

using protocol::Condition;
using queues::AccountStatus;
using queues::CommandKind;

class ControlTest : public ControlFixture {};

TEST_F(ControlTest, LookupOfAnAccountIsAnsweredWithItsRecord) {
  registered("alice", 1);
  const auto alice = accounts_->find("alice");
  ASSERT_TRUE(accounts_->block((*alice)->id, std::vector<std::string>{"eve"}));
  shards_.look_up(1, "alice", hash("alice"), 77);
  turn();
  EXPECT_TRUE(shards_.hear(0).empty());
  const std::vector<Heard> heard = shards_.hear(1);
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].command.kind, CommandKind::account_found);
  EXPECT_EQ(heard[0].command.account, hash("alice"));
  EXPECT_EQ(heard[0].command.id, 77u);
  const queues::AccountRecord record = queues::decode_account_record(heard[0].bytes);
  EXPECT_EQ(record, (queues::AccountRecord{.account_id = (*alice)->id,
                                           .status = AccountStatus::active,
                                           .user = "alice",
                                           .devices = {{.id = 1, .key = key(1)}},
                                           .blocks = {hash("eve")}}));
}

TEST_F(ControlTest, LookupOfNobodyIsAnsweredMissing) {
  shards_.look_up(0, "nobody", hash("nobody"), 78);
  turn();
  const std::vector<Heard> heard = shards_.hear(0);
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].command.kind, CommandKind::account_missing);
  EXPECT_EQ(heard[0].command.account, hash("nobody"));
  EXPECT_EQ(heard[0].command.id, 78u);
  EXPECT_EQ(heard[0].command.detail, 0);
  EXPECT_EQ(control_->counters().get(ControlMetric::account_lookups), 1u);
}

TEST_F(ControlTest, RegistrationIsDurableThenAnswered) {
  shards_.register_device(session(1, 9), {.user = "bo", .client = "t", .key = key(4)});
  turn();
  // Home of an even hash is shard 0, the front is shard 1.
  const std::vector<Heard> home = shards_.hear(0);
  ASSERT_EQ(home.size(), 1u);
  EXPECT_EQ(home[0].command.kind, CommandKind::account_changed);
  EXPECT_EQ(home[0].command.account, hash("bo"));
  EXPECT_EQ(queues::decode_account_record(home[0].bytes).devices.at(0).key, key(4));
  const std::vector<Heard> front = shards_.hear(1);
  ASSERT_EQ(front.size(), 1u);
  EXPECT_EQ(front[0].command.kind, CommandKind::registered);
  EXPECT_EQ(front[0].command.session, session(1, 9));
  EXPECT_EQ(front[0].command.device, 1);
  EXPECT_TRUE(accounts_->find("bo")->has_value());
  EXPECT_EQ(control_->counters().get(ControlMetric::accounts), 1u);
}

TEST_F(ControlTest, WhereHomeIsTheFrontTheRecordComesFirst) {
  shards_.register_device(session(1), {.user = "alice", .client = "t", .key = key(1)});
  turn();
  const std::vector<Heard> heard = shards_.hear(1);
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_EQ(heard[0].command.kind, CommandKind::account_changed);
  EXPECT_EQ(heard[1].command.kind, CommandKind::registered);
}

TEST_F(ControlTest, RepeatedRegistrationGetsTheSameDeviceAndTellsNobody) {
  registered("alice", 1);
  shards_.register_device(session(0), {.user = "alice", .client = "t", .key = key(1)});
  turn();
  EXPECT_TRUE(shards_.hear(1).empty());
  const std::vector<Heard> heard = shards_.hear(0);
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].command.kind, CommandKind::registered);
  EXPECT_EQ(heard[0].command.device, 1);
  EXPECT_EQ(control_->counters().get(ControlMetric::registrations_repeated), 1u);
}

TEST_F(ControlTest, TwoOfOneNameInOneTurn) {
  shards_.register_device(session(0, 1), {.user = "alice", .client = "t", .key = key(1)});
  shards_.register_device(session(1, 2), {.user = "alice", .client = "t", .key = key(2)});
  turn();
  const std::vector<Heard> first = shards_.hear(0);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].command.kind, CommandKind::registered);
  const std::vector<Heard> second = shards_.hear(1);
  ASSERT_EQ(second.size(), 2u);
  EXPECT_EQ(second[1].command.kind, CommandKind::register_refused);
  EXPECT_EQ(second[1].command.session, session(1, 2));
  EXPECT_EQ(second[1].command.detail, static_cast<std::uint8_t>(Condition::conflict));
  EXPECT_NE(second[1].text().find("name is taken"), std::string::npos);
}

TEST_F(ControlTest, RegistrationModeIsKeptAndMayChange) {
  control_->set_registration({.mode = RegistrationMode::closed});
  shards_.register_device(session(0), {.user = "alice", .client = "t", .key = key(1)});
  turn();
  std::vector<Heard> heard = shards_.hear(0);
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].command.detail, static_cast<std::uint8_t>(Condition::not_authorized));
  control_->set_registration({});
  registered("alice", 1);
}

TEST_F(ControlTest, RegistrationsBeyondTheRateAreRefusedAndLaterOnesAreNot) {
  control_->set_registration({.per_second = 1, .burst = 2});
  for (std::uint8_t i = 0; i < 3; ++i) {
    shards_.register_device(session(0, i),
                            {.user = std::string(1, char('a' + i)), .client = "t", .key = key(i)});
  }
  turn();
  std::vector<Heard> heard = shards_.hear(0);
  ASSERT_EQ(heard.size(), 3u);
  EXPECT_EQ(heard[0].command.kind, CommandKind::register_refused);
  EXPECT_EQ(heard[0].command.session, session(0, 2));
  EXPECT_EQ(heard[0].command.detail, static_cast<std::uint8_t>(Condition::resource_constraint));
  EXPECT_EQ(control_->counters().get(ControlMetric::registrations_limited), 1u);
  pass(std::chrono::seconds(1));
  shards_.hear(1);
  registered("c", 2);
}

TEST_F(ControlTest, FullDiskRefusesAllOfTheTurnAndNothingIsKept) {
  start({.per_second = 10'000, .burst = 10'000}, std::size_t{4} << 20, {.page_count_max = 12});
  std::size_t refused = 0;
  std::uint32_t number = 0;
  while (refused == 0 && number < 3000) {
    for (int i = 0; i < 20; ++i, ++number) {
      queues::PublicKeyBytes device_key{};
      std::copy_n(reinterpret_cast<const std::uint8_t*>(&number), sizeof number,
                  device_key.begin());
      const std::string user = "user" + std::to_string(number);
      shards_.register_device(session(0, number), {.user = user, .client = "t", .key = device_key});
    }
    turn();
    for (unsigned shard : {0u, 1u}) {
      for (const Heard& heard : shards_.hear(shard)) {
        if (heard.command.kind != CommandKind::register_refused) continue;
        ++refused;
        EXPECT_EQ(heard.command.detail, static_cast<std::uint8_t>(Condition::resource_constraint));
      }
    }
  }
  EXPECT_EQ(refused, 20u);
  EXPECT_EQ(accounts_->account_count(), number - 20);
  EXPECT_FALSE(accounts_->find("user" + std::to_string(number - 20))->has_value());
  EXPECT_EQ(control_->counters().get(ControlMetric::account_store_failing), 1u);
  EXPECT_EQ(control_->counters().get(ControlMetric::registrations_failed), 20u);
}

TEST_F(ControlTest, RemovalAndSuspensionAreToldToTheHome) {
  registered("alice", 1);
  const std::uint64_t id = (*accounts_->find("alice"))->id;
  ASSERT_TRUE(accounts_->set_status("alice", AccountStatus::suspended));
  control_->announce("alice");
  turn();
  std::vector<Heard> heard = shards_.hear(1);
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].command.kind, CommandKind::account_changed);
  EXPECT_EQ(queues::decode_account_record(heard[0].bytes).status, AccountStatus::suspended);

  ASSERT_TRUE(accounts_->remove("alice"));
  control_->announce_removal("alice", id);
  turn();
  heard = shards_.hear(1);
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].command.kind, CommandKind::account_removed);
  EXPECT_EQ(heard[0].command.account, hash("alice"));
  EXPECT_EQ(heard[0].command.id, id);
  EXPECT_EQ(heard[0].text(), "alice");
}

TEST_F(ControlTest, WithoutMemoryAnAnswerWaitsAndComesInOrder) {
  registered("alice", 1);
  std::vector<queues::Buffer> hoard;
  while (queues::Buffer buffer = pool_->allocate(100)) hoard.push_back(std::move(buffer));
  shards_.look_up(1, "alice", hash("alice"), 1);
  shards_.look_up(1, "nobody", hash("nobod"), 2);
  control_->announce("alice");
  turn();
  EXPECT_TRUE(shards_.hear(1).empty());
  EXPECT_LT(control_->next_deadline(now_), now_.instant + std::chrono::seconds(1));
  hoard.clear();
  turn();
  const std::vector<Heard> heard = shards_.hear(1);
  ASSERT_EQ(heard.size(), 3u);
  EXPECT_EQ(heard[0].command.id, 1u);
  EXPECT_EQ(heard[1].command.id, 2u);
  EXPECT_EQ(heard[2].command.kind, CommandKind::account_changed);
  EXPECT_EQ(control_->next_deadline(now_), never);
}

TEST_F(ControlTest, EveryBufferIsGivenBack) {
  registered("alice", 1);
  shards_.look_up(0, "alice", hash("alice"), 1);
  turn();
  shards_.hear(0);
  shards_.hear(1);
  shards_.pool().collect();
  pool_->collect();
  EXPECT_EQ(shards_.pool().in_use(), 0u);
  EXPECT_EQ(pool_->in_use(), 0u);
  // Also of what was never handled.
  std::vector<queues::Buffer> hoard;
  while (queues::Buffer buffer = pool_->allocate(100)) hoard.push_back(std::move(buffer));
  shards_.look_up(0, "alice", hash("alice"), 1);
  turn();
  control_.reset();
  shards_.pool().collect();
  EXPECT_EQ(shards_.pool().in_use(), 0u);
}

TEST_F(ControlTest, IsIdleOnlyWhenNothingWaits) {
  EXPECT_TRUE(control_->idle());
  shards_.look_up(0, "alice", hash("alice"), 1);
  EXPECT_FALSE(control_->idle());
  turn();
  EXPECT_TRUE(control_->idle());
}

}  // namespace
}  // namespace godwit::control
