// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "control/control.h"
#include "control/poller.h"
#include "queues/parker.h"

// Control's thread: turns of Control, and the sockets of its poller, until stopped. Sleeps in epoll
// when there is nothing to do; shards wake it through the parker. Made before the rings, because
// their producers need the parker. Thread safety: start and stop from one other thread; the poller
// only before start, or on the loop's thread.

namespace godwit::control {

class ControlLoop {
 public:
  static Result<std::unique_ptr<ControlLoop>> create();
  ~ControlLoop();
  ControlLoop(const ControlLoop&) = delete;
  ControlLoop& operator=(const ControlLoop&) = delete;

  queues::Parker& parker() { return parker_; }
  Poller& poller() { return *poller_; }

  // `control`, and servers on the poller, live until stop() has returned.
  void start(Control& control);
  // Ends after one last turn. Nothing happens when it does not run.
  void stop();
  // Any thread: `task` runs on the loop's thread, in the order given, while it runs.
  void post(std::function<void()> task);

 private:
  explicit ControlLoop(std::unique_ptr<Poller> poller);
  void run(Control& control);
  std::size_t sleep(Control& control, Now now);
  std::size_t run_tasks();

  std::unique_ptr<Poller> poller_;
  queues::Parker parker_;
  std::atomic<bool> stopping_{false};
  std::mutex tasks_mutex_;
  std::vector<std::function<void()>> tasks_;
  std::thread thread_;
};

}  // namespace godwit::control
