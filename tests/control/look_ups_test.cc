// SPDX-License-Identifier: Apache-2.0
// Look-ups that have come together share a read transaction: each is answered with what was true
// when its turn came, what is written between them is committed, and nothing stays open.
#include <gtest/gtest.h>

#include "protocol/node.h"
#include "tests/control/control_fixture.h"
#include "tests/control/key_directory_fixture.h"

namespace godwit::control {
namespace {

using queues::AccountRecord;
using queues::CommandKind;

constexpr protocol::Context context{"example.org"};

class LookUpsTest : public ControlFixture {
 protected:
  void SetUp() override {
    ControlFixture::SetUp();
    registered("alice", 1);
    registered("dora", 2);
  }

  void look_up(std::string_view user, std::uint64_t token) {
    shards_.look_up(1, user, hash(user), token);
  }
  void set(std::string_view user, Bytes node) {
    shards_.ask_server({.session = session(1)},
                       {.user = user,
                        .type = static_cast<std::uint8_t>(protocol::IqType::set),
                        .id = 40,
                        .node = node});
  }
  void block(std::string_view user, std::string_view blocked) {
    std::array<std::uint8_t, 256> bytes;
    ByteWriter out(bytes);
    protocol::NodeWriter node(out, context);
    node.open("block");
    node.open("item");
    node.attribute("jid", protocol::JidView{.user = blocked, .domain = "example.org"});
    node.close();
    node.close();
    ASSERT_TRUE(node.ok());
    set(user, out.written());
  }

  // What homes have heard of accounts, both shards, by look-up token.
  std::map<std::uint64_t, AccountRecord> found() {
    std::map<std::uint64_t, AccountRecord> records;
    for (unsigned shard = 0; shard < 2; ++shard) {
      for (Heard& heard : shards_.hear(shard)) {
        if (heard.command.kind != CommandKind::account_found) continue;
        records[heard.command.id] = queues::decode_account_record(bytes_.emplace_back(heard.bytes));
      }
    }
    return records;
  }

  // True when another connection could empty the log: nobody reads from it.
  static bool nobody_reads(const std::string& path) {
    Result<Database> other = Database::open(path);
    EXPECT_TRUE(other);
    EXPECT_TRUE(other->execute("PRAGMA busy_timeout=0"));
    Result<Statement> checkpoint = other->prepare("PRAGMA wal_checkpoint(TRUNCATE)");
    EXPECT_TRUE(checkpoint);
    const Result<bool> row = checkpoint->step();
    EXPECT_TRUE(row && *row);
    return checkpoint->integer(0) == 0;
  }
  bool nobody_reads() {
    return nobody_reads(folder_ / "accounts.db") && nobody_reads(folder_ / "prekeys.db");
  }
  // As another process would see it: what is committed.
  Account committed(std::string_view user) {
    const auto other = AccountStore::open({.path = folder_ / "accounts.db"});
    const auto account = (*other)->find(user);
    EXPECT_TRUE(account && *account);
    return account && *account ? **account : Account{};
  }

  std::deque<std::vector<std::uint8_t>> bytes_;  // what the records found refer to
};

TEST_F(LookUpsTest, ARegistrationAmongThemIsCommittedAndSeen) {
  look_up("alice", 1);
  look_up("bo", 2);
  shards_.register_device(session(1), {.user = "bo", .client = "t", .key = key(3)});
  look_up("bo", 3);
  look_up("dora", 4);
  turn();
  const auto records = found();
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records.at(1).user, "alice");
  EXPECT_EQ(records.at(3).devices.at(0).key, key(3));
  EXPECT_EQ(records.at(4).user, "dora");
  EXPECT_EQ(committed("bo").devices.size(), 1u);
  EXPECT_EQ(control_->counters().get(ControlMetric::account_lookups), 4u);
  EXPECT_TRUE(nobody_reads());
}

TEST_F(LookUpsTest, ABlockBetweenThemIsCommittedAndOnlySeenBehindIt) {
  look_up("alice", 1);
  look_up("alice", 2);
  block("alice", "eve");
  look_up("alice", 3);
  look_up("alice", 4);
  turn();
  const auto records = found();
  ASSERT_EQ(records.size(), 4u);
  EXPECT_TRUE(records.at(1).blocks.empty());
  EXPECT_TRUE(records.at(2).blocks.empty());
  EXPECT_EQ(records.at(3).blocks.size(), 1u);
  EXPECT_EQ(records.at(4).blocks.size(), 1u);
  EXPECT_EQ(committed("alice").blocks, std::vector<std::string>{"eve"});
  EXPECT_TRUE(nobody_reads());
}

// The upload's transaction is open until the end of the turn, and look-ups read within it.
TEST_F(LookUpsTest, KeysUploadedBetweenThemAreCommittedAndOnlySeenBehindThem) {
  KeyMaker maker;
  std::array<std::uint8_t, 8192> bytes;
  ByteWriter out(bytes);
  ASSERT_TRUE(protocol::write_upload(out, maker.start(), context));
  look_up("alice", 1);
  look_up("dora", 2);
  set("alice", out.written());
  look_up("alice", 3);
  look_up("dora", 4);
  turn();
  const auto records = found();
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records.at(1).devices.at(0).tag, 0u);
  EXPECT_NE(records.at(3).devices.at(0).tag, 0u);
  EXPECT_EQ(records.at(4).devices.at(0).tag, 0u);
  const auto other = KeyDirectory::open({.path = folder_ / "prekeys.db"});
  EXPECT_EQ((*other)->devices(records.at(1).account_id)->size(), 1u);
  EXPECT_TRUE(nobody_reads());
}

TEST_F(LookUpsTest, WhoWasRemovedIsNotFoundByTheNext) {
  look_up("alice", 1);
  look_up("dora", 2);
  turn();
  EXPECT_EQ(found().size(), 2u);
  ASSERT_TRUE(accounts_->remove("alice"));
  look_up("alice", 3);
  look_up("dora", 4);
  turn();
  const auto records = found();
  EXPECT_FALSE(records.contains(3));
  EXPECT_TRUE(records.contains(4));
}

TEST_F(LookUpsTest, NothingStaysOpenWhileTheyWaitForMemory) {
  std::vector<queues::Buffer> hoard;
  while (queues::Buffer buffer = pool_->allocate(100)) hoard.push_back(std::move(buffer));
  for (std::uint64_t token = 1; token <= 3; ++token) look_up("alice", token);
  turn();
  EXPECT_TRUE(found().empty());
  EXPECT_TRUE(nobody_reads());
  ASSERT_TRUE(accounts_->add("fred", now_.wall)) << "written while they wait";
  hoard.clear();
  turn();
  EXPECT_EQ(found().size(), 3u);
}

TEST_F(LookUpsTest, AReadingIsOfOneInstantAndAfterItOfTheNext) {
  const auto other = AccountStore::open({.path = folder_ / "accounts.db"});
  {
    const Reading reading = accounts_->read_together();
    EXPECT_TRUE(accounts_->find("alice")->has_value());
    ASSERT_TRUE((*other)->remove("dora"));
    EXPECT_TRUE(accounts_->find("dora")->has_value());
    EXPECT_FALSE(nobody_reads());
  }
  EXPECT_FALSE(accounts_->find("dora")->has_value());
  EXPECT_TRUE(nobody_reads());
}

TEST_F(LookUpsTest, AReadingInsideABatchDoesNotEndIt) {
  ASSERT_TRUE(accounts_->begin_batch());
  const Registration registration{.user = "gil", .invite = {}, .client = "t", .key = key(9)};
  ASSERT_TRUE(accounts_->register_device(registration, RegistrationMode::open, now_.wall));
  {
    const Reading reading = accounts_->read_together();
    EXPECT_TRUE(accounts_->find("gil")->has_value());
  }
  EXPECT_TRUE(accounts_->commit_batch());
  EXPECT_EQ(committed("gil").devices.size(), 1u);
}

TEST_F(LookUpsTest, WhatWouldBeWrittenWithinAReadingEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        const Reading reading = accounts_->read_together();
        (void)accounts_->set_status("alice", queues::AccountStatus::suspended);
      },
      "has_written");
}

}  // namespace
}  // namespace godwit::control
