// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/secret.h"
#include "crypto/signal/spqr/braid.h"
#include "crypto/signal/spqr/chains.h"
#include "crypto/signal/spqr/role.h"

// SPQR, the Sparse Post-Quantum Ratchet (Signal, "The Double Ratchet Algorithm", revision 4,
// section 5, over "The ML-KEM Braid Protocol", revision 1): what a session carries beside its
// Diffie-Hellman ratchet, so that its keys heal against an attacker with a quantum computer too.
// Each message takes a chunk along and gets a key of its own, which goes as salt into the key of
// the message. Values; no shared state; constant time in what is secret.
//
//   auto sent = ratchet.send(random);         // sent->message is field 5, sent->key the salt
//   auto key = trial.receive(field_5);        // with trial = ratchet.copy(), kept once the MAC
//   holds

namespace godwit::crypto::signal {

class Spqr {
 public:
  // `key` is the third part of what PQXDH gives.
  static Spqr start(const Secret<32>& key, Role role);

  Spqr(Spqr&&) noexcept = default;
  Spqr& operator=(Spqr&&) noexcept = default;
  Spqr copy() const;

  struct Sent {
    std::vector<std::uint8_t> message;  // at most spqr_message_size_max
    Secret<32> key;                     // in the protocol's version 1 no message is without
  };
  // limit: 2^32 - 1 messages have gone since the peer's last answer. Then nothing has changed.
  Result<Sent> send(RandomSource& random);

  // The key of a message, in whatever order they come, once each. Changes nothing on an error.
  // The bytes are certain only once the MAC of the whole message holds under the key: try on a
  // copy. malformed: not a message of version 1. expired: a key already given, or no longer kept
  // (see chains.h). not_found: an epoch that has not begun. limit: too far ahead. refused: parts of
  // a key or ciphertext that this session's peer did not make.
  Result<Secret<32>> receive(Bytes message);

  // The key that is being agreed on: 1 at the start, and 2 once one agreement is complete.
  std::uint64_t epoch() const { return braid_.epoch(); }

  // At most spqr_state_size_max.
  std::size_t write_size() const;
  // Exactly write_size() bytes, with secrets among them.
  void write(ByteWriter& out) const;
  // corrupt: not what write() has written, including bytes that follow it.
  static Result<Spqr> read(Bytes bytes);

 private:
  Spqr(Braid braid, Chains chains) : braid_(std::move(braid)), chains_(std::move(chains)) {}

  Braid braid_;
  Chains chains_;
};

// A version byte, the braid, and the chains: mostly keys of messages that have not come.
inline constexpr std::uint8_t spqr_state_version = 1;
inline constexpr std::size_t spqr_state_size_max =
    1 + Braid::write_size_max + Chains::write_size_max;

}  // namespace godwit::crypto::signal
