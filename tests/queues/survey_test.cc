// SPDX-License-Identifier: Apache-2.0
// Who has nothing on disk is not looked for there: a worker over stores that count what they are
// asked, and the searches of the real one.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "queues/records.h"
#include "queues/sqlite_store.h"
#include "queues/storage_worker.h"

namespace godwit::queues {
namespace {

constexpr std::uint32_t step = 128;
constexpr std::uint32_t surveyed_max = 128 * step;

// A file of a message for each of some accounts, which outlives the store.
struct File {
  std::set<std::uint64_t> accounts;
  bool unreadable = false;
  bool full = false;
  int summaries = 0;
  int searches = 0;
};

class CountingStore final : public MessageStore {
 public:
  explicit CountingStore(File& file) : file_(file) {}
  Result<void> apply(std::span<const Operation> operations) override {
    if (file_.full) return fail(ErrorCode::io, "cannot write");
    for (const Operation& operation : operations) {
      if (operation.kind == Operation::Kind::put) file_.accounts.insert(operation.put.account_id);
      if (operation.kind == Operation::Kind::erase) file_.accounts.erase(operation.erase.account_id);
    }
    return {};
  }
  Result<std::uint64_t> load(const LoadRange&, const std::function<bool(const Stored&)>&) override {
    return std::uint64_t{0};
  }
  Result<std::vector<Summary>> summarize(std::uint64_t account_id) override {
    ++file_.summaries;
    if (!file_.accounts.contains(account_id)) return std::vector<Summary>();
    return std::vector{Summary{.device = 1, .lowest = 7, .highest = 7, .count = 1, .bytes = 1}};
  }
  Result<std::vector<std::uint64_t>> accounts(std::uint64_t after, std::uint32_t limit) override {
    if (file_.unreadable) return fail(ErrorCode::io, "cannot read");
    ++file_.searches;
    std::vector<std::uint64_t> ids;
    for (auto next = file_.accounts.upper_bound(after);
         next != file_.accounts.end() && ids.size() < limit; ++next) {
      ids.push_back(*next);
    }
    return ids;
  }
  Result<std::uint64_t> expire(std::uint32_t, std::uint32_t) override { return std::uint64_t{0}; }
  Result<void> maintain() override { return {}; }

 private:
  File& file_;
};

class SurveyTest : public testing::Test {
 protected:
  void start(std::vector<unsigned> files = {0}) {
    worker_ = std::make_unique<StorageWorker>(StorageWorker::Options{
        .homes = {{&requests_, &replies_out_}},
        .open = [this](unsigned file) -> Result<std::unique_ptr<MessageStore>> {
          return std::make_unique<CountingStore>(files_.at(file));
        },
        .files = std::move(files),
        .counters = counters_});
  }
  std::size_t work(int second = 1) {
    requests_.flush();
    return worker_->do_work(
        {Instant{std::chrono::seconds(second)}, WallTime{std::chrono::seconds(second)}});
  }
  // How many rounds it had something to do for.
  int work_until_quiet(int second = 1) {
    int rounds = 0;
    while (work(second) > 0) ++rounds;
    return rounds;
  }
  // What a home hears of an account: how many messages wait.
  std::uint64_t waiting(std::uint64_t account_id, std::uint8_t file = 0) {
    EXPECT_TRUE(requests_.try_push({.kind = StoreRequestKind::summarize,
                                    .file = file,
                                    .account_id = account_id,
                                    .mailbox = {1, 1}}));
    work();
    std::uint64_t count = 0;
    bool ended = false;
    replies_.drain(10, [&](const StoreReply& reply) {
      ended = reply.kind == StoreReplyKind::summary_end;
      if (reply.kind == StoreReplyKind::summary) count += reply.count;
    });
    EXPECT_TRUE(ended);
    return count;
  }
  void put(std::uint64_t account_id) {
    StoreRequest request{.kind = StoreRequestKind::put,
                         .device = 1,
                         .account_id = account_id,
                         .sequence = 7,
                         .mailbox = {1, 1}};
    Buffer buffer = pool_.allocate(100);
    write_envelope(buffer.writable(), 1, 1, false, "bob");
    request.buffer = buffer.release();
    EXPECT_TRUE(requests_.try_push(request));
  }
  void erase(std::uint64_t account_id) {
    EXPECT_TRUE(requests_.try_push({.kind = StoreRequestKind::erase,
                                    .device = 1,
                                    .account_id = account_id,
                                    .sequence = 7}));
  }
  StoreReplyKind answer() {
    StoreReplyKind kind{};
    replies_.drain(1, [&](const StoreReply& reply) { kind = reply.kind; });
    return kind;
  }

  BufferPool pool_{1 << 20};
  SpscRing<StoreRequest> requests_{1024};
  SpscRing<StoreReply> replies_{1024};
  Parker parker_{[] {}};
  Outbox<StoreReply> replies_out_{replies_, parker_, 1000};
  StorageCounters counters_;
  std::array<File, store_file_count> files_;
  std::unique_ptr<StorageWorker> worker_;
};

TEST_F(SurveyTest, OnlyWhoHasSomethingIsLookedFor) {
  files_[0].accounts = {3, 500};
  start();
  EXPECT_EQ(waiting(3), 1u) << "before the survey the disk is asked";
  EXPECT_EQ(waiting(4), 0u);
  EXPECT_EQ(files_[0].summaries, 2);
  work_until_quiet();
  EXPECT_EQ(waiting(4), 0u);
  EXPECT_EQ(waiting(501), 0u);
  EXPECT_EQ(files_[0].summaries, 2);
  EXPECT_EQ(waiting(3), 1u);
  EXPECT_EQ(waiting(500), 1u);
  EXPECT_EQ(files_[0].summaries, 4);
}

TEST_F(SurveyTest, WhatIsStoredIsFoundAndForgottenOnceItIsGone) {
  start();
  work_until_quiet();
  put(9);
  EXPECT_EQ(waiting(9), 1u) << "asked for in the round that stores it";
  EXPECT_EQ(waiting(9), 1u);
  erase(9);
  EXPECT_EQ(waiting(9), 0u);
  EXPECT_EQ(files_[0].summaries, 3);
  EXPECT_EQ(waiting(9), 0u);
  EXPECT_EQ(files_[0].summaries, 3) << "the disk has said that there is nothing";
  put(9);
  EXPECT_EQ(waiting(9), 1u);
}

TEST_F(SurveyTest, WhatIsStoredDuringASurveyIsFound) {
  for (std::uint64_t id = 1000; id < 1000 + 3 * step; ++id) files_[0].accounts.insert(id);
  start();
  EXPECT_EQ(work(), 1u);
  put(5);     // the survey is past it
  put(2000);  // and not yet here
  work();
  erase(1001);
  EXPECT_EQ(waiting(1001), 0u);
  work_until_quiet();
  for (const std::uint64_t id : {5, 2000, 1000, 1002, 1383}) EXPECT_EQ(waiting(id), 1u) << id;
  EXPECT_EQ(waiting(1001), 0u);
  EXPECT_EQ(waiting(1384), 0u);
}

TEST_F(SurveyTest, TakesOneStepARoundAndEndsWithAStepThatIsNotFull) {
  for (std::uint64_t id = 1; id < step; ++id) files_[0].accounts.insert(id);
  start();
  EXPECT_EQ(work_until_quiet(), 1);
  files_[0].accounts.insert(step);
  start();
  EXPECT_EQ(work_until_quiet(), 2);
  EXPECT_EQ(waiting(step + 1), 0u);
  EXPECT_EQ(files_[0].summaries, 0);
  work_until_quiet();
  EXPECT_EQ(files_[0].searches, 3) << "no more once it is over";
}

TEST_F(SurveyTest, AFileWithTooManyIsAskedAsBefore) {
  const auto asked_with = [this](std::uint32_t count) {
    files_[0] = {};
    for (std::uint64_t id = 1; id <= count; ++id) files_[0].accounts.insert(id);
    start();
    EXPECT_EQ(work_until_quiet(), 128);
    EXPECT_EQ(waiting(count), 1u);
    EXPECT_EQ(waiting(count + 1), 0u);
    return files_[0].summaries;
  };
  EXPECT_EQ(asked_with(surveyed_max - 1), 1);
  EXPECT_EQ(asked_with(surveyed_max), 2);
  EXPECT_EQ(asked_with(surveyed_max + 1), 2);
}

TEST_F(SurveyTest, AFileThatCannotBeReadIsTriedAgainAndAskedMeanwhile) {
  files_[0].accounts = {3};
  files_[0].unreadable = true;
  start();
  EXPECT_EQ(work_until_quiet(), 0);
  EXPECT_EQ(counters_.get(StorageMetric::failing), 1u);
  files_[0].unreadable = false;
  EXPECT_EQ(work_until_quiet(60), 0);
  EXPECT_EQ(waiting(3), 1u);
  EXPECT_EQ(waiting(4), 0u);
  EXPECT_EQ(files_[0].summaries, 2);
  EXPECT_EQ(work_until_quiet(61), 1);
  EXPECT_EQ(waiting(4), 0u);
  EXPECT_EQ(files_[0].summaries, 2);
}

// Its commit may be there after all, once it is opened again.
TEST_F(SurveyTest, AStoreThatFailedIsSurveyedAgain) {
  start();
  work_until_quiet();
  files_[0].full = true;
  put(9);
  work();
  EXPECT_EQ(answer(), StoreReplyKind::failed);
  files_[0].full = false;
  files_[0].accounts = {9, 10};  // what the disk has kept, and more
  EXPECT_EQ(waiting(9), 1u);
  EXPECT_EQ(waiting(10), 1u);
  work_until_quiet();
  EXPECT_EQ(waiting(9), 1u);
  EXPECT_EQ(waiting(10), 1u);
}

TEST_F(SurveyTest, EachFileHasASurveyOfItsOwn) {
  files_[1].accounts = {20};
  start({0, 1});
  EXPECT_EQ(work(), 1u);  // of the first
  EXPECT_EQ(waiting(8, 0), 0u);
  EXPECT_EQ(files_[0].summaries, 0);
  EXPECT_EQ(waiting(20, 1), 1u);
  EXPECT_EQ(files_[1].summaries, 1);
  work_until_quiet();
  EXPECT_EQ(waiting(21, 1), 0u);
  EXPECT_EQ(waiting(20, 1), 1u);
  EXPECT_EQ(files_[1].summaries, 2);
}

TEST(AwayAccounts, KeepsIdsBelowItsBoundAndAnswersForTheOthers) {
  AwayAccounts away;
  for (const std::uint64_t id : {std::uint64_t{1}, AwayAccounts::ids_max - 1}) {
    EXPECT_FALSE(away.may_have(id));
    away.forget(id);
    away.note(id);
    EXPECT_TRUE(away.may_have(id));
    EXPECT_FALSE(away.may_have(id - 1));
    away.forget(id);
    EXPECT_FALSE(away.may_have(id));
  }
  for (const std::uint64_t id : {AwayAccounts::ids_max, AwayAccounts::ids_max + 1, UINT64_MAX}) {
    EXPECT_TRUE(away.may_have(id));
    away.note(id);
    away.forget(id);
    EXPECT_TRUE(away.may_have(id));
  }
}

TEST(SqliteStoreAccounts, AreSearchedInOrder) {
  const auto folder = std::filesystem::temp_directory_path() / "godwit-survey-test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  {
    auto store = SqliteStore::open({.path = folder / "0.db"});
    ASSERT_TRUE(store);
    EXPECT_TRUE((*store)->accounts(0, 10)->empty());
    const std::vector<std::uint8_t> large(20'000, 'x');
    std::vector<MessageStore::Operation> operations;
    for (const std::uint64_t account : {9, 2, 70'000, 4}) {
      for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
        for (const std::uint16_t device : {1, 2}) {
          operations.push_back({.kind = MessageStore::Operation::Kind::put,
                                .put = {.account_id = account,
                                        .device = device,
                                        .sequence = sequence,
                                        .accepted_s = 1,
                                        .expires_s = 1000,
                                        .bytes = large}});
        }
      }
    }
    ASSERT_TRUE((*store)->apply(operations));
    using Ids = std::vector<std::uint64_t>;
    EXPECT_EQ((*store)->accounts(0, 10).value(), (Ids{2, 4, 9, 70'000}));
    EXPECT_EQ((*store)->accounts(0, 4).value(), (Ids{2, 4, 9, 70'000}));
    EXPECT_EQ((*store)->accounts(0, 3).value(), (Ids{2, 4, 9}));
    EXPECT_EQ((*store)->accounts(2, 1).value(), Ids{4});
    EXPECT_EQ((*store)->accounts(3, 10).value(), (Ids{4, 9, 70'000}));
    EXPECT_TRUE((*store)->accounts(70'000, 10)->empty());
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace godwit::queues
