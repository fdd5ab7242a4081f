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
#include "crypto/signal/secret_bytes.h"
#include "crypto/signal/spqr/spqr.h"

// One session between two devices: the Double Ratchet's state beside SPQR's. A value with no
// behaviour but that of its chains; session_ratchet.h moves it. Thread safety: a value.
//
// Invariants: at most receiver_chains_max chains of the other side, each with at most
// skipped_message_keys_max keys; a chain's skipped counters increase and are below its index.

namespace godwit::crypto::signal {

// The seed of a message that had not come when later ones did.
struct SkippedKey {
  std::uint32_t counter = 0;
  Secret<32> seed;
};

struct ReceiverChain {
  PublicKey ratchet_key{};
  ChainKey chain;
  std::vector<SkippedKey> skipped;

  ReceiverChain copy() const;
  // The seed of message `counter`, which is then used up; walks the chain as far as it takes.
  // Errors: exists, the seed was used before or dropped; limit, too far ahead.
  Result<Secret<32>> take_seed(std::uint32_t counter);
};

// Walks a chain to `counter`, keeping the seeds on the way, the newest skipped_message_keys_max.
// Sender keys do the same. Errors as take_seed().
Result<Secret<32>> take_seed(ChainKey& chain, std::vector<SkippedKey>& skipped,
                             std::uint32_t counter);

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
inline constexpr std::size_t receiver_chain_size_max =
    32 + 32 + 4 + 4 + skipped_message_keys_max * (4 + 32);
inline constexpr std::size_t session_state_size_max =
    1 + 32 + 32 + 4 + 4 + 32 + 32 + 32 + 32 + 4 + 4        // up to the previous counter
    + 4 + receiver_chains_max * receiver_chain_size_max    //
    + 1 + 1 + 4 + 4 + 4 + Kyber1024::sizes.ciphertext + 8  // pending
    + 4 + spqr_state_size_max;

// What all records here keep chains with.
void write_chain(StateWriter& out, const ChainKey& chain);
ChainKey take_chain(ByteReader& in);
void write_skipped(StateWriter& out, const std::vector<SkippedKey>& skipped);
// Fails the reader on what breaks the invariants.
std::vector<SkippedKey> take_skipped(ByteReader& in, std::uint32_t chain_index);

}  // namespace godwit::crypto::signal
