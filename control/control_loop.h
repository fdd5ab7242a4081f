// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <thread>

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

 private:
  explicit ControlLoop(std::unique_ptr<Poller> poller);
  void run(Control& control);

  std::unique_ptr<Poller> poller_;
  queues::Parker parker_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace godwit::control
