// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "crypto/signal/reading_chain.h"
#include "crypto/signal/sender_key_message.h"

// Sender keys: a member of a group encrypts once for all others. One record is one member's sending
// to one group: its own, which can encrypt, or what another has learnt of it. Every function
// changes the record only when it succeeds; write the record and what came out of it in one
// transaction. Thread safety: values.
//
// Whoever leaves a group still has the keys: each member that stays then rotates its own record and
// distributes it anew, to those who stay.

namespace godwit::crypto::signal {

class SenderKeyRecord {
 public:
  explicit SenderKeyRecord(const DistributionId& id) : id_(id) {}
  SenderKeyRecord copy() const;

  const DistributionId& distribution_id() const { return id_; }
  bool can_encrypt() const;
  std::size_t state_count() const { return states_.size(); }

  // A new chain and signing key of our own; those before are gone.
  void rotate(RandomSource& random);
  // What others need to read from the next message on. Errors: not_found, nothing to send with.
  Result<SenderKeyDistributionMessage> distribution() const;

  // Another member's. One known already stays as it is, since it may be further on. Errors:
  // invalid, for another distribution; refused, when this record is our own.
  Result<void> learn(const SenderKeyDistributionMessage& message);

  // Errors: not_found, nothing to send with; invalid, too long; limit, the chain is used up.
  Result<std::vector<std::uint8_t>> encrypt(Bytes plaintext, RandomSource& random);

  // Errors: malformed; refused, another version; not_found, no key of this chain has been learnt;
  // invalid, for another distribution, or not from the key's owner; exists, read before; limit, too
  // far ahead.
  Result<SecretBytes> decrypt(Bytes message);

  // At most sender_key_record_size_max bytes.
  SecretBytes write() const;
  // corrupt: not what write() has written.
  static Result<SenderKeyRecord> read(Bytes bytes);

 private:
  struct State {
    std::uint32_t chain_id = 0;
    PublicKey signing_key{};
    std::optional<PrivateKey> signing_private;  // our own
    ReadingChain chain;                         // what we send with, or read with
  };

  static State copy_of(const State& state);
  static State read_state(ByteReader& in);

  DistributionId id_{};
  std::vector<State> states_;  // newest first
};

inline constexpr std::size_t sender_key_record_size_max =
    1 + 16 + 4 + sender_key_states_max * (4 + 32 + 1 + 32 + ReadingChain::size_max);
inline constexpr std::size_t group_plaintext_size_max = 65'000;

}  // namespace godwit::crypto::signal
