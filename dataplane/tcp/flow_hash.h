// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/random.h"
#include "crypto/keyed_hash.h"
#include "dataplane/tcp/wire/segment.h"

// What is drawn from an attacker's numbers by a key he has not: places in the table, initial
// sequence numbers, timestamps. One key per stack, drawn when it starts. Thread safe after that.

namespace godwit::dataplane::tcp {

class FlowHash {
 public:
  explicit FlowHash(RandomSource& random);

  // Of a connection, for the table.
  std::uint64_t place(const Flow& flow) const;
  // RFC 6528: a clock of 4 us plus a keyed hash of the connection.
  std::uint32_t initial_sequence(const Flow& flow, Instant now) const;
  // Added to the millisecond clock of the connection's timestamps (RFC 7323, 5.4). The same for a
  // later connection of the same addresses and ports, so that its timestamps go on (RFC 6191).
  std::uint32_t timestamp_offset(const Flow& flow) const;
  // For cookies: of a connection, its peer's first number and what else is given.
  std::uint32_t cookie(const Flow& flow, std::uint32_t peer_sequence, std::uint32_t rest) const;
  // RFC 6056, 3.3.3: where the search for a free port begins.
  std::uint32_t port_offset(const Flow& flow) const;

 private:
  std::uint64_t hash(std::uint8_t use, const Flow& flow, std::uint64_t rest) const;

  crypto::HashKey table_key_;
  crypto::HashKey secret_key_;
};

// The clock of timestamps: milliseconds (RFC 7323, 5.4 wants 1 ms to 1 s).
inline std::uint32_t timestamp_clock(Instant now) {
  return static_cast<std::uint32_t>(now.time_since_epoch() / std::chrono::milliseconds(1));
}

}  // namespace godwit::dataplane::tcp
