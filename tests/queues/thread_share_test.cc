// SPDX-License-Identifier: Apache-2.0
#include "queues/thread_share.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <thread>

// Each in a thread of its own, because what it changes stays changed.

namespace godwit::queues {
namespace {

void in_a_thread(const std::function<void()>& work) {
  std::thread(work).join();
}
int own_nice() {
  return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)));
}

TEST(ThreadShare, StorageStepsBackAndNotBeyondTheLast) {
  in_a_thread([] {
    const int before = own_nice();
    step_back();
    EXPECT_EQ(own_nice(), std::min(before + 10, 19));
    EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER);
    step_back();
    step_back();
    EXPECT_EQ(own_nice(), 19);
  });
}

TEST(ThreadShare, AShardKeepsItsPriorityAndPolicy) {
  in_a_thread([] {
    const int before = own_nice();
    prefer_short_slices();
    EXPECT_EQ(own_nice(), before);
    EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER);
  });
}

TEST(ThreadShare, ARealTimePriorityIsTheShardsAlone) {
  bool allowed = false;
  in_a_thread([&] {
    const sched_param level{.sched_priority = 1};
    allowed = ::sched_setscheduler(0, SCHED_RR, &level) == 0;
    if (!allowed) return;
    prefer_short_slices();
    EXPECT_EQ(::sched_getscheduler(0), SCHED_RR);
    step_back();
    EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER);
  });
  if (!allowed) GTEST_SKIP() << "no right to a real-time priority";
}

}  // namespace
}  // namespace godwit::queues
