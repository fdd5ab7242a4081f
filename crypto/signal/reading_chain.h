// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/signal/limits.h"
#include "crypto/signal/ratchet.h"
#include "crypto/signal/secret_bytes.h"

// The receiving end of a symmetric chain, of a session or of a sender key: messages in any order,
// each once. Thread safety: a value.
//
// Invariants: at most skipped_message_keys_max skipped keys; their counters increase and are below
// the chain's index.

namespace godwit::crypto::signal {

class ReadingChain {
 public:
  explicit ReadingChain(ChainKey next) : next_(std::move(next)) {}
  ReadingChain copy() const;

  const ChainKey& next() const { return next_; }

  // The seed of message `counter`, which is then used up; walks the chain as far as it takes and
  // keeps the newest seeds on the way. Changes nothing on an error: exists, the seed was used
  // before or is no longer kept; limit, more than forward_jump_max ahead.
  Result<Secret<32>> take_seed(std::uint32_t counter);

  void write(StateWriter& out) const;
  // Fails the reader on what breaks the invariants.
  static ReadingChain read(ByteReader& in);

  static constexpr std::size_t size_max = 32 + 4 + 4 + skipped_message_keys_max * (4 + 32);

 private:
  // Of a message that had not come when later ones did.
  struct Skipped {
    std::uint32_t counter = 0;
    Secret<32> seed;
  };

  Result<Secret<32>> take_skipped(std::uint32_t counter);

  ChainKey next_;
  std::vector<Skipped> skipped_;
};

}  // namespace godwit::crypto::signal
