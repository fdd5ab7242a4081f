// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "client/load/load_client.h"

// Good clients in pairs that send each other little, and how long it takes to arrive: what others
// feel of whatever else a gateway is put to. Plain non-blocking sockets and epoll. Not thread safe.

namespace godwit::bench {

using client::load::LoadAccount;
using client::load::LoadClient;
using client::load::make_accounts;

struct Latency {
  std::size_t messages = 0;
  double p50_us = 0;
  double p99_us = 0;
  double max_us = 0;
  double late_p99_us = 0;  // what this program let arrived messages wait: not the gateway's
};

class Probe {
 public:
  struct Options {
    std::uint16_t port = 0;
    std::span<LoadAccount> accounts;                    // an even number
    Duration interval = std::chrono::milliseconds(20);  // between two messages of a client
    RandomSource& random;
  };
  explicit Probe(const Options& options);
  ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  // Registers those that are not, and logs all in. Bounded: ten seconds without progress are an
  // error.
  Result<void> connect();
  // From a message's due time, or from when it was sent where only this program was late, to when
  // the kernel had it for the recipient: who reads it has to share a core with attackers, which a
  // client elsewhere has not. One of a client is under way at a time.
  Result<Latency> run_for(Duration time);

 private:
  struct Member {
    std::unique_ptr<LoadClient> client;
    int socket = -1;
    Instant due{};
    Instant sent{};
    bool under_way = false;
    bool held_up = false;  // was due while the one before was under way
  };
  Result<void> open(std::size_t index);
  Result<void> take_in(std::size_t index);
  void note_arrival(Member& sender, Instant arrived, Instant read);
  Result<void> put_out(Member& member);
  Result<void> wait(Duration time);
  void send_due(Instant now);

  const Options options_;
  std::vector<std::uint8_t> payload_;
  std::vector<Member> members_;
  std::vector<double> latencies_us_;
  std::vector<double> late_us_;
  int epoll_ = -1;
};

// Of `samples`, which it sorts.
Latency summarise(std::vector<double>& samples);

}  // namespace godwit::bench
