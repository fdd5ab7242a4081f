// SPDX-License-Identifier: Apache-2.0
#include "client/vault.h"

#include <utility>

namespace godwit::client {

namespace signal = crypto::signal;

namespace {

std::uint64_t to_ms(WallTime time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

std::uint64_t number(Vault::KeyKind kind) {
  return static_cast<std::uint64_t>(kind);
}

}  // namespace

Result<Vault::Own> Vault::own(RandomSource& random) {
  Own own;
  {
    Query query(database_, "SELECT private_key, registration FROM own");
    if (query.row()) {
      const auto key = query.key(0);
      if (!key) return database_.damaged("the identity key has another size");
      own.identity = crypto::KeyPair::from_private(*key);
      own.registration = static_cast<std::uint32_t>(query.number(1));
      return own;
    }
    if (!query.ended_well()) return database_.error();
  }
  own.identity = crypto::KeyPair::generate(random);
  own.registration = 1 + static_cast<std::uint32_t>(random.below(0x3fff));
  Query insert(database_, "INSERT INTO own VALUES(1, ?, ?, 1)");
  insert.bind(Bytes(own.identity.private_key.bytes())).bind(std::uint64_t{own.registration});
  if (!insert.done()) return database_.error();
  return own;
}

Result<std::uint32_t> Vault::next_key_id() {
  const auto next = database_.number("SELECT next_key FROM own");
  if (!next) return std::unexpected(next.error());
  if (auto advanced = database_.run("UPDATE own SET next_key=next_key+1"); !advanced) {
    return std::unexpected(advanced.error());
  }
  return static_cast<std::uint32_t>(*next);
}

Result<void> Vault::add_key(KeyKind kind, std::uint32_t id, Bytes record, WallTime now) {
  Query insert(database_, "INSERT INTO prekeys VALUES(?,?,?,?,0)");
  insert.bind(number(kind)).bind(std::uint64_t{id}).bind(record).bind(to_ms(now));
  if (!insert.done()) return database_.error();
  return {};
}

Result<bool> Vault::has_fresh(KeyKind kind, WallTime now) {
  Query query(database_, "SELECT count(*) FROM prekeys WHERE kind=? AND made_ms>?");
  if (!query.bind(number(kind)).bind(to_ms(now - key_period)).row()) return database_.error();
  return query.number(0) > 0;
}

Result<void> Vault::make_keys(const Own& own, const Missing& missing, WallTime now,
                              RandomSource& random) {
  const auto add = [&](KeyKind kind, auto&& make) -> Result<void> {
    const auto id = next_key_id();
    if (!id) return std::unexpected(id.error());
    return add_key(kind, *id, make(*id).write(), now);
  };
  for (std::size_t i = 0; i < missing.one_time; ++i) {
    const auto made = add(KeyKind::one_time, [&](std::uint32_t id) {
      return signal::PreKeyRecord{.id = id, .pair = crypto::KeyPair::generate(random)};
    });
    if (!made) return made;
  }
  const auto make_kem = [&](std::uint32_t id, bool last_resort) {
    return signal::KyberPreKeyRecord::generate({.id = id, .last_resort = last_resort, .now = now},
                                               own.identity, random);
  };
  for (std::size_t i = 0; i < missing.kem; ++i) {
    const auto made = add(KeyKind::kem, [&](std::uint32_t id) { return make_kem(id, false); });
    if (!made) return made;
  }
  auto fresh = has_fresh(KeyKind::signed_key, now);
  if (fresh && !*fresh) {
    const auto made = add(KeyKind::signed_key, [&](std::uint32_t id) {
      return signal::SignedPreKeyRecord::generate(id, own.identity, now, random);
    });
    if (!made) return made;
  }
  if (fresh) fresh = has_fresh(KeyKind::last_resort, now);
  if (fresh && !*fresh) {
    const auto made =
        add(KeyKind::last_resort, [&](std::uint32_t id) { return make_kem(id, true); });
    if (!made) return made;
  }
  if (!fresh) return std::unexpected(fresh.error());
  Query forget(database_, "DELETE FROM prekeys WHERE kind>=2 AND made_ms<?");
  if (!forget.bind(to_ms(now - key_period - old_keys_kept)).done()) return database_.error();
  return database_.run(
      "DELETE FROM opened WHERE kyber_id NOT IN (SELECT id FROM prekeys WHERE kind=3)");
}

Result<Vault::Waiting> Vault::waiting() {
  Waiting keys;
  Query query(database_, "SELECT kind, record FROM prekeys WHERE uploaded=0 ORDER BY kind, id");
  const auto take = [&](auto record, auto&& keep) {
    if (record) keep(std::move(*record));
    return record.has_value();
  };
  while (query.row()) {
    bool good = true;
    switch (static_cast<KeyKind>(query.number(0))) {
      case KeyKind::one_time:
        good = take(signal::PreKeyRecord::read(query.bytes(1)),
                    [&](auto key) { keys.one_time.push_back(std::move(key)); });
        break;
      case KeyKind::kem:
        good = take(signal::KyberPreKeyRecord::read(query.bytes(1)),
                    [&](auto key) { keys.kem.push_back(std::move(key)); });
        break;
      case KeyKind::signed_key:
        good = take(signal::SignedPreKeyRecord::read(query.bytes(1)),
                    [&](auto key) { keys.signed_key = std::move(key); });
        break;
      case KeyKind::last_resort:
        good = take(signal::KyberPreKeyRecord::read(query.bytes(1)),
                    [&](auto key) { keys.last_resort = std::move(key); });
        break;
    }
    if (!good) return database_.damaged("a prekey cannot be read");
  }
  if (!query.ended_well()) return database_.error();
  return keys;
}

Result<void> Vault::mark_uploaded(const Waiting& keys) {
  Query mark(database_, "UPDATE prekeys SET uploaded=1 WHERE kind=? AND id=?");
  bool well = true;
  const auto done = [&](KeyKind kind, std::uint32_t id) {
    well = well && mark.bind(number(kind)).bind(std::uint64_t{id}).done();
    mark.again();
  };
  for (const auto& key : keys.one_time) done(KeyKind::one_time, key.id);
  for (const auto& key : keys.kem) done(KeyKind::kem, key.id);
  if (keys.signed_key) done(KeyKind::signed_key, keys.signed_key->id);
  if (keys.last_resort) done(KeyKind::last_resort, keys.last_resort->id);
  if (!well) return database_.error();
  return {};
}

Result<void> Vault::mark_nothing_uploaded() {
  return database_.run("UPDATE prekeys SET uploaded=0");
}

Result<void> Vault::settle(const signal::UsedPreKeys& used) {
  Query erase(database_, "DELETE FROM prekeys WHERE kind=? AND id=?");
  if (used.one_time_id) {
    erase.bind(number(KeyKind::one_time)).bind(std::uint64_t{*used.one_time_id});
    if (!erase.done()) return database_.error();
    erase.again();
  }
  if (!used.last_resort) {
    if (!erase.bind(number(KeyKind::kem)).bind(std::uint64_t{used.kyber_id}).done()) {
      return database_.error();
    }
    return {};
  }
  Query remember(database_, "INSERT OR IGNORE INTO opened VALUES(?,?)");
  remember.bind(std::uint64_t{used.kyber_id}).bind(Bytes(used.base_key));
  if (!remember.done()) return database_.error();
  return {};
}

template <typename Record>
std::optional<Record> Vault::find(std::initializer_list<KeyKind> kinds, std::uint32_t id) const {
  for (const KeyKind kind : kinds) {
    Query query(database_, "SELECT record FROM prekeys WHERE kind=? AND id=?");
    if (!query.bind(number(kind)).bind(std::uint64_t{id}).row()) continue;
    auto record = Record::read(query.bytes(0));
    if (record) return std::move(*record);
  }
  return std::nullopt;
}

std::optional<signal::PreKeyRecord> Vault::one_time_prekey(std::uint32_t id) const {
  return find<signal::PreKeyRecord>({KeyKind::one_time}, id);
}

std::optional<signal::SignedPreKeyRecord> Vault::signed_prekey(std::uint32_t id) const {
  return find<signal::SignedPreKeyRecord>({KeyKind::signed_key}, id);
}

std::optional<signal::KyberPreKeyRecord> Vault::kyber_prekey(std::uint32_t id) const {
  return find<signal::KyberPreKeyRecord>({KeyKind::kem, KeyKind::last_resort}, id);
}

bool Vault::opened_with_last_resort(std::uint32_t kyber_id,
                                    const crypto::PublicKey& base_key) const {
  Query query(database_, "SELECT 1 FROM opened WHERE kyber_id=? AND base_key=?");
  return query.bind(std::uint64_t{kyber_id}).bind(Bytes(base_key)).row();
}

Result<signal::SessionRecord> Vault::session(const std::string& peer) {
  Query query(database_, "SELECT record FROM sessions WHERE peer=?");
  if (query.bind(std::string_view(peer)).row()) {
    auto record = signal::SessionRecord::read(query.bytes(0));
    if (!record) return database_.damaged("the session with " + peer + " cannot be read");
    return record;
  }
  if (!query.ended_well()) return database_.error();
  return signal::SessionRecord();
}

Result<void> Vault::save_session(const std::string& peer, const signal::SessionRecord& record) {
  const signal::SecretBytes written = record.write();
  Query save(database_, "INSERT OR REPLACE INTO sessions VALUES(?,?)");
  if (!save.bind(std::string_view(peer)).bind(Bytes(written)).done()) return database_.error();
  return {};
}

Result<std::optional<Vault::Peer>> Vault::peer(const std::string& name) {
  Query query(database_, "SELECT identity, trust FROM peers WHERE peer=?");
  if (!query.bind(std::string_view(name)).row()) {
    if (!query.ended_well()) return database_.error();
    return std::nullopt;
  }
  const auto identity = query.public_key(0);
  if (!identity || query.number(1) > 2) {
    return database_.damaged("the identity of " + name + " cannot be read");
  }
  return Peer{*identity, static_cast<Trust>(query.number(1))};
}

Result<void> Vault::save_peer(const std::string& name, const Peer& peer) {
  Query save(database_, "INSERT OR REPLACE INTO peers VALUES(?,?,?)");
  save.bind(std::string_view(name)).bind(Bytes(peer.identity));
  if (!save.bind(static_cast<std::uint64_t>(peer.trust)).done()) return database_.error();
  return {};
}

Result<std::optional<Vault::DeviceList>> Vault::devices(const std::string& account) {
  DeviceList list;
  {
    Query query(database_, "SELECT fetched_ms FROM lists WHERE account=?");
    if (!query.bind(std::string_view(account)).row()) {
      if (!query.ended_well()) return database_.error();
      return std::nullopt;
    }
    list.fetched = WallTime(std::chrono::milliseconds(query.number(0)));
  }
  Query query(database_,
              "SELECT device, registration, identity FROM devices WHERE account=? ORDER BY device");
  query.bind(std::string_view(account));
  while (query.row()) {
    const auto identity = query.public_key(2);
    if (!identity) return database_.damaged("a device list cannot be read");
    list.devices.push_back({.device = static_cast<std::uint16_t>(query.number(0)),
                            .registration = static_cast<std::uint32_t>(query.number(1)),
                            .identity = *identity});
  }
  if (!query.ended_well()) return database_.error();
  return list;
}

Result<void> Vault::save_devices(const std::string& account, const DeviceList& list) {
  if (auto forgotten = forget_devices(account); !forgotten) return forgotten;
  Query mark(database_, "INSERT INTO lists VALUES(?,?)");
  if (!mark.bind(std::string_view(account)).bind(to_ms(list.fetched)).done()) {
    return database_.error();
  }
  Query add(database_, "INSERT INTO devices VALUES(?,?,?,?)");
  for (const ListedDevice& device : list.devices) {
    add.bind(std::string_view(account)).bind(std::uint64_t{device.device});
    add.bind(std::uint64_t{device.registration}).bind(Bytes(device.identity));
    if (!add.done()) return database_.error();
    add.again();
  }
  return {};
}

Result<void> Vault::forget_devices(const std::string& account) {
  for (const char* sql :
       {"DELETE FROM lists WHERE account=?", "DELETE FROM devices WHERE account=?"}) {
    Query erase(database_, sql);
    if (!erase.bind(std::string_view(account)).done()) return database_.error();
  }
  return {};
}

}  // namespace godwit::client
