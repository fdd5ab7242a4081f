// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "base/random.h"
#include "crypto/noise.h"

// Two sides of a handshake, with keys from a seed, and all that is varied in tests of them.

namespace godwit::crypto::testing {

inline constexpr NoisePattern all_patterns[] = {
    NoisePattern::xx,     NoisePattern::ik,     NoisePattern::xx_fallback,
    NoisePattern::xx_hfs, NoisePattern::ik_hfs, NoisePattern::xx_fallback_hfs};
inline constexpr std::span<const NoisePattern> classical_patterns =
    std::span(all_patterns).first(3);
inline constexpr std::span<const NoisePattern> hybrid_patterns = std::span(all_patterns).last(3);
inline constexpr NoiseSuite all_suites[] = {
    {AeadKind::aes_256_gcm, NoiseHash::sha256},
    {AeadKind::aes_256_gcm, NoiseHash::blake2b},
    {AeadKind::chacha20_poly1305, NoiseHash::blake2b},
    {AeadKind::chacha20_poly1305, NoiseHash::sha256},
};
inline constexpr std::array<std::uint8_t, 4> prologue{'G', 'W', 1, 0x11};

struct NoiseKeys {
  explicit NoiseKeys(std::uint64_t seed)
      : random(seed),
        client(KeyPair::generate(random)),
        server(KeyPair::generate(random)),
        first_e(KeyPair::generate(random)) {}

  // In XXfallback the server is the initiator, and the client's first_e has been seen.
  NoiseHandshake::Options options(NoisePattern pattern, NoiseSuite suite, bool is_client) const {
    const bool fallback = is_fallback(pattern);
    NoiseHandshake::Options options{.pattern = pattern,
                                    .suite = suite,
                                    .initiator = is_client != fallback,
                                    .prologue = prologue,
                                    .local_static = is_client ? &client : &server};
    if (is_ik(pattern) && is_client) options.remote_static = server.public_key;
    if (fallback && is_client) options.local_ephemeral = &first_e;
    if (fallback && !is_client) options.remote_ephemeral = first_e.public_key;
    return options;
  }

  SeededRandom random;
  KeyPair client;
  KeyPair server;
  KeyPair first_e;
};

using Message = std::vector<std::uint8_t>;

inline Message write(NoiseHandshake& side, RandomSource& random, Bytes payload = {}) {
  Message message(noise_message_size_max);
  const auto size = side.write_message(payload, message, random);
  EXPECT_TRUE(size) << size.error().message;
  message.resize(size.value_or(0));
  return message;
}

inline Result<Message> read(NoiseHandshake& side, Bytes message) {
  Message payload(noise_message_size_max);
  const auto size = side.read_message(message, payload);
  if (!size) return std::unexpected(size.error());
  payload.resize(*size);
  return payload;
}

// Both sides at the start, and then one message after another.
struct NoisePair {
  NoisePair(NoiseKeys& keys_used, NoisePattern pattern, NoiseSuite suite)
      : keys(keys_used),
        client(*NoiseHandshake::start(keys.options(pattern, suite, true))),
        server(*NoiseHandshake::start(keys.options(pattern, suite, false))) {}

  NoiseHandshake& sender() { return client.my_turn() ? client : server; }
  NoiseHandshake& receiver() { return client.my_turn() ? server : client; }
  bool finished() const { return client.finished() && server.finished(); }

  // One message across; its bytes.
  Message step(Bytes payload = {}) {
    NoiseHandshake& to = receiver();
    Message message = write(sender(), keys.random, payload);
    const auto got = read(to, message);
    EXPECT_TRUE(got) << got.error().message;
    EXPECT_EQ(to_hex(got.value_or(Message{})), to_hex(payload));
    return message;
  }
  void run() {
    while (!finished() && !::testing::Test::HasFailure()) step();
  }

  NoiseKeys& keys;
  NoiseHandshake client;
  NoiseHandshake server;
};

inline int message_count(NoisePattern pattern) {
  return is_ik(pattern) || is_fallback(pattern) ? 2 : 3;
}

}  // namespace godwit::crypto::testing
