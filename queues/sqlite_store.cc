// SPDX-License-Identifier: Apache-2.0
#include "queues/sqlite_store.h"

#include <sqlite3.h>

#include <algorithm>
#include <utility>

#include "queues/schema.h"

namespace godwit::queues {

namespace {

constexpr const char* messages_by_device = R"(
CREATE TABLE IF NOT EXISTS message(
  account_id INTEGER NOT NULL,
  device INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  accepted_s INTEGER NOT NULL,
  expires_s INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY(account_id, device, sequence)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS message_expiry ON message(expires_s);
)";
// Version 2 is marked as ours, so that another program's database is not taken for a store.
constexpr const char* marked = "";
constexpr const char* steps[] = {messages_by_device, marked};
constexpr Schema schema{.what = "a store of messages",
                        .application_id = 0x47574d53,  // "GWMS"
                        .steps = steps,
                        .unmarked_upto = 1};

ErrorCode code_of(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
      return ErrorCode::full;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::corrupt;
    default:
      return ErrorCode::io;
  }
}

std::int64_t signed_of(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}
std::uint64_t unsigned_of(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

// A statement in use; it is reset however the scope is left, so no cursor stays open over a commit.
class Use {
 public:
  explicit Use(sqlite3_stmt* statement) : statement_(statement) {}
  ~Use() { sqlite3_reset(statement_); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  Use& bind(std::uint64_t value) {
    sqlite3_bind_int64(statement_, ++index_, signed_of(value));
    return *this;
  }
  Use& bind(Bytes bytes) {
    sqlite3_bind_blob(statement_, ++index_, bytes.data(), static_cast<int>(bytes.size()),
                      SQLITE_STATIC);
    return *this;
  }
  int step() { return sqlite3_step(statement_); }
  std::uint64_t number(int column) const {
    return unsigned_of(sqlite3_column_int64(statement_, column));
  }
  bool is_number(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_INTEGER;
  }
  bool is_blob(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_BLOB; }
  Bytes blob(int column) const {
    return {static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column)),
            static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  sqlite3_stmt* statement_;
  int index_ = 0;
};

}  // namespace

void SqliteStore::Close::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);
}
void SqliteStore::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

SqliteStore::~SqliteStore() = default;

std::unexpected<Error> SqliteStore::error(const char* doing) const {
  const int code = database_ ? sqlite3_extended_errcode(database_.get()) : SQLITE_NOMEM;
  return fail(code_of(code), std::string(doing) + " " + path_ + ": " + sqlite3_errstr(code));
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const Options& options) {
  std::unique_ptr<SqliteStore> store(new SqliteStore(options.path));
  sqlite3* database = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int opened = sqlite3_open_v2(options.path.c_str(), &database, flags, nullptr);
  store->database_.reset(database);
  if (opened != SQLITE_OK) return store->error("cannot open");
  if (auto prepared = store->prepare(); !prepared) return std::unexpected(prepared.error());
  if (options.page_count_max > 0) {
    const std::string limit = "PRAGMA max_page_count=" + std::to_string(options.page_count_max);
    if (auto done = store->run(limit.c_str()); !done) return std::unexpected(done.error());
  }
  return store;
}

Result<void> SqliteStore::run(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return error("cannot use");
  }
  return {};
}

Result<void> SqliteStore::prepare() {
  sqlite3_busy_timeout(database_.get(), 2000);
  const auto make = [&](const char* sql, Statement& statement) -> Result<void> {
    sqlite3_stmt* made = nullptr;
    if (sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &made, nullptr) !=
        SQLITE_OK) {
      return error("cannot use");
    }
    statement.reset(made);
    return {};
  };
  // The page size counts only before the first table; secure_delete overwrites what is erased with
  // zeros.
  if (auto done = run("PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                      "PRAGMA secure_delete=ON; PRAGMA wal_autocheckpoint=2000;"
                      "PRAGMA journal_size_limit=16777216; PRAGMA cache_size=-16384;");
      !done) {
    return done;
  }
  if (auto found = bring_up_to_date(database_.get(), path_, schema); !found) {
    return std::unexpected(found.error());
  }
  const std::pair<const char*, Statement*> statements[] = {
      {"BEGIN IMMEDIATE", &begin_},
      {"COMMIT", &commit_},
      {"ROLLBACK", &rollback_},
      {"INSERT OR REPLACE INTO message VALUES(?1,?2,?3,?4,?5,?6)", &put_},
      {"DELETE FROM message WHERE account_id=?1 AND device=?2 AND sequence<=?3", &erase_},
      {"DELETE FROM message WHERE account_id=?1 AND sequence<=?2", &erase_account_},
      {"SELECT sequence, accepted_s, bytes FROM message WHERE account_id=?1 AND device=?2 AND "
       "sequence>?3 AND expires_s>?4 ORDER BY sequence",
       &load_},
      {"SELECT device, min(sequence), max(sequence), count(*), sum(length(bytes)) FROM message "
       "WHERE account_id=?1 GROUP BY device",
       &summarize_},
      // A search for each account, where DISTINCT would read every message.
      {"WITH RECURSIVE away(id) AS (SELECT min(account_id) FROM message WHERE account_id>?1 UNION "
       "ALL SELECT (SELECT min(account_id) FROM message WHERE account_id>away.id) FROM away WHERE "
       "away.id IS NOT NULL LIMIT ?2) SELECT id FROM away WHERE id IS NOT NULL",
       &accounts_},
      {"DELETE FROM message WHERE (account_id, device, sequence) IN (SELECT account_id, device, "
       "sequence FROM message WHERE expires_s<=?1 LIMIT ?2)",
       &expire_},
  };
  for (const auto& [sql, statement] : statements) {
    if (auto done = make(sql, *statement); !done) return done;
  }
  return {};
}

Result<void> SqliteStore::step(sqlite3_stmt* statement) {
  Use use(statement);
  if (use.step() != SQLITE_DONE) return error("cannot write");
  return {};
}

Result<void> SqliteStore::put(const Put& put) {
  Use use(put_.get());
  use.bind(put.account_id).bind(std::uint64_t{put.device}).bind(put.sequence);
  use.bind(std::uint64_t{put.accepted_s}).bind(std::uint64_t{put.expires_s}).bind(put.bytes);
  if (use.step() != SQLITE_DONE) return error("cannot write");
  return {};
}

Result<void> SqliteStore::erase(const Erase& erase) {
  const std::uint64_t upto = std::min<std::uint64_t>(erase.upto_sequence, INT64_MAX);
  Use use(erase.device == 0 ? erase_account_.get() : erase_.get());
  use.bind(erase.account_id);
  if (erase.device != 0) use.bind(std::uint64_t{erase.device});
  use.bind(upto);
  if (use.step() != SQLITE_DONE) return error("cannot write");
  return {};
}

Result<void> SqliteStore::apply(std::span<const Operation> operations) {
  if (auto begun = step(begin_.get()); !begun) return begun;
  Result<void> done{};
  for (const Operation& operation : operations) {
    done = operation.kind == Operation::Kind::put ? put(operation.put) : erase(operation.erase);
    if (!done) break;
  }
  if (done) done = step(commit_.get());
  // Some errors have rolled back already; then this one fails, and says nothing new.
  if (!done && sqlite3_get_autocommit(database_.get()) == 0) (void)step(rollback_.get());
  return done;
}

Result<std::uint64_t> SqliteStore::load(const LoadRange& range,
                                        const std::function<bool(const Stored&)>& take) {
  Use use(load_.get());
  use.bind(range.account_id).bind(std::uint64_t{range.device}).bind(range.after_sequence);
  use.bind(std::uint64_t{range.now_s});
  std::uint32_t count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t before = range.after_sequence;
  for (;;) {
    const int stepped = use.step();
    if (stepped == SQLITE_DONE) return 0;
    if (stepped != SQLITE_ROW) return error("cannot read");
    // A damaged file may hold anything; homes rely on the order.
    const bool sound = use.is_number(0) && use.is_number(1) && use.is_blob(2) &&
                       signed_of(use.number(0)) > signed_of(before);
    if (!sound) return fail(ErrorCode::corrupt, path_ + " holds a damaged message");
    before = use.number(0);
    const Stored stored{.sequence = use.number(0),
                        .accepted_s = static_cast<std::uint32_t>(use.number(1)),
                        .bytes = use.blob(2)};
    const bool full = count > 0 && bytes + stored.bytes.size() > range.limit_bytes;
    if (count == range.limit || full || !take(stored)) return stored.sequence;
    ++count;
    bytes += stored.bytes.size();
  }
}

Result<std::vector<MessageStore::Summary>> SqliteStore::summarize(std::uint64_t account_id) {
  Use use(summarize_.get());
  use.bind(account_id);
  std::vector<Summary> summaries;
  for (;;) {
    const int stepped = use.step();
    if (stepped == SQLITE_DONE) return summaries;
    if (stepped != SQLITE_ROW) return error("cannot read");
    summaries.push_back({.device = static_cast<std::uint16_t>(use.number(0)),
                         .lowest = use.number(1),
                         .highest = use.number(2),
                         .count = use.number(3),
                         .bytes = use.number(4)});
  }
}

Result<std::vector<std::uint64_t>> SqliteStore::accounts(std::uint64_t after,
                                                         std::uint32_t limit) {
  Use use(accounts_.get());
  use.bind(after).bind(std::uint64_t{limit});
  std::vector<std::uint64_t> ids;
  for (;;) {
    const int stepped = use.step();
    if (stepped == SQLITE_DONE) return ids;
    if (stepped != SQLITE_ROW) return error("cannot read");
    if (!use.is_number(0)) return fail(ErrorCode::corrupt, path_ + " holds a damaged message");
    ids.push_back(use.number(0));
  }
}

Result<std::uint64_t> SqliteStore::expire(std::uint32_t now_s, std::uint32_t limit) {
  Use use(expire_.get());
  use.bind(std::uint64_t{now_s}).bind(std::uint64_t{limit});
  if (use.step() != SQLITE_DONE) return error("cannot write");
  return static_cast<std::uint64_t>(sqlite3_changes(database_.get()));
}

Result<void> SqliteStore::maintain() {
  // The write-ahead log keeps copies of pages: emptied, nothing of what was erased is left in it.
  return run("PRAGMA wal_checkpoint(TRUNCATE)");
}

}  // namespace godwit::queues
