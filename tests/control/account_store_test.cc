// SPDX-License-Identifier: Apache-2.0
// The account database: who may register what, that it is durable once committed, and what an
// operator can change.
#include "control/account_store.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/control/scratch_folder.h"

namespace godwit::control {
namespace {

using protocol::Condition;
using queues::AccountStatus;

constexpr WallTime start{std::chrono::seconds(1'800'000'000)};

queues::PublicKeyBytes key(std::uint8_t number) {
  queues::PublicKeyBytes bytes{};
  bytes[0] = number;
  return bytes;
}

class AccountStoreTest : public testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    store_.reset();
    Result<std::unique_ptr<AccountStore>> store = AccountStore::open(options_);
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
  }

  struct Ask {
    std::string_view user;
    std::uint8_t key = 1;
    std::string_view invite = {};
    RegistrationMode mode = RegistrationMode::open;
    WallTime now = start;
  };
  std::expected<RegisteredDevice, Refusal> in_batch(const Ask& ask) {
    auto decision = store_->register_device(
        {.user = ask.user, .invite = ask.invite, .client = "test 1", .key = key(ask.key)}, ask.mode,
        ask.now);
    EXPECT_TRUE(decision) << decision.error().message;
    return *decision;
  }
  std::expected<RegisteredDevice, Refusal> ask(const Ask& ask) {
    EXPECT_TRUE(store_->begin_batch());
    auto decision = in_batch(ask);
    EXPECT_TRUE(store_->commit_batch());
    return decision;
  }
  Condition refusal(const Ask& question) {
    const auto decision = ask(question);
    EXPECT_FALSE(decision);
    return decision ? Condition{} : decision.error().condition;
  }
  std::string invite(const AccountStore::InviteOptions& options = {}) {
    const Result<Invite> made = store_->create_invite(options, random_, start);
    EXPECT_TRUE(made);
    return made->code;
  }
  Account account(std::string_view user) {
    const auto found = store_->find(user);
    EXPECT_TRUE(found && *found);
    return **found;
  }

  ScratchFolder folder_;
  AccountStore::Options options_{.path = folder_ / "accounts.db"};
  SeededRandom random_{7};
  std::unique_ptr<AccountStore> store_;
};

TEST_F(AccountStoreTest, FirstRegistrationMakesTheAccountAndDeviceOne) {
  const auto device = ask({.user = "alice"});
  ASSERT_TRUE(device);
  EXPECT_EQ(device->device, 1);
  EXPECT_TRUE(device->added);
  const Account alice = account("alice");
  EXPECT_EQ(alice.id, device->account_id);
  EXPECT_EQ(alice.status, AccountStatus::active);
  EXPECT_EQ(alice.created_s, 1'800'000'000);
  ASSERT_EQ(alice.devices.size(), 1u);
  EXPECT_EQ(alice.devices[0].key, key(1));
  EXPECT_EQ(alice.devices[0].client, "test 1");
  EXPECT_EQ(store_->account_count(), 1u);
}

TEST_F(AccountStoreTest, SameKeyAgainIsTheSameDeviceInEveryMode) {
  const auto first = ask({.user = "alice"});
  for (RegistrationMode mode :
       {RegistrationMode::open, RegistrationMode::invite, RegistrationMode::closed}) {
    const auto again = ask({.user = "alice", .mode = mode});
    ASSERT_TRUE(again);
    EXPECT_EQ(again->device, 1);
    EXPECT_EQ(again->account_id, first->account_id);
    EXPECT_FALSE(again->added);
  }
  EXPECT_EQ(account("alice").devices.size(), 1u);
}

TEST_F(AccountStoreTest, TakenNameWithAnotherKeyIsAConflict) {
  ASSERT_TRUE(ask({.user = "alice"}));
  EXPECT_EQ(refusal({.user = "alice", .key = 2}), Condition::conflict);
}

TEST_F(AccountStoreTest, OneKeyBelongsToOneAccount) {
  ASSERT_TRUE(ask({.user = "alice"}));
  EXPECT_EQ(refusal({.user = "bob"}), Condition::conflict);
  EXPECT_FALSE(*store_->find("bob"));
}

TEST_F(AccountStoreTest, BadNamesAreAPolicyViolation) {
  for (std::string_view user :
       {std::string_view(""), std::string_view("Alice"), std::string_view("a b"),
        std::string_view("a\0b", 3), std::string_view("ä")}) {
    EXPECT_EQ(refusal({.user = user}), Condition::policy_violation);
  }
  const std::string longest(64, 'a');
  EXPECT_TRUE(ask({.user = longest}));
  EXPECT_EQ(refusal({.user = longest + "a", .key = 2}), Condition::policy_violation);
}

TEST_F(AccountStoreTest, ClosedRefusesNewAccountsAndDevices) {
  EXPECT_EQ(refusal({.user = "alice", .mode = RegistrationMode::closed}),
            Condition::not_authorized);
  ASSERT_TRUE(ask({.user = "alice"}));
  const std::string code = invite({.user = "alice"});
  EXPECT_EQ(refusal({.user = "alice", .key = 2, .invite = code, .mode = RegistrationMode::closed}),
            Condition::not_authorized);
}

TEST_F(AccountStoreTest, InviteModeNeedsAValidInvite) {
  const RegistrationMode mode = RegistrationMode::invite;
  EXPECT_EQ(refusal({.user = "alice", .mode = mode}), Condition::not_authorized);
  EXPECT_EQ(refusal({.user = "alice", .invite = "nonsense", .mode = mode}),
            Condition::not_authorized);
  const std::string code = invite();
  EXPECT_TRUE(ask({.user = "alice", .invite = code, .mode = mode}));
  EXPECT_EQ(refusal({.user = "bob", .key = 2, .invite = code, .mode = mode}),
            Condition::not_authorized);
}

TEST_F(AccountStoreTest, InviteIsGoodForItsUsesAndNoMore) {
  const std::string code = invite({.uses = 2});
  EXPECT_TRUE(ask({.user = "a", .key = 1, .invite = code}));
  EXPECT_TRUE(ask({.user = "b", .key = 2, .invite = code}));
  EXPECT_EQ(refusal({.user = "c", .key = 3, .invite = code}), Condition::not_authorized);
}

TEST_F(AccountStoreTest, ARefusalDoesNotUseAnInviteUp) {
  ASSERT_TRUE(ask({.user = "alice"}));
  const std::string code = invite();
  EXPECT_EQ(refusal({.user = "alice", .key = 2, .invite = code}), Condition::not_authorized);
  EXPECT_TRUE(ask({.user = "bob", .key = 2, .invite = code}));
}

TEST_F(AccountStoreTest, InviteExpiresAtItsSecond) {
  const std::int64_t expires = 1'800'000'100;
  const std::string code = invite({.uses = 2, .expires_s = expires});
  const WallTime end{std::chrono::seconds(expires)};
  EXPECT_TRUE(ask({.user = "a", .invite = code, .now = end - std::chrono::milliseconds(1)}));
  EXPECT_EQ(refusal({.user = "b", .key = 2, .invite = code, .now = end}),
            Condition::not_authorized);
}

TEST_F(AccountStoreTest, AnotherDeviceNeedsAnInviteForThatAccount) {
  ASSERT_TRUE(ask({.user = "alice"}));
  ASSERT_TRUE(ask({.user = "bob", .key = 2}));
  const std::string unbound = invite();
  const std::string for_bob = invite({.user = "bob"});
  const std::string for_alice = invite({.user = "alice"});
  EXPECT_EQ(refusal({.user = "alice", .key = 3, .invite = unbound}), Condition::not_authorized);
  EXPECT_EQ(refusal({.user = "alice", .key = 3, .invite = for_bob}), Condition::not_authorized);
  const auto second = ask({.user = "alice", .key = 3, .invite = for_alice});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->device, 2);
  EXPECT_EQ(account("alice").devices.size(), 2u);
}

TEST_F(AccountStoreTest, AnInviteForAnotherNameIsRefusedEvenWhereNoneIsNeeded) {
  const std::string code = invite({.user = "alice"});
  EXPECT_EQ(refusal({.user = "alcie", .invite = code}), Condition::not_authorized);
  EXPECT_TRUE(ask({.user = "alice", .invite = code}));
}

TEST_F(AccountStoreTest, DevicesUpToTheLimit) {
  options_.devices_per_account_max = 3;
  open();
  ASSERT_TRUE(ask({.user = "alice"}));
  const std::string code = invite({.user = "alice", .uses = 10});
  EXPECT_TRUE(ask({.user = "alice", .key = 2, .invite = code}));
  EXPECT_TRUE(ask({.user = "alice", .key = 3, .invite = code}));
  EXPECT_EQ(refusal({.user = "alice", .key = 4, .invite = code}), Condition::policy_violation);
}

TEST_F(AccountStoreTest, TwoRegistrationsOfOneNameInOneBatch) {
  ASSERT_TRUE(store_->begin_batch());
  const auto first = in_batch({.user = "alice", .key = 1});
  const auto second = in_batch({.user = "alice", .key = 2});
  const auto repeat = in_batch({.user = "alice", .key = 1});
  ASSERT_TRUE(store_->commit_batch());
  ASSERT_TRUE(first);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().condition, Condition::conflict);
  ASSERT_TRUE(repeat);
  EXPECT_EQ(repeat->device, first->device);
  EXPECT_EQ(account("alice").devices.size(), 1u);
  EXPECT_EQ(store_->account_count(), 1u);
}

TEST_F(AccountStoreTest, RemovedAccountsIdIsNotUsedAgain) {
  const auto first = ask({.user = "alice"});
  const Result<std::optional<std::uint64_t>> removed = store_->remove("alice");
  ASSERT_TRUE(removed && *removed);
  EXPECT_EQ(**removed, first->account_id);
  EXPECT_FALSE(*store_->find("alice"));
  EXPECT_EQ(store_->account_count(), 0u);
  open();
  const auto second = ask({.user = "alice"});
  ASSERT_TRUE(second);
  EXPECT_GT(second->account_id, first->account_id);
  EXPECT_FALSE(**store_->remove("nobody"));
}

TEST_F(AccountStoreTest, RemovalTakesBoundInvitesAndBlocksAlong) {
  const auto alice = ask({.user = "alice"});
  const std::string bound = invite({.user = "alice", .uses = 5});
  const std::string unbound = invite();
  ASSERT_TRUE(store_->block(alice->account_id, std::vector<std::string>{"mallory"}));
  ASSERT_TRUE(store_->remove("alice"));
  const auto invites = store_->list_invites(start);
  ASSERT_EQ(invites->size(), 1u);
  EXPECT_EQ(invites->at(0).code, unbound);
  ASSERT_TRUE(ask({.user = "alice", .key = 2}));
  EXPECT_TRUE(account("alice").blocks.empty());
  EXPECT_EQ(refusal({.user = "alice", .key = 3, .invite = bound}), Condition::not_authorized);
}

TEST_F(AccountStoreTest, StatusIsKept) {
  ASSERT_TRUE(ask({.user = "alice"}));
  EXPECT_TRUE(*store_->set_status("alice", AccountStatus::suspended));
  open();
  EXPECT_EQ(account("alice").status, AccountStatus::suspended);
  EXPECT_TRUE(*store_->set_status("alice", AccountStatus::active));
  EXPECT_EQ(account("alice").status, AccountStatus::active);
  EXPECT_FALSE(*store_->set_status("nobody", AccountStatus::active));
}

TEST_F(AccountStoreTest, ListsByPages) {
  for (std::uint8_t i = 0; i < 5; ++i)
    ASSERT_TRUE(ask({.user = std::string("user") + char('a' + i), .key = i}));
  const auto first = store_->list("", 3);
  ASSERT_EQ(first->size(), 3u);
  EXPECT_EQ(first->at(0).user, "usera");
  EXPECT_EQ(first->at(0).devices, 1u);
  const auto rest = store_->list(first->back().user, 3);
  ASSERT_EQ(rest->size(), 2u);
  EXPECT_EQ(rest->at(0).user, "userd");
  EXPECT_TRUE(store_->list("usere", 3)->empty());
}

TEST_F(AccountStoreTest, BlocksUpToTheLimitAndNotBeyond) {
  options_.blocks_per_account_max = 2;
  open();
  const auto alice = ask({.user = "alice"});
  const std::vector<std::string> two{"eve", "bob"};
  ASSERT_TRUE(store_->block(alice->account_id, two));
  ASSERT_TRUE(store_->block(alice->account_id, two));  // again is no more
  EXPECT_EQ(account("alice").blocks, (std::vector<std::string>{"bob", "eve"}));
  const Result<void> third = store_->block(alice->account_id, std::vector<std::string>{"carol"});
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::limit);
  EXPECT_EQ(account("alice").blocks.size(), 2u);
  ASSERT_TRUE(store_->unblock(alice->account_id, std::vector<std::string>{"eve", "nobody"}));
  EXPECT_EQ(account("alice").blocks, std::vector<std::string>{"bob"});
  ASSERT_TRUE(store_->unblock(alice->account_id, {}));
  EXPECT_TRUE(account("alice").blocks.empty());
}

TEST_F(AccountStoreTest, InvitesAreRandomListedAndRevoked) {
  const std::string first = invite({.user = "alice", .uses = 3, .expires_s = 1'900'000'000});
  const std::string second = invite();
  EXPECT_EQ(first.size(), 32u);  // 128 bits in hexadecimal
  EXPECT_LE(first.size(), protocol::invite_size_max);
  EXPECT_NE(first, second);
  auto invites = store_->list_invites(start);
  ASSERT_EQ(invites->size(), 2u);
  EXPECT_TRUE(*store_->revoke_invite(second));
  EXPECT_FALSE(*store_->revoke_invite(second));
  invites = store_->list_invites(start);
  ASSERT_EQ(invites->size(), 1u);
  EXPECT_EQ(invites->at(0).user, "alice");
  EXPECT_EQ(invites->at(0).uses_left, 3u);
  EXPECT_EQ(invites->at(0).expires_s, 1'900'000'000);
  EXPECT_EQ(refusal({.user = "bob", .invite = second}), Condition::not_authorized);
}

TEST_F(AccountStoreTest, InvitesUpToTheLimitAndTheUsedDoNotCount) {
  options_.invites_max = 2;
  open();
  const std::string first = invite();
  invite();
  const Result<Invite> third = store_->create_invite({}, random_, start);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::limit);
  ASSERT_TRUE(ask({.user = "alice", .invite = first}));
  EXPECT_TRUE(store_->create_invite({}, random_, start));
}

TEST_F(AccountStoreTest, UncommittedBatchLeavesNothing) {
  ASSERT_TRUE(store_->begin_batch());
  ASSERT_TRUE(in_batch({.user = "alice"}));
  open();  // closes without commit
  EXPECT_FALSE(*store_->find("alice"));
  EXPECT_EQ(store_->account_count(), 0u);
}

// A child registers and reports each commit through a pipe until it is killed; what it reported
// must be there.
TEST_F(AccountStoreTest, CommittedRegistrationsSurviveAKill) {
  store_.reset();
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::close(pipe_ends[0]);
    auto store = AccountStore::open(options_);
    for (std::uint32_t i = 0; store && i < 100'000; ++i) {
      queues::PublicKeyBytes device_key{};
      std::copy_n(reinterpret_cast<const std::uint8_t*>(&i), sizeof i, device_key.begin());
      const std::string user = "user" + std::to_string(i);
      if (!(*store)->begin_batch()) break;
      const auto decision = (*store)->register_device(
          {.user = user, .client = "c", .key = device_key}, RegistrationMode::open, start);
      if (!decision || !(*store)->commit_batch()) break;
      if (::write(pipe_ends[1], &i, sizeof i) != sizeof i) break;
    }
    ::_exit(1);
  }
  ::close(pipe_ends[1]);
  std::uint32_t last = 0;
  std::size_t reported = 0;
  while (reported < 50 && ::read(pipe_ends[0], &last, sizeof last) == sizeof last) ++reported;
  ::kill(child, SIGKILL);
  while (::read(pipe_ends[0], &last, sizeof last) == sizeof last) ++reported;
  ::close(pipe_ends[0]);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_GE(reported, 50u);
  open();
  for (std::uint32_t i = 0; i <= last; ++i) {
    ASSERT_TRUE(store_->find("user" + std::to_string(i))->has_value()) << i;
  }
  EXPECT_GE(store_->account_count(), reported);
}

TEST_F(AccountStoreTest, FileIsForItsOwnerOnly) {
  struct stat status {};
  ASSERT_EQ(::stat(options_.path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(AccountStoreTest, RefusesANewerSchema) {
  store_.reset();
  {
    Result<Database> database = Database::open(options_.path);
    ASSERT_TRUE(database && database->execute("PRAGMA user_version=2"));
  }
  const auto store = AccountStore::open(options_);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::refused);
  EXPECT_NE(store.error().message.find("newer"), std::string::npos);
}

TEST_F(AccountStoreTest, RefusesWhatIsNoAccountDatabase) {
  const std::string other = folder_ / "other.db";
  {
    Result<Database> database = Database::open(other);
    ASSERT_TRUE(database && database->execute("CREATE TABLE t(x)"));
  }
  auto store = AccountStore::open({.path = other});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::corrupt);

  const std::string text = folder_ / "text.db";
  std::ofstream(text) << std::string(5000, 'x');
  store = AccountStore::open({.path = text});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::corrupt) << store.error().message;
}

TEST_F(AccountStoreTest, MissingFolderIsAClearError) {
  const auto store = AccountStore::open({.path = folder_ / "none/accounts.db"});
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().message.find("none/accounts.db"), std::string::npos);
}

TEST_F(AccountStoreTest, DiskFullFailsTheWholeBatchAndLaterOnesWorkAgain) {
  store_.reset();
  {
    auto limited = AccountStore::open({.path = folder_ / "full.db", .page_count_max = 12});
    ASSERT_TRUE(limited) << limited.error().message;
    std::uint32_t stored = 0;
    Result<void> committed;
    for (std::uint32_t i = 0; i < 2000 && committed; ++i) {
      ASSERT_TRUE((*limited)->begin_batch());
      queues::PublicKeyBytes device_key{};
      std::copy_n(reinterpret_cast<const std::uint8_t*>(&i), sizeof i, device_key.begin());
      const std::string user = "user" + std::to_string(i);
      const auto decision = (*limited)->register_device(
          {.user = user, .client = "c", .key = device_key}, RegistrationMode::open, start);
      committed = (*limited)->commit_batch();
      EXPECT_EQ(decision.has_value(), committed.has_value());
      if (committed) ++stored;
    }
    ASSERT_FALSE(committed);
    EXPECT_EQ(committed.error().code, ErrorCode::full);
    EXPECT_EQ((*limited)->account_count(), stored);
    EXPECT_TRUE((*limited)->find("user0")->has_value());
  }
  auto store = AccountStore::open({.path = folder_ / "full.db"});
  ASSERT_TRUE(store);
  store_ = std::move(*store);
  EXPECT_TRUE(ask({.user = "later", .key = 255}));
}

}  // namespace
}  // namespace godwit::control
