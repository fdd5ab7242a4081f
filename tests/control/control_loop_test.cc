// SPDX-License-Identifier: Apache-2.0
// Control's thread: it answers while it spins and when it has to be woken, and stops when it is
// told.
#include "control/control_loop.h"

#include <gtest/gtest.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <future>

#include "queues/mesh.h"
#include "tests/control/scratch_folder.h"

namespace godwit::control {
namespace {

using queues::Command;
using queues::CommandKind;

class ControlLoopTest : public testing::Test {
 protected:
  void SetUp() override {
    loop_ = std::move(*ControlLoop::create());
    accounts_ = std::move(*AccountStore::open({.path = folder_ / "accounts.db"}));
    keys_ = std::move(*KeyDirectory::open({.path = folder_ / "prekeys.db"}));
    outbox_ = std::make_unique<queues::Outbox<Command>>(to_shard_, shard_parker_, 1024);
    control_ =
        std::make_unique<Control>(Control::Options{.domain = "example.org",
                                                   .hash_user = [](std::string_view) { return 0; },
                                                   .home_shard = [](std::uint64_t) { return 0u; },
                                                   .accounts = *accounts_,
                                                   .keys = *keys_,
                                                   .pool = pool_,
                                                   .shards = {{.from_shard = &from_shard_,
                                                               .to_shard = outbox_.get(),
                                                               .counters = &counters_}}});
  }

  // Asks for an account and waits, bounded, for the answer; its lookup token.
  std::uint64_t ask(std::uint64_t token) {
    EXPECT_TRUE(from_shard_.try_push({.kind = CommandKind::account_lookup,
                                      .id = token,
                                      .buffer = shard_pool_.copy(as_bytes("nobody")).release()}));
    from_shard_.flush();
    loop_->parker().notify();
    std::uint64_t answered = 0;
    const Instant limit = monotonic_now() + std::chrono::seconds(5);
    while (answered == 0 && monotonic_now() < limit) {
      to_shard_.drain(1, [&](const Command& command) { answered = command.id; });
      std::this_thread::yield();
    }
    return answered;
  }

  ScratchFolder folder_;
  queues::BufferPool pool_{std::size_t{1} << 20};
  queues::BufferPool shard_pool_{std::size_t{1} << 20};
  queues::SpscRing<Command> from_shard_{64};
  queues::SpscRing<Command> to_shard_{64};
  queues::Parker shard_parker_{[] {}};
  queues::ShardCounters counters_;
  std::unique_ptr<queues::Outbox<Command>> outbox_;
  std::unique_ptr<AccountStore> accounts_;
  std::unique_ptr<KeyDirectory> keys_;
  std::unique_ptr<Control> control_;
  std::unique_ptr<ControlLoop> loop_;
};

TEST_F(ControlLoopTest, AnswersAwakeAndAsleep) {
  loop_->start(*control_);
  for (std::uint64_t token = 1; token <= 200; ++token) {
    // Some come at once, some after the thread has gone to sleep.
    if (token % 20 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
    const Instant asked = monotonic_now();
    ASSERT_EQ(ask(token), token);
    // A lost wake-up would show as the poller's longest sleep, a second.
    EXPECT_LT(monotonic_now() - asked, std::chrono::milliseconds(900));
  }
  loop_->stop();
}

TEST_F(ControlLoopTest, RunsTasksInOrderOnItsThread) {
  std::vector<int> ran;
  std::thread::id where;
  std::promise<void> all;
  loop_->post([&] { ran.push_back(0); });  // before the start: kept
  loop_->start(*control_);
  std::this_thread::sleep_for(std::chrono::milliseconds(3));  // asleep by now
  for (int i = 1; i < 100; ++i) loop_->post([&ran, i] { ran.push_back(i); });
  loop_->post([&] {
    where = std::this_thread::get_id();
    all.set_value();
  });
  ASSERT_EQ(all.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
  loop_->stop();
  ASSERT_EQ(ran.size(), 100u);
  EXPECT_TRUE(std::ranges::is_sorted(ran));
  EXPECT_NE(where, std::this_thread::get_id());
}

TEST_F(ControlLoopTest, LooksAtSocketsWhileShardsKeepAsking) {
  const FileDescriptor socket(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  std::atomic<int> handled{0};
  ASSERT_TRUE(loop_->poller().watch(socket.get(), EPOLLIN, [&](std::uint32_t, Now) {
    std::uint64_t count = 0;
    handled += ::read(socket.get(), &count, sizeof count) == sizeof count ? 1 : 0;
  }));
  loop_->start(*control_);
  std::uint64_t token = 1;
  for (int round = 1; round <= 5; ++round) {
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(socket.get(), &one, sizeof one), 8);
    const Instant limit = monotonic_now() + std::chrono::seconds(5);
    while (handled < round && monotonic_now() < limit) {
      ASSERT_EQ(ask(token), token);
      ++token;
    }
    ASSERT_EQ(handled, round);
  }
  loop_->stop();
}

TEST_F(ControlLoopTest, StopsFromSleepAndStartsAgain) {
  for (std::uint64_t round = 1; round <= 3; ++round) {
    loop_->start(*control_);
    EXPECT_EQ(ask(round), round);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const Instant asked = monotonic_now();
    loop_->stop();
    EXPECT_LT(monotonic_now() - asked, std::chrono::milliseconds(900));
  }
  loop_->stop();
}

}  // namespace
}  // namespace godwit::control
