// SPDX-License-Identifier: Apache-2.0
#include "client/state.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>

#include "base/random.h"
#include "protocol/limits.h"
#include "tests/client/temporary_home.h"

// What a device keeps, in a real folder. Each test names the rule it checks; what survives a death
// is in state_crash_test.cc.

namespace godwit::client::test {
namespace {

using Outgoing = State::Outgoing;
using Incoming = State::Incoming;

class StateTest : public ::testing::Test {
 protected:
  void SetUp() override { reopen(); }
  void reopen() {
    state.reset();
    auto opened = State::open(home.path());
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    state = std::move(*opened);
  }
  ErrorCode open_error(std::string_view says) {
    state.reset();
    const auto opened = State::open(home.path());
    if (opened.has_value()) return ADD_FAILURE() << "opened", ErrorCode::invalid;
    EXPECT_NE(opened.error().message.find(says), std::string::npos) << opened.error().message;
    EXPECT_NE(opened.error().message.find(home.path()), std::string::npos)
        << "names the folder: " << opened.error().message;
    return opened.error().code;
  }
  // SQL of the test's own; REQUIRES: no State open.
  void run(const std::string& sql) {
    state.reset();
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(home.file("state.db").c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
  }
  State::Identity identity() {
    State::Identity made;
    made.jid.user = "alice";
    made.jid.domain = "localhost";
    made.jid.device = 65535;
    made.server = "127.0.0.1:5210";
    made.private_key = crypto::KeyPair::generate(random).private_key.copy();
    return made;
  }
  std::vector<std::uint64_t> outbox_ids(std::uint64_t after = 0, std::size_t limit = 1000) {
    std::vector<std::uint64_t> ids;
    const auto messages = state->read_outbox(after, limit);
    EXPECT_TRUE(messages.has_value());
    for (const Outgoing& message : *messages) ids.push_back(message.id);
    return ids;
  }
  std::size_t store(std::initializer_list<Incoming> messages) {
    const auto fresh = state->store(std::vector<Incoming>(messages));
    EXPECT_TRUE(fresh.has_value());
    return fresh.value_or(0);
  }
  std::vector<std::string> inbox(std::size_t limit = 1000) {
    std::vector<std::string> texts;
    const auto messages = state->read_inbox(limit);
    EXPECT_TRUE(messages.has_value());
    for (const auto& stored : *messages) texts.push_back(stored.message.payload);
    return texts;
  }
  static mode_t mode(const std::string& path) {
    struct stat about {};
    EXPECT_EQ(::stat(path.c_str(), &about), 0) << path;
    return about.st_mode & 0777;
  }

  TemporaryHome home;
  SeededRandom random{3};
  std::unique_ptr<State> state;
};

using Ids = std::vector<std::uint64_t>;
using Texts = std::vector<std::string>;

// --- the folder

TEST_F(StateTest, OnlyTheOwnerMayLookInside) {
  const std::string one[] = {"text"};
  ASSERT_TRUE(state->append_outbox("bob@localhost", one));
  EXPECT_EQ(mode(home.path()), 0700u);
  for (const char* name : {"state.db", "state.db-wal", "state.db-shm", "lock"}) {
    EXPECT_EQ(mode(home.file(name)), 0600u) << name;
  }
}

TEST_F(StateTest, FolderThatCannotBeMadeIsSaid) {
  for (const std::string& path : {home.path() + "/no/such", home.file("lock")}) {
    const auto opened = State::open(path);
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, ErrorCode::io);
    EXPECT_NE(opened.error().message.find(path), std::string::npos) << opened.error().message;
  }
}

TEST_F(StateTest, SecondOpenOfTheSameFolderIsToldWhoHasIt) {
  const auto second = State::open(home.path());
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::unavailable);
  EXPECT_NE(second.error().message.find("in use by another godwit"), std::string::npos);
  state.reset();
  EXPECT_TRUE(State::open(home.path()).has_value()) << "free again";
}

TEST_F(StateTest, NewerSchemaIsLeftAlone) {
  run("PRAGMA user_version=4");
  EXPECT_EQ(open_error("written by a newer Godwit"), ErrorCode::refused);
  run("PRAGMA user_version=3");
  reopen();
}

TEST_F(StateTest, FileThatIsNoDatabase) {
  state.reset();
  std::ofstream(home.file("state.db"), std::ios::trunc) << std::string(5000, 'x');
  EXPECT_EQ(open_error("damaged"), ErrorCode::corrupt);
}

TEST_F(StateTest, DamagedPages) {
  const std::vector<std::string> many(50, std::string(1000, 'x'));
  ASSERT_TRUE(state->append_outbox("bob@localhost", many));
  state.reset();
  std::fstream file(home.file("state.db"), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(32 * 4096, 'x');
  file.close();
  const auto opened = State::open(home.path());
  // Noticed at the latest when the page is read, and never read as if it were good.
  const auto messages = opened ? (*opened)->read_outbox(0, 100) : std::unexpected(opened.error());
  ASSERT_FALSE(messages.has_value());
  EXPECT_EQ(messages.error().code, ErrorCode::corrupt) << messages.error().message;
}

TEST_F(StateTest, DatabaseOfSomethingElse) {
  run("PRAGMA application_id=0; DROP TABLE outbox");
  EXPECT_EQ(open_error("is not the state of a client"), ErrorCode::corrupt);
  run("PRAGMA application_id=1196901203");
  reopen();
  const std::string one[] = {"text"};
  const auto appended = state->append_outbox("bob@localhost", one);
  ASSERT_FALSE(appended.has_value());
  EXPECT_NE(appended.error().message.find("outbox"), std::string::npos);
  EXPECT_EQ(store({{"bob@localhost/1", 1, 1, 0, "a"}}), 1u) << "no transaction is left open";
}

// A file as the first version made it: what waited in its outbox was not encrypted.
TEST_F(StateTest, FirstVersionIsBroughtUpToDate) {
  run("DROP TABLE messages; DROP TABLE sent; DROP TABLE own; DROP TABLE prekeys; DROP TABLE opened;"
      "DROP TABLE sessions; DROP TABLE peers; DROP TABLE lists; DROP TABLE devices;"
      "DROP TABLE outbox; DROP TABLE inbox; DROP TABLE repairs;"
      "CREATE TABLE outbox(id INTEGER PRIMARY KEY, recipient TEXT NOT NULL, payload BLOB NOT NULL);"
      "CREATE TABLE inbox(row INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT NOT NULL,"
      " id INTEGER NOT NULL, time_ms INTEGER NOT NULL, payload BLOB NOT NULL);"
      "INSERT INTO outbox VALUES(7, 'bob@localhost', 'waits');"
      "INSERT INTO inbox VALUES(1, 'bob@localhost/1', 3, 0, 'was read');"
      "UPDATE numbers SET next_id=8; PRAGMA application_id=0; PRAGMA user_version=1");
  reopen();
  EXPECT_EQ(outbox_ids(), Ids{}) << "nothing goes out as it is";
  EXPECT_EQ(state->unsettled(), 1u);
  EXPECT_EQ(inbox(), Texts{"was read"});
  const std::string one[] = {"text"};
  EXPECT_EQ(state->append_messages("bob@localhost", one), 8u);
}

TEST_F(StateTest, AMessageIsSettledWhenEveryDeviceAndEveryRepairIs) {
  const auto settle = [&](std::uint64_t message, bool accepted) {
    const auto settled = state->settle(message, accepted);
    return settled && *settled ? std::optional((*settled)->accepted) : std::nullopt;
  };
  ASSERT_TRUE(state->database().run(
      "INSERT INTO messages(id, recipient, payload, sealed, shown_id) VALUES"
      "(5, 'bob@localhost', 'x', 1, 5), (6, 'bob@localhost', 'x', 1, 6);"
      "INSERT INTO outbox(id, recipient, payload, message, devices) VALUES"
      "(7, 'bob@localhost/1', 'x', 5, 0), (8, 'bob@localhost/2', 'x', 5, 65535);"
      "INSERT INTO repairs VALUES(5, 'bob@localhost/3'), (6, 'bob@localhost/3')"));
  EXPECT_EQ(state->unsettled(), 2u);
  const auto rows = state->read_outbox(0, 10);
  ASSERT_TRUE(rows && rows->size() == 2);
  EXPECT_EQ((*rows)[0].devices, std::uint16_t{0});
  EXPECT_EQ((*rows)[1].devices, std::uint16_t{65535});
  const std::uint64_t first = 7;
  EXPECT_EQ(state->erase_accepted({&first, 1})->size(), 0u);
  EXPECT_FALSE(state->erase_refused(8)->has_value()) << "there is a repair";
  EXPECT_EQ(state->unsettled(), 2u);
  ASSERT_TRUE(state->database().run("DELETE FROM repairs"));
  EXPECT_EQ(settle(5, false), true) << "the first device has it";
  EXPECT_EQ(settle(6, false), false);
  EXPECT_EQ(state->unsettled(), 0u);
}

TEST_F(StateTest, MissingNumbersAreDamage) {
  run("DELETE FROM numbers");
  reopen();
  const auto last = state->last_sequence();
  ASSERT_FALSE(last.has_value());
  EXPECT_EQ(last.error().code, ErrorCode::corrupt);
  EXPECT_NE(last.error().message.find("a row is missing"), std::string::npos);
}

// --- identity

TEST_F(StateTest, IdentityIsEmptyUntilSaved) {
  const auto none = state->load_identity();
  ASSERT_TRUE(none.has_value());
  EXPECT_FALSE(none->has_value());
}

TEST_F(StateTest, IdentityComesBackAsSaved) {
  const State::Identity saved = identity();
  ASSERT_TRUE(state->save_identity(saved));
  reopen();
  auto loaded = state->load_identity();
  ASSERT_TRUE(loaded.has_value() && loaded->has_value());
  EXPECT_EQ((*loaded)->jid, saved.jid);
  EXPECT_EQ((*loaded)->server, saved.server);
  EXPECT_TRUE(std::ranges::equal((*loaded)->private_key.bytes(), saved.private_key.bytes()));
  EXPECT_FALSE((*loaded)->operator_key.has_value());
  EXPECT_FALSE((*loaded)->node_key.has_value());
}

TEST_F(StateTest, SavingReplacesAndKeepsBothPins) {
  State::Identity saved = identity();
  ASSERT_TRUE(state->save_identity(saved));
  saved.jid.device = 2;
  saved.operator_key.emplace().fill(7);
  saved.node_key.emplace().fill(9);
  ASSERT_TRUE(state->save_identity(saved));
  reopen();
  auto loaded = state->load_identity();
  ASSERT_TRUE(loaded.has_value() && loaded->has_value());
  EXPECT_EQ((*loaded)->jid.device, 2);
  EXPECT_EQ((*loaded)->operator_key, saved.operator_key);
  EXPECT_EQ((*loaded)->node_key, saved.node_key);
}

TEST_F(StateTest, KeyOfAnotherSizeIsDamageAndNeverNoPin) {
  State::Identity saved = identity();
  saved.operator_key.emplace().fill(7);
  saved.node_key.emplace().fill(9);
  ASSERT_TRUE(state->save_identity(saved));
  for (const char* column : {"private_key", "operator_key", "node_key"}) {
    for (const char* size : {"31", "33", "0"}) {
      const std::string set = std::string("UPDATE identity SET ") + column + "=";
      run(set + "zeroblob(" + size + ")");
      reopen();
      const auto loaded = state->load_identity();
      ASSERT_FALSE(loaded.has_value()) << column << " " << size;
      EXPECT_EQ(loaded.error().code, ErrorCode::corrupt);
      run(set + "zeroblob(32)");
    }
  }
  reopen();
  EXPECT_TRUE(state->load_identity().has_value());
}

// --- outbox

TEST_F(StateTest, IdsCountFromOneOverCallsAndRuns) {
  const std::string two[] = {"a", "b"};
  EXPECT_EQ(state->append_outbox("bob@localhost", two), 1u);
  EXPECT_EQ(state->append_outbox("carol@localhost/3", two), 3u);
  EXPECT_EQ(state->append_outbox("bob@localhost", {}), 5u) << "nothing takes no id";
  reopen();
  EXPECT_EQ(state->append_outbox("bob@localhost", two), 5u);
  EXPECT_EQ(outbox_ids(), (Ids{1, 2, 3, 4, 5, 6}));
  const auto third = state->read_outbox(2, 1);
  ASSERT_TRUE(third.has_value() && third->size() == 1);
  EXPECT_EQ(third->front().to, "carol@localhost/3");
  EXPECT_EQ(third->front().payload, "a");
}

TEST_F(StateTest, IdsAreNotUsedAgainWhenTheOutboxIsEmpty) {
  const std::string one[] = {"a"};
  ASSERT_EQ(state->append_outbox("bob@localhost", one), 1u);
  ASSERT_EQ(state->append_outbox("bob@localhost", one), 2u);
  const std::uint64_t accepted[] = {1};
  ASSERT_TRUE(state->erase_accepted(accepted));
  ASSERT_TRUE(state->erase_refused(2));
  reopen();
  EXPECT_EQ(state->append_outbox("bob@localhost", one), 3u);
}

TEST_F(StateTest, ReadsAfterAnIdAndUpToALimit) {
  const std::vector<std::string> ten(10, "x");
  ASSERT_TRUE(state->append_outbox("bob@localhost", ten));
  EXPECT_EQ(outbox_ids(0, 0), Ids{});
  EXPECT_EQ(outbox_ids(0, 1), Ids{1});
  EXPECT_EQ(outbox_ids(8, 2), (Ids{9, 10}));
  EXPECT_EQ(outbox_ids(8, 3), (Ids{9, 10}));
  EXPECT_EQ(outbox_ids(9, 5), Ids{10});
  EXPECT_EQ(outbox_ids(10, 5), Ids{});
}

TEST_F(StateTest, ErasesExactlyWhatIsNamed) {
  const std::vector<std::string> six(6, "x");
  ASSERT_TRUE(state->append_outbox("bob@localhost", six));
  EXPECT_EQ(state->outbox_size().value(), 6u);
  const std::uint64_t accepted[] = {1, 3, 99};
  ASSERT_TRUE(state->erase_accepted(accepted));
  ASSERT_TRUE(state->erase_accepted({}));
  ASSERT_TRUE(state->erase_refused(5));
  ASSERT_TRUE(state->erase_refused(77));
  EXPECT_EQ(outbox_ids(), (Ids{2, 4, 6}));
  EXPECT_EQ(state->outbox_size().value(), 3u);
}

TEST_F(StateTest, PayloadsAreBytes) {
  const std::string payloads[] = {"", std::string("a\0b\xff\n", 5),
                                  std::string(protocol::payload_size_max, 'x')};
  ASSERT_TRUE(state->append_outbox("bob@localhost", payloads));
  reopen();
  const auto messages = state->read_outbox(0, 10);
  ASSERT_TRUE(messages.has_value() && messages->size() == 3);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ((*messages)[i].payload, payloads[i]);
  for (std::size_t i = 0; i < 3; ++i) {
    store({{.from = "bob@localhost/1", .id = i + 1, .sequence = i + 1, .payload = payloads[i]}});
  }
  EXPECT_EQ(inbox(), Texts(std::begin(payloads), std::end(payloads)));
}

// --- inbox

TEST_F(StateTest, ReceivedComesBackWholeAndInOrder) {
  EXPECT_EQ(store({{"bob@localhost/1", 5, 1000, 1'800'000'000'123, "a"},
                   {"carol@localhost/2", 1, 1001, -1, "b"}}),
            2u);
  EXPECT_EQ(state->last_sequence(), 1001u);
  reopen();
  const auto messages = state->read_inbox(10);
  ASSERT_TRUE(messages.has_value() && messages->size() == 2);
  EXPECT_EQ((*messages)[0].message.from, "bob@localhost/1");
  EXPECT_EQ((*messages)[0].message.id, 5u);
  EXPECT_EQ((*messages)[0].message.time_ms, 1'800'000'000'123);
  EXPECT_EQ((*messages)[1].message.time_ms, -1);
  EXPECT_EQ(state->last_sequence(), 1001u);
}

TEST_F(StateTest, RepeatedIsDroppedPerSendingDevice) {
  EXPECT_EQ(store({{"bob@localhost/1", 5, 10, 0, "first"}}), 1u);
  EXPECT_EQ(store({{"bob@localhost/1", 4, 11, 0, "older"},
                   {"bob@localhost/1", 5, 12, 0, "the same"},
                   {"bob@localhost/1", 6, 13, 0, "next"},
                   {"bob@localhost/1", 6, 14, 0, "next again"},
                   {"bob@localhost/2", 5, 15, 0, "another device"},
                   {"bob@example.org/1", 5, 16, 0, "another domain"}}),
            3u);
  EXPECT_EQ(inbox(), (Texts{"first", "next", "another device", "another domain"}));
  EXPECT_EQ(state->last_sequence(), 16u) << "what was dropped is acknowledged as well";
}

TEST_F(StateTest, RepeatedIsDroppedAlsoAfterItWasTakenAndInAnotherRun) {
  store({{"bob@localhost/1", 5, 10, 0, "once"}});
  ASSERT_TRUE(state->erase_inbox(state->read_inbox(1)->front().row));
  reopen();
  EXPECT_EQ(store({{"bob@localhost/1", 5, 11, 0, "once"}}), 0u);
  EXPECT_EQ(inbox(), Texts{});
}

TEST_F(StateTest, EphemeralAndKeptDoNotHideEachOther) {
  EXPECT_EQ(store({{"bob@localhost/1", 9, 0, 0, "overtakes"}}), 1u);
  EXPECT_EQ(state->last_sequence(), 0u);
  EXPECT_EQ(store({{"bob@localhost/1", 8, 20, 0, "overtaken"}}), 1u);
  EXPECT_EQ(store({{"bob@localhost/1", 9, 0, 0, "repeated"}}), 0u);
  EXPECT_EQ(store({{"bob@localhost/1", 10, 21, 0, "kept"}}), 1u);
  EXPECT_EQ(store({{"bob@localhost/1", 10, 0, 0, "its own number"}}), 1u);
  EXPECT_EQ(inbox(), (Texts{"overtakes", "overtaken", "kept", "its own number"}));
  EXPECT_EQ(state->last_sequence(), 21u) << "an ephemeral one leaves it";
}

TEST_F(StateTest, LastSequenceFollowsTheGatewayAlsoDown) {
  store({{"bob@localhost/1", 1, (1ull << 62) + 5, 0, "a"}});
  EXPECT_EQ(state->last_sequence(), (1ull << 62) + 5);
  store({{"bob@localhost/1", 2, 7, 0, "of a gateway whose clock was set back"}});
  EXPECT_EQ(state->last_sequence(), 7u);
  EXPECT_EQ(store({}), 0u);
  EXPECT_EQ(state->last_sequence(), 7u);
}

TEST_F(StateTest, InboxIsReadUpToALimitAndTakenOneByOne) {
  store({{"bob@localhost/1", 1, 1, 0, "a"},
         {"bob@localhost/1", 2, 2, 0, "b"},
         {"bob@localhost/1", 3, 3, 0, "c"}});
  EXPECT_EQ(inbox(0), Texts{});
  EXPECT_EQ(inbox(2), (Texts{"a", "b"}));
  const auto messages = state->read_inbox(3);
  ASSERT_TRUE(messages.has_value() && messages->size() == 3);
  ASSERT_TRUE(state->erase_inbox((*messages)[1].row));
  ASSERT_TRUE(state->erase_inbox((*messages)[1].row)) << "already taken is taken";
  EXPECT_EQ(inbox(), (Texts{"a", "c"}));
  ASSERT_TRUE(state->erase_inbox((*messages)[0].row));
  ASSERT_TRUE(state->erase_inbox((*messages)[2].row));
  store({{"bob@localhost/1", 4, 4, 0, "d"}});
  const auto later = state->read_inbox(1);
  EXPECT_GT(later->front().row, (*messages)[2].row) << "a row never means another message";
}

TEST_F(StateTest, HighestIdsSurviveTheRoundThroughTheDatabase) {
  const std::uint64_t highest = UINT64_MAX;
  EXPECT_EQ(store({{"bob@localhost/1", highest - 1, 1, 0, "a"},
                   {"bob@localhost/1", highest, 2, 0, "b"},
                   {"bob@localhost/1", highest, 3, 0, "b"},
                   {"bob@localhost/1", 1, 4, 0, "old"}}),
            2u);
  EXPECT_EQ(state->read_inbox(2)->back().message.id, highest);
}

}  // namespace
}  // namespace godwit::client::test
