// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"
#include "crypto/signal/spqr/authenticator.h"
#include "crypto/signal/spqr/role.h"

// The symmetric half of the ratchet (Double Ratchet, section 5): each key of the braid begins an
// epoch with one chain of message keys in each direction. Values; no shared state; constant time in
// the keys, not in epochs and indices, which travel in the open.
//
// Invariants: epochs are consecutive, and the last has the root of the next. The sending epoch
// never falls; chains for sending in earlier epochs are gone.

namespace godwit::crypto::signal {

inline constexpr std::uint32_t chain_index_max = 0xffffffff;
// How far a message may be ahead of the last of its chain.
inline constexpr std::uint32_t chain_jump_max = 25'000;
// Keys of messages that have not come, over all epochs; the oldest go first.
inline constexpr std::size_t skipped_keys_max = 2'000;
// The peer may lawfully be one epoch behind or ahead. One more is kept for messages that are late.
inline constexpr std::size_t late_epochs_kept = 2;
// Those, the sending epoch and the one after it.
inline constexpr std::size_t epochs_max = late_epochs_kept + 2;

class Chains {
 public:
  static Chains start(const Secret<32>& key, Role role);
  Chains copy() const;

  // REQUIRES: the epoch after the last.
  void add(const EpochKey& key);

  struct Sending {
    std::uint32_t index;
    Secret<32> key;
  };
  // The next key of `epoch`, which becomes the sending epoch.
  // limit: the chain has no more indices.
  // REQUIRES: an epoch that is there, and not before the sending epoch.
  Result<Sending> send(std::uint64_t epoch);

  // Changes nothing on an error.
  // limit: further ahead than chain_jump_max. expired: the key has been used, or was dropped with
  // its epoch or above skipped_keys_max. not_found: an epoch that has not begun.
  Result<Secret<32>> receive(std::uint64_t epoch, std::uint32_t index);

  std::uint64_t sending_epoch() const { return sending_epoch_; }
  std::uint64_t last_epoch() const { return first_epoch_ + epochs_.size() - 1; }

  // Role, root, epochs; a chain is a key and an index.
  static constexpr std::size_t chain_write_size = 32 + 4;
  static constexpr std::size_t write_size_max = 1 + 32 + 8 + 8 + 1 +
                                                epochs_max * (2 * chain_write_size + 2) +
                                                skipped_keys_max * chain_write_size;
  std::size_t write_size() const;
  void write(ByteWriter& out) const;
  // Fails the reader on anything that write() does not write.
  static Chains read(ByteReader& in);

 private:
  struct Chain {
    Secret<32> key;
    std::uint32_t index = 0;  // of the last key taken
  };
  struct Skipped {
    std::uint32_t index;
    Secret<32> key;
  };
  struct Epoch {
    std::optional<Chain> sending;
    Chain receiving;
    std::vector<Skipped> skipped;  // in the order of their indices
  };

  struct Derivation {
    Bytes salt;
    Bytes key;
    Bytes label;
  };

  Chains() = default;
  Epoch derive(const Derivation& from);
  static Chain copy_of(const Chain& chain);
  static Secret<32> step(Chain& chain);
  Secret<32> advance(Epoch& epoch, std::uint32_t index);
  static Result<Secret<32>> take_skipped(Epoch& epoch, std::uint32_t index);
  static void write(ByteWriter& out, const Chain& chain);
  static Chain read_chain(ByteReader& in);
  static Epoch read_epoch(ByteReader& in, bool sending);
  std::size_t skipped_count() const;
  void drop_skipped();
  void drop_epochs();

  Role role_ = Role::alice;
  Secret<32> root_;
  std::uint64_t first_epoch_ = 0;
  std::uint64_t sending_epoch_ = 0;
  std::vector<Epoch> epochs_;
};

}  // namespace godwit::crypto::signal
