// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/keys.h"

// The Noise Protocol Framework, revision 34: XX, IK and XXfallback over Curve25519, and each with
// ML-KEM-768 beside it (the tokens e1 and ekem1 of the HFS extension), so that what is recorded now
// stays closed to who breaks one of the two. docs/decisions/0011 says what of that is ours.
//
// Sans I/O: bytes in, bytes out, randomness as an argument. Not thread safe; one object a
// handshake. A call that fails leaves the handshake unusable and its secrets wiped; a caller closes
// the connection, or, when it was message 1 of IK, starts XXfallback with remote_ephemeral(), the
// one thing that outlives a failure.

namespace godwit::crypto {

enum class NoisePattern : std::uint8_t { xx, ik, xx_fallback, xx_hfs, ik_hfs, xx_fallback_hfs };

constexpr bool is_ik(NoisePattern pattern) {
  return pattern == NoisePattern::ik || pattern == NoisePattern::ik_hfs;
}
constexpr bool is_fallback(NoisePattern pattern) {
  return pattern == NoisePattern::xx_fallback || pattern == NoisePattern::xx_fallback_hfs;
}
constexpr bool is_hybrid(NoisePattern pattern) {
  return pattern >= NoisePattern::xx_hfs;
}
// The patterns a client may ask for, by the high four bits of the preamble's last byte.
constexpr std::optional<NoisePattern> pattern_from_byte(std::uint8_t high_nibble) {
  switch (high_nibble) {
    case 1:
      return NoisePattern::xx;
    case 2:
      return NoisePattern::ik;
    case 3:
      return NoisePattern::xx_hfs;
    case 4:
      return NoisePattern::ik_hfs;
    default:
      return std::nullopt;
  }
}
// REQUIRES: is_ik(pattern). How the two go on when message 1 does not open.
constexpr NoisePattern fallback_of(NoisePattern pattern) {
  return is_hybrid(pattern) ? NoisePattern::xx_fallback_hfs : NoisePattern::xx_fallback;
}

struct NoiseSuite {
  AeadKind aead = AeadKind::aes_256_gcm;
  NoiseHash hash = NoiseHash::sha256;
  friend bool operator==(const NoiseSuite&, const NoiseSuite&) = default;
};

// The suites a client may ask for, by the low four bits of the preamble's last byte; none for other
// values, and for a byte with any of the high bits set.
std::optional<NoiseSuite> suite_from_byte(std::uint8_t low_nibble);
// None for AESGCM with BLAKE2b: it is in the test vectors and not on our wire.
std::optional<std::uint8_t> byte_from_suite(NoiseSuite suite);
// For logs, such as "25519_AESGCM_SHA256".
std::string_view suite_name(NoiseSuite suite);
// The full name of section 8, such as "Noise_XX_25519_AESGCM_SHA256" or
// "Noise_XXhfs_25519+ML-KEM-768_AESGCM_SHA256".
std::string protocol_name(NoisePattern pattern, NoiseSuite suite);

// No handshake message is longer (section 3).
inline constexpr std::size_t noise_message_size_max = 65535;

// What remains of a handshake: the two directions' keys, the channel binding and who the peer is.
struct NoiseResult {
  TransportKey send;
  TransportKey receive;
  std::array<std::uint8_t, 64> handshake_hash{};
  std::size_t handshake_hash_size = 0;
  PublicKey remote_static{};
};

class NoiseHandshake {
 public:
  struct Options {
    NoisePattern pattern = NoisePattern::xx;
    NoiseSuite suite{};
    bool initiator = false;  // XXfallback: true for the side that now sends first (Bob of IK)
    Bytes prologue;
    const KeyPair* local_static = nullptr;   // required by all three patterns; copied
    std::optional<PublicKey> remote_static;  // initiator of IK; the others learn it
    // The client of an XXfallback re-uses the ephemeral of the IK message that failed; tests fix
    // one.
    const KeyPair* local_ephemeral = nullptr;
    std::optional<PublicKey>
        remote_ephemeral;  // XXfallback, its initiator: e of the failed IK message
  };

  static Result<NoiseHandshake> start(const Options& options);
  NoiseHandshake(NoiseHandshake&&) noexcept;
  NoiseHandshake& operator=(NoiseHandshake&&) noexcept;
  ~NoiseHandshake();

  bool my_turn() const;
  bool finished() const;

  // Puts the next message at the start of `out` and returns its size; the payload is encrypted as
  // far as the pattern has keys by then. Errors: `out` too small, a message over 65 535 bytes, not
  // this side's turn, a peer's point of small order, a peer's encapsulation key that is none.
  Result<std::size_t> write_message(Bytes payload, MutableBytes out, RandomSource& random);
  // Reads the peer's next message; returns the size of the payload put into `payload_out`, which
  // may not overlap. Errors: malformed (wrong size, wrong tag, a point of small order),
  // `payload_out` too small, not the peer's turn.
  Result<std::size_t> read_message(Bytes message, MutableBytes payload_out);

  // The same for several handshakes, each once, the messages of any patterns: what one waits for is
  // computed together with what the others do, four keys at a time, which costs half as
  // much (docs/decisions/0020). `result` is what the call of one returns.
  struct Write {
    NoiseHandshake& handshake;
    Bytes payload;
    MutableBytes out;
    Result<std::size_t> result = 0;
  };
  struct Read {
    NoiseHandshake& handshake;
    Bytes message;
    MutableBytes payload_out;
    Result<std::size_t> result = 0;
  };
  static void write_each(std::span<Write> writes, RandomSource& random);
  static void read_each(std::span<Read> reads);

  // Known once the pattern has revealed it.
  std::optional<PublicKey> remote_static() const;
  // For XXfallback after a failed IK: the peer's ephemeral of the first message, also once reading
  // it has failed (unless it was too short to hold one), or our own, all zeros before it is made
  // and after a failure.
  std::optional<PublicKey> remote_ephemeral() const;
  const KeyPair& local_ephemeral() const;

  // REQUIRES: finished(), once. The keys (Split, section 5.2), and everything else wiped. Split's
  // first key belongs to what the initiator sends, and the initiator is whoever
  // `Options::initiator` says: in XXfallback it is the side that answered the IK message.
  NoiseResult finish();

 private:
  struct State;
  explicit NoiseHandshake(std::unique_ptr<State> state);
  static Result<void> begin_write(Write& write, MutableBytes& rest);
  static void hash_keys(std::span<Write> writes);
  std::unique_ptr<State> state_;
};

}  // namespace godwit::crypto
