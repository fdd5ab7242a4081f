// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

// SQLite with errors as values. A Database and its statements belong to one thread.

namespace godwit::control {

class Database;

// A prepared statement, used again and again. Bind, step until false, and it is reset by itself;
// reset() ends it early. A text or blob that is bound, and a column's view, stay valid until the
// next step or reset.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept {
    std::swap(statement_, other.statement_);
    return *this;
  }
  ~Statement() { sqlite3_finalize(statement_); }

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, Bytes blob);

  // True: a row is there. False: done, and reset.
  Result<bool> step();
  // Steps to the end, for statements without rows.
  Result<void> run();
  void reset();

  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string_view text(int column) const;
  Bytes blob(int column) const;

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  sqlite3_stmt* statement_ = nullptr;
};

class Database {
 public:
  static Result<Database> open(const std::string& path);
  Database(Database&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Database& operator=(Database&&) = delete;
  ~Database() { sqlite3_close(handle_); }

  // Statements without parameters or rows, separated by semicolons.
  Result<void> execute(const char* sql);
  Result<Statement> prepare(std::string_view sql);
  std::int64_t last_insert_id() const { return sqlite3_last_insert_rowid(handle_); }
  // Rows changed by the last statement.
  int changes() const { return sqlite3_changes(handle_); }
  // For functions that take SQLite's own; they do not close it.
  sqlite3* handle() const { return handle_; }
  bool in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }
  bool has_written() const {
    return sqlite3_txn_state(handle_, "main") == SQLITE_TXN_WRITE;
  }

 private:
  explicit Database(sqlite3* handle) : handle_(handle) {}
  sqlite3* handle_ = nullptr;
};

// The two statements of a Reading, prepared once.
struct ReadingStatements {
  static Result<ReadingStatements> prepare(Database& database);
  Statement begin;
  Statement end;
};

// One read transaction for all that is read while this lives: SQLite locks its file, looks at it
// and unlocks it once, and not for each statement. What is read is as of one instant.
//
// Without effect inside another transaction, and when it cannot begin: each statement then reads by
// itself. REQUIRES: nothing is written meanwhile, because it would be undecided until the end.
class Reading {
 public:
  Reading() = default;
  Reading(Database& database, ReadingStatements& statements);
  Reading(Reading&& other) noexcept
      : database_(std::exchange(other.database_, nullptr)), end_(other.end_) {}
  Reading& operator=(Reading&&) = delete;
  ~Reading();

 private:
  Database* database_ = nullptr;  // null: nothing to end
  Statement* end_ = nullptr;
};

}  // namespace godwit::control
