// SPDX-License-Identifier: Apache-2.0
#include "control/key_directory.h"

#include <fcntl.h>

#include <algorithm>

#include "control/files.h"
#include "crypto/hash.h"
#include "crypto/xeddsa.h"
#include "queues/schema.h"

// What devices upload. Bundles are in key_bundles.cc.

namespace godwit::control {
namespace {

using protocol::Condition;
using protocol::DirectoryKey;
using protocol::PrekeyUpload;

constexpr const char* pragmas =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
    "PRAGMA journal_size_limit=1048576;";

// A key that was given out keeps its row without its bytes, so that it is never taken in again.
// `ready` of a fetch is the instant, Unix time, at which its bucket is full.
constexpr const char* first_schema = R"(
CREATE TABLE devices(
  account INTEGER NOT NULL,
  device INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  registration INTEGER NOT NULL,
  identity BLOB NOT NULL,
  signed_id INTEGER NOT NULL, signed_key BLOB NOT NULL, signed_at INTEGER NOT NULL,
  last_id INTEGER NOT NULL, last_key BLOB NOT NULL, last_at INTEGER NOT NULL,
  bundles INTEGER NOT NULL DEFAULT 0,
  last_uses INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(account, device)) STRICT, WITHOUT ROWID;
CREATE TABLE keys(
  account INTEGER NOT NULL,
  device INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  id INTEGER NOT NULL,
  digest BLOB NOT NULL,
  bytes BLOB,
  PRIMARY KEY(account, device, kind, id)) STRICT, WITHOUT ROWID;
CREATE INDEX keys_left ON keys(account, device, kind, id) WHERE bytes IS NOT NULL;
CREATE TABLE fetches(
  account INTEGER NOT NULL,
  device INTEGER NOT NULL,
  requester INTEGER NOT NULL,
  user TEXT NOT NULL,
  ready INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY(account, device, requester)) STRICT, WITHOUT ROWID;
CREATE INDEX fetches_by_time ON fetches(at);
)";
constexpr const char* steps[] = {first_schema};
constexpr queues::Schema schema{
    .what = "a key directory", .application_id = 0x47574b44 /* GWKD */, .steps = steps};

std::int64_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

bool is_signed_by(Bytes identity, const DirectoryKey& key) {
  crypto::PublicKey signer;
  std::ranges::copy(identity.subspan(1), signer.begin());
  crypto::Signature signature;
  std::ranges::copy(key.signature, signature.begin());
  return crypto::xeddsa_verify(signer, key.key, signature);
}

constexpr std::uint8_t ec_type = 0x05;
constexpr std::uint8_t kem_type = 0x08;

std::vector<std::uint8_t> bytes_of(const DirectoryKey& key) {
  std::vector<std::uint8_t> bytes(key.key.begin(), key.key.end());
  bytes.insert(bytes.end(), key.signature.begin(), key.signature.end());
  return bytes;
}

}  // namespace

Result<std::unique_ptr<KeyDirectory>> KeyDirectory::open(const Options& options) {
  if (options.path != in_memory) {
    // Made here first because SQLite would let others read it.
    FileDescriptor file(::open(options.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file.valid()) return file_error("open", options.path, errno);
  }
  Result<Database> database = Database::open(options.path);
  if (!database) return std::unexpected(database.error());
  std::unique_ptr<KeyDirectory> directory(new KeyDirectory(std::move(*database)));
  if (Result<void> ready = directory->prepare(options); !ready) {
    return std::unexpected(ready.error());
  }
  return directory;
}

Result<void> KeyDirectory::prepare(const Options& options) {
  if (Result<void> set = database_.execute(pragmas); !set) return set;
  if (options.page_count_max > 0) {
    const std::string limit = "PRAGMA max_page_count=" + std::to_string(options.page_count_max);
    if (Result<void> set = database_.execute(limit.c_str()); !set) return set;
  }
  const auto found = queues::bring_up_to_date(database_.handle(), options.path, schema);
  if (!found) return std::unexpected(found.error());
  // ?1 is the account and ?2 the device in every one of them that is about a device.
  const std::pair<Statement*, std::string_view> list[] = {
      {&statements_.find,
       "SELECT generation, registration, identity, signed_id, signed_key, last_id, last_key FROM "
       "devices WHERE account=?1 AND device=?2"},
      {&statements_.start,
       "INSERT OR REPLACE INTO devices(account, device, generation, registration, identity, "
       "signed_id, signed_key, signed_at, last_id, last_key, last_at) "
       "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?8)"},
      {&statements_.set_signed,
       "UPDATE devices SET signed_id=?3, signed_key=?4, signed_at=?5 WHERE account=?1 AND "
       "device=?2"},
      {&statements_.set_last_resort,
       "UPDATE devices SET last_id=?3, last_key=?4, last_at=?5 WHERE account=?1 AND device=?2"},
      {&statements_.note_bundle,
       "UPDATE devices SET bundles=bundles+1, last_uses=last_uses+?3 WHERE account=?1 AND "
       "device=?2"},
      {&statements_.list,
       "SELECT device, registration, identity, generation, signed_id, signed_at, last_id, last_at, "
       "bundles, last_uses FROM devices WHERE account=?1 ORDER BY device"},
      {&statements_.find_key,
       "SELECT digest FROM keys WHERE account=?1 AND device=?2 AND kind=?3 AND id=?4"},
      {&statements_.add_key,
       "INSERT INTO keys(account, device, kind, id, digest, bytes) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"},
      {&statements_.count_keys,
       "SELECT count(*) FROM keys WHERE account=?1 AND device=?2 AND kind=?3 AND bytes IS NOT "
       "NULL"},
      {&statements_.first_key,
       "SELECT id, bytes FROM keys WHERE account=?1 AND device=?2 AND kind=?3 AND bytes IS NOT "
       "NULL "
       "ORDER BY id LIMIT 1"},
      {&statements_.mark_taken,
       "UPDATE keys SET bytes=NULL WHERE account=?1 AND device=?2 AND kind=?3 AND id=?4"},
      {&statements_.count_taken,
       "SELECT count(*) FROM keys WHERE account=?1 AND device=?2 AND kind=?3 AND bytes IS NULL"},
      {&statements_.lowest_taken,
       "SELECT min(id) FROM keys WHERE account=?1 AND device=?2 AND kind=?3"},
      {&statements_.forget_taken,
       "DELETE FROM keys WHERE account=?1 AND device=?2 AND kind=?3 AND bytes IS NULL AND "
       "id=(SELECT "
       "min(id) FROM keys WHERE account=?1 AND device=?2 AND kind=?3 AND bytes IS NULL)"},
      {&statements_.forget_keys, "DELETE FROM keys WHERE account=?1 AND device=?2"},
      {&statements_.find_fetch,
       "SELECT ready FROM fetches WHERE account=?1 AND device=?2 AND requester=?3"},
      {&statements_.set_fetch,
       "INSERT OR REPLACE INTO fetches(account, device, requester, user, ready, at) VALUES(?1, ?2, "
       "?3, ?4, ?5, ?6)"},
      {&statements_.contacts,
       "SELECT DISTINCT user FROM fetches WHERE account=?1 AND at>=?2 ORDER BY user"},
      {&statements_.forget_old_fetches,
       "DELETE FROM fetches WHERE (account, device, requester) IN (SELECT account, device, "
       "requester "
       "FROM fetches WHERE at<?1 ORDER BY at LIMIT ?2)"},
      {&statements_.forget_devices, "DELETE FROM devices WHERE account=?1"},
      {&statements_.forget_all_keys, "DELETE FROM keys WHERE account=?1"},
      {&statements_.forget_fetches, "DELETE FROM fetches WHERE account=?1 OR requester=?1"},
  };
  for (const auto& [statement, sql] : list) {
    Result<Statement> prepared = database_.prepare(sql);
    if (!prepared) return std::unexpected(prepared.error());
    *statement = std::move(*prepared);
  }
  Result<ReadingStatements> reading = ReadingStatements::prepare(database_);
  if (!reading) return std::unexpected(reading.error());
  reading_ = std::move(*reading);
  return {};
}

bool KeyDirectory::step(Statement& statement) {
  if (error_) return false;
  const Result<bool> row = statement.step();
  if (!row) error_ = row.error();
  return row && *row;
}

void KeyDirectory::run(Statement& statement) {
  if (error_) return statement.reset();
  if (const Result<void> done = statement.run(); !done) error_ = done.error();
}

void KeyDirectory::run(const char* sql) {
  if (error_) return;
  if (const Result<void> done = database_.execute(sql); !done) error_ = done.error();
}

Result<void> KeyDirectory::take_error() {
  if (!error_) return {};
  if (!batch_error_) batch_error_ = error_;
  return std::unexpected(*std::exchange(error_, std::nullopt));
}

Statement& KeyDirectory::bind(Statement& statement, DeviceName device) {
  return statement.bind(1, static_cast<std::int64_t>(device.account))
      .bind(2, std::int64_t{device.device});
}

Result<void> KeyDirectory::begin_batch() {
  GODWIT_CHECK(!database_.in_transaction());
  batch_error_.reset();
  return database_.execute("BEGIN IMMEDIATE");
}

Result<void> KeyDirectory::commit_batch() {
  Result<void> committed =
      batch_error_ ? Result<void>(std::unexpected(*batch_error_)) : database_.execute("COMMIT");
  if (!committed && database_.in_transaction()) (void)database_.execute("ROLLBACK");
  batch_error_.reset();
  return committed;
}

auto KeyDirectory::upload(DeviceName device, const PrekeyUpload& upload, WallTime now)
    -> Result<std::expected<Uploaded, Condition>> {
  Uploaded done;
  run("SAVEPOINT upload");
  const std::optional<Condition> refused = carry_out(device, upload, now, done);
  run(refused ? "ROLLBACK TO upload; RELEASE upload" : "RELEASE upload");
  if (Result<void> failed = take_error(); !failed) return std::unexpected(failed.error());
  if (refused) return std::expected<Uploaded, Condition>(std::unexpected(*refused));
  return done;
}

std::optional<Condition> KeyDirectory::carry_out(DeviceName device, const PrekeyUpload& upload,
                                                 WallTime now, Uploaded& done) {
  const std::optional<Row> row = find(device);
  const bool starts = !row || upload.generation > row->generation;
  if (!starts && upload.generation < row->generation) return Condition::conflict;
  if (starts && (upload.identity.empty() || !upload.signed_key || !upload.last_resort)) {
    return Condition::bad_request;
  }
  const Bytes identity = upload.identity.empty() ? Bytes(row->identity) : upload.identity;
  if (!starts && !std::ranges::equal(identity, row->identity)) return Condition::conflict;
  if (const auto refused = check(upload, identity)) return refused;
  if (starts) {
    done.list_changed = !row || !std::ranges::equal(identity, row->identity);
    done.identity_changed = row && done.list_changed;
    start_generation(device, upload, now);
  } else if (const auto refused = rotate(device, *row, upload, now)) {
    return refused;
  }
  if (const auto refused = add_keys(device, Kind::one_time, upload.one_time)) return refused;
  return add_keys(device, Kind::kem, upload.kem);
}

std::optional<Condition> KeyDirectory::check(const PrekeyUpload& upload, Bytes identity) const {
  const auto has_type = [](Bytes key, std::uint8_t type) { return key[0] == type; };
  const auto is_good_kem = [&](const DirectoryKey& key) {
    return has_type(key.key, kem_type) && is_signed_by(identity, key);
  };
  const bool good =
      has_type(identity, ec_type) &&
      (!upload.signed_key ||
       (has_type(upload.signed_key->key, ec_type) && is_signed_by(identity, *upload.signed_key))) &&
      (!upload.last_resort || is_good_kem(*upload.last_resort)) &&
      std::ranges::all_of(upload.one_time,
                          [&](const DirectoryKey& key) { return has_type(key.key, ec_type); }) &&
      std::ranges::all_of(upload.kem, is_good_kem);
  return good ? std::nullopt : std::optional(Condition::not_acceptable);
}

std::optional<KeyDirectory::Row> KeyDirectory::find(DeviceName device) {
  Statement& found = statements_.find;
  if (!step(bind(found, device))) return std::nullopt;
  const auto copy = [&](int column) {
    const Bytes bytes = found.blob(column);
    return std::vector<std::uint8_t>(bytes.begin(), bytes.end());
  };
  const auto number = [&](int column) { return static_cast<std::uint32_t>(found.integer(column)); };
  Row row{.generation = number(0),
          .registration = number(1),
          .identity = copy(2),
          .signed_key = {number(3), copy(4)},
          .last_resort = {number(5), copy(6)}};
  found.reset();
  return row;
}

void KeyDirectory::start_generation(DeviceName device, const PrekeyUpload& upload, WallTime now) {
  const auto signed_bytes = bytes_of(*upload.signed_key);
  const auto last_bytes = bytes_of(*upload.last_resort);
  run(bind(statements_.forget_keys, device));
  run(bind(statements_.start, device)
          .bind(3, std::int64_t{upload.generation})
          .bind(4, std::int64_t{upload.registration})
          .bind(5, upload.identity)
          .bind(6, std::int64_t{upload.signed_key->id})
          .bind(7, Bytes(signed_bytes))
          .bind(8, seconds_of(now))
          .bind(9, std::int64_t{upload.last_resort->id})
          .bind(10, Bytes(last_bytes)));
}

// The keys that are used again and again: another one has a higher id.
std::optional<Condition> KeyDirectory::rotate(DeviceName device, const Row& row,
                                              const PrekeyUpload& upload, WallTime now) {
  const auto replace = [&](const std::optional<DirectoryKey>& key, const Bundle::Key& there,
                           Statement& statement) -> std::optional<Condition> {
    if (!key) return std::nullopt;
    const auto bytes = bytes_of(*key);
    // A signature may be made anew; the key under an id stays what it is.
    if (key->id == there.id) {
      const bool same = std::ranges::equal(key->key, Bytes(there.bytes).first(key->key.size()));
      return same ? std::nullopt : std::optional(Condition::conflict);
    }
    if (key->id < there.id) return Condition::conflict;
    run(bind(statement, device)
            .bind(3, std::int64_t{key->id})
            .bind(4, Bytes(bytes))
            .bind(5, seconds_of(now)));
    return std::nullopt;
  };
  if (const auto refused = replace(upload.signed_key, row.signed_key, statements_.set_signed)) {
    return refused;
  }
  return replace(upload.last_resort, row.last_resort, statements_.set_last_resort);
}

std::optional<Condition> KeyDirectory::add_keys(DeviceName device, Kind kind,
                                                const std::vector<DirectoryKey>& keys) {
  for (const DirectoryKey& key : keys) {
    if (const auto refused = add_key(device, kind, key)) return refused;
  }
  if (keys.empty() || count_keys(device, kind) <= protocol::one_time_keys_max) return std::nullopt;
  return Condition::resource_constraint;
}

std::optional<Condition> KeyDirectory::add_key(DeviceName device, Kind kind,
                                               const DirectoryKey& key) {
  const crypto::Digest hash = crypto::hash(crypto::NoiseHash::sha256, {key.key});
  const Bytes digest = Bytes(hash.bytes()).first(crypto::hash_size(crypto::NoiseHash::sha256));
  const auto kind_number = static_cast<std::int64_t>(kind);
  Statement& found = statements_.find_key;
  if (step(bind(found, device).bind(3, kind_number).bind(4, std::int64_t{key.id}))) {
    const bool same = std::ranges::equal(found.blob(0), digest);
    found.reset();
    return same ? std::nullopt : std::optional(Condition::conflict);
  }
  // What was given out longest ago is not remembered: ids below all that are known are suspect.
  Statement& lowest = statements_.lowest_taken;
  if (step(bind(lowest, device).bind(3, kind_number))) {
    const std::int64_t known = lowest.integer(0);
    lowest.reset();
    if (std::int64_t{key.id} < known) return Condition::conflict;
  }
  const auto bytes = bytes_of(key);
  run(bind(statements_.add_key, device)
          .bind(3, kind_number)
          .bind(4, std::int64_t{key.id})
          .bind(5, digest)
          .bind(6, Bytes(bytes)));
  return std::nullopt;
}

std::uint32_t KeyDirectory::count_keys(DeviceName device, Kind kind) {
  Statement& counted = statements_.count_keys;
  if (!step(bind(counted, device).bind(3, static_cast<std::int64_t>(kind)))) return 0;
  const auto count = static_cast<std::uint32_t>(counted.integer(0));
  counted.reset();
  return count;
}

Result<protocol::PrekeyCount> KeyDirectory::count(DeviceName device) {
  protocol::PrekeyCount count;
  if (const auto row = find(device)) {
    count = {.generation = row->generation,
             .one_time = count_keys(device, Kind::one_time),
             .kem = count_keys(device, Kind::kem),
             .signed_id = row->signed_key.id,
             .last_resort_id = row->last_resort.id};
  }
  if (Result<void> failed = take_error(); !failed) return std::unexpected(failed.error());
  return count;
}

Result<void> KeyDirectory::forget_account(std::uint64_t account) {
  for (Statement* statement :
       {&statements_.forget_devices, &statements_.forget_all_keys, &statements_.forget_fetches}) {
    run(statement->bind(1, static_cast<std::int64_t>(account)));
  }
  return take_error();
}

}  // namespace godwit::control
