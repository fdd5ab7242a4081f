// SPDX-License-Identifier: Apache-2.0
#include "control/stored_queues.h"

#include <algorithm>
#include <filesystem>

#include "control/sqlite.h"

namespace godwit::control {
namespace {

Result<void> read_one(const std::string& path, const StoredQueuesQuery& query,
                      std::vector<StoredQueue>& queues) {
  Result<Database> database = Database::open(path);
  if (!database) return std::unexpected(database.error());
  Result<Statement> statement = database->prepare(
      "SELECT account_id, device, count(*), sum(length(bytes)), min(accepted_s) FROM message "
      "WHERE ?1 = 0 OR account_id = ?1 GROUP BY account_id, device ORDER BY 3 DESC LIMIT ?2");
  if (!statement) return std::unexpected(statement.error());
  statement->bind(1, static_cast<std::int64_t>(query.account_id))
      .bind(2, std::int64_t{query.limit});
  for (;;) {
    const Result<bool> row = statement->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    queues.push_back({.account_id = static_cast<std::uint64_t>(statement->integer(0)),
                      .device = static_cast<std::uint16_t>(statement->integer(1)),
                      .messages = static_cast<std::uint64_t>(statement->integer(2)),
                      .bytes = static_cast<std::uint64_t>(statement->integer(3)),
                      .oldest_s = statement->integer(4)});
  }
}

}  // namespace

StoredQueues stored_queues(const StoredQueuesQuery& query) {
  namespace fs = std::filesystem;
  StoredQueues found;
  std::error_code error;
  for (fs::directory_iterator entry(query.folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() != ".db") continue;
    if (!read_one(entry->path(), query, found.queues)) ++found.unreadable_files;
  }
  if (error) ++found.unreadable_files;
  std::ranges::sort(found.queues, std::ranges::greater{}, &StoredQueue::messages);
  if (found.queues.size() > query.limit) found.queues.resize(query.limit);
  return found;
}

}  // namespace godwit::control
