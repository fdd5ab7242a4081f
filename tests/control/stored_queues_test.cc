// SPDX-License-Identifier: Apache-2.0
#include "control/stored_queues.h"

#include <gtest/gtest.h>

#include <deque>
#include <fstream>

#include "control/files.h"
#include "control/sqlite.h"
#include "tests/control/scratch_folder.h"

namespace godwit::control {
namespace {

class StoredQueuesTest : public testing::Test {
 protected:
  // A store file in use, as the storage thread has it.
  Database& file(const std::string& name) {
    files_.push_back(*Database::open(folder_ / name));
    EXPECT_TRUE(files_.back().execute(
        "PRAGMA journal_mode=WAL; CREATE TABLE message(account_id INTEGER NOT NULL, device INTEGER "
        "NOT NULL, sequence INTEGER NOT NULL, accepted_s INTEGER NOT NULL, expires_s INTEGER NOT "
        "NULL, bytes BLOB NOT NULL, PRIMARY KEY(account_id, device, sequence)) WITHOUT ROWID"));
    return files_.back();
  }
  StoredQueues read(std::uint32_t limit, std::uint64_t account = 0) const {
    return stored_queues({.folder = folder_ / ".", .account_id = account, .limit = limit});
  }

  const ScratchFolder folder_;
  std::deque<Database> files_;
};

TEST_F(StoredQueuesTest, OverAllFilesTheLongestFirst) {
  ASSERT_TRUE(
      file("0.db").execute("INSERT INTO message VALUES(1,1,10,500,900,'abc'),"
                           "(1,1,11,400,900,'de'),(1,2,12,300,900,'f')"));
  ASSERT_TRUE(
      file("f.db").execute("INSERT INTO message VALUES(2,1,1,7,9,'a'),(2,1,2,8,9,'b'),"
                           "(2,1,3,9,9,'c')"));
  const StoredQueues all = read(10);
  EXPECT_EQ(all.unreadable_files, 0u);
  EXPECT_EQ(all.queues,
            (std::vector<StoredQueue>{
                {.account_id = 2, .device = 1, .messages = 3, .bytes = 3, .oldest_s = 7},
                {.account_id = 1, .device = 1, .messages = 2, .bytes = 5, .oldest_s = 400},
                {.account_id = 1, .device = 2, .messages = 1, .bytes = 1, .oldest_s = 300}}));
  EXPECT_EQ(read(2).queues.size(), 2u);
  EXPECT_EQ(read(10, 1).queues.size(), 2u);
  EXPECT_EQ(read(10, 3).queues.size(), 0u);
}

TEST_F(StoredQueuesTest, WhatIsNotCommittedDoesNotCountAndDoesNotHinder) {
  Database& store = file("0.db");
  ASSERT_TRUE(
      store.execute("INSERT INTO message VALUES(1,1,1,5,9,'a');"
                    "BEGIN IMMEDIATE; INSERT INTO message VALUES(1,1,2,5,9,'b')"));
  ASSERT_EQ(read(10).queues.size(), 1u);
  EXPECT_EQ(read(10).queues[0].messages, 1u);
  EXPECT_TRUE(store.execute("COMMIT"));
}

TEST_F(StoredQueuesTest, AFileThatCannotBeReadIsCountedAndTheOthersAnswer) {
  ASSERT_TRUE(file("0.db").execute("INSERT INTO message VALUES(1,1,1,5,9,'a')"));
  std::ofstream(folder_ / "1.db") << std::string(10'000, 'x');
  const StoredQueues found = read(10);
  EXPECT_EQ(found.unreadable_files, 1u);
  EXPECT_EQ(found.queues.size(), 1u);
  EXPECT_EQ(stored_queues({.folder = folder_ / "none", .limit = 1}).unreadable_files, 1u);
}

}  // namespace
}  // namespace godwit::control
