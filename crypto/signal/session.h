// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/signal/message.h"
#include "crypto/signal/prekeys.h"
#include "crypto/signal/session_record.h"

// Sessions with another device: opened from its bundle or by its first message, used to encrypt and
// decrypt. Every function changes the record only when it succeeds, so a caller writes the record
// and what came out of it in one transaction, and on an error nothing. Thread safe; a record is a
// value of one device's and belongs to one caller at a time.
//
// Both sides may open a session at once: each then reads with the session that a message is of, and
// sends with the one last read with, so that they come to agree.

namespace godwit::crypto::signal {

struct SessionContext {
  const IdentityKeyPair& identity;
  std::uint32_t registration_id = 0;
  const ProtocolAddress& local;
  const ProtocolAddress& remote;
  // The identity that the user knows the other device by; with none, any is taken, and the caller
  // looks at what the session then has.
  std::optional<PublicKey> known_identity;
  WallTime now{};
};

// Opens a session to send with; an earlier one is archived. Errors: refused, a signature of the
// bundle does not hold, or its identity is not the known one.
Result<void> open_session(SessionRecord& record, const PreKeyBundle& bundle,
                          const SessionContext& context, RandomSource& random);

// Errors: not_found, there is no session that may be sent with, so fetch a bundle; refused, the
// session is with another identity than the known one; invalid, the plaintext is too long; limit,
// the session is used up, so archive it and fetch a bundle.
Result<CiphertextMessage> encrypt(SessionRecord& record, Bytes plaintext,
                                  const SessionContext& context, RandomSource& random);

// A message of kind `signal`. Errors: malformed; exists, it was read before (acknowledge it and
// forget it); not_found, there is no session at all; limit, too far ahead; refused, another version
// or identity; invalid, no session here can read it (ask for it again: retry.h).
Result<SecretBytes> decrypt(SessionRecord& record, Bytes message, const SessionContext& context,
                            RandomSource& random);

// What a prekey message that opened a session used up, for the caller to settle in the transaction
// that stores the record.
struct UsedPreKeys {
  std::optional<std::uint32_t> one_time_id;  // delete it
  std::uint32_t kyber_id = 0;                // delete it, unless it is the last resort
  std::uint32_t signed_id = 0;
  // Remember kyber_id and base_key for as long as that prekey is kept: see
  // PreKeyStore::opened_with_last_resort().
  bool last_resort = false;
  PublicKey base_key{};
};

struct PreKeyDecrypted {
  SecretBytes plaintext;
  std::optional<UsedPreKeys> used;  // none for a session that was open already
};

// A message of kind `prekey`. Errors as decrypt(); not_found: a prekey it names is gone; exists: it
// was read before, or opened a session before that is no longer kept.
Result<PreKeyDecrypted> decrypt_prekey(SessionRecord& record, Bytes message,
                                       const PreKeyStore& prekeys, const SessionContext& context,
                                       RandomSource& random);

// What a plaintext may have so that its prekey message has at most signal_message_size_max bytes.
inline constexpr std::size_t session_plaintext_size_max = 62'000;

}  // namespace godwit::crypto::signal
