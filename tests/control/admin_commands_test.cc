// SPDX-License-Identifier: Apache-2.0
// Every admin command, its answer and its effect, over real rings with fake shards that answer, or
// do not.
#include "control/admin_commands.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/control/control_fixture.h"
#include "tests/control/key_directory_fixture.h"

namespace godwit::control {
namespace {

using nlohmann::json;
using queues::AdminQuery;
using queues::CommandKind;

class AdminCommandsTest : public ControlFixture {
 protected:
  void SetUp() override {
    ControlFixture::SetUp();
    make(AckAfter::durable);
    registered("alice", 1);
  }

  void make(AckAfter ack_after) {
    AdminCommands::Options options{.version = "9.9",
                                   .node_key = "aa",
                                   .operator_key = "bb",
                                   .certificate_ends = now_.wall + std::chrono::days(100),
                                   .started = now_,
                                   .ack_after = ack_after,
                                   .random = random_};
    options.storage.push_back({.counters = &storage_, .last_error = [] { return "disk on fire"; }});
    options.more["extra"] = [](const json&, Now, const AdminAnswer& answer) {
      answer({{"ok", true}, {"extra", 1}});
    };
    admin_ = std::make_unique<AdminCommands>(*control_, *accounts_, std::move(options));
  }

  // The answer, or null while there is none.
  json ask(json request) {
    answer_ = nullptr;
    admin_->handle(request, now_, [this](const json& answer) { answer_ = answer; });
    turn();
    return answer_;
  }
  std::string error(const json& request) {
    const json answer = ask(request);
    EXPECT_EQ(answer.value("ok", true), false) << answer;
    return answer.value("error", "");
  }
  // The query that a shard has been asked, whose id its rows and its end carry.
  queues::Command heard_query(unsigned shard, AdminQuery query) {
    const std::vector<Heard> heard = shards_.hear(shard);
    EXPECT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard.at(0).command.kind, CommandKind::admin_query);
    EXPECT_EQ(heard.at(0).command.detail, static_cast<std::uint8_t>(query));
    argument_ = heard.at(0).text();
    return heard.at(0).command;
  }
  void end(unsigned shard, std::uint64_t query, std::uint32_t affected = 0) {
    shards_.post(shard, {.kind = CommandKind::admin_end, .number = affected, .id = query});
  }
  template <typename Row>
  void row(unsigned shard, std::uint64_t query, const Row& value) {
    shards_.post(shard, {.kind = CommandKind::admin_row,
                         .id = query,
                         .buffer = queues::encode(shards_.pool(), value).release()});
  }

  SeededRandom random_{5};
  queues::StorageCounters storage_;
  std::unique_ptr<AdminCommands> admin_;
  json answer_;
  std::string argument_;
};

TEST_F(AdminCommandsTest, Status) {
  shards_.counters(0).set(queues::ShardMetric::sessions, 2);
  shards_.counters(1).set(queues::ShardMetric::sessions, 3);
  shards_.counters(1).set(queues::ShardMetric::messages_at_risk, 4);
  pass(std::chrono::seconds(61));
  const json status = ask({{"command", "status"}});
  EXPECT_EQ(status["ok"], true);
  EXPECT_EQ(status["version"], "9.9");
  EXPECT_EQ(status["uptime_s"], 61);
  EXPECT_EQ(status["domain"], "example.org");
  EXPECT_EQ(status["shards"], 2);
  EXPECT_EQ(status["sessions"], 5);
  EXPECT_EQ(status["messages_at_risk"], 4);
  EXPECT_EQ(status["accounts"], 1);
  EXPECT_EQ(status["registration"], "open");
  EXPECT_EQ(status["ack_after"], "durable");
  EXPECT_EQ(status["store"], "ok");
  EXPECT_EQ(status["key_store"], "ok");
  EXPECT_TRUE(status["warnings"].empty()) << status;
}

TEST_F(AdminCommandsTest, StatusNamesWhatIsWrong) {
  storage_.set(queues::StorageMetric::failing, 1);
  control_->counters().set(ControlMetric::key_store_failing, 1);
  make(AckAfter::memory);
  pass(std::chrono::days(71));
  const json status = ask({{"command", "status"}});
  EXPECT_EQ(status["store"], "failing");
  EXPECT_EQ(status["key_store"], "failing");
  EXPECT_EQ(status["store_errors"], json({"disk on fire"}));
  ASSERT_EQ(status["warnings"].size(), 3u) << status;
  EXPECT_NE(status["warnings"][0].get<std::string>().find("LOST"), std::string::npos);
}

TEST_F(AdminCommandsTest, AccountsAreListedShownSuspendedResumedAndRemoved) {
  registered("bob", 2);
  const json list = ask({{"command", "accounts.list"}});
  ASSERT_EQ(list["accounts"].size(), 2u);
  EXPECT_EQ(list["accounts"][0]["account"], "alice@example.org");
  EXPECT_FALSE(list.contains("next"));
  const json page = ask({{"command", "accounts.list"}, {"limit", 1}});
  EXPECT_EQ(page["next"], "alice@example.org");
  const json rest = ask({{"command", "accounts.list"}, {"limit", 1}, {"after", page["next"]}});
  EXPECT_EQ(rest["accounts"][0]["account"], "bob@example.org");
  EXPECT_FALSE(rest.contains("next"));

  const json shown = ask({{"command", "accounts.show"}, {"account", "alice"}});
  EXPECT_EQ(shown["devices"][0]["device"], 1);
  EXPECT_EQ(shown["devices"][0]["key"], to_hex(key(1)));

  EXPECT_EQ(ask({{"command", "accounts.suspend"}, {"account", "alice@example.org"}})["status"],
            "suspended");
  std::vector<Heard> home = shards_.hear(1);
  ASSERT_EQ(home.size(), 1u);
  EXPECT_EQ(queues::decode_account_record(home[0].bytes).status, queues::AccountStatus::suspended);
  EXPECT_EQ(ask({{"command", "accounts.resume"}, {"account", "alice"}})["status"], "active");
  EXPECT_EQ(shards_.hear(1).size(), 1u);
  EXPECT_EQ(ask({{"command", "accounts.remove"}, {"account", "alice"}})["status"], "removed");
  home = shards_.hear(1);
  ASSERT_EQ(home.size(), 1u);
  EXPECT_EQ(home[0].command.kind, CommandKind::account_removed);
  EXPECT_NE(error({{"command", "accounts.show"}, {"account", "alice"}})
                .find("no account alice@example.org"),
            std::string::npos);
}

TEST_F(AdminCommandsTest, InvitesAreMadeListedUsedAndRevoked) {
  const json made = ask({{"command", "invites.create"},
                         {"account", "carol@example.org"},
                         {"uses", 2},
                         {"expires_days", 3}});
  ASSERT_EQ(made["ok"], true) << made;
  EXPECT_EQ(made["invite"]["account"], "carol@example.org");
  EXPECT_EQ(made["invite"]["uses_left"], 2);
  EXPECT_EQ(made["invite"]["expires"], 1'800'000'000 + 3 * 86'400);
  const std::string code = made["invite"]["code"];
  const json plain = ask({{"command", "invites.create"}});
  EXPECT_EQ(plain["invite"]["account"], "");
  EXPECT_EQ(plain["invite"]["expires"], 0);
  EXPECT_EQ(ask({{"command", "invites.list"}})["invites"].size(), 2u);
  EXPECT_EQ(ask({{"command", "invites.revoke"}, {"code", code}})["status"], "revoked");
  EXPECT_EQ(ask({{"command", "invites.list"}})["invites"].size(), 1u);
  EXPECT_EQ(error({{"command", "invites.revoke"}, {"code", code}}), "there is no such invite");
}

TEST_F(AdminCommandsTest, AnAccountThatIsAddedWaitsForItsFirstDevice) {
  const json added = ask({{"command", "accounts.add"}, {"account", "carol"}});
  ASSERT_EQ(added["ok"], true) << added;
  EXPECT_EQ(added["account"], "carol@example.org");
  EXPECT_EQ(control_->counters().get(ControlMetric::accounts), 2u);
  EXPECT_EQ(ask({{"command", "accounts.show"}, {"account", "carol"}})["devices"].size(), 0u);
  EXPECT_NE(error({{"command", "accounts.add"}, {"account", "carol"}}).find("there is an account"),
            std::string::npos);
  shards_.register_device(session(0), {.user = "carol", .client = "t", .key = key(7)});
  turn();
  ASSERT_FALSE(shards_.hear(0).empty()) << "refused: the name alone is not enough";
  EXPECT_TRUE((*accounts_->find("carol"))->devices.empty());
  const std::string code = added["invite"];
  shards_.register_device(session(0),
                          {.user = "carol", .invite = code, .client = "t", .key = key(7)});
  turn();
  ASSERT_EQ((*accounts_->find("carol"))->devices.size(), 1u);
  EXPECT_FALSE(ask({{"command", "accounts.add"}, {"account", "No Name"}})["ok"]);
}

TEST_F(AdminCommandsTest, KeysOfAnAccountWithTheirAges) {
  const std::uint64_t alice = (*accounts_->find("alice"))->id;
  const json none = ask({{"command", "keys"}, {"account", "alice"}});
  ASSERT_EQ(none["keys"].size(), 1u) << none;
  EXPECT_EQ(none["keys"][0]["generation"], 0) << "a device without keys is seen";
  KeyMaker maker;
  protocol::PrekeyUpload upload = maker.start(3);
  for (std::uint32_t i = 0; i < KeyDirectory::low; ++i) {
    upload.one_time.push_back(maker.one_time(i));
    upload.kem.push_back(maker.kem(i + 2));
  }
  ASSERT_TRUE(keys_->upload({alice, 1}, upload, now_.wall)->has_value());
  pass(std::chrono::hours(2));
  json row = ask({{"command", "keys"}, {"account", "alice@example.org"}})["keys"][0];
  EXPECT_EQ(row["generation"], 3);
  EXPECT_EQ(row["one_time"], KeyDirectory::low);
  EXPECT_EQ(row["low"], false);
  EXPECT_EQ(row["signed_age_s"], 7200);
  EXPECT_EQ(row["last_resort_uses"], 0);
  ASSERT_TRUE(
      keys_->take_bundle({.account = 99, .user = "bob"}, {alice, 1}, now_.wall)->has_value());
  row = ask({{"command", "keys"}, {"account", "alice"}})["keys"][0];
  EXPECT_EQ(row["kem"], KeyDirectory::low - 1);
  EXPECT_EQ(row["low"], true);
  EXPECT_EQ(row["bundles"], 1);
  EXPECT_NE(error({{"command", "keys"}, {"account", "nobody"}}).find("no account"),
            std::string::npos);
}

TEST_F(AdminCommandsTest, SessionsOfAllShardsAreGathered) {
  EXPECT_TRUE(ask({{"command", "sessions.list"}}).is_null());
  const std::uint64_t query = heard_query(0, AdminQuery::sessions).id;
  EXPECT_EQ(heard_query(1, AdminQuery::sessions).id, query);
  row(0, query,
      queues::SessionRow{
          .user = "alice", .device = 1, .client = "c", .address = "a", .connected_ms = 5});
  end(0, query);
  turn();
  EXPECT_TRUE(answer_.is_null());
  row(1, query, queues::SessionRow{.user = "bob", .device = 2});
  end(1, query);
  turn();
  ASSERT_EQ(answer_["sessions"].size(), 2u) << answer_;
  EXPECT_EQ(answer_["sessions"][0]["account"], "alice@example.org");
  EXPECT_EQ(answer_["sessions"][0]["connected_ms"], 5);
  EXPECT_EQ(answer_["unanswered_shards"], 0);
  EXPECT_EQ(control_->next_deadline(now_), never);
}

TEST_F(AdminCommandsTest, ASilentShardIsCountedAndItsLateAnswerDropped) {
  ask({{"command", "sessions.list"}});
  const std::uint64_t query = heard_query(0, AdminQuery::sessions).id;
  end(0, query);
  turn();
  EXPECT_EQ(control_->next_deadline(now_), now_.instant + std::chrono::seconds(2));
  pass(std::chrono::milliseconds(1999));
  turn();
  EXPECT_TRUE(answer_.is_null());
  pass(std::chrono::milliseconds(1));
  turn();
  EXPECT_EQ(answer_["ok"], true);
  EXPECT_EQ(answer_["unanswered_shards"], 1);
  const json first = answer_;
  row(1, query, queues::SessionRow{.user = "bob", .device = 2});
  end(1, query);
  turn();
  EXPECT_EQ(answer_, first);
  shards_.pool().collect();
  EXPECT_EQ(shards_.pool().in_use(), 0u);
}

TEST_F(AdminCommandsTest, RowsUpToTheLimitAndTheRestIsSaidToBeMissing) {
  for (const std::size_t surplus : {0u, 1u}) {
    ask({{"command", "sessions.list"}});
    const std::uint64_t query = heard_query(0, AdminQuery::sessions).id;
    shards_.hear(1);
    for (std::size_t i = 0; i < ShardQueries::rows_max + surplus; ++i) {
      row(0, query, queues::SessionRow{.user = "u"});
      if (i % 200 == 0) turn();  // fewer than one turn takes from a ring
    }
    end(0, query);
    end(1, query);
    turn();
    EXPECT_EQ(answer_["sessions"].size(), ShardQueries::rows_max);
    EXPECT_EQ(answer_.value("truncated", false), surplus > 0);
  }
}

TEST_F(AdminCommandsTest, QueriesUpToTheLimit) {
  std::size_t answered = 0;
  for (std::size_t i = 0; i < ShardQueries::queries_max; ++i) {
    admin_->handle({{"command", "sessions.list"}}, now_, [&](const json&) { ++answered; });
  }
  EXPECT_EQ(answered, 0u);
  EXPECT_NE(error({{"command", "sessions.list"}}).find("too many"), std::string::npos);
  pass(std::chrono::seconds(2));
  turn();
  EXPECT_EQ(answered, ShardQueries::queries_max);
  shards_.hear(0);
  shards_.hear(1);
  EXPECT_TRUE(ask({{"command", "sessions.list"}}).is_null());
}

TEST_F(AdminCommandsTest, TheLongestQueuesComeFirst) {
  ask({{"command", "queues.top"}, {"limit", 2}});
  const std::uint64_t query = heard_query(0, AdminQuery::queues).id;
  row(0, query, queues::QueueRow{.user = "a", .device = 1, .in_memory = 1, .in_store = 1});
  row(0, query, queues::QueueRow{.user = "b", .device = 1, .in_store = 9, .bytes = 90});
  row(1, query, queues::QueueRow{.user = "c", .device = 1, .connected = true, .in_memory = 5});
  end(0, query);
  end(1, query);
  turn();
  ASSERT_EQ(answer_["queues"].size(), 2u);
  EXPECT_EQ(answer_["queues"][0]["account"], "b@example.org");
  EXPECT_EQ(answer_["queues"][1]["account"], "c@example.org");
}

TEST_F(AdminCommandsTest, QueuesOfAccountsThatNoShardHasComeFromTheFiles) {
  std::uint64_t asked_for = 99;
  AdminCommands::Options options{.random = random_};
  options.read_stored = [&](std::uint64_t account, std::uint32_t limit, const auto& done) {
    asked_for = account;
    EXPECT_GT(limit, 0u);
    done({.queues = {{.account_id = 1, .device = 1, .messages = 8, .bytes = 80, .oldest_s = 1000},
                     {.account_id = 1, .device = 2, .messages = 4, .bytes = 40, .oldest_s = 2000},
                     {.account_id = 777, .device = 1, .messages = 9}},
          .unreadable_files = 1});
  };
  admin_ = std::make_unique<AdminCommands>(*control_, *accounts_, std::move(options));
  ask({{"command", "queues.top"}});
  const std::uint64_t query = heard_query(0, AdminQuery::queues).id;
  EXPECT_EQ(argument_, "");
  row(0, query, queues::QueueRow{.user = "alice", .device = 1, .in_memory = 2, .in_store = 8});
  end(0, query);
  end(1, query);
  turn();
  EXPECT_EQ(asked_for, 0u);
  ASSERT_EQ(answer_["queues"].size(), 2u) << "an account that was removed is not shown";
  EXPECT_EQ(answer_["queues"][0]["in_memory"], 2) << "as its home says";
  EXPECT_EQ(answer_["queues"][0]["oldest"], 1000) << "as the file says";
  EXPECT_EQ(answer_["queues"][1]["device"], 2);
  EXPECT_EQ(answer_["queues"][1]["in_store"], 4);
  EXPECT_EQ(answer_["queues"][1]["connected"], false);
  EXPECT_EQ(answer_["unreadable_files"], 1);
}

TEST_F(AdminCommandsTest, ShowNamesAnAccount) {
  ask({{"command", "queues.show"}, {"account", "alice"}});
  const std::uint64_t query = heard_query(0, AdminQuery::queues).id;
  EXPECT_EQ(argument_, "alice@example.org");
  shards_.hear(1);
  row(0, query, queues::QueueRow{.user = "alice", .device = 1, .connected = true});
  end(0, query);
  end(1, query);
  turn();
  EXPECT_EQ(answer_["queues"].size(), 1u) << "an empty one too";
  ask({{"command", "sessions.show"}, {"account", "alice@example.org"}});
  heard_query(0, AdminQuery::sessions);
  EXPECT_EQ(argument_, "alice@example.org");
  EXPECT_NE(error({{"command", "queues.show"}, {"account", "nobody"}}), "");
  EXPECT_NE(error({{"command", "queues.show"}, {"account", "alice/1"}}), "");
  EXPECT_NE(error({{"command", "sessions.show"}}), "");
}

TEST_F(AdminCommandsTest, KickAndPurgeNameOneDevice) {
  for (const auto& [command, query] : {std::pair{"sessions.kick", AdminQuery::kick},
                                       std::pair{"queues.purge", AdminQuery::purge}}) {
    ask({{"command", command}, {"device", "alice@example.org/1"}});
    const std::uint64_t id = heard_query(0, query).id;
    EXPECT_EQ(argument_, "alice@example.org/1");
    heard_query(1, query);
    end(0, id, 0);
    end(1, id, 7);
    turn();
    EXPECT_EQ(answer_["affected"], 7);
    for (const char* wrong :
         {"alice@example.org", "alice@elsewhere.org/1", "alice", "", "alice@example.org/0"}) {
      EXPECT_NE(error({{"command", command}, {"device", wrong}}), "") << wrong;
    }
  }
}

TEST_F(AdminCommandsTest, ShardsShowEveryNumber) {
  shards_.counters(1).add(queues::ShardMetric::frames_sent, 12);
  storage_.add(queues::StorageMetric::commits, 3);
  const json answer = ask({{"command", "shards"}});
  ASSERT_EQ(answer["shards"].size(), 2u);
  EXPECT_EQ(answer["shards"][1]["frames_sent_total"], 12);
  EXPECT_EQ(answer["shards"][1]["shard"], 1);
  EXPECT_EQ(answer["storage"][0]["storage_commits_total"], 3);
}

TEST_F(AdminCommandsTest, WrongRequestsAreErrorsAndChangeNothing) {
  const json wrong[] = {
      {{"command", "nonsense"}},
      {{"command", "accounts.remove"}},
      {{"command", "accounts.remove"}, {"account", 1}},
      {{"command", "accounts.remove"}, {"account", ""}},
      {{"command", "accounts.remove"}, {"account", "alice@elsewhere.org"}},
      {{"command", "accounts.remove"}, {"account", "alice@example.org/1"}},
      {{"command", "accounts.remove"}, {"account", "nobody"}},
      {{"command", "accounts.remove"}, {"account", "alice"}, {"dry_run", true}},
      {{"command", "accounts.list"}, {"limit", 0}},
      {{"command", "accounts.list"}, {"limit", 1001}},
      {{"command", "accounts.list"}, {"limit", "1"}},
      {{"command", "accounts.list"}, {"limit", 1.5}},
      {{"command", "accounts.list"}, {"after", 1}},
      {{"command", "invites.create"}, {"uses", 0}},
      {{"command", "invites.create"}, {"uses", 1'000'001}},
      {{"command", "invites.create"}, {"uses", -1}},
      {{"command", "invites.create"}, {"expires_days", 3651}},
      {{"command", "queues.top"}, {"limit", 10'001}},
      {{"command", "invites.revoke"}},
  };
  for (const json& request : wrong) EXPECT_NE(error(request), "") << request;
  EXPECT_TRUE(accounts_->find("alice")->has_value());
  EXPECT_TRUE(accounts_->list_invites(now_.wall)->empty());
}

TEST_F(AdminCommandsTest, TheProgramsOwnCommandsAreReached) {
  EXPECT_EQ(ask({{"command", "extra"}})["extra"], 1);
}

}  // namespace
}  // namespace godwit::control
