// SPDX-License-Identifier: Apache-2.0
#include "client/database.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "queues/schema.h"

namespace godwit::client {

namespace {

constexpr const char* first_version = R"(
CREATE TABLE identity(one INTEGER PRIMARY KEY CHECK(one=1), user TEXT, domain TEXT, device INTEGER,
  server TEXT, private_key BLOB, operator_key BLOB, node_key BLOB);
CREATE TABLE numbers(one INTEGER PRIMARY KEY CHECK(one=1), next_id INTEGER, last_sequence INTEGER);
INSERT INTO numbers VALUES(1, 1, 0);
CREATE TABLE outbox(id INTEGER PRIMARY KEY, recipient TEXT NOT NULL, payload BLOB NOT NULL);
CREATE TABLE inbox(row INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT NOT NULL, id INTEGER NOT NULL,
  time_ms INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE TABLE seen(sender TEXT NOT NULL, ephemeral INTEGER NOT NULL, id INTEGER NOT NULL,
  PRIMARY KEY(sender, ephemeral)) WITHOUT ROWID;
)";

// Signal. `messages` are the application's, `outbox` is what goes to each device for them. What
// waited in an older outbox was not encrypted and is from now on.
constexpr const char* second_version = R"(
CREATE TABLE messages(id INTEGER PRIMARY KEY, recipient TEXT NOT NULL, payload BLOB NOT NULL,
  sealed INTEGER NOT NULL DEFAULT 0, shown_id INTEGER NOT NULL DEFAULT 0,
  tries INTEGER NOT NULL DEFAULT 0);
INSERT INTO messages(id, recipient, payload, shown_id) SELECT id, recipient, payload, id FROM outbox;
DELETE FROM outbox;
CREATE INDEX messages_waiting ON messages(id) WHERE sealed=0;
ALTER TABLE outbox ADD COLUMN message INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN partly INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_message ON outbox(message);
CREATE TABLE sent(id INTEGER PRIMARY KEY, message INTEGER NOT NULL, peer TEXT NOT NULL);
ALTER TABLE inbox ADD COLUMN notice INTEGER NOT NULL DEFAULT 0;
CREATE TABLE own(one INTEGER PRIMARY KEY CHECK(one=1), private_key BLOB NOT NULL,
  registration INTEGER NOT NULL, next_key INTEGER NOT NULL);
CREATE TABLE prekeys(kind INTEGER NOT NULL, id INTEGER NOT NULL, record BLOB NOT NULL,
  made_ms INTEGER NOT NULL, uploaded INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(kind, id))
  WITHOUT ROWID;
CREATE TABLE opened(kyber_id INTEGER NOT NULL, base_key BLOB NOT NULL,
  PRIMARY KEY(kyber_id, base_key)) WITHOUT ROWID;
CREATE TABLE sessions(peer TEXT PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE peers(peer TEXT PRIMARY KEY, identity BLOB NOT NULL, trust INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE TABLE lists(account TEXT PRIMARY KEY, fetched_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE devices(account TEXT NOT NULL, device INTEGER NOT NULL,
  registration INTEGER NOT NULL, identity BLOB NOT NULL, PRIMARY KEY(account, device))
  WITHOUT ROWID;
)";

// Lists of devices that change. `repairs` are messages that are to go to one more device; `devices`
// is the digest of the list a row was encrypted for; `tag` is the device's, of the identity it was
// encrypted for, 0 when that is not known; a row of `sent` is `done` with (1) when it was asked for
// again, (2) when it went nowhere or to an identity that is no more.
constexpr const char* third_version = R"(
ALTER TABLE outbox ADD COLUMN devices INTEGER;
ALTER TABLE sent ADD COLUMN tag INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sent ADD COLUMN done INTEGER NOT NULL DEFAULT 0;
CREATE INDEX sent_message ON sent(message);
ALTER TABLE messages ADD COLUMN partly INTEGER NOT NULL DEFAULT 0;
CREATE TABLE repairs(message INTEGER NOT NULL, peer TEXT NOT NULL, PRIMARY KEY(message, peer))
  WITHOUT ROWID;
)";

constexpr const char* steps[] = {first_version, second_version, third_version};
constexpr queues::Schema schema{.what = "the state of a client",
                                .application_id = 0x47574353,  // GWCS
                                .steps = steps,
                                .unmarked_upto = 1};

}  // namespace

std::unexpected<Error> Database::error() const {
  const std::string why = sqlite3_errmsg(database_.get());
  switch (sqlite3_errcode(database_.get()) & 0xff) {
    case SQLITE_FULL:
      return fail(ErrorCode::full, "cannot use " + path_ + ": " + why);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return damaged(why);
    default:
      return fail(ErrorCode::io, "cannot use " + path_ + ": " + why);
  }
}

// An older copy put in its place would give out message ids again, and what is sent under them
// would be dropped as seen.
std::unexpected<Error> Database::damaged(const std::string& what) const {
  return fail(ErrorCode::corrupt,
              path_ + " is damaged (" + what +
                  "); move its folder away and register a new device, no older copy will do");
}

Result<void> Database::open(const std::string& path) {
  path_ = path;
  const int file = ::open(path_.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0) {
    return fail(ErrorCode::io, "cannot open " + path_ + ": " + std::strerror(errno));
  }
  ::close(file);
  sqlite3* database = nullptr;
  const int opened = sqlite3_open_v2(path_.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr);
  database_.reset(database);
  if (opened != SQLITE_OK) return error();
  // What is deleted is overwritten: keys that are used up and messages that are done with.
  if (auto done = run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;");
      !done) {
    return done;
  }
  const auto version = queues::bring_up_to_date(database_.get(), path_, schema);
  if (!version) {
    if (version.error().code == ErrorCode::corrupt) return damaged(version.error().message);
    return std::unexpected(version.error());
  }
  return {};
}

Result<void> Database::run(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error();
  return {};
}

Result<void> Database::set_waiting_for_disk(bool wait) {
  if (wait == waits_for_disk_) return {};
  if (auto set = run(wait ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"); !set)
    return set;
  waits_for_disk_ = wait;
  return {};
}

Result<std::uint64_t> Database::number(const char* sql) {
  Query query(*this, sql);
  if (query.row()) return query.number(0);
  if (query.ended_well()) return damaged("a row is missing");
  return error();
}

Query::Query(const Database& database, const char* sql) {
  sqlite3_prepare_v2(database.handle(), sql, -1, &statement_, nullptr);
}

Query& Query::bind(std::uint64_t value) {
  sqlite3_bind_int64(statement_, ++index_, static_cast<std::int64_t>(value));
  return *this;
}

Query& Query::bind(std::string_view text) {
  sqlite3_bind_text(statement_, ++index_, text.data(), static_cast<int>(text.size()),
                    SQLITE_STATIC);
  return *this;
}

Query& Query::bind(Bytes bytes) {
  // A null pointer would be NULL, and an empty payload is not.
  sqlite3_bind_blob(statement_, ++index_,
                    bytes.empty() ? "" : static_cast<const void*>(bytes.data()),
                    static_cast<int>(bytes.size()), SQLITE_STATIC);
  return *this;
}

Bytes Query::bytes(int column) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return data == nullptr ? Bytes{} : Bytes{data, size};
}

std::optional<std::span<const std::uint8_t, 32>> Query::key(int column) const {
  const Bytes found = bytes(column);
  if (found.size() != 32) return std::nullopt;
  return std::span<const std::uint8_t, 32>(found.data(), 32);
}

std::optional<std::array<std::uint8_t, 32>> Query::public_key(int column) const {
  const auto found = key(column);
  if (!found) return std::nullopt;
  std::array<std::uint8_t, 32> copy;
  std::ranges::copy(*found, copy.begin());
  return copy;
}

}  // namespace godwit::client
