// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/token_bucket.h"
#include "control/account_store.h"
#include "control/config.h"
#include "control/control_metrics.h"
#include "control/key_service.h"
#include "control/shard_queries.h"
#include "queues/command.h"
#include "queues/counters.h"
#include "queues/outbox.h"
#include "queues/records.h"
#include "queues/spsc_ring.h"

// What may block, on behalf of the shards: accounts are looked up, devices registered, blocks kept,
// and what an operator asks is asked of every shard. Commands in, commands out; no thread, no
// socket and no clock of its own.
//
// An answer to a registration leaves only after the transaction that holds it is durable; all
// registrations of a turn share one. Nothing is taken from the shards' rings while an answer might
// not find room, and what there is no buffer for stays at the front of the line and is tried again.
//
// Thread safety: one thread (control/control_loop.h).

namespace godwit::control {

class Control {
 public:
  // One for each shard, in order; `from_shard` and `to_shard` are control's ends.
  struct ShardLink {
    queues::SpscRing<queues::Command>* from_shard = nullptr;
    queues::Outbox<queues::Command>* to_shard = nullptr;
    const queues::ShardCounters* counters = nullptr;
  };

  struct Options {
    std::string domain;
    Config::Registration registration;
    Duration query_timeout = std::chrono::seconds(2);
    // The keyed hash of a user part, and the shard that is home to a hash.
    std::function<std::uint64_t(std::string_view user)> hash_user;
    std::function<unsigned(std::uint64_t hash)> home_shard;
    AccountStore& accounts;
    KeyDirectory& keys;
    queues::BufferPool& pool;  // control's own
    std::vector<ShardLink> shards;
  };

  explicit Control(Options options);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // One turn: takes commands, answers them, publishes. Returns how much it did.
  std::size_t do_work(Now now);
  // When the next turn is due although no ring has anything.
  Instant next_deadline(Now now) const;
  // No ring has anything that a turn would take.
  bool idle() const;

  void set_registration(const Config::Registration& registration) {
    options_.registration = registration;
  }
  const Options& options() const { return options_; }
  ControlCounters& counters() { return counters_; }
  ShardQueries& queries() { return queries_; }

  // Tells an account's home what the account is now, or that it is gone.
  void announce(const std::string& user);
  void announce_removal(const std::string& user, std::uint64_t account_id);

 private:
  enum class Outcome : std::uint8_t { done, no_memory };

  std::size_t take_in();
  bool pressed() const;
  Outcome handle_first(Now now);
  Outcome look_up_first();
  Outcome look_up(const queues::Command& command);
  Outcome answer_server_iq(const queues::Command& command, Now now);
  Outcome try_announce(const std::string& user);
  Outcome try_announce_removal(const std::string& user, std::uint64_t account_id);
  std::size_t announce_again();
  std::size_t tend_keys(Now now);
  void post(unsigned shard, queues::Command command);
  queues::AccountRecord record_of(const Account& account) const;
  void note_store(bool failing) {
    counters_.set(ControlMetric::account_store_failing, failing ? 1 : 0);
  }

  // control_registration.cc
  struct Asked;
  std::size_t register_waiting(Now now);
  bool decide_waiting(std::vector<Asked>& asked, Now now);
  void answer_registration(const Asked& asked);
  void refuse_registration(const queues::Command& command, const Refusal& refusal);

  // A command and the shard it came from.
  struct Received {
    unsigned shard = 0;
    queues::Command command{};
  };

  Options options_;
  ShardQueries queries_;
  std::deque<Received> inbox_;  // in order; the first is being tried
  std::vector<queues::Command> registrations_;
  std::unordered_set<std::string> unannounced_;
  std::deque<std::pair<std::string, std::uint64_t>> unannounced_removals_;
  TokenBucket registration_bucket_;
  ControlCounters counters_;
  KeyService keys_;
  Instant tidy_at_{};
};

}  // namespace godwit::control
