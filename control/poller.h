// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "control/files.h"

// Waits for descriptors and deadlines: epoll, with an eventfd to be woken by.
// Thread safety: one thread, except wake().

namespace godwit::control {

// Something with deadlines; called by the poller's loop.
class Timed {
 public:
  virtual ~Timed() = default;
  virtual Instant next_deadline() const = 0;
  virtual void expire(Now now) = 0;
};

class Poller {
 public:
  static Result<std::unique_ptr<Poller>> create();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // `events` as of epoll, level-triggered.
  using Handler = std::function<void(std::uint32_t events, Now now)>;
  Result<void> watch(int fd, std::uint32_t events, Handler handler);
  void change(int fd, std::uint32_t events);
  // Also from within a handler, its own included. Before the descriptor is closed.
  void forget(int fd);

  void add(Timed& timed) { timed_.push_back(&timed); }
  void remove(Timed& timed) { std::erase(timed_, &timed); }
  Instant next_deadline() const;

  // Handles what is ready, sleeping until `deadline` when nothing is; then what is due. `now` is
  // the time of the call; handlers see the time after the sleep, from `read`. Returns how many
  // descriptors were handled.
  std::size_t poll(Now now, Instant deadline, Now (*read)());
  // Any thread: ends a poll's sleep.
  void wake();

 private:
  struct Watch {
    int fd = -1;
    Handler handler;
  };
  Poller(FileDescriptor epoll, FileDescriptor event)
      : epoll_(std::move(epoll)), event_(std::move(event)) {}

  FileDescriptor epoll_;
  FileDescriptor event_;
  // By a number never used again, so that an event of a forgotten descriptor finds nothing.
  std::unordered_map<std::uint64_t, std::shared_ptr<Watch>> watches_;
  std::unordered_map<int, std::uint64_t> numbers_;
  std::uint64_t next_number_ = 1;
  std::vector<Timed*> timed_;
};

}  // namespace godwit::control
