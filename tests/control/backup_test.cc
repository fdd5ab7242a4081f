// SPDX-License-Identifier: Apache-2.0
#include "control/backup.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "control/account_store.h"
#include "control/key_directory.h"
#include "control/files.h"
#include "control/sqlite.h"
#include "tests/control/scratch_folder.h"

namespace godwit::control {
namespace {

class BackupTest : public testing::Test {
 protected:
  BackupTest() {
    EXPECT_TRUE(make_directories(data_ + "/keys"));
    EXPECT_TRUE(make_directories(data_ + "/store"));
    EXPECT_TRUE(write_file_durably(data_ + "/keys/node.key", as_bytes("secret")));
    accounts_ = std::move(*AccountStore::open({.path = data_ + "/accounts.db"}));
    keys_ = std::move(*KeyDirectory::open({.path = data_ + "/prekeys.db"}));
    store_ = std::make_unique<Database>(*Database::open(data_ + "/store/0.db"));
    EXPECT_TRUE(store_->execute("PRAGMA journal_mode=WAL"));
    EXPECT_TRUE(
        store_->execute("PRAGMA user_version=7; CREATE TABLE t(n); INSERT INTO t VALUES(1)"));
  }
  static std::int64_t number(const std::string& path, std::string_view sql) {
    auto database = Database::open(path);
    auto statement = database->prepare(sql);
    EXPECT_TRUE(statement && *statement->step());
    return statement->integer(0);
  }

  const ScratchFolder folder_;
  const std::string data_ = folder_ / "data";
  const std::string copy_ = folder_ / "copy";
  std::unique_ptr<AccountStore> accounts_;
  std::unique_ptr<KeyDirectory> keys_;
  std::unique_ptr<Database> store_;
};

TEST_F(BackupTest, CopiesWhatIsCommittedWhileItIsInUse) {
  ASSERT_TRUE(store_->execute("BEGIN; INSERT INTO t VALUES(2)"));  // not committed
  const auto bytes = back_up({.data = data_, .folder = copy_});
  ASSERT_TRUE(bytes) << bytes.error().message;
  EXPECT_GT(*bytes, 0u);
  ASSERT_TRUE(store_->execute("COMMIT"));
  EXPECT_EQ(number(copy_ + "/store/0.db", "SELECT count(*) FROM t"), 1);
  EXPECT_EQ(number(copy_ + "/store/0.db", "PRAGMA user_version"), 7);
  EXPECT_EQ(read_file(copy_ + "/keys/node.key", 100).value(), "secret");
  EXPECT_TRUE(AccountStore::open({.path = copy_ + "/accounts.db"}));
  EXPECT_TRUE(KeyDirectory::open({.path = copy_ + "/prekeys.db"}));
  struct stat status {};
  for (const char* name : {"/store/0.db", "/accounts.db", "/keys/node.key"}) {
    ASSERT_EQ(::stat((copy_ + name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 0777, 0600u) << name;
  }
  ASSERT_EQ(::stat(copy_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(BackupTest, DoesNotReplaceAnything) {
  ASSERT_TRUE(back_up({.data = data_, .folder = copy_}));
  const auto again = back_up({.data = data_, .folder = copy_});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::exists);
}

TEST_F(BackupTest, LeavesNothingBehindWhenItFails) {
  std::ofstream(data_ + "/store/1.db") << std::string(5000, 'x');  // no database
  const auto failed = back_up({.data = data_, .folder = copy_});
  ASSERT_FALSE(failed);
  EXPECT_FALSE(file_exists(copy_));
  EXPECT_FALSE(file_exists(copy_ + ".partial"));
  EXPECT_FALSE(back_up({.data = data_, .folder = folder_ / "no/where"}));
}

}  // namespace
}  // namespace godwit::control
