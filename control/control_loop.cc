// SPDX-License-Identifier: Apache-2.0
#include "control/control_loop.h"

#include <pthread.h>

namespace godwit::control {
namespace {

// Turns without work before the thread sleeps: a shard often asks again within microseconds.
constexpr unsigned spin_turns = 32;

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
  while (!stopping_.load(std::memory_order_acquire)) {
    const Now now = read_clocks();
    std::size_t done = control.do_work(now) + run_tasks();
    if (done == 0 && ++idle_turns > spin_turns) {
      parker_.prepare();
      // A stop() or post() between the tests above and here has written the eventfd, so the sleep
      // ends at once.
      const bool sleep = control.idle();
      done = poller_->poll(now, sleep ? control.next_deadline(now) : now.instant, read_clocks);
      parker_.awake();
    } else {
      done += poller_->poll(now, now.instant, read_clocks);
    }
    if (done > 0) idle_turns = 0;
  }
  control.do_work(read_clocks());
}

}  // namespace godwit::control
