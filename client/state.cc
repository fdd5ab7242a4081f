// SPDX-License-Identifier: Apache-2.0
#include "client/state.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace godwit::client {

namespace {

constexpr int schema_version = 1;
constexpr const char* schema = R"(
BEGIN IMMEDIATE;
CREATE TABLE identity(one INTEGER PRIMARY KEY CHECK(one=1), user TEXT, domain TEXT, device INTEGER,
  server TEXT, private_key BLOB, operator_key BLOB, node_key BLOB);
CREATE TABLE numbers(one INTEGER PRIMARY KEY CHECK(one=1), next_id INTEGER, last_sequence INTEGER);
INSERT INTO numbers VALUES(1, 1, 0);
CREATE TABLE outbox(id INTEGER PRIMARY KEY, recipient TEXT NOT NULL, payload BLOB NOT NULL);
CREATE TABLE inbox(row INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT NOT NULL, id INTEGER NOT NULL,
  time_ms INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE TABLE seen(sender TEXT NOT NULL, ephemeral INTEGER NOT NULL, id INTEGER NOT NULL,
  PRIMARY KEY(sender, ephemeral)) WITHOUT ROWID;
PRAGMA user_version=1;
COMMIT;
)";

std::string reason() {
  return std::strerror(errno);
}

}  // namespace

void State::Close::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);
}

State::~State() {
  database_.reset();
  if (lock_ >= 0) ::close(lock_);
}

// One statement; binds in order, reads columns.
class State::Query {
 public:
  Query(State& state, const char* sql) {
    sqlite3_prepare_v2(state.database_.get(), sql, -1, &statement_, nullptr);
  }
  ~Query() { sqlite3_finalize(statement_); }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& bind(std::uint64_t value) {
    sqlite3_bind_int64(statement_, ++index_, static_cast<std::int64_t>(value));
    return *this;
  }
  Query& bind(std::string_view text) {
    sqlite3_bind_text(statement_, ++index_, text.data(), static_cast<int>(text.size()),
                      SQLITE_STATIC);
    return *this;
  }
  Query& bind(Bytes bytes) {
    // A null pointer would be NULL, and an empty payload is not.
    sqlite3_bind_blob(statement_, ++index_,
                      bytes.empty() ? "" : static_cast<const void*>(bytes.data()),
                      static_cast<int>(bytes.size()), SQLITE_STATIC);
    return *this;
  }
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
  std::string text(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    return {data == nullptr ? "" : data,
            static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }
  std::optional<std::span<const std::uint8_t, 32>> key(int column) const {
    if (sqlite3_column_bytes(statement_, column) != 32) return std::nullopt;
    return std::span<const std::uint8_t, 32>(
        static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column)), 32);
  }
  bool is_key_or_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL || key(column).has_value();
  }
  std::optional<std::array<std::uint8_t, 32>> public_key(int column) const {
    const auto bytes = key(column);
    if (!bytes) return std::nullopt;
    std::array<std::uint8_t, 32> copy;
    std::ranges::copy(*bytes, copy.begin());
    return copy;
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
  int index_ = 0;
  int code_ = SQLITE_OK;
};

std::unexpected<Error> State::error() const {
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
std::unexpected<Error> State::damaged(const std::string& what) const {
  return fail(ErrorCode::corrupt,
              path_ + " is damaged (" + what +
                  "); move its folder away and register a new device, no older copy will do");
}

Result<void> State::run(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error();
  return {};
}

template <typename Work>
Result<void> State::transact(Work&& work) {
  if (auto begun = run("BEGIN IMMEDIATE"); !begun) return begun;
  if (work()) {
    if (auto committed = run("COMMIT"); committed) return {};
  }
  auto failed = error();
  (void)run("ROLLBACK");
  return failed;
}

Result<void> State::set_waiting_for_disk(bool wait) {
  if (wait == waits_for_disk_) return {};
  if (auto set = run(wait ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"); !set)
    return set;
  waits_for_disk_ = wait;
  return {};
}

Result<std::unique_ptr<State>> State::open(const std::string& home) {
  if (::mkdir(home.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(ErrorCode::io, "cannot make the folder " + home + ": " + reason());
  }
  std::unique_ptr<State> state(new State);
  state->path_ = home + "/state.db";
  state->lock_ = ::open((home + "/lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (state->lock_ < 0) return fail(ErrorCode::io, "cannot write in " + home + ": " + reason());
  if (::flock(state->lock_, LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorCode::unavailable,
                home + " is in use by another godwit; wait for it, or give another --home");
  }
  const int file = ::open(state->path_.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0) return fail(ErrorCode::io, "cannot open " + state->path_ + ": " + reason());
  ::close(file);
  sqlite3* database = nullptr;
  const int opened =
      sqlite3_open_v2(state->path_.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr);
  state->database_.reset(database);
  if (opened != SQLITE_OK) return state->error();
  if (auto done = state->run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"); !done) {
    return std::unexpected(done.error());
  }
  const auto version = state->number("PRAGMA user_version");
  if (!version) return std::unexpected(version.error());
  if (*version > schema_version) {
    return fail(ErrorCode::refused, state->path_ + " was made by a newer version; use that one");
  }
  if (*version == 0) {
    if (auto done = state->run(schema); !done) return std::unexpected(done.error());
  }
  return state;
}

Result<std::uint64_t> State::number(const char* sql) {
  Query query(*this, sql);
  if (query.row()) return query.number(0);
  if (query.ended_well()) return damaged("a row is missing");
  return error();
}

Result<std::optional<State::Identity>> State::load_identity() {
  Query query(
      *this,
      "SELECT user, domain, device, server, private_key, operator_key, node_key FROM identity");
  if (!query.row()) {
    if (!query.ended_well()) return error();
    return std::nullopt;
  }
  const auto key = query.key(4);
  // A pin that cannot be read must not become no pin.
  if (!key || !query.is_key_or_null(5) || !query.is_key_or_null(6)) {
    return damaged("a key has another size");
  }
  Identity identity;
  identity.jid.user = query.text(0);
  identity.jid.domain = query.text(1);
  identity.jid.device = static_cast<std::uint16_t>(query.number(2));
  identity.server = query.text(3);
  identity.private_key = crypto::PrivateKey(*key);
  identity.operator_key = query.public_key(5);
  identity.node_key = query.public_key(6);
  return identity;
}

Result<void> State::save_identity(const Identity& identity) {
  if (auto set = set_waiting_for_disk(true); !set) return set;
  Query query(*this, "INSERT OR REPLACE INTO identity VALUES(1,?,?,?,?,?,?,?)");
  query.bind(std::string_view(identity.jid.user)).bind(std::string_view(identity.jid.domain));
  query.bind(std::uint64_t{identity.jid.device}).bind(std::string_view(identity.server));
  query.bind(Bytes(identity.private_key.bytes()));
  identity.operator_key ? query.bind(Bytes(*identity.operator_key)) : query.bind_null();
  identity.node_key ? query.bind(Bytes(*identity.node_key)) : query.bind_null();
  if (!query.done()) return error();
  return {};
}

Result<std::uint64_t> State::append_outbox(const std::string& to,
                                           std::span<const std::string> payloads) {
  if (auto set = set_waiting_for_disk(true); !set) return std::unexpected(set.error());
  std::uint64_t first = 0;
  const auto done = transact([&] {
    const auto next = number("SELECT next_id FROM numbers");
    if (!next) return false;
    first = *next;
    Query insert(*this, "INSERT INTO outbox VALUES(?,?,?)");
    for (std::size_t i = 0; i < payloads.size(); ++i) {
      insert.bind(first + i).bind(std::string_view(to)).bind(as_bytes(payloads[i]));
      if (!insert.done()) return false;
      insert.again();
    }
    Query advance(*this, "UPDATE numbers SET next_id=?");
    return advance.bind(first + payloads.size()).done();
  });
  if (!done) return std::unexpected(done.error());
  return first;
}

Result<std::vector<State::Outgoing>> State::read_outbox(std::uint64_t after_id, std::size_t limit) {
  Query query(*this, "SELECT id, recipient, payload FROM outbox WHERE id>? ORDER BY id LIMIT ?");
  query.bind(after_id).bind(std::uint64_t{limit});
  std::vector<Outgoing> messages;
  while (query.row()) messages.push_back({query.number(0), query.text(1), query.text(2)});
  if (!query.ended_well()) return error();
  return messages;
}

Result<void> State::erase_accepted(std::span<const std::uint64_t> ids) {
  if (auto set = set_waiting_for_disk(false); !set) return set;
  return transact([&] {
    Query query(*this, "DELETE FROM outbox WHERE id=?");
    for (const std::uint64_t id : ids) {
      if (!query.bind(id).done()) return false;
      query.again();
    }
    return true;
  });
}

Result<void> State::erase_refused(std::uint64_t id) {
  if (auto set = set_waiting_for_disk(true); !set) return set;
  Query query(*this, "DELETE FROM outbox WHERE id=?");
  if (!query.bind(id).done()) return error();
  return {};
}

Result<std::uint64_t> State::outbox_size() {
  return number("SELECT count(*) FROM outbox");
}

Result<std::size_t> State::store(std::span<const Incoming> messages) {
  if (auto set = set_waiting_for_disk(true); !set) return std::unexpected(set.error());
  std::size_t fresh = 0;
  const auto done = transact([&] {
    Query seen(*this, "SELECT id FROM seen WHERE sender=? AND ephemeral=?");
    Query insert(*this, "INSERT INTO inbox(sender, id, time_ms, payload) VALUES(?,?,?,?)");
    Query mark(*this, "INSERT OR REPLACE INTO seen VALUES(?,?,?)");
    std::uint64_t sequence = 0;
    for (const Incoming& message : messages) {
      sequence = std::max(sequence, message.sequence);
      const std::uint64_t ephemeral = message.sequence == 0 ? 1 : 0;
      const bool known = seen.bind(std::string_view(message.from)).bind(ephemeral).row();
      if (!known && !seen.ended_well()) return false;
      const bool repeated = known && seen.number(0) >= message.id;
      seen.again();
      if (repeated) continue;
      insert.bind(std::string_view(message.from)).bind(message.id);
      insert.bind(static_cast<std::uint64_t>(message.time_ms)).bind(as_bytes(message.payload));
      mark.bind(std::string_view(message.from)).bind(ephemeral).bind(message.id);
      if (!insert.done() || !mark.done()) return false;
      insert.again();
      mark.again();
      ++fresh;
    }
    if (sequence == 0) return true;
    // As the gateway counts, also when it counts lower than before: to name a higher one at login
    // would acknowledge what has not come.
    Query advance(*this, "UPDATE numbers SET last_sequence=?");
    return advance.bind(sequence).done();
  });
  if (!done) return std::unexpected(done.error());
  return fresh;
}

Result<std::uint64_t> State::last_sequence() {
  return number("SELECT last_sequence FROM numbers");
}

Result<std::vector<State::Stored>> State::read_inbox(std::size_t limit) {
  Query query(*this, "SELECT row, sender, id, time_ms, payload FROM inbox ORDER BY row LIMIT ?");
  query.bind(std::uint64_t{limit});
  std::vector<Stored> messages;
  while (query.row()) {
    messages.push_back({.row = static_cast<std::int64_t>(query.number(0)),
                        .message = {.from = query.text(1),
                                    .id = query.number(2),
                                    .time_ms = static_cast<std::int64_t>(query.number(3)),
                                    .payload = query.text(4)}});
  }
  if (!query.ended_well()) return error();
  return messages;
}

Result<void> State::erase_inbox(std::int64_t row) {
  // Without the wait for the disk, so that the moment in which a crash would show a message twice
  // is short.
  if (auto set = set_waiting_for_disk(false); !set) return set;
  Query query(*this, "DELETE FROM inbox WHERE row=?");
  if (!query.bind(static_cast<std::uint64_t>(row)).done()) return error();
  return {};
}

}  // namespace godwit::client
