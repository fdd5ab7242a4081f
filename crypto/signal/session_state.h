// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/signal/limits.h"
#include "crypto/signal/prekeys.h"
#include "crypto/signal/ratchet.h"
#include "crypto/signal/reading_chain.h"
#include "crypto/signal/secret_bytes.h"
#include "crypto/signal/spqr/spqr.h"

// One session between two devices: the Double Ratchet's state beside SPQR's. A value with no
// behaviour but that of its chains; session_ratchet.h moves it. Thread safety: a value.
//
// Invariant: at most receiver_chains_max chains of the other side.

namespace godwit::crypto::signal {

struct ReceiverChain {
  PublicKey ratchet_key{};
  ReadingChain chain;
};

// What goes beside each message until the other side has answered.
struct PendingPreKey {
  std::optional<std::uint32_t> one_time_id;
  std::uint32_t signed_id = 0;
  std::uint32_t kyber_id = 0;
  Kyber1024::Ciphertext kyber_ciphertext{};
  WallTime created_at{};
};

struct SessionState {
  PublicKey local_identity{};
  PublicKey remote_identity{};
  std::uint32_t local_registration_id = 0;
  std::uint32_t remote_registration_id = 0;
  PublicKey base_key{};  // the initiator's: names the session
  Secret<32> root;
  KeyPair ratchet;  // our current one
  ChainKey sender_chain;
  std::uint32_t previous_counter = 0;
  std::vector<ReceiverChain> receiver_chains;  // oldest first
  std::optional<PendingPreKey> pending;
  Spqr pq;

  SessionState copy() const;
  ReceiverChain* receiver_chain(const PublicKey& ratchet_key);
  void add_receiver_chain(ReceiverChain chain);

  SecretBytes write() const;
  static Result<SessionState> read(Bytes bytes);
};

// The sum of what write() writes.
inline constexpr std::size_t session_state_size_max =
    1 + 32 + 32 + 4 + 4 + 32 + 32 + 64 + 32 + 4 + 4            // up to the previous counter
    + 4 + receiver_chains_max * (32 + ReadingChain::size_max)  //
    + 1 + 1 + 4 + 4 + 4 + Kyber1024::sizes.ciphertext + 8      // pending
    + 4 + spqr_state_size_max;

}  // namespace godwit::crypto::signal
