// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/aead.h"
#include "crypto/keys.h"

// The Noise Protocol Framework, revision 34: XX, IK and XXfallback over Curve25519.
//
// Sans I/O: bytes in, bytes out, randomness as an argument. Not thread safe; one object a handshake.
// A call that fails leaves the handshake unusable and its secrets wiped; a caller closes the connection.

namespace godwit::crypto {

enum class NoisePattern : std::uint8_t { xx, ik, xx_fallback };
enum class NoiseHash : std::uint8_t { sha256, blake2b };

struct NoiseSuite {
  AeadKind aead = AeadKind::aes_256_gcm;
  NoiseHash hash = NoiseHash::sha256;
  friend bool operator==(const NoiseSuite&, const NoiseSuite&) = default;
};

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
    const KeyPair* local_static = nullptr;           // required by all three patterns; copied
    std::optional<PublicKey> remote_static;          // initiator of IK
    // The client of an XXfallback re-uses the ephemeral of the IK message that failed; tests fix one.
    const KeyPair* local_ephemeral = nullptr;
    std::optional<PublicKey> remote_ephemeral;       // XXfallback, its initiator: e of the failed IK message
  };

  static Result<NoiseHandshake> start(const Options& options);
  NoiseHandshake(NoiseHandshake&&) noexcept;
  NoiseHandshake& operator=(NoiseHandshake&&) noexcept;
  ~NoiseHandshake();

  bool my_turn() const;
  bool finished() const;

  // Appends the next message to `out`; the payload is encrypted as far as the pattern has keys by then.
  Result<std::size_t> write_message(Bytes payload, MutableBytes out, RandomSource& random);
  // Reads the peer's next message; returns the size of the payload put into `payload_out`, which may not overlap.
  Result<std::size_t> read_message(Bytes message, MutableBytes payload_out);

  // Known once the pattern has revealed it.
  std::optional<PublicKey> remote_static() const;
  // For XXfallback after a failed IK: our own, or the peer's, ephemeral of the first message.
  std::optional<PublicKey> remote_ephemeral() const;
  const KeyPair& local_ephemeral() const;

  // After finished(), once: the keys (Split, section 5.2), and everything else wiped.
  NoiseResult finish();

 private:
  struct State;
  explicit NoiseHandshake(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace godwit::crypto
