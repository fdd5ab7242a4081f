// SPDX-License-Identifier: Apache-2.0
#include "control/shard_queries.h"

#include <algorithm>

namespace godwit::control {

bool ShardQueries::start(queues::AdminQuery query, const std::string& argument, Now now,
                         Done done) {
  if (open_.size() >= queries_max) return false;
  queues::Buffer buffer;
  if (!argument.empty()) {
    buffer = options_.pool.copy(as_bytes(argument));
    if (!buffer) return false;
  }
  const std::uint64_t id = next_id_++;
  Open open{.query = query,
            .deadline = now.instant + options_.timeout,
            .pending = std::vector<bool>(options_.shards.size(), false),
            .done = std::move(done)};
  for (std::size_t shard = 0; shard < options_.shards.size(); ++shard) {
    queues::Command command{.kind = queues::CommandKind::admin_query,
                            .detail = static_cast<std::uint8_t>(query),
                            .id = id};
    command.buffer = buffer.share().release();
    if (!options_.shards[shard]->try_post(command)) {
      command.take_buffer();
      ++open.result.unanswered;
      continue;
    }
    open.pending[shard] = true;
    ++open.pending_count;
  }
  // With nobody to wait for it ends at the next expire(), so that `done` never runs inside start().
  if (open.pending_count == 0) open.deadline = now.instant;
  open_.emplace(id, std::move(open));
  return true;
}

void ShardQueries::take(unsigned shard, queues::Command command) {
  const queues::Buffer buffer = command.take_buffer();
  const auto found = open_.find(command.id);
  if (found == open_.end() || shard >= found->second.pending.size() ||
      !found->second.pending[shard])
    return;
  Open& open = found->second;
  if (command.kind == queues::CommandKind::admin_row) return take_row(open, buffer.bytes());
  open.result.affected += command.number;
  open.pending[shard] = false;
  if (--open.pending_count == 0) finish(found);
}

void ShardQueries::take_row(Open& open, Bytes row) {
  if (open.result.sessions.size() + open.result.queues.size() >= rows_max) {
    open.result.truncated = true;
    return;
  }
  if (open.query == queues::AdminQuery::sessions) {
    open.result.sessions.push_back(queues::decode_session_row(row));
  } else if (open.query == queues::AdminQuery::queues) {
    open.result.queues.push_back(queues::decode_queue_row(row));
  }
}

std::size_t ShardQueries::expire(Now now) {
  std::size_t ended = 0;
  for (auto open = open_.begin(); open != open_.end();) {
    const auto current = open++;
    if (current->second.deadline > now.instant) continue;
    current->second.result.unanswered += current->second.pending_count;
    finish(current);
    ++ended;
  }
  return ended;
}

Instant ShardQueries::next_deadline() const {
  Instant next = never;
  for (const auto& [id, open] : open_) next = std::min(next, open.deadline);
  return next;
}

void ShardQueries::finish(std::unordered_map<std::uint64_t, Open>::iterator found) {
  Open open = std::move(found->second);
  open_.erase(found);
  open.done(std::move(open.result));
}

}  // namespace godwit::control
