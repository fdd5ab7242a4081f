// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "bench/generator/gateway_client.h"
#include "bench/loop/ring.h"

// Many clients on one thread and one ring, against one server, in pairs: slots 2n and 2n+1. What
// they speak is theirs (TrafficClient).
//
// Both members of a pair send. Each starts with a window of messages; after that, one message
// leaves for each that arrived: with Pacing::reply from the member that got it, so that the
// acknowledgement always has a frame to ride on; with Pacing::recipient from the member whose
// message it was, which only one generator for both can know, and which lets the two of a pair
// drift apart. What becomes due for a client in one turn leaves in one frame, with the
// acknowledgement; only when no message follows within ack_delay does that get a frame of its own.
//
// Not thread safe. An error of any client is an error of the whole load.

namespace godwit::bench {

enum class Pacing : std::uint8_t { reply, recipient };

struct LoadCounters {
  std::uint64_t sent = 0;
  std::uint64_t delivered = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t frames_out = 0;
  std::uint64_t ack_frames_out = 0;  // of these, with nothing but an acknowledgement
  std::uint64_t turns = 0;
};

class Load {
 public:
  struct Options {
    std::uint16_t port = 0;  // on loopback
    std::size_t count = 0;   // of clients, an even number
    ClientFactory make_client;
    Pacing pacing = Pacing::reply;
    Duration ack_delay = std::chrono::milliseconds(5);
    // A turn begins with so many events, or with what is there after so long.
    unsigned batch = 32;
    Duration batch_wait = std::chrono::microseconds(50);
  };

  static Result<std::unique_ptr<Load>> create(Options options);

  // Connects clients up to `count`, a few hundred at a time, each until it is ready. Bounded: an
  // error when that makes no progress for ten seconds.
  Result<void> connect_until(std::size_t count);
  void start(unsigned window);
  // For so long, and until a message has arrived; an error ten seconds later without one.
  Result<void> run_for(Duration time);
  // Sends nothing new, and waits until every message has arrived and is settled; ten seconds at
  // most.
  Result<void> stop();

  const LoadCounters& counters() const { return counters_; }

 private:
  struct Member {
    std::unique_ptr<TrafficClient> client;
    std::vector<std::uint8_t> sending;
    unsigned credits = 0;
    bool dirty = false;
    bool ack_now = false;
    bool counted = false;  // as ready
  };
  struct AckTimer {
    Instant due{};
    std::uint32_t slot = 0;
    std::uint64_t frames_sent = 0;
  };

  explicit Load(Options options);
  Result<void> connect_one(std::uint32_t slot);
  void count_ready(Member& member);
  Result<void> turn(Duration wait);
  void on_completion(Tag tag, const io_uring_cqe& cqe);
  void on_bytes(std::uint32_t slot, MutableBytes bytes);
  void mark_dirty(std::uint32_t slot);
  void flush();
  void start_send(std::uint32_t slot);
  void expire_acks();
  bool quiet() const;
  void give_up(std::uint32_t slot, std::string why);

  const Options options_;
  std::unique_ptr<Ring> ring_;
  std::vector<Member> members_;
  std::vector<std::uint32_t> dirty_;
  std::vector<std::uint32_t> starved_;
  std::deque<AckTimer> ack_timers_;
  LoadCounters counters_;
  Instant now_{};
  std::size_t connected_ = 0;
  std::size_t ready_ = 0;
  bool running_ = false;
  std::string error_;
};

}  // namespace godwit::bench
