// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "queues/records.h"
#include "queues/sqlite_store.h"
#include "queues/storage_worker.h"

// SQLite files on a real disk, a worker between real rings, and a child that is killed in the
// middle of commits.

namespace godwit::queues {
namespace {

using Operation = MessageStore::Operation;

Operation put(std::uint64_t account, std::uint16_t device, std::uint64_t sequence, Bytes bytes,
              std::uint32_t expires_s = 1000) {
  return {.kind = Operation::Kind::put,
          .put = {.account_id = account,
                  .device = device,
                  .sequence = sequence,
                  .accepted_s = 1,
                  .expires_s = expires_s,
                  .bytes = bytes}};
}
Operation erase(std::uint64_t account, std::uint16_t device, std::uint64_t upto) {
  return {.kind = Operation::Kind::erase,
          .erase = {.account_id = account, .device = device, .upto_sequence = upto}};
}

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    char name[] = "/tmp/godwit-store-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/0.db";
  }
  ~StoreTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<SqliteStore> open(std::uint32_t page_count_max = 0) {
    auto store = SqliteStore::open({.path = path_, .page_count_max = page_count_max});
    EXPECT_TRUE(store.has_value()) << store.error().message;
    return std::move(*store);
  }
  std::vector<std::uint64_t> sequences(MessageStore& store, MessageStore::LoadRange range) {
    std::vector<std::uint64_t> found;
    const auto next = store.load(range, [&](const MessageStore::Stored& stored) {
      found.push_back(stored.sequence);
      return true;
    });
    EXPECT_TRUE(next.has_value());
    next_ = next.value_or(0);
    return found;
  }

  std::string folder_;
  std::string path_;
  std::uint64_t next_ = 0;
  const std::vector<std::uint8_t> payload_ = std::vector<std::uint8_t>(150, 'x');
};

using Sequences = std::vector<std::uint64_t>;

TEST_F(StoreTest, KeepsErasesAndSummarizes) {
  {
    auto store = open();
    const Operation operations[] = {put(1, 1, 10, payload_), put(1, 1, 11, payload_),
                                    put(1, 2, 10, payload_), put(2, 1, 5, payload_),
                                    erase(1, 1, 10)};
    ASSERT_TRUE(store->apply(operations).has_value());
  }
  auto store = open();
  EXPECT_EQ(sequences(*store, {.account_id = 1, .device = 1, .limit = 10, .limit_bytes = 10000}),
            Sequences{11});
  const auto summary = store->summarize(1);
  ASSERT_TRUE(summary.has_value());
  ASSERT_EQ(summary->size(), 2u);
  EXPECT_EQ((*summary)[0].count, 1u);
  EXPECT_EQ((*summary)[0].lowest, 11u);
  EXPECT_EQ((*summary)[0].bytes, 150u);
  const Operation all[] = {erase(1, 0, UINT64_MAX)};
  ASSERT_TRUE(store->apply(all).has_value());
  EXPECT_TRUE(store->summarize(1)->empty());
  EXPECT_EQ(store->summarize(2)->size(), 1u);
}

TEST_F(StoreTest, LoadsInWindows) {
  auto store = open();
  std::vector<Operation> operations;
  for (std::uint64_t i = 1; i <= 10; ++i) operations.push_back(put(1, 1, i, payload_));
  ASSERT_TRUE(store->apply(operations).has_value());
  EXPECT_EQ(sequences(*store, {.account_id = 1, .device = 1, .limit = 3, .limit_bytes = 10000}),
            (Sequences{1, 2, 3}));
  EXPECT_EQ(next_, 4u);
  EXPECT_EQ(
      sequences(
          *store,
          {.account_id = 1, .device = 1, .after_sequence = 8, .limit = 3, .limit_bytes = 10000}),
      (Sequences{9, 10}));
  EXPECT_EQ(next_, 0u);
  EXPECT_EQ(sequences(*store, {.account_id = 1, .device = 1, .limit = 10, .limit_bytes = 300}),
            (Sequences{1, 2}));
  EXPECT_EQ(sequences(*store, {.account_id = 1, .device = 1, .limit = 10, .limit_bytes = 1}),
            Sequences{1})
      << "one at least, however large";
}

TEST_F(StoreTest, TimeToLive) {
  auto store = open();
  const Operation operations[] = {put(1, 1, 1, payload_, 100), put(1, 1, 2, payload_, 101)};
  ASSERT_TRUE(store->apply(operations).has_value());
  const MessageStore::LoadRange at_100{
      .account_id = 1, .device = 1, .limit = 10, .limit_bytes = 1000, .now_s = 100};
  EXPECT_EQ(sequences(*store, at_100), Sequences{2});
  EXPECT_EQ(store->expire(99, 10).value(), 0u);
  EXPECT_EQ(store->expire(100, 10).value(), 1u);
  EXPECT_EQ(store->expire(200, 10).value(), 1u);
}

TEST_F(StoreTest, FullDiskKeepsNothingOfTheGroupAndRecovers) {
  auto store = open(12);
  const std::vector<std::uint8_t> large(20000, 'y');
  ASSERT_TRUE(store->apply(std::vector{put(1, 1, 1, payload_)}).has_value());
  std::vector<Operation> too_much;
  for (std::uint64_t i = 2; i < 20; ++i) too_much.push_back(put(1, 1, i, large));
  const auto failed = store->apply(too_much);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code, ErrorCode::full);
  EXPECT_EQ(sequences(*store, {.account_id = 1, .device = 1, .limit = 99, .limit_bytes = 1 << 20}),
            Sequences{1});
  EXPECT_TRUE(store->apply(std::vector{put(1, 1, 30, payload_)}).has_value());
}

TEST_F(StoreTest, DamagedNewerAndMissing) {
  std::ofstream(path_) << std::string(10000, 'z');
  const auto damaged = SqliteStore::open({.path = path_});
  ASSERT_FALSE(damaged.has_value());
  EXPECT_EQ(damaged.error().code, ErrorCode::corrupt);
  std::filesystem::remove(path_);
  open();
  ASSERT_EQ(std::system(("python3 -c \"import sqlite3; c=sqlite3.connect('" + path_ +
                         "'); c.execute('PRAGMA user_version=3'); c.commit()\"")
                            .c_str()),
            0);
  const auto newer = SqliteStore::open({.path = path_});
  ASSERT_FALSE(newer.has_value());
  EXPECT_EQ(newer.error().code, ErrorCode::refused);
  const auto missing = SqliteStore::open({.path = folder_ + "/no/such.db"});
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::io);
}

TEST_F(StoreTest, ErasedContentIsGoneFromTheFiles) {
  auto store = open();
  const std::string secret = "a word that occurs nowhere else";
  ASSERT_TRUE(store->apply(std::vector{put(1, 1, 1, as_bytes(secret))}).has_value());
  ASSERT_TRUE(store->apply(std::vector{erase(1, 1, 1)}).has_value());
  ASSERT_TRUE(store->maintain().has_value());
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string content((std::istreambuf_iterator<char>(file)), {});
    EXPECT_EQ(content.find(secret), std::string::npos) << entry.path();
  }
}

TEST_F(StoreTest, WhatWasReportedSurvivesAKill) {
  open();
  for (int round = 0; round < 5; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      auto store = SqliteStore::open({.path = path_});
      for (std::uint64_t i = 1;; ++i) {
        const std::uint64_t sequence = static_cast<std::uint64_t>(round) << 32 | i;
        if (!(*store)->apply(std::vector{put(1, 1, sequence, payload_)})) ::_exit(1);
        if (::write(pipe[1], &sequence, sizeof sequence) != sizeof sequence) ::_exit(1);
      }
    }
    ::close(pipe[1]);
    std::uint64_t last = 0;
    for (int i = 0; i < 20 + 7 * round; ++i) ASSERT_EQ(::read(pipe[0], &last, sizeof last), 8);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(pipe[0], &last, sizeof last) == 8) {
    }
    ::close(pipe[0]);
    auto store = open();
    const auto found = sequences(*store, {.account_id = 1,
                                          .device = 1,
                                          .after_sequence = last - 1,
                                          .limit = 5,
                                          .limit_bytes = 10000});
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found.front(), last);
  }
}

class ReadOnlyStore final : public MessageStore {
 public:
  Result<void> apply(std::span<const Operation>) override {
    return fail(ErrorCode::io, "read-only");
  }
  Result<std::uint64_t> load(const LoadRange&, const std::function<bool(const Stored&)>&) override {
    return std::uint64_t{0};
  }
  Result<std::vector<Summary>> summarize(std::uint64_t) override { return std::vector<Summary>(); }
  Result<std::vector<std::uint64_t>> accounts(std::uint64_t, std::uint32_t) override {
    return std::vector<std::uint64_t>();
  }
  Result<std::uint64_t> expire(std::uint32_t, std::uint32_t) override { return std::uint64_t{0}; }
  Result<void> maintain() override { return {}; }
};

class WorkerTest : public StoreTest {
 protected:
  WorkerTest() { restart(); }

  void restart() {
    worker_ = std::make_unique<StorageWorker>(StorageWorker::Options{
        .homes = {{&requests_, &replies_out_}},
        .open = [this](unsigned file) -> Result<std::unique_ptr<MessageStore>> {
          if (broken_ || file == broken_file_) return fail(ErrorCode::io, "broken on purpose");
          if (read_only_) return std::make_unique<ReadOnlyStore>();
          auto store = SqliteStore::open({.path = folder_ + "/" + std::to_string(file) + ".db",
                                          .page_count_max = page_count_max_});
          if (!store) return std::unexpected(store.error());
          return std::unique_ptr<MessageStore>(std::move(*store));
        },
        .files = files_,
        .counters = counters_});
  }
  void post_put(std::uint64_t sequence, std::size_t size = 100) {
    Buffer buffer = pool_.allocate(size);
    write_envelope(buffer.writable(), 1, 1, false, "bob");
    StoreRequest request{.kind = StoreRequestKind::put,
                         .device = 1,
                         .account_id = 1,
                         .sequence = sequence,
                         .mailbox = {1, 1},
                         .expires_s = UINT32_MAX};
    request.buffer = buffer.release();
    post(request);
  }
  void post_load() {
    post({.kind = StoreRequestKind::load,
          .device = 1,
          .limit = 10,
          .account_id = 1,
          .mailbox = {1, 1},
          .limit_bytes = 9999});
  }
  void post(StoreRequest request) { ASSERT_TRUE(requests_.try_push(request)); }
  std::vector<StoreReply> work(int second = 1) {
    requests_.flush();
    worker_->do_work(
        {Instant{std::chrono::seconds(second)}, WallTime{std::chrono::seconds(second)}});
    std::vector<StoreReply> got;
    replies_.drain(1000, [&](const StoreReply& reply) {
      got.push_back(reply);
      Buffer::adopt(std::exchange(got.back().buffer, nullptr));
    });
    return got;
  }

  BufferPool pool_{16 << 20};
  SpscRing<StoreRequest> requests_{1024};
  SpscRing<StoreReply> replies_{1024};
  Parker parker_{[] {}};
  Outbox<StoreReply> replies_out_{replies_, parker_, 1000};
  StorageCounters counters_;
  std::uint32_t page_count_max_ = 0;
  bool broken_ = false;
  bool read_only_ = false;
  unsigned broken_file_ = UINT32_MAX;
  std::vector<unsigned> files_;
  std::unique_ptr<StorageWorker> worker_;
};

TEST_F(WorkerTest, CommitsAGroupAndALoadSeesIt) {
  post_put(1);
  post_put(2);
  post_load();
  const auto got = work();
  ASSERT_EQ(got.size(), 5u);
  EXPECT_EQ(got[0].kind, StoreReplyKind::committed);
  EXPECT_EQ(got[1].sequence, 2u);
  EXPECT_EQ(got[2].kind, StoreReplyKind::loaded);
  EXPECT_EQ(got[4].kind, StoreReplyKind::load_end);
  EXPECT_EQ(got[4].sequence, 0u);
  EXPECT_EQ(counters_.get(StorageMetric::commits), 1u);
  pool_.collect();
  EXPECT_EQ(pool_.in_use(), 0u);
}

// A file may be damaged inside a message and still be one to SQLite.
TEST_F(WorkerTest, ADamagedMessageIsNotHandedOn) {
  post_put(1);
  Buffer damaged = pool_.allocate(8);
  std::ranges::fill(damaged.writable().first(8), std::uint8_t{0xff});
  StoreRequest request{.kind = StoreRequestKind::put,
                       .device = 1,
                       .account_id = 1,
                       .sequence = 2,
                       .mailbox = {1, 1},
                       .expires_s = UINT32_MAX};
  request.buffer = damaged.release();
  post(request);
  post_put(3);
  post_load();
  const auto got = work();
  ASSERT_EQ(got.size(), 5u);
  EXPECT_EQ(got[3].kind, StoreReplyKind::loaded);
  EXPECT_EQ(got[3].sequence, 1u);
  EXPECT_EQ(got[4].kind, StoreReplyKind::load_failed);
  EXPECT_EQ(got[4].error, ErrorCode::corrupt);
  EXPECT_NE(worker_->last_error().find("damaged message"), std::string::npos);
}

TEST_F(WorkerTest, AnAcknowledgementThatComesFirstCancelsTheWrite) {
  post_put(1);
  post_put(2);
  post({.kind = StoreRequestKind::erase, .device = 1, .account_id = 1, .sequence = 1});
  const auto got = work();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(counters_.get(StorageMetric::messages_cancelled), 1u);
  EXPECT_EQ(counters_.get(StorageMetric::messages_stored), 1u);
  post({.kind = StoreRequestKind::summarize, .account_id = 1, .mailbox = {9, 9}});
  const auto summary = work();
  ASSERT_EQ(summary.size(), 2u);
  EXPECT_EQ(summary[0].sequence, 2u);
  EXPECT_EQ(summary[0].count, 1u);
  EXPECT_EQ(summary[1].kind, StoreReplyKind::summary_end);
}

TEST_F(WorkerTest, AfterAFailureAllPutsFailUntilResume) {
  page_count_max_ = 12;
  restart();
  for (std::uint64_t i = 1; i <= 4; ++i) post_put(i, 60000);
  for (const StoreReply& reply : work()) EXPECT_EQ(reply.kind, StoreReplyKind::failed);
  post_put(5, 10);
  auto got = work();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].kind, StoreReplyKind::failed) << "posted before the home knew";
  post({.kind = StoreRequestKind::resume});
  post_put(6, 10);
  got = work();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].kind, StoreReplyKind::committed);
}

TEST_F(WorkerTest, AnEraseThatFailedIsDoneBeforeAnythingLater) {
  post_put(1);
  work(1);
  const auto stored = [this](int second) {
    post({.kind = StoreRequestKind::summarize, .account_id = 1, .mailbox = {9, 9}});
    const auto got = work(second);
    return got.size() == 2 ? got[0].sequence : 0;
  };
  ASSERT_EQ(stored(1), 1u);
  read_only_ = true;
  restart();
  post({.kind = StoreRequestKind::erase, .device = 1, .account_id = 1, .sequence = 1});
  work(2);
  EXPECT_EQ(counters_.get(StorageMetric::commit_failures), 1u);
  read_only_ = false;
  work(3);  // nothing else is asked of it
  EXPECT_EQ(stored(4), 0u);
}

TEST_F(WorkerTest, AFileThatCannotBeOpenedIsTriedAgainOnceASecond) {
  broken_ = true;
  post_put(1);
  EXPECT_EQ(work(1).at(0).kind, StoreReplyKind::failed);
  EXPECT_EQ(worker_->last_error(), "broken on purpose");
  broken_ = false;
  post({.kind = StoreRequestKind::resume});
  post_put(2);
  EXPECT_EQ(work(1).at(0).kind, StoreReplyKind::failed) << "the same second";
  post({.kind = StoreRequestKind::resume});
  post_put(3);
  EXPECT_EQ(work(2).at(0).kind, StoreReplyKind::committed);
}

// Unasked, in a quiet moment; and what works elsewhere does not hide it.
TEST_F(WorkerTest, ADamagedFileShowsUntilItWorksAgain) {
  files_ = {0, 3};
  broken_file_ = 3;
  restart();
  EXPECT_TRUE(work(1).empty());
  EXPECT_EQ(counters_.get(StorageMetric::failing), 1u);
  post_put(1);
  EXPECT_EQ(work(2).at(0).kind, StoreReplyKind::committed);
  EXPECT_EQ(counters_.get(StorageMetric::failing), 1u);
  EXPECT_EQ(worker_->last_error(), "broken on purpose");
  broken_file_ = UINT32_MAX;
  EXPECT_TRUE(work(3).empty());
  EXPECT_EQ(counters_.get(StorageMetric::failing), 0u);
  EXPECT_EQ(worker_->last_error(), "");
}

// A file on a disk that has turned read-only opens and is of no use.
TEST_F(WorkerTest, OpeningAgainIsNoProofThatAFileTakesWrites) {
  files_ = {0};
  read_only_ = true;
  restart();
  post_put(1);
  EXPECT_EQ(work(1).at(0).kind, StoreReplyKind::failed);
  work(3);  // opened again, in a quiet moment
  EXPECT_EQ(counters_.get(StorageMetric::failing), 1u);
  read_only_ = false;
  post({.kind = StoreRequestKind::resume});
  post_put(2);
  EXPECT_EQ(work(5).at(0).kind, StoreReplyKind::failed) << "on the store that was open";
  post({.kind = StoreRequestKind::resume});
  post_put(3);
  EXPECT_EQ(work(7).at(0).kind, StoreReplyKind::committed);
  EXPECT_EQ(counters_.get(StorageMetric::failing), 0u);
}

}  // namespace
}  // namespace godwit::queues
