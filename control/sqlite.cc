// SPDX-License-Identifier: Apache-2.0
#include "control/sqlite.h"

namespace godwit::control {
namespace {

constexpr int busy_timeout_ms = 2000;

std::unexpected<Error> sqlite_error(sqlite3* handle, int result) {
  ErrorCode code = ErrorCode::io;
  switch (result & 0xff) {
    case SQLITE_FULL:
      code = ErrorCode::full;
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      code = ErrorCode::corrupt;
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      code = ErrorCode::unavailable;
      break;
    case SQLITE_CONSTRAINT:
      code = ErrorCode::exists;
      break;
    default:
      break;
  }
  const char* file = sqlite3_db_filename(handle, "main");
  return fail(code,
              std::string(file != nullptr ? file : "database") + ": " + sqlite3_errmsg(handle));
}

}  // namespace

Statement& Statement::bind(int index, std::int64_t value) {
  GODWIT_CHECK(sqlite3_bind_int64(statement_, index, value) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  GODWIT_CHECK(sqlite3_bind_text(statement_, index, text.empty() ? "" : text.data(),
                                 static_cast<int>(text.size()), SQLITE_STATIC) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind(int index, Bytes blob) {
  GODWIT_CHECK(sqlite3_bind_blob(statement_, index, blob.data(), static_cast<int>(blob.size()),
                                 SQLITE_STATIC) == SQLITE_OK);
  return *this;
}

Result<bool> Statement::step() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) {
    reset();
    return false;
  }
  std::unexpected<Error> error = sqlite_error(sqlite3_db_handle(statement_), result);
  reset();
  return error;
}

Result<void> Statement::run() {
  for (;;) {
    const Result<bool> row = step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
  }
}

void Statement::reset() {
  sqlite3_reset(statement_);
}

std::string_view Statement::text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Bytes Statement::blob(int column) const {
  const void* blob = sqlite3_column_blob(statement_, column);
  return {static_cast<const std::uint8_t*>(blob),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Result<Database> Database::open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &handle,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (result != SQLITE_OK) {
    std::string why = handle != nullptr ? sqlite3_errmsg(handle) : "out of memory";
    sqlite3_close(handle);
    return fail(ErrorCode::io, "cannot open " + path + ": " + why);
  }
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, busy_timeout_ms);
  return Database(handle);
}

Result<void> Database::execute(const char* sql) {
  const int result = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) return sqlite_error(handle_, result);
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (result != SQLITE_OK) return sqlite_error(handle_, result);
  return Statement(statement);
}

Result<ReadingStatements> ReadingStatements::prepare(Database& database) {
  Result<Statement> begin = database.prepare("BEGIN");
  if (!begin) return std::unexpected(begin.error());
  Result<Statement> end = database.prepare("COMMIT");
  if (!end) return std::unexpected(end.error());
  return ReadingStatements{std::move(*begin), std::move(*end)};
}

Reading::Reading(Database& database, ReadingStatements& statements) : end_(&statements.end) {
  if (!database.in_transaction() && statements.begin.run()) database_ = &database;
}

Reading::~Reading() {
  // Some errors have ended it already.
  if (database_ == nullptr || !database_->in_transaction()) return;
  GODWIT_CHECK(!database_->has_written());
  if (!end_->run()) (void)database_->execute("ROLLBACK");
}

}  // namespace godwit::control
