// SPDX-License-Identifier: Apache-2.0
#include "queues/schema.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "queues/sqlite_store.h"

// Files of earlier and later versions.

namespace godwit::queues {
namespace {

constexpr const char* two_steps[] = {"CREATE TABLE t(a); CREATE INDEX i ON t(a)",
                                     "ALTER TABLE t ADD COLUMN b NOT NULL DEFAULT 7"};
constexpr const char* broken_steps[] = {two_steps[0], two_steps[1],
                                        "CREATE TABLE more(x); INSERT INTO nowhere VALUES(1)"};
constexpr std::int32_t id = 77;

Schema steps(std::span<const char* const> list) {
  return {.what = "a test", .application_id = id, .steps = list};
}

class SchemaTest : public testing::Test {
 protected:
  SchemaTest() {
    std::filesystem::create_directory(folder_);
    open();
  }
  ~SchemaTest() override {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  void open() {
    sqlite3* made = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &made), SQLITE_OK);
    database_.reset(made);
  }
  void run(const char* sql) {
    ASSERT_EQ(sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database_.get());
  }
  std::int64_t number(const char* sql) {
    return schema_detail::number(database_.get(), path_, sql).value_or(-1);
  }
  Result<int> bring(std::span<const char* const> list) {
    return bring_up_to_date(database_.get(), path_, steps(list));
  }

  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };
  const std::string folder_ =
      std::filesystem::temp_directory_path() / ("godwit-schema-" + std::to_string(::getpid()));
  const std::string path_ = folder_ + "/x.db";
  std::unique_ptr<sqlite3, Close> database_;
};

TEST_F(SchemaTest, AnEmptyFileGetsAllSteps) {
  EXPECT_EQ(bring(two_steps).value(), 0);
  EXPECT_EQ(number("PRAGMA user_version"), 2);
  EXPECT_EQ(number("PRAGMA application_id"), id);
  run("INSERT INTO t(a) VALUES(1)");
  EXPECT_EQ(number("SELECT b FROM t"), 7);
  EXPECT_EQ(bring(two_steps).value(), 2) << "again: nothing to do";
}

TEST_F(SchemaTest, AnOlderFileGetsTheStepsItLacksAndKeepsWhatItHas) {
  EXPECT_EQ(bring(std::span(two_steps).first(1)).value(), 0);
  run("INSERT INTO t(a) VALUES(5)");
  EXPECT_EQ(bring(two_steps).value(), 1);
  EXPECT_EQ(number("SELECT a FROM t"), 5);
  EXPECT_EQ(number("SELECT b FROM t"), 7);
  EXPECT_EQ(number("PRAGMA user_version"), 2);
}

TEST_F(SchemaTest, ANewerFileIsRefusedAndNotTouched) {
  EXPECT_TRUE(bring(two_steps));
  const auto older = bring(std::span(two_steps).first(1));
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().code, ErrorCode::refused);
  EXPECT_NE(older.error().message.find("newer"), std::string::npos);
  EXPECT_EQ(number("PRAGMA user_version"), 2);
}

TEST_F(SchemaTest, AStepThatFailsLeavesTheFileAsItWas) {
  EXPECT_TRUE(bring(std::span(two_steps).first(1)));
  run("INSERT INTO t(a) VALUES(5)");
  ASSERT_FALSE(bring(broken_steps));
  EXPECT_EQ(number("PRAGMA user_version"), 1);
  EXPECT_EQ(number("SELECT count(*) FROM sqlite_schema WHERE name = 'more'"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM pragma_table_info('t')"), 1) << "no column b";
  EXPECT_EQ(bring(two_steps).value(), 1) << "usable after that";
}

TEST_F(SchemaTest, AnotherProgramsDatabaseIsNotTaken) {
  run("CREATE TABLE other(x)");
  EXPECT_EQ(bring(two_steps).error().code, ErrorCode::corrupt);
  run("PRAGMA user_version=1");
  EXPECT_EQ(bring(two_steps).error().code, ErrorCode::corrupt);
  run("PRAGMA application_id=78");
  EXPECT_EQ(bring(two_steps).error().code, ErrorCode::corrupt);
}

// As files were before they were marked.
TEST_F(SchemaTest, AStoreOfTheFirstVersionIsTakenOverWithItsMessages) {
  run("CREATE TABLE message(account_id INTEGER NOT NULL, device INTEGER NOT NULL, sequence INTEGER "
      "NOT NULL, accepted_s INTEGER NOT NULL, expires_s INTEGER NOT NULL, bytes BLOB NOT NULL, "
      "PRIMARY KEY(account_id, device, sequence)) WITHOUT ROWID;"
      "CREATE INDEX message_expiry ON message(expires_s);"
      "INSERT INTO message VALUES(5, 1, 900, 10, 2000, x'616263');"
      "PRAGMA user_version=1");
  database_.reset();
  auto store = SqliteStore::open({.path = path_});
  ASSERT_TRUE(store) << store.error().message;
  std::string text;
  const auto next =
      (*store)->load({.account_id = 5, .device = 1, .limit = 10, .limit_bytes = 1000, .now_s = 20},
                     [&](const MessageStore::Stored& stored) {
                       text = as_text(stored.bytes);
                       return true;
                     });
  EXPECT_EQ(next.value(), 0u);
  EXPECT_EQ(text, "abc");
  store->reset();
  open();
  EXPECT_EQ(number("PRAGMA user_version"), 2);
  EXPECT_EQ(number("PRAGMA application_id"), 0x47574d53);
}

TEST_F(SchemaTest, AStoreOfAnotherProgramIsNotTouched) {
  run("CREATE TABLE songs(title); PRAGMA user_version=1; PRAGMA application_id=9");
  database_.reset();
  const auto store = SqliteStore::open({.path = path_});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::corrupt);
  open();
  EXPECT_EQ(number("SELECT count(*) FROM sqlite_schema"), 1);
}

}  // namespace
}  // namespace godwit::queues
