// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>

#include "crypto/signal/session.h"

// A device of these tests: an identity, its prekeys, and a record for each other device. Everything
// it draws is from its seed, and its clock is a member.

namespace godwit::crypto::signal::testing {

class Device final : public PreKeyStore {
 public:
  explicit Device(std::string name, std::uint64_t seed)
      : address{std::move(name), 1}, random(seed), identity(KeyPair::generate(random)) {}

  std::optional<PreKeyRecord> one_time_prekey(std::uint32_t id) const override {
    const auto found = one_time.find(id);
    if (found == one_time.end()) return std::nullopt;
    return PreKeyRecord{id, found->second.copy()};
  }

  std::optional<SignedPreKeyRecord> signed_prekey(std::uint32_t id) const override {
    return stored<SignedPreKeyRecord>(signed_once, id);
  }

  std::optional<KyberPreKeyRecord> kyber_prekey(std::uint32_t id) const override {
    return stored<KyberPreKeyRecord>(kyber, id);
  }

  bool opened_with_last_resort(std::uint32_t kyber_id, const PublicKey& base_key) const override {
    return last_resort_used.contains({kyber_id, base_key});
  }

  struct BundleOptions {
    bool one_time = true;
    bool last_resort = false;
  };
  // Of keys made for it.
  PreKeyBundle bundle(const BundleOptions& options) {
    const std::uint32_t id = next_id++;
    const SignedPreKeyRecord once = SignedPreKeyRecord::generate(id, identity, now, random);
    const KyberPreKeyRecord post = KyberPreKeyRecord::generate(
        {.id = id, .last_resort = options.last_resort, .now = now}, identity, random);
    PreKeyBundle bundle{.registration_id = registration_id,
                        .device_id = address.device_id,
                        .identity_key = identity.public_key,
                        .one_time = std::nullopt,
                        .signed_id = id,
                        .signed_key = once.pair.public_key,
                        .signed_signature = once.signature,
                        .kyber_id = id,
                        .kyber_key = post.public_key,
                        .kyber_signature = post.signature};
    if (options.one_time) {
      one_time[id] = KeyPair::generate(random);
      bundle.one_time = {id, one_time[id].public_key};
    }
    signed_once[id] = once.write();
    kyber[id] = post.write();
    return bundle;
  }
  PreKeyBundle bundle() { return bundle({}); }

  SessionContext context(const ProtocolAddress& remote) const {
    return {identity, registration_id, address, remote, known_identity, now};
  }

  SessionRecord& with(const ProtocolAddress& remote) { return records[remote]; }

  Result<void> open(const ProtocolAddress& remote, const PreKeyBundle& theirs) {
    return open_session(with(remote), theirs, context(remote), random);
  }

  Result<CiphertextMessage> send(const ProtocolAddress& remote, std::string_view text) {
    return encrypt(with(remote), as_bytes(text), context(remote), random);
  }

  // Settles the prekeys that were used, as a client does.
  Result<std::string> receive(const ProtocolAddress& remote, const CiphertextMessage& message) {
    if (message.kind == MessageKind::signal) {
      const auto plaintext = decrypt(with(remote), message.bytes, context(remote), random);
      if (!plaintext) return std::unexpected(plaintext.error());
      return std::string(as_text(*plaintext));
    }
    const auto read = decrypt_prekey(with(remote), message.bytes, *this, context(remote), random);
    if (!read) return std::unexpected(read.error());
    last_used = read->used;
    if (read->used) settle(*read->used);
    return std::string(as_text(read->plaintext));
  }

  void settle(const UsedPreKeys& used) {
    if (used.one_time_id) one_time.erase(*used.one_time_id);
    if (used.last_resort) {
      last_resort_used.insert({used.kyber_id, used.base_key});
    } else {
      kyber.erase(used.kyber_id);
    }
  }

  // Stored and loaded again, as between two runs of a client.
  void restart() {
    for (auto& [remote, record] : records) {
      auto read = SessionRecord::read(record.write());
      GODWIT_CHECK(read.has_value());
      record = std::move(*read);
    }
  }

  ProtocolAddress address;
  SeededRandom random;
  IdentityKeyPair identity;
  std::uint32_t registration_id = 77;
  WallTime now{std::chrono::hours(500'000)};
  std::optional<PublicKey> known_identity;
  std::uint32_t next_id = 1;
  std::map<std::uint32_t, KeyPair> one_time;
  std::map<std::uint32_t, SecretBytes> signed_once;
  std::map<std::uint32_t, SecretBytes> kyber;
  std::set<std::pair<std::uint32_t, PublicKey>> last_resort_used;
  std::map<ProtocolAddress, SessionRecord> records;
  std::optional<UsedPreKeys> last_used;

 private:
  template <typename Record>
  static std::optional<Record> stored(const std::map<std::uint32_t, SecretBytes>& kept,
                                      std::uint32_t id) {
    const auto found = kept.find(id);
    if (found == kept.end()) return std::nullopt;
    auto record = Record::read(found->second);
    GODWIT_CHECK(record.has_value());
    return std::move(*record);
  }
};

}  // namespace godwit::crypto::signal::testing
