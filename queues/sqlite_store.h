// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "queues/store.h"

struct sqlite3;
struct sqlite3_stmt;

namespace godwit::queues {

// One store file in SQLite: WAL, synchronous=FULL, erased content overwritten. Schema (versions as
// in queues/schema.h; this is 2):
//   message(account_id, device, sequence, accepted_s, expires_s, bytes), keyed by the first three.
// After any error the transaction is rolled back whole; the store stays usable when the cause goes
// away (space on a full disk). Not thread safe: one thread, any.
class SqliteStore final : public MessageStore {
 public:
  struct Options {
    std::string path;
    std::uint32_t page_count_max = 0;  // 0: no limit; for tests of a full disk
  };
  // Errors: io (permissions, missing folder), corrupt (not a store, damaged), refused (made by a
  // newer version), full.
  static Result<std::unique_ptr<SqliteStore>> open(const Options& options);
  ~SqliteStore() override;
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  Result<void> apply(std::span<const Operation> operations) override;
  Result<std::uint64_t> load(const LoadRange& range,
                             const std::function<bool(const Stored&)>& take) override;
  Result<std::vector<Summary>> summarize(std::uint64_t account_id) override;
  Result<std::vector<std::uint64_t>> accounts(std::uint64_t after, std::uint32_t limit) override;
  Result<std::uint64_t> expire(std::uint32_t now_s, std::uint32_t limit) override;
  Result<void> maintain() override;

 private:
  explicit SqliteStore(std::string path) : path_(std::move(path)) {}
  Result<void> prepare();
  Result<void> put(const Put& put);
  Result<void> erase(const Erase& erase);
  Result<void> step(sqlite3_stmt* statement);
  Result<void> run(const char* sql);
  std::unexpected<Error> error(const char* doing) const;

  struct Close {
    void operator()(sqlite3* database) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

  const std::string path_;
  std::unique_ptr<sqlite3, Close> database_;
  Statement begin_, commit_, rollback_;
  Statement put_, erase_, erase_account_, load_, summarize_, accounts_, expire_;
};

}  // namespace godwit::queues
