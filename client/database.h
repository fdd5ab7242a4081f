// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sqlite3.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

// The SQLite file under State and Vault: opening, one transaction at a time, statements, errors in
// sentences. Not thread safe.

namespace godwit::client {

class Database {
 public:
  // Opens the file, made when missing (0600), and brings its tables up to date. Errors: as
  // State::open.
  Result<void> open(const std::string& path);
  sqlite3* handle() const { return database_.get(); }

  Result<void> run(const char* sql);
  Result<void> set_waiting_for_disk(bool wait);
  // The row's number. Errors: corrupt when there is no row.
  Result<std::uint64_t> number(const char* sql);
  // One transaction around `work`, which returns Result<void>; rolled back when that fails.
  template <typename Work>
  Result<void> transact(Work&& work) {
    if (auto begun = run("BEGIN IMMEDIATE"); !begun) return begun;
    Result<void> done = work();
    if (done) done = run("COMMIT");
    if (!done) (void)run("ROLLBACK");
    return done;
  }

  // What SQLite said last.
  std::unexpected<Error> error() const;
  std::unexpected<Error> damaged(const std::string& what) const;

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  std::string path_;
  std::unique_ptr<sqlite3, Close> database_;
  bool waits_for_disk_ = true;
};

// One statement; binds in order, reads columns.
class Query {
 public:
  Query(const Database& database, const char* sql);
  ~Query() { sqlite3_finalize(statement_); }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& bind(std::uint64_t value);
  Query& bind(std::string_view text);
  Query& bind(Bytes bytes);
  Query& bind_null() {
    ++index_;
    return *this;
  }
  bool row() { return (code_ = sqlite3_step(statement_)) == SQLITE_ROW; }
  bool done() { return !row() && code_ == SQLITE_DONE; }
  bool ended_well() const { return code_ == SQLITE_DONE; }
  void again() {
    sqlite3_reset(statement_);
    index_ = 0;
  }
  std::uint64_t number(int column) const {
    return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
  }
  bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::string text(int column) const { return std::string(as_text(bytes(column))); }
  // Until the next step.
  Bytes bytes(int column) const;
  std::optional<std::span<const std::uint8_t, 32>> key(int column) const;
  bool is_key_or_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL || key(column).has_value();
  }
  std::optional<std::array<std::uint8_t, 32>> public_key(int column) const;

 private:
  sqlite3_stmt* statement_ = nullptr;
  int index_ = 0;
  int code_ = SQLITE_OK;
};

}  // namespace godwit::client
