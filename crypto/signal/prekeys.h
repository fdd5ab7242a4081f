// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/kem/kem.h"
#include "crypto/keys.h"
#include "crypto/signal/secret_bytes.h"
#include "crypto/signature.h"

// What a device publishes so that others can open sessions with it while it is away (X3DH, section
// 3.2; PQXDH, section 3.2), and the private halves it keeps. Written states are versioned; read()
// refuses with `corrupt` what write() has not made. Thread safety: values.

namespace godwit::crypto::signal {

using IdentityKeyPair = KeyPair;

// Signed by nobody; used once.
struct PreKeyRecord {
  std::uint32_t id = 0;
  KeyPair pair;

  SecretBytes write() const;
  static Result<PreKeyRecord> read(Bytes bytes);
};

struct SignedPreKeyRecord {
  std::uint32_t id = 0;
  WallTime created_at{};
  KeyPair pair;
  Signature signature{};

  static SignedPreKeyRecord generate(std::uint32_t id, const IdentityKeyPair& identity,
                                     WallTime now, RandomSource& random);
  SecretBytes write() const;
  static Result<SignedPreKeyRecord> read(Bytes bytes);
};

// Of Kyber's third round, which is what PQXDH as deployed uses. Kept as its seed.
struct KyberPreKeyRecord {
  std::uint32_t id = 0;
  WallTime created_at{};
  // Whether it may open more than one session.
  bool last_resort = false;
  Secret<64> seed;
  Kyber1024::PublicKey public_key{};
  Signature signature{};

  struct Options {
    std::uint32_t id = 0;
    bool last_resort = false;
    WallTime now{};
  };
  static KyberPreKeyRecord generate(const Options& options, const IdentityKeyPair& identity,
                                    RandomSource& random);
  SecretBytes write() const;
  static Result<KyberPreKeyRecord> read(Bytes bytes);
};

// What somebody else's directory gives out: public keys only.
struct PreKeyBundle {
  struct OneTime {
    std::uint32_t id = 0;
    PublicKey key{};
  };

  std::uint32_t registration_id = 0;
  std::uint32_t device_id = 0;
  PublicKey identity_key{};
  std::optional<OneTime> one_time;
  std::uint32_t signed_id = 0;
  PublicKey signed_key{};
  Signature signed_signature{};
  std::uint32_t kyber_id = 0;
  Kyber1024::PublicKey kyber_key{};
  Signature kyber_signature{};

  // Both signatures hold under the identity key; refused otherwise.
  Result<void> verify() const;
};

// Where a device looks up its own private keys. Nothing is removed through it: what a message used
// up is named in the answer (session.h), for the caller's transaction.
class PreKeyStore {
 public:
  virtual ~PreKeyStore() = default;
  // None when there is none of that id (any more).
  virtual std::optional<PreKeyRecord> one_time_prekey(std::uint32_t id) const = 0;
  virtual std::optional<SignedPreKeyRecord> signed_prekey(std::uint32_t id) const = 0;
  virtual std::optional<KyberPreKeyRecord> kyber_prekey(std::uint32_t id) const = 0;
  // Whether this last resort has opened a session for this base key. Nothing is used up then when
  // there is no one-time prekey either, so the message could be brought again once its session is
  // no longer kept.
  virtual bool opened_with_last_resort(std::uint32_t kyber_id, const PublicKey& base_key) const = 0;
};

}  // namespace godwit::crypto::signal
