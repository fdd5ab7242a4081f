// SPDX-License-Identifier: Apache-2.0
#include "control/account_store.h"

#include <fcntl.h>

#include "control/files.h"
#include "protocol/jid.h"
#include "queues/schema.h"

namespace godwit::control {
namespace {

// 256 KiB of cache instead of 2 MB, which lookups would fill: logins cost no more, as the system
// keeps the file's pages as well.
constexpr const char* pragmas =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA "
    "secure_delete=ON;"
    "PRAGMA journal_size_limit=1048576; PRAGMA cache_size=-256;";

constexpr const char* first_schema = R"(
CREATE TABLE accounts(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user TEXT NOT NULL UNIQUE,
  status INTEGER NOT NULL,
  created INTEGER NOT NULL,
  next_device INTEGER NOT NULL DEFAULT 1) STRICT;
CREATE TABLE devices(
  account INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  id INTEGER NOT NULL,
  key BLOB NOT NULL UNIQUE,
  client TEXT NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY(account, id)) STRICT, WITHOUT ROWID;
CREATE TABLE blocks(
  account INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  user TEXT NOT NULL,
  PRIMARY KEY(account, user)) STRICT, WITHOUT ROWID;
CREATE TABLE invites(
  code TEXT PRIMARY KEY,
  user TEXT NOT NULL,
  uses_left INTEGER NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX invites_by_user ON invites(user) WHERE user != '';
)";
constexpr const char* steps[] = {first_schema};
constexpr queues::Schema schema{.what = "an account database",
                                .application_id = 0x47574143,  // "GWAC"
                                .steps = steps};

Result<std::int64_t> read_number(Database& database, std::string_view sql) {
  Result<Statement> statement = database.prepare(sql);
  if (!statement) return std::unexpected(statement.error());
  const Result<bool> row = statement->step();
  if (!row) return std::unexpected(row.error());
  return *row ? statement->integer(0) : 0;
}

queues::AccountStatus status_of(std::int64_t value) {
  return static_cast<queues::AccountStatus>(value);
}

std::int64_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

Result<std::unique_ptr<AccountStore>> AccountStore::open(const Options& options) {
  // Made here first because SQLite would let others read it.
  FileDescriptor file(::open(options.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) return file_error("open", options.path, errno);
  file.reset();
  Result<Database> database = Database::open(options.path);
  if (!database) return std::unexpected(database.error());
  std::unique_ptr<AccountStore> store(new AccountStore(options, std::move(*database)));
  if (Result<void> ready = store->prepare_schema(); !ready) return std::unexpected(ready.error());
  if (Result<void> ready = store->prepare_statements(); !ready)
    return std::unexpected(ready.error());
  return store;
}

Result<void> AccountStore::prepare_schema() {
  if (Result<void> set = database_.execute(pragmas); !set) return set;
  if (options_.page_count_max > 0) {
    const std::string limit = "PRAGMA max_page_count=" + std::to_string(options_.page_count_max);
    if (Result<void> set = database_.execute(limit.c_str()); !set) return set;
  }
  const auto found = queues::bring_up_to_date(database_.handle(), options_.path, schema);
  if (!found) return std::unexpected(found.error());
  return {};
}

Result<void> AccountStore::prepare_statements() {
  const std::pair<Statement*, std::string_view> list[] = {
      {&statements_.find_account,
       "SELECT id, status, created, next_device FROM accounts WHERE user = ?1"},
      {&statements_.find_user, "SELECT user FROM accounts WHERE id = ?1"},
      {&statements_.list_devices,
       "SELECT id, key, client, created FROM devices WHERE account = ?1 ORDER BY id"},
      {&statements_.list_blocks, "SELECT user FROM blocks WHERE account = ?1 ORDER BY user"},
      {&statements_.list_accounts,
       "SELECT id, user, status, created, (SELECT COUNT(*) FROM devices WHERE account = "
       "accounts.id) FROM accounts "
       "WHERE user > ?1 ORDER BY user LIMIT ?2"},
      {&statements_.add_account, "INSERT INTO accounts(user, status, created) VALUES(?1, ?2, ?3)"},
      {&statements_.set_status, "UPDATE accounts SET status = ?2 WHERE user = ?1"},
      {&statements_.remove_account, "DELETE FROM accounts WHERE id = ?1"},
      {&statements_.find_key,
       "SELECT accounts.id, accounts.user, devices.id FROM devices JOIN accounts ON accounts.id = "
       "devices.account "
       "WHERE key = ?1"},
      {&statements_.add_device,
       "INSERT INTO devices(account, id, key, client, created) VALUES(?1, ?2, ?3, ?4, ?5)"},
      {&statements_.count_devices, "SELECT COUNT(*) FROM devices WHERE account = ?1"},
      {&statements_.take_device_id,
       "UPDATE accounts SET next_device = next_device + 1 WHERE id = ?1 RETURNING next_device - 1"},
      {&statements_.find_invite, "SELECT user, uses_left, expires FROM invites WHERE code = ?1"},
      {&statements_.use_invite, "UPDATE invites SET uses_left = uses_left - 1 WHERE code = ?1"},
      {&statements_.add_invite,
       "INSERT INTO invites(code, user, uses_left, created, expires) VALUES(?1, ?2, ?3, ?4, ?5)"},
      {&statements_.list_invites,
       "SELECT code, user, uses_left, created, expires FROM invites ORDER BY created, code"},
      {&statements_.count_invites, "SELECT COUNT(*) FROM invites"},
      {&statements_.remove_invite, "DELETE FROM invites WHERE code = ?1"},
      {&statements_.purge_invites,
       "DELETE FROM invites WHERE uses_left < 1 OR (expires > 0 AND expires <= ?1)"},
      {&statements_.remove_user_invites, "DELETE FROM invites WHERE user != '' AND user = ?1"},
      {&statements_.add_block, "INSERT OR IGNORE INTO blocks(account, user) VALUES(?1, ?2)"},
      {&statements_.remove_block, "DELETE FROM blocks WHERE account = ?1 AND user = ?2"},
      {&statements_.clear_blocks, "DELETE FROM blocks WHERE account = ?1"},
      {&statements_.count_blocks, "SELECT COUNT(*) FROM blocks WHERE account = ?1"},
  };
  for (const auto& [statement, sql] : list) {
    Result<Statement> prepared = database_.prepare(sql);
    if (!prepared) return std::unexpected(prepared.error());
    *statement = std::move(*prepared);
  }
  Result<ReadingStatements> reading = ReadingStatements::prepare(database_);
  if (!reading) return std::unexpected(reading.error());
  reading_ = std::move(*reading);
  const Result<std::int64_t> count = read_number(database_, "SELECT COUNT(*) FROM accounts");
  if (!count) return std::unexpected(count.error());
  account_count_ = static_cast<std::uint64_t>(*count);
  return {};
}

Result<std::string> AccountStore::user_of(std::uint64_t account_id) {
  Statement& find = statements_.find_user.bind(1, static_cast<std::int64_t>(account_id));
  const Result<bool> row = find.step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::string();
  std::string user(find.text(0));
  find.reset();
  return user;
}

template <typename Work>
Result<void> AccountStore::transact(Work&& work) {
  if (Result<void> begun = database_.execute("BEGIN IMMEDIATE"); !begun) return begun;
  Result<void> done = work();
  if (done) done = database_.execute("COMMIT");
  // Some errors have rolled back already.
  if (!done && database_.in_transaction()) (void)database_.execute("ROLLBACK");
  return done;
}

Result<void> AccountStore::begin_batch() {
  GODWIT_CHECK(!database_.in_transaction());
  batch_error_.reset();
  batch_accounts_ = 0;
  return database_.execute("BEGIN IMMEDIATE");
}

Result<void> AccountStore::commit_batch() {
  Result<void> committed =
      batch_error_ ? Result<void>(std::unexpected(*batch_error_)) : database_.execute("COMMIT");
  if (committed) {
    account_count_ += batch_accounts_;
  } else if (database_.in_transaction()) {
    (void)database_.execute("ROLLBACK");
  }
  batch_error_.reset();
  return committed;
}

Result<std::optional<Account>> AccountStore::find(std::string_view user) {
  Statement& found = statements_.find_account;
  const Result<bool> row = found.bind(1, user).step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::optional<Account>{};
  Account account{.id = static_cast<std::uint64_t>(found.integer(0)),
                  .user = std::string(user),
                  .status = status_of(found.integer(1)),
                  .created_s = found.integer(2)};
  if (Result<void> listed = list_devices_and_blocks(account); !listed) {
    found.reset();
    return std::unexpected(listed.error());
  }
  // Only now: while its row is there SQLite keeps one read transaction for all three, where each by
  // itself would lock and unlock the file.
  found.reset();
  return std::optional(std::move(account));
}

Result<void> AccountStore::list_devices_and_blocks(Account& account) {
  Statement& devices = statements_.list_devices;
  devices.bind(1, static_cast<std::int64_t>(account.id));
  for (;;) {
    const Result<bool> device_row = devices.step();
    if (!device_row) return std::unexpected(device_row.error());
    if (!*device_row) break;
    Device device{.id = static_cast<std::uint16_t>(devices.integer(0)),
                  .client = std::string(devices.text(2)),
                  .created_s = devices.integer(3)};
    const Bytes key = devices.blob(1);
    if (key.size() != device.key.size()) {
      devices.reset();
      return fail(ErrorCode::corrupt, options_.path + ": a device key has a wrong size");
    }
    std::ranges::copy(key, device.key.begin());
    account.devices.push_back(std::move(device));
  }

  Statement& blocks = statements_.list_blocks;
  blocks.bind(1, static_cast<std::int64_t>(account.id));
  for (;;) {
    const Result<bool> block_row = blocks.step();
    if (!block_row) return std::unexpected(block_row.error());
    if (!*block_row) break;
    account.blocks.emplace_back(blocks.text(0));
  }
  return {};
}

Result<std::vector<AccountSummary>> AccountStore::list(std::string_view after,
                                                       std::uint32_t limit) {
  std::vector<AccountSummary> accounts;
  Statement& rows = statements_.list_accounts;
  rows.bind(1, after).bind(2, std::int64_t{limit});
  for (;;) {
    const Result<bool> row = rows.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return accounts;
    accounts.push_back({.id = static_cast<std::uint64_t>(rows.integer(0)),
                        .user = std::string(rows.text(1)),
                        .status = status_of(rows.integer(2)),
                        .created_s = rows.integer(3),
                        .devices = static_cast<std::uint32_t>(rows.integer(4))});
  }
}

Result<bool> AccountStore::set_status(std::string_view user, queues::AccountStatus status) {
  const Result<void> done =
      statements_.set_status.bind(1, user).bind(2, static_cast<std::int64_t>(status)).run();
  if (!done) return std::unexpected(done.error());
  return database_.changes() > 0;
}

Result<bool> AccountStore::add(std::string_view user, WallTime now) {
  if (!protocol::is_valid_user(user)) {
    return fail(ErrorCode::invalid, "'" + std::string(user) + "' is no name of an account");
  }
  bool added = false;
  batch_accounts_ = 0;
  const Result<void> done = transact([&]() -> Result<void> {
    const Result<bool> row = statements_.find_account.bind(1, user).step();
    if (!row) return std::unexpected(row.error());
    statements_.find_account.reset();
    added = !*row;
    if (!added) return {};
    const Result<std::uint64_t> account = add_account(user, now);
    return account ? Result<void>{} : std::unexpected(account.error());
  });
  if (!done) return std::unexpected(done.error());
  account_count_ += added ? 1 : 0;
  return added;
}

Result<std::optional<std::uint64_t>> AccountStore::remove(std::string_view user) {
  std::optional<std::uint64_t> removed;
  const Result<void> done = transact([&]() -> Result<void> {
    const Result<bool> row = statements_.find_account.bind(1, user).step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    const std::int64_t id = statements_.find_account.integer(0);
    statements_.find_account.reset();
    removed = static_cast<std::uint64_t>(id);
    // A bound invite would let its holder into whoever takes the name next.
    if (Result<void> erased = statements_.remove_user_invites.bind(1, user).run(); !erased)
      return erased;
    return statements_.remove_account.bind(1, id).run();
  });
  if (!done) return std::unexpected(done.error());
  if (removed) --account_count_;
  return removed;
}

Result<void> AccountStore::block(std::uint64_t account_id, std::span<const std::string> users) {
  const auto id = static_cast<std::int64_t>(account_id);
  return transact([&]() -> Result<void> {
    for (const std::string& user : users) {
      if (Result<void> added = statements_.add_block.bind(1, id).bind(2, user).run(); !added)
        return added;
    }
    const Result<bool> counted = statements_.count_blocks.bind(1, id).step();
    if (!counted) return std::unexpected(counted.error());
    const std::int64_t count = statements_.count_blocks.integer(0);
    statements_.count_blocks.reset();
    if (count > std::int64_t{options_.blocks_per_account_max}) {
      return fail(ErrorCode::limit, "at most " + std::to_string(options_.blocks_per_account_max) +
                                        " addresses can be blocked");
    }
    return {};
  });
}

Result<void> AccountStore::unblock(std::uint64_t account_id, std::span<const std::string> users) {
  const auto id = static_cast<std::int64_t>(account_id);
  if (users.empty()) return statements_.clear_blocks.bind(1, id).run();
  return transact([&]() -> Result<void> {
    for (const std::string& user : users) {
      if (Result<void> removed = statements_.remove_block.bind(1, id).bind(2, user).run(); !removed)
        return removed;
    }
    return {};
  });
}

Result<Invite> AccountStore::create_invite(const InviteOptions& options, RandomSource& random,
                                           WallTime now) {
  std::array<std::uint8_t, 16> bits{};
  random.fill(bits);
  Invite invite{.code = to_hex(bits),
                .user = options.user,
                .uses_left = options.uses,
                .created_s = seconds_of(now),
                .expires_s = options.expires_s};
  const Result<void> done = transact([&]() -> Result<void> {
    if (Result<void> purged = statements_.purge_invites.bind(1, invite.created_s).run(); !purged)
      return purged;
    const Result<bool> counted = statements_.count_invites.step();
    if (!counted) return std::unexpected(counted.error());
    const std::int64_t count = statements_.count_invites.integer(0);
    statements_.count_invites.reset();
    if (count >= std::int64_t{options_.invites_max}) {
      return fail(ErrorCode::limit,
                  "there are " + std::to_string(count) + " invites, the most allowed; revoke some");
    }
    return statements_.add_invite.bind(1, invite.code)
        .bind(2, invite.user)
        .bind(3, std::int64_t{invite.uses_left})
        .bind(4, invite.created_s)
        .bind(5, invite.expires_s)
        .run();
  });
  if (!done) return std::unexpected(done.error());
  return invite;
}

Result<std::vector<Invite>> AccountStore::list_invites(WallTime now) {
  if (Result<void> purged = statements_.purge_invites.bind(1, seconds_of(now)).run(); !purged) {
    return std::unexpected(purged.error());
  }
  std::vector<Invite> invites;
  Statement& rows = statements_.list_invites;
  for (;;) {
    const Result<bool> row = rows.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return invites;
    invites.push_back({.code = std::string(rows.text(0)),
                       .user = std::string(rows.text(1)),
                       .uses_left = static_cast<std::uint32_t>(rows.integer(2)),
                       .created_s = rows.integer(3),
                       .expires_s = rows.integer(4)});
  }
}

Result<bool> AccountStore::revoke_invite(std::string_view code) {
  const Result<void> done = statements_.remove_invite.bind(1, code).run();
  if (!done) return std::unexpected(done.error());
  return database_.changes() > 0;
}

}  // namespace godwit::control
