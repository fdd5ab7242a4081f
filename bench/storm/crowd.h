// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "client/load/load_client.h"

// Many clients that want to be connected and come back by the rules of client/client.cc when they
// are not: exponential back-off with full jitter, or when the gateway has told them. One thread,
// epoll.

namespace godwit::bench {

using client::load::load_payload_size_min;
using client::load::LoadAccount;
using client::load::LoadClient;
using client::load::make_accounts;

class Crowd {
 public:
  struct Options {
    std::uint16_t port = 0;
    std::span<LoadAccount> accounts;
    // Handshakes under way at once; 0: nobody waits for anybody.
    std::size_t at_once = 0;
  };
  Crowd(const Options& options, RandomSource& random);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // Until all have a session; an error after `patience` without that.
  Result<Duration> until_all_are_back(Duration patience);
  // Until none has, for a gateway that ends.
  Result<void> until_all_are_gone(Duration patience);
  void set_at_once(std::size_t at_once) { at_once_ = at_once; }

  // Since the last call: connections tried, and those of them that came to nothing.
  struct Attempts {
    std::uint64_t tried = 0;
    std::uint64_t failed = 0;
  };
  Attempts take_attempts();

 private:
  struct Member {
    int descriptor = -1;
    std::unique_ptr<LoadClient> client;
    Instant connect_at{};
    unsigned failures = 0;
    bool ready = false;
  };
  void turn(bool reconnect);
  void connect(std::uint32_t index);
  void on_event(std::uint32_t index, std::uint32_t events);
  bool write(Member& member);
  void lose(std::uint32_t index);

  const Options options_;
  std::size_t at_once_;
  RandomSource& random_;
  const int epoll_;
  std::string payload_;
  std::vector<Member> members_;
  Attempts attempts_;
  std::size_t ready_ = 0;
  std::size_t trying_ = 0;
  Instant now_{};
};

}  // namespace godwit::bench
