// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/database.h"
#include "crypto/signal/prekeys.h"
#include "crypto/signal/session.h"
#include "crypto/signal/session_record.h"
#include "protocol/key_nodes.h"

// A device's Signal keys, its sessions, and what it knows of other devices, in the state's
// database. Every call belongs to the transaction that is open, if one is: what a message changes
// is stored with it. Devices are named as in `user@domain/device`. Not thread safe.

namespace godwit::client {

class Vault final : public crypto::signal::PreKeyStore {
 public:
  struct Own {
    crypto::signal::IdentityKeyPair identity;
    std::uint32_t registration = 0;
  };
  enum class KeyKind : std::uint8_t { one_time = 0, kem = 1, signed_key = 2, last_resort = 3 };
  // Whether people have compared safety numbers. `broken`: they had, and the identity has changed.
  enum class Trust : std::uint8_t { unverified = 0, verified = 1, broken = 2 };
  struct Peer {
    crypto::PublicKey identity{};
    Trust trust = Trust::unverified;
  };
  struct ListedDevice {
    std::uint16_t device = 0;
    std::uint32_t registration = 0;
    crypto::PublicKey identity{};
  };
  struct DeviceList {
    WallTime fetched{};
    std::vector<ListedDevice> devices;
  };
  // Keys that were made and that the directory has not confirmed.
  struct Waiting {
    std::vector<crypto::signal::PreKeyRecord> one_time;
    std::vector<crypto::signal::KyberPreKeyRecord> kem;
    std::optional<crypto::signal::SignedPreKeyRecord> signed_key;
    std::optional<crypto::signal::KyberPreKeyRecord> last_resort;
  };

  // A new signed prekey and a new last resort after this long; old ones can be used for so long
  // more.
  static constexpr std::chrono::days key_period{7};
  static constexpr std::chrono::days old_keys_kept{30};

  explicit Vault(Database& database) : database_(database) {}

  // Makes the identity when there is none.
  Result<Own> own(RandomSource& random);

  // Makes so many of each one-time kind, and a signed prekey and a last resort when there is none
  // or it is older than key_period; forgets those that are older than both periods.
  struct Missing {
    std::size_t one_time = 0;
    std::size_t kem = 0;
  };
  Result<void> make_keys(const Own& own, const Missing& missing, WallTime now,
                         RandomSource& random);
  Result<Waiting> waiting();
  Result<void> mark_uploaded(const Waiting& keys);
  // The directory has lost them, or never had them.
  Result<void> mark_nothing_uploaded();
  // What opening a session used up.
  Result<void> settle(const crypto::signal::UsedPreKeys& used);

  std::optional<crypto::signal::PreKeyRecord> one_time_prekey(std::uint32_t id) const override;
  std::optional<crypto::signal::SignedPreKeyRecord> signed_prekey(std::uint32_t id) const override;
  std::optional<crypto::signal::KyberPreKeyRecord> kyber_prekey(std::uint32_t id) const override;
  bool opened_with_last_resort(std::uint32_t kyber_id,
                               const crypto::PublicKey& base_key) const override;

  // An empty record when there is none. Errors: corrupt.
  Result<crypto::signal::SessionRecord> session(const std::string& peer);
  Result<void> save_session(const std::string& peer, const crypto::signal::SessionRecord& record);

  Result<std::optional<Peer>> peer(const std::string& name);
  Result<void> save_peer(const std::string& name, const Peer& peer);

  // None when it was never fetched or was forgotten.
  Result<std::optional<DeviceList>> devices(const std::string& account);
  Result<void> save_devices(const std::string& account, const DeviceList& list);
  Result<void> forget_devices(const std::string& account);

 private:
  Result<void> add_key(KeyKind kind, std::uint32_t id, Bytes record, WallTime now);
  Result<std::uint32_t> next_key_id();
  Result<bool> has_fresh(KeyKind kind, WallTime now);
  template <typename Record>
  std::optional<Record> find(std::initializer_list<KeyKind> kinds, std::uint32_t id) const;

  Database& database_;
};

}  // namespace godwit::client
