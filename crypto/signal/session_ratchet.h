// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "base/random.h"
#include "base/result.h"
#include "crypto/signal/message.h"
#include "crypto/signal/pqxdh.h"
#include "crypto/signal/session_state.h"

// What moves one session's state: its beginning on either side, one message out, one message in.
// session.h chooses the session. Thread safe.

namespace godwit::crypto::signal {

// The initiator's session: it can send at once. REQUIRES: bundle.verify(). Errors: refused, for a
// key of small order.
Result<SessionState> begin_as_alice(const IdentityKeyPair& identity, const PreKeyBundle& bundle,
                                    WallTime now, RandomSource& random);

// The responder's, from an agreement that the message's keys gave. It is not worth keeping until a
// message has been read with it.
SessionState begin_as_bob(const ResponderKeys& own, const PreKeySignalMessage& message,
                          const Agreement& agreement);

// Changes the state only when it succeeds. Errors: limit, the chain or SPQR's is used up.
Result<CiphertextMessage> ratchet_encrypt(SessionState& state, Bytes plaintext,
                                          RandomSource& random);

// The names that a message's own must be, when it has any.
struct SealedMessage {
  const SignalMessage& message;
  AddressPair addresses;
};

// Changes the state only when it succeeds. Errors: exists, read before; limit, too far ahead;
// invalid, not made by this session's other side, or changed on its way.
Result<SecretBytes> ratchet_decrypt(SessionState& state, const SealedMessage& sealed,
                                    RandomSource& random);

}  // namespace godwit::crypto::signal
