// SPDX-License-Identifier: Apache-2.0
// The key directory: what may be uploaded, that a one-time key goes to one requester, and who may
// ask how often.
#include "control/key_directory.h"

#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "tests/control/key_directory_fixture.h"
#include "tests/control/scratch_folder.h"

namespace godwit::control {
namespace {

using protocol::Condition;
using protocol::PrekeyUpload;

constexpr WallTime start{std::chrono::seconds(1'800'000'000)};
constexpr DeviceName bob_1{.account = 5, .device = 1};
constexpr KeyDirectory::Requester alice{.account = 9, .user = "alice"};

class KeyDirectoryTest : public testing::Test {
 protected:
  KeyDirectoryTest() { open(); }

  void open() {
    directory_.reset();
    auto opened = KeyDirectory::open({.path = path_});
    ASSERT_TRUE(opened) << opened.error().message;
    directory_ = std::move(*opened);
  }
  // The condition of a refusal; none: it was taken in.
  std::optional<Condition> upload(const PrekeyUpload& upload, DeviceName device = bob_1) {
    const auto done = directory_->upload(device, upload, now_);
    EXPECT_TRUE(done) << done.error().message;
    if (!*done) return done->error();
    changed_ = (*done)->identity_changed;
    return std::nullopt;
  }
  std::expected<KeyDirectory::Bundle, Condition> take(
      const KeyDirectory::Requester& requester = alice, DeviceName device = bob_1) {
    auto bundle = directory_->take_bundle(requester, device, now_);
    EXPECT_TRUE(bundle) << bundle.error().message;
    return *bundle;
  }
  protocol::PrekeyCount count(DeviceName device = bob_1) {
    const auto counted = directory_->count(device);
    EXPECT_TRUE(counted);
    return *counted;
  }
  KeyDirectory::Requester stranger() {
    const std::uint64_t number = next_stranger_++;
    names_.push_back("s" + std::to_string(number));
    return {.account = number, .user = names_.back()};
  }
  // So many one-time keys of the curve, from an id on.
  PrekeyUpload more(std::uint32_t from, std::size_t count) {
    PrekeyUpload upload{.generation = 1};
    for (std::uint32_t i = 0; i < count; ++i) upload.one_time.push_back(bob_.one_time(from + i));
    return upload;
  }

  ScratchFolder folder_;
  const std::string path_ = folder_.path() + "/prekeys.db";
  std::unique_ptr<KeyDirectory> directory_;
  KeyMaker bob_;
  WallTime now_ = start;
  bool changed_ = false;
  std::uint64_t next_stranger_ = 100;
  std::deque<std::string> names_;
};

TEST_F(KeyDirectoryTest, WhatIsUploadedIsGivenOutOnce) {
  PrekeyUpload first = bob_.start();
  first.one_time = {bob_.one_time(10), bob_.one_time(11)};
  first.kem = {bob_.kem(20), bob_.kem(21)};
  EXPECT_EQ(count().generation, 0u);
  ASSERT_EQ(upload(first), std::nullopt);
  EXPECT_FALSE(changed_);
  open();
  EXPECT_EQ(count().one_time, 2u);
  EXPECT_EQ(count().kem, 2u);
  std::set<std::uint32_t> one_time;
  std::set<std::uint32_t> kem;
  for (int i = 0; i < 2; ++i) {
    const auto bundle = take();
    ASSERT_TRUE(bundle);
    EXPECT_EQ(bundle->registration, 77u);
    EXPECT_TRUE(std::ranges::equal(bundle->identity, bob_.identity()));
    EXPECT_EQ(bundle->signed_key.id, 1u);
    EXPECT_EQ(bundle->signed_key.bytes.size(), protocol::ec_key_size + 64);
    EXPECT_EQ(bundle->kem.bytes.size(), protocol::kem_key_size + 64);
    EXPECT_FALSE(bundle->last_resort);
    ASSERT_TRUE(bundle->one_time);
    one_time.insert(bundle->one_time->id);
    kem.insert(bundle->kem.id);
    EXPECT_EQ(bundle->left.one_time, 1u - static_cast<unsigned>(i));
  }
  EXPECT_EQ(one_time, (std::set<std::uint32_t>{10, 11}));
  EXPECT_EQ(kem, (std::set<std::uint32_t>{20, 21}));
  open();
  const auto last = take();
  ASSERT_TRUE(last);
  EXPECT_FALSE(last->one_time);
  EXPECT_TRUE(last->last_resort);
  EXPECT_EQ(last->kem.id, 1u);
  const auto status = directory_->status(bob_1.account);
  ASSERT_TRUE(status);
  ASSERT_EQ(status->size(), 1u);
  EXPECT_EQ((*status)[0].bundles, 3u);
  EXPECT_EQ((*status)[0].last_resort_uses, 1u);
  EXPECT_EQ((*status)[0].signed_at_s, start.time_since_epoch() / std::chrono::seconds(1));
}

TEST_F(KeyDirectoryTest, AGenerationBeginsWithEverything) {
  EXPECT_EQ(upload(more(1, 1)), Condition::bad_request) << "nothing there";
  for (int without = 0; without < 3; ++without) {
    PrekeyUpload first = bob_.start();
    if (without == 0) first.identity = {};
    if (without == 1) first.signed_key.reset();
    if (without == 2) first.last_resort.reset();
    EXPECT_EQ(upload(first), Condition::bad_request) << without;
  }
  EXPECT_EQ(take().error(), Condition::item_not_found);
  EXPECT_EQ(upload(bob_.start()), std::nullopt);
}

TEST_F(KeyDirectoryTest, SignaturesAndTypesAreVerified) {
  for (int wrong = 0; wrong < 6; ++wrong) {
    PrekeyUpload first = bob_.start();
    KeyMaker other(2);
    std::vector<std::uint8_t> odd;
    if (wrong == 0) first.signed_key = other.signed_key(1);
    if (wrong == 1) first.last_resort = other.kem(1);
    if (wrong == 2) first.kem = {bob_.kem(1), other.kem(2)};
    if (wrong == 3) first.identity = other.identity();
    if (wrong == 4) {
      first.one_time = {bob_.one_time(1)};
      odd.assign(first.one_time[0].key.begin(), first.one_time[0].key.end());
      odd[0] = 0x06;
      first.one_time[0].key = odd;
    }
    if (wrong == 5) {
      odd.assign(first.identity.begin(), first.identity.end());
      odd[0] = 0x07;
      first.identity = odd;
    }
    EXPECT_EQ(upload(first), Condition::not_acceptable) << wrong;
    EXPECT_EQ(count().generation, 0u) << wrong;
  }
}

TEST_F(KeyDirectoryTest, AnUploadMayBeRepeatedAlsoWhenItsKeysAreTaken) {
  PrekeyUpload first = bob_.start();
  first.one_time = {bob_.one_time(10), bob_.one_time(11)};
  ASSERT_EQ(upload(first), std::nullopt);
  ASSERT_EQ(take()->one_time->id, 10u);
  EXPECT_EQ(upload(first), std::nullopt);
  EXPECT_EQ(count().one_time, 1u) << "the taken one does not come back";
  PrekeyUpload changed = more(12, 1);
  changed.one_time.push_back(bob_.one_time(10, 1));
  EXPECT_EQ(upload(changed), Condition::conflict) << "a used id, another key";
  EXPECT_EQ(count().one_time, 1u) << "nothing of a refused upload stays";
  EXPECT_EQ(upload(more(9, 1)), Condition::conflict) << "an id below all";
}

TEST_F(KeyDirectoryTest, GenerationsRise) {
  ASSERT_EQ(upload(bob_.start(5)), std::nullopt);
  EXPECT_EQ(upload(bob_.start(4)), Condition::conflict);
  KeyMaker reinstalled(3);
  PrekeyUpload same_generation = reinstalled.start(5);
  EXPECT_EQ(upload(same_generation), Condition::conflict) << "another identity";
  PrekeyUpload next = reinstalled.start(6);
  next.one_time = {reinstalled.one_time(3)};
  ASSERT_EQ(upload(next), std::nullopt);
  EXPECT_TRUE(changed_);
  EXPECT_EQ(count().one_time, 1u);
  PrekeyUpload replaced = reinstalled.start(7);
  ASSERT_EQ(upload(replaced), std::nullopt);
  EXPECT_FALSE(changed_) << "the same identity";
  EXPECT_EQ(count().one_time, 0u) << "a generation begins empty";
}

TEST_F(KeyDirectoryTest, SignedKeysRotateUpwards) {
  ASSERT_EQ(upload(bob_.start()), std::nullopt);
  PrekeyUpload rotation{.generation = 1};
  rotation.signed_key = bob_.signed_key(2);
  now_ += std::chrono::days(7);
  ASSERT_EQ(upload(rotation), std::nullopt);
  EXPECT_EQ(upload(rotation), std::nullopt) << "again";
  EXPECT_EQ(count().signed_id, 2u);
  EXPECT_EQ(count().last_resort_id, 1u);
  EXPECT_EQ((*directory_->status(5))[0].signed_at_s - (*directory_->status(5))[0].last_resort_at_s,
            7 * 86400);
  rotation.signed_key = bob_.signed_key(2, 1);
  EXPECT_EQ(upload(rotation), Condition::conflict) << "the id of another key";
  rotation.signed_key = bob_.signed_key(1);
  EXPECT_EQ(upload(rotation), Condition::conflict) << "back";
  rotation.signed_key.reset();
  rotation.last_resort = bob_.kem(2);
  EXPECT_EQ(upload(rotation), std::nullopt);
  EXPECT_EQ(count().last_resort_id, 2u);
}

TEST_F(KeyDirectoryTest, AHundredKeysOfAKindAndNotOneMore) {
  ASSERT_EQ(upload(bob_.start()), std::nullopt);
  ASSERT_EQ(upload(more(1, 99)), std::nullopt);
  ASSERT_EQ(upload(more(100, 1)), std::nullopt);
  EXPECT_EQ(upload(more(101, 1)), Condition::resource_constraint);
  EXPECT_EQ(count().one_time, protocol::one_time_keys_max);
  ASSERT_TRUE(take());
  EXPECT_EQ(upload(more(101, 1)), std::nullopt);
}

TEST_F(KeyDirectoryTest, IdsAreRememberedForAWhile) {
  ASSERT_EQ(upload(bob_.start()), std::nullopt);
  std::uint32_t next = 1;
  ASSERT_TRUE(directory_->begin_batch());
  for (std::uint32_t taken = 0; taken <= KeyDirectory::taken_ids_max; ++taken) {
    if (count().one_time == 0) {
      ASSERT_EQ(upload(more(next, 50)), std::nullopt);
      next += 50;
    }
    ASSERT_TRUE(take(stranger()));
  }
  ASSERT_TRUE(directory_->commit_batch());
  EXPECT_EQ(upload(more(2, 1)), std::nullopt) << "the oldest that is remembered, the same key";
  EXPECT_EQ(upload(more(1, 1)), Condition::conflict) << "forgotten, so suspect";
}

TEST_F(KeyDirectoryTest, NobodyDrainsAnothersPool) {
  PrekeyUpload first = bob_.start();
  ASSERT_EQ(upload(first), std::nullopt);
  ASSERT_EQ(upload(more(1, 50)), std::nullopt);
  for (int i = 0; i < KeyDirectory::bundle_burst; ++i) ASSERT_TRUE(take()) << i;
  EXPECT_EQ(take().error(), Condition::policy_violation);
  EXPECT_EQ(count().one_time, 44u) << "a refused one takes nothing";
  EXPECT_TRUE(take(stranger())) << "the limit is each requester's own";
  now_ += KeyDirectory::bundle_interval - std::chrono::seconds(1);
  EXPECT_EQ(take().error(), Condition::policy_violation);
  now_ += std::chrono::seconds(1);
  open();
  EXPECT_TRUE(take());
  EXPECT_EQ(take().error(), Condition::policy_violation);
  now_ -= std::chrono::days(30);
  EXPECT_TRUE(take()) << "a clock set back locks nobody out";
}

TEST_F(KeyDirectoryTest, AnAccountHasALimitOverAllDevices) {
  DeviceName device{.account = 1000, .device = 1};
  ASSERT_TRUE(directory_->begin_batch());
  for (std::int64_t i = 0; i < KeyDirectory::account_burst; ++i) {
    if (i % KeyDirectory::bundle_burst == 0) {
      ++device.account;
      ASSERT_EQ(upload(bob_.start(), device), std::nullopt);
    }
    ASSERT_TRUE(take(alice, device)) << i;
  }
  ASSERT_TRUE(directory_->commit_batch());
  ++device.account;
  ASSERT_EQ(upload(bob_.start(), device), std::nullopt);
  EXPECT_EQ(take(alice, device).error(), Condition::policy_violation);
  now_ += KeyDirectory::account_interval;
  EXPECT_TRUE(take(alice, device));
}

TEST_F(KeyDirectoryTest, ContactsAreThoseWhoTookABundle) {
  ASSERT_EQ(upload(bob_.start()), std::nullopt);
  ASSERT_EQ(upload(bob_.start(), {5, 2}), std::nullopt);
  ASSERT_TRUE(take());
  ASSERT_TRUE(take(alice, {5, 2}));
  ASSERT_TRUE(take({.account = 10, .user = "carol"}));
  EXPECT_EQ(*directory_->contacts(5, now_), (std::vector<std::string>{"alice", "carol"}));
  EXPECT_TRUE(directory_->contacts(6, now_)->empty());
  now_ += KeyDirectory::contact_memory + std::chrono::seconds(1);
  EXPECT_TRUE(directory_->contacts(5, now_)->empty());
  EXPECT_EQ(*directory_->forget_old_contacts(now_), 5) << "two of them once more, for the total";
  EXPECT_EQ(*directory_->forget_old_contacts(now_), 0);
}

TEST_F(KeyDirectoryTest, AnAccountIsForgottenWhole) {
  PrekeyUpload first = bob_.start();
  first.one_time = {bob_.one_time(10)};
  ASSERT_EQ(upload(first), std::nullopt);
  ASSERT_EQ(upload(bob_.start(), {6, 1}), std::nullopt);
  ASSERT_TRUE(take({.account = 5, .user = "bob"}, {6, 1}));
  ASSERT_TRUE(directory_->forget_account(5));
  EXPECT_EQ(count().generation, 0u);
  EXPECT_TRUE(directory_->devices(5)->empty());
  EXPECT_TRUE(directory_->contacts(6, now_)->empty());
  EXPECT_EQ(directory_->devices(6)->size(), 1u);
}

TEST_F(KeyDirectoryTest, ABatchIsAllOrNothing) {
  ASSERT_TRUE(directory_->begin_batch());
  ASSERT_EQ(upload(bob_.start()), std::nullopt);
  EXPECT_EQ(upload(more(0, 1)), std::nullopt);
  KeyMaker other(4);
  EXPECT_EQ(upload(other.start()), Condition::conflict) << "a refusal is none of the others'";
  ASSERT_TRUE(directory_->commit_batch());
  open();
  EXPECT_EQ(count().one_time, 1u);
  ASSERT_TRUE(directory_->begin_batch());
  ASSERT_TRUE(take());
  open();
  EXPECT_EQ(count().one_time, 1u) << "not committed";
}

// A process that is killed between any two steps: what its last commit gave out stays given out.
TEST_F(KeyDirectoryTest, AKeyGivenOutBeforeACrashIsNotGivenOutAgain) {
  ASSERT_EQ(upload(bob_.start()), std::nullopt);
  ASSERT_EQ(upload(more(1, 20)), std::nullopt);
  std::set<std::uint32_t> given;
  for (int round = 0; round < 10; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const KeyDirectory::Requester requester = stranger();
    directory_.reset();
    const pid_t child = fork();
    if (child == 0) {
      auto opened = KeyDirectory::open({.path = path_});
      auto bundle = (*opened)->take_bundle(requester, bob_1, now_);
      const std::uint32_t id = (*bundle)->one_time->id;
      const bool told = write(pipe_ends[1], &id, sizeof(id)) == sizeof(id);
      _exit(told ? 0 : 1);  // no destructor runs
    }
    std::uint32_t id = 0;
    EXPECT_EQ(read(pipe_ends[0], &id, sizeof(id)), static_cast<ssize_t>(sizeof(id)));
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    EXPECT_TRUE(given.insert(id).second) << id;
    open();
  }
}

TEST_F(KeyDirectoryTest, AFullDiskLosesNothing) {
  directory_.reset();
  auto opened = KeyDirectory::open({.path = path_, .page_count_max = 24});
  ASSERT_TRUE(opened);
  directory_ = std::move(*opened);
  ASSERT_EQ(upload(bob_.start()), std::nullopt);
  bool full = false;
  std::uint32_t stored = 0;
  for (std::uint32_t id = 2; id < 60 && !full; ++id) {
    PrekeyUpload next{.generation = 1};
    next.kem = {bob_.kem(id)};
    const auto done = directory_->upload(bob_1, next, now_);
    full = !done;
    if (full) {
      EXPECT_EQ(done.error().code, ErrorCode::full);
    } else {
      stored += done->has_value() ? 1 : 0;
    }
  }
  EXPECT_TRUE(full);
  open();
  EXPECT_EQ(count().kem, stored);
  EXPECT_TRUE(take());
}

TEST_F(KeyDirectoryTest, AnotherProgramsDatabaseIsRefused) {
  directory_.reset();
  std::filesystem::remove(path_);
  {
    auto other = Database::open(path_);
    ASSERT_TRUE(other->execute("CREATE TABLE things(a); PRAGMA application_id=7;"));
  }
  EXPECT_EQ(KeyDirectory::open({.path = path_}).error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace godwit::control
