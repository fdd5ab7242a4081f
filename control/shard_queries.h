// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "queues/command.h"
#include "queues/outbox.h"
#include "queues/records.h"

// Questions to every shard and their gathered answers. A shard that does not answer in time is
// counted, not waited for. Thread safety: control's thread.

namespace godwit::control {

struct QueryResult {
  std::vector<queues::SessionRow> sessions;
  std::vector<queues::QueueRow> queues;
  std::uint64_t affected = 0;  // sessions kicked or messages purged
  unsigned unanswered = 0;     // shards
  bool truncated = false;      // there were more rows than rows_max
};

class ShardQueries {
 public:
  // Answers are held in memory until they are complete, so their rows and their number are bounded.
  static constexpr std::size_t rows_max = 10'000;
  static constexpr std::size_t queries_max = 32;

  struct Options {
    std::vector<queues::Outbox<queues::Command>*> shards;
    queues::BufferPool& pool;
    Duration timeout = std::chrono::seconds(2);
  };
  explicit ShardQueries(Options options) : options_(std::move(options)) {}

  using Done = std::function<void(QueryResult)>;
  // `argument` is an address or empty. False, and `done` not called ever, when too many are under
  // way or there is no memory. Else `done` is called once, from take() or expire().
  [[nodiscard]] bool start(queues::AdminQuery query, const std::string& argument, Now now,
                           Done done);

  // An admin_row or admin_end of a shard; drops the command's buffer.
  void take(unsigned shard, queues::Command command);
  // Ends what has waited too long; returns how many.
  std::size_t expire(Now now);
  Instant next_deadline() const;

 private:
  struct Open {
    queues::AdminQuery query{};
    Instant deadline{};
    std::vector<bool> pending;  // by shard
    unsigned pending_count = 0;
    QueryResult result;
    Done done;
  };
  void take_row(Open& open, Bytes row);
  void finish(std::unordered_map<std::uint64_t, Open>::iterator found);

  const Options options_;
  std::unordered_map<std::uint64_t, Open> open_;
  std::uint64_t next_id_ = 1;
};

}  // namespace godwit::control
