// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "crypto/keys.h"
#include "crypto/secret.h"

// The key derivations of the Double Ratchet (Signal, "The Double Ratchet Algorithm", sections 3.5
// and 7.2) with libsignal's constants. Thread safe; constant time in what is secret.

namespace godwit::crypto::signal {

// A symmetric chain; `index` is the number of the message that its key is for.
struct ChainKey {
  Secret<32> key;
  std::uint32_t index = 0;

  ChainKey copy() const { return {key.copy(), index}; }
  // What the keys of this message come from. With sender keys the same.
  Secret<32> message_seed() const;
  ChainKey next() const;
};

struct RatchetStep {
  Secret<32> root;
  ChainKey chain;
};

struct RatchetKeys {
  const PrivateKey& local;
  const PublicKey& remote;
};

// One step of the root chain. None when the remote key has small order.
[[nodiscard]] std::optional<RatchetStep> ratchet_step(const Secret<32>& root,
                                                      const RatchetKeys& keys);

struct MessageKeys {
  Secret<32> cipher_key;
  Secret<32> mac_key;
  Secret<16> iv;
};

// `pq_key` is SPQR's key of the same message.
MessageKeys derive_message_keys(const Secret<32>& seed, Bytes pq_key);

}  // namespace godwit::crypto::signal
