// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <expected>

#include "base/bytes.h"
#include "protocol/limits.h"

// The four bytes a client sends first, which are the Noise prologue as well, and the byte in front
// of each of the gateway's handshake messages. Pure functions.

namespace godwit::protocol {

// The hybrid ones have ML-KEM-768 beside Curve25519.
enum class HandshakePattern : std::uint8_t { xx = 1, ik = 2, xx_hfs = 3, ik_hfs = 4 };
constexpr bool is_hybrid(HandshakePattern pattern) {
  return pattern == HandshakePattern::xx_hfs || pattern == HandshakePattern::ik_hfs;
}
enum class HandshakeSuite : std::uint8_t {
  aesgcm_sha256 = 1,       // 25519_AESGCM_SHA256
  chachapoly_blake2b = 2,  // 25519_ChaChaPoly_BLAKE2b
  chachapoly_sha256 = 3,   // 25519_ChaChaPoly_SHA256
};

enum class HandshakeStatus : std::uint8_t {
  message = 0,   // the next message of the pattern follows
  fallback = 1,  // the first message of XXfallback follows, hybrid if IK was: same suite, prologue
  refused = 2,   // one byte follows, a StreamCondition; then the connection closes
};

struct Preamble {
  HandshakePattern pattern = HandshakePattern::xx;
  HandshakeSuite suite = HandshakeSuite::aesgcm_sha256;
  friend bool operator==(const Preamble&, const Preamble&) = default;
};

enum class PreambleError : std::uint8_t {
  not_godwit,           // another protocol: close without an answer
  unsupported_version,  // refused with StreamCondition::unsupported_version
  unsupported_suite,    // the same
};

using PreambleBytes = std::array<std::uint8_t, preamble_size>;

constexpr PreambleBytes encode(const Preamble& preamble) {
  return {preamble_magic_0, preamble_magic_1, protocol_version,
          static_cast<std::uint8_t>(static_cast<unsigned>(preamble.pattern) << 4 |
                                    static_cast<unsigned>(preamble.suite))};
}

constexpr std::expected<Preamble, PreambleError> read_preamble(const PreambleBytes& bytes) {
  if (bytes[0] != preamble_magic_0 || bytes[1] != preamble_magic_1) {
    return std::unexpected(PreambleError::not_godwit);
  }
  if (bytes[2] != protocol_version) return std::unexpected(PreambleError::unsupported_version);
  const Preamble preamble{HandshakePattern{static_cast<std::uint8_t>(bytes[3] >> 4)},
                          HandshakeSuite{static_cast<std::uint8_t>(bytes[3] & 0x0f)}};
  const bool known = preamble.pattern >= HandshakePattern::xx &&
                     preamble.pattern <= HandshakePattern::ik_hfs &&
                     preamble.suite >= HandshakeSuite::aesgcm_sha256 &&
                     preamble.suite <= HandshakeSuite::chachapoly_sha256;
  if (!known) return std::unexpected(PreambleError::unsupported_suite);
  return preamble;
}

}  // namespace godwit::protocol
