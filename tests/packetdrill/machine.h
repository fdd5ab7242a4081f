// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "base/random.h"
#include "dataplane/tcp/stack.h"

namespace godwit::packetdrill {

struct MachineSettings {
  // Where connections from here come from, until a packet tells another.
  IpAddress local_v4;
  IpAddress local_v6;
  bool ask_for_ecn = false;  // in SYNs; else it is used where the peer asks
};

// A stack over raw IP whose time moves only when it is waited for.
//
// One thread drives it: the one that made it, which sends and receives packets and sleeps. Another
// may be inside a call that blocks. All state is behind one lock, which every call holds; a call
// that blocks lets it go. When the driving thread itself blocks, nothing else can happen but time,
// so time runs.
//
// The tool asks for the time right after a call that blocked, in the call's thread: time stands
// still until that thread has been heard of. And it may wait for such a call outside of here: after
// half a second of real time in which the driver sleeps, the call lets time run by itself, by a
// second.
//
// The tool is some microseconds late with everything, each time by another number. The stack's
// clock goes by half milliseconds, so that round trips that a script has equal are equal.
class Machine {
 public:
  using Lock = std::unique_lock<std::mutex>;

  Machine(const MachineSettings& settings, dataplane::tcp::Events events);
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  Lock lock();

  // --- With the lock.
  dataplane::tcp::Tcp& tcp() { return stack_.tcp(); }
  IpAddress local(bool v4) const { return v4 ? settings_.local_v4 : settings_.local_v6; }
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
  void be_driven(Lock& lock, const Waiter& waiter);
  bool driver_sleeps() const;
  bool anybody_can_end() const;
  Instant next_stop(Instant end);
  Instant next_timer();
  Instant stack_time() const;

  MachineSettings settings_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable settled_;
  const std::thread::id driver_;
  const int driver_number_;  // the system's
  std::uint64_t driver_calls_ = 0;
  std::list<Waiter> waiters_;
  std::set<std::thread::id> returning_;  // their calls have ended, they have not called again
  Instant now_{std::chrono::hours(1)};
  bool in_packet_ = false;
  std::deque<Sent> sent_;
  std::vector<std::uint8_t> making_;
  SeededRandom random_{0x9d2c5680};
  dataplane::tcp::Events events_;
  dataplane::tcp::Stack stack_;
};

}  // namespace godwit::packetdrill
