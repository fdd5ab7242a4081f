// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "base/random.h"
#include "crypto/signal/prekeys.h"

// The agreement that opens a session (Signal, "The PQXDH Key Agreement Protocol", revision 3, with
// libsignal's constants): the two sides' functions and nothing of the session. Names as in the
// specification: IK identity, EK base key, SPK signed prekey, OPK one-time prekey. Thread safe;
// constant time in what is secret.

namespace godwit::crypto::signal {

struct Agreement {
  Secret<32> root;
  Secret<32> chain;
  Secret<32> pq;  // SPQR starts from it
};

struct Initiation {
  Agreement agreement;
  Kyber1024::Ciphertext kyber_ciphertext{};
};

// Section 3.3. REQUIRES: bundle.verify(). None when a key of the bundle has small order.
[[nodiscard]] std::optional<Initiation> pqxdh_initiate(const IdentityKeyPair& identity,
                                                       const KeyPair& base,
                                                       const PreKeyBundle& bundle,
                                                       RandomSource& random);

// What the initiator sent in the clear.
struct InitiatorKeys {
  const PublicKey& identity;
  const PublicKey& base;
  Kyber1024::CiphertextView kyber_ciphertext;
};

struct ResponderKeys {
  const IdentityKeyPair& identity;
  const KeyPair& signed_prekey;
  const KeyPair* one_time_prekey = nullptr;  // none when the message names none
  const Secret<64>& kyber_seed;
};

// Section 3.4. None when a key of the initiator has small order.
[[nodiscard]] std::optional<Agreement> pqxdh_respond(const ResponderKeys& own,
                                                     const InitiatorKeys& theirs);

}  // namespace godwit::crypto::signal
