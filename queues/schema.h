// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

// Versions of a SQLite file: `PRAGMA user_version` counts the steps that made its tables. A file is
// brought up to the newest version in one transaction when it is opened, so that a crash or a full
// disk leaves it as it was; one that knows more steps than the program is refused, because an older
// program could not keep what a newer one promised.
//
// For whoever changes a table: append a step, never change one that was released.
//
// Thread safety: the connection's thread.

namespace godwit::queues {

struct Schema {
  std::string_view what;               // "a store of messages"
  std::int32_t application_id = 0;     // of the file's head
  std::span<const char* const> steps;  // SQL; number n makes version n + 1 of version n
  // Files up to this version may be without the application's id.
  int unmarked_upto = 0;
};

namespace schema_detail {

inline std::unexpected<Error> sqlite_failed(sqlite3* database, const std::string& path) {
  const int code = sqlite3_extended_errcode(database);
  ErrorCode kind = ErrorCode::io;
  if ((code & 0xff) == SQLITE_FULL) kind = ErrorCode::full;
  if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB) kind = ErrorCode::corrupt;
  return fail(kind, "cannot use " + path + ": " + sqlite3_errmsg(database));
}

inline Result<std::int64_t> number(sqlite3* database, const std::string& path, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database, sql, -1, &statement, nullptr) != SQLITE_OK) {
    return sqlite_failed(database, path);
  }
  const int stepped = sqlite3_step(statement);
  const std::int64_t value = stepped == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  if (stepped != SQLITE_ROW && stepped != SQLITE_DONE) return sqlite_failed(database, path);
  return value;
}

inline Result<void> run(sqlite3* database, const std::string& path, const std::string& sql) {
  if (sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return sqlite_failed(database, path);
}

}  // namespace schema_detail

// Returns the version the file had. Errors: refused (made by a newer version), corrupt (some other
// program's database, or damaged), full, io; nothing is changed then.
inline Result<int> bring_up_to_date(sqlite3* database, const std::string& path,
                                    const Schema& schema) {
  namespace detail = schema_detail;
  const auto application = detail::number(database, path, "PRAGMA application_id");
  if (!application) return std::unexpected(application.error());
  const auto version = detail::number(database, path, "PRAGMA user_version");
  if (!version) return std::unexpected(version.error());
  const auto tables = detail::number(database, path, "SELECT count(*) FROM sqlite_schema");
  if (!tables) return std::unexpected(tables.error());

  const bool empty = *version == 0 && *tables == 0;
  const bool unmarked = *application == 0 && *version > 0 && *version <= schema.unmarked_upto;
  if (*application != schema.application_id && !(empty && *application == 0) && !unmarked) {
    return fail(ErrorCode::corrupt, path + " is not " + std::string(schema.what) + " of Godwit");
  }
  const auto newest = static_cast<std::int64_t>(schema.steps.size());
  if (*version > newest) {
    return fail(ErrorCode::refused, path + " was written by a newer Godwit (schema " +
                                        std::to_string(*version) + ", this one knows " +
                                        std::to_string(newest) + "); use that version");
  }
  if (*version == newest) return static_cast<int>(*version);
  std::string all = "BEGIN IMMEDIATE;";
  for (auto step = static_cast<std::size_t>(*version); step < schema.steps.size(); ++step) {
    all += schema.steps[step];
    all += ";";
  }
  all += "PRAGMA application_id=" + std::to_string(schema.application_id) +
         ";PRAGMA user_version=" + std::to_string(newest) + ";COMMIT;";
  if (auto done = detail::run(database, path, all); !done) {
    const Error error = done.error();
    if (sqlite3_get_autocommit(database) == 0) (void)detail::run(database, path, "ROLLBACK");
    return std::unexpected(error);
  }
  return static_cast<int>(*version);
}

}  // namespace godwit::queues
