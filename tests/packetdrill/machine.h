// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/random.h"
#include "dataplane/tcp/stack.h"

namespace godwit::packetdrill {

struct MachineSettings {
  bool v6 = false;
  IpAddress local;  // of connections from here, until a packet tells another
};

// A stack over raw IP whose time moves only when it is waited for.
//
// One thread drives it: the one that made it, which sends and receives packets and sleeps. Another
// may be inside a call that blocks. All state is behind one lock, which every call holds; a call
// that blocks lets it go. When the driving thread itself blocks, nothing else can happen but time,
// so time runs.
class Machine {
 public:
  using Lock = std::unique_lock<std::mutex>;

  Machine(const MachineSettings& settings, dataplane::tcp::Events events);
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  Lock lock() { return Lock(mutex_); }

  // --- With the lock.
  dataplane::tcp::Tcp& tcp() { return stack_.tcp(); }
  bool is_v6() const { return settings_.v6; }
  IpAddress local() const { return settings_.local; }
  dataplane::tcp::Tuning default_tuning() const;
  Instant now() const { return now_; }
  // True while a packet is being taken, false while a timer is the cause.
  bool in_packet() const { return in_packet_; }

  // Lets the stack do what calls have asked for.
  void turn();
  // Waits until `done` holds; false when `until` came first, or nothing for a long time.
  bool wait(Lock& lock, const std::function<bool()>& done, Instant until = never);
  // Time passes.
  void advance(Lock& lock, Duration by);
  bool take_packet(Lock& lock, Bytes packet);
  struct Sent {
    std::vector<std::uint8_t> packet;
    Instant at;
  };
  std::optional<Sent> next_packet(Lock& lock);
  // Lets calls of other threads end that can.
  void settle(Lock& lock);

  // --- The stack's port.
  dataplane::tcp::PortFeatures features() const { return {}; }
  MutableBytes frame(std::size_t size) {
    making_.assign(size, 0);
    return making_;
  }
  void send(const dataplane::tcp::TxHints&) { sent_.push_back({std::move(making_), now_}); }

 private:
  struct Waiter {
    const std::function<bool()>* done;
    Instant until;
  };

  bool run(Instant until, const std::function<bool()>& done);
  bool anybody_can_end() const;

  MachineSettings settings_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable settled_;
  const std::thread::id driver_;
  std::list<Waiter> waiters_;
  Instant now_{std::chrono::hours(1)};
  bool in_packet_ = false;
  std::deque<Sent> sent_;
  std::vector<std::uint8_t> making_;
  SeededRandom random_{0x9d2c5680};
  dataplane::tcp::Events events_;
  dataplane::tcp::Stack stack_;
};

}  // namespace godwit::packetdrill
