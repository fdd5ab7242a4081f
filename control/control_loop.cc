// SPDX-License-Identifier: Apache-2.0
#include "control/control_loop.h"

#include <pthread.h>

namespace godwit::control {
namespace {

// Turns without work before the thread sleeps. After each it lets others have the core: where that
// is a shard's, the shard goes on until it has nothing to do, and its next questions are here
// together without a wake-up for each.
constexpr unsigned idle_turns_max = 8;
// How long a socket may wait while shards keep asking. A look at the sockets is a system call, and
// costs as much as several turns that only look at the rings.
constexpr Duration socket_wait_max = std::chrono::milliseconds(1);

}  // namespace

Result<std::unique_ptr<ControlLoop>> ControlLoop::create() {
  Result<std::unique_ptr<Poller>> poller = Poller::create();
  if (!poller) return std::unexpected(poller.error());
  return std::unique_ptr<ControlLoop>(new ControlLoop(std::move(*poller)));
}

ControlLoop::ControlLoop(std::unique_ptr<Poller> poller)
    : poller_(std::move(poller)), parker_([raw = poller_.get()] { raw->wake(); }) {}

ControlLoop::~ControlLoop() {
  stop();
}

void ControlLoop::start(Control& control) {
  GODWIT_CHECK(!thread_.joinable());
  stopping_.store(false, std::memory_order_relaxed);
  thread_ = std::thread([this, &control] { run(control); });
  ::pthread_setname_np(thread_.native_handle(), "control");
}

void ControlLoop::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  poller_->wake();
  thread_.join();
}

void ControlLoop::post(std::function<void()> task) {
  {
    const std::lock_guard lock(tasks_mutex_);
    tasks_.push_back(std::move(task));
  }
  poller_->wake();
}

std::size_t ControlLoop::run_tasks() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(tasks_mutex_);
    tasks.swap(tasks_);
  }
  for (const auto& task : tasks) task();
  return tasks.size();
}

void ControlLoop::run(Control& control) {
  unsigned idle_turns = 0;
  Instant polled{};
  while (!stopping_.load(std::memory_order_acquire)) {
    const Now now = read_clocks();
    std::size_t done = control.do_work(now) + run_tasks();
    if (done == 0 && idle_turns == idle_turns_max) {
      done = sleep(control, now);
      polled = now.instant;
    } else if (now.instant - polled >= socket_wait_max) {
      done += poller_->poll(now, now.instant, read_clocks);
      polled = now.instant;
    }
    if (done > 0) {
      idle_turns = 0;
    } else if (idle_turns < idle_turns_max) {
      ++idle_turns;
      std::this_thread::yield();
    }
  }
  control.do_work(read_clocks());
}

// Until a shard, a socket, a deadline or another thread has something; returns how many sockets had.
std::size_t ControlLoop::sleep(Control& control, Now now) {
  parker_.prepare();
  // A stop() or post() between the caller's look and here has written the eventfd, so the sleep
  // ends at once.
  const Instant deadline = control.idle() ? control.next_deadline(now) : now.instant;
  const std::size_t handled = poller_->poll(now, deadline, read_clocks);
  parker_.awake();
  return handled;
}

}  // namespace godwit::control
