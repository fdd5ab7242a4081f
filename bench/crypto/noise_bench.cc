// SPDX-License-Identifier: Apache-2.0
#include "crypto/noise.h"

#include <benchmark/benchmark.h>

#include <array>

// Whole handshakes, both sides on one thread, with a certificate-sized payload.

namespace godwit::crypto {
namespace {

void handshake(benchmark::State& state, NoisePattern pattern, NoiseSuite suite) {
  SeededRandom random(1);
  const KeyPair client_key = KeyPair::generate(random);
  const KeyPair server_key = KeyPair::generate(random);
  const std::array<std::uint8_t, 160> certificate{};
  std::array<std::uint8_t, 1024> message;
  std::array<std::uint8_t, 1024> payload;
  for (auto _ : state) {
    auto client = NoiseHandshake::start({.pattern = pattern,
                                         .suite = suite,
                                         .initiator = true,
                                         .local_static = &client_key,
                                         .remote_static = pattern == NoisePattern::ik
                                                              ? std::optional(server_key.public_key)
                                                              : std::nullopt});
    auto server =
        NoiseHandshake::start({.pattern = pattern, .suite = suite, .local_static = &server_key});
    while (!server->finished() || !client->finished()) {
      const bool from_client = client->my_turn();
      NoiseHandshake& writer = from_client ? *client : *server;
      NoiseHandshake& reader = from_client ? *server : *client;
      const auto size =
          writer.write_message(from_client ? Bytes{} : Bytes(certificate), message, random);
      if (!size || !reader.read_message(Bytes(message).first(*size), payload)) {
        return state.SkipWithError("the handshake failed");
      }
    }
    benchmark::DoNotOptimize(client->finish());
    benchmark::DoNotOptimize(server->finish());
  }
}

void noise_xx_aesgcm(benchmark::State& state) {
  handshake(state, NoisePattern::xx, {AeadKind::aes_256_gcm, NoiseHash::sha256});
}
void noise_ik_aesgcm(benchmark::State& state) {
  handshake(state, NoisePattern::ik, {AeadKind::aes_256_gcm, NoiseHash::sha256});
}
void noise_xx_chachapoly(benchmark::State& state) {
  handshake(state, NoisePattern::xx, {AeadKind::chacha20_poly1305, NoiseHash::blake2b});
}
BENCHMARK(noise_xx_aesgcm);
BENCHMARK(noise_ik_aesgcm);
BENCHMARK(noise_xx_chachapoly);

// The Diffie-Hellman operation that a handshake consists of.
void x25519(benchmark::State& state) {
  SeededRandom random(2);
  const KeyPair local = KeyPair::generate(random);
  const KeyPair remote = KeyPair::generate(random);
  Secret<32> shared;
  for (auto _ : state) {
    if (!diffie_hellman(shared, local.private_key, remote.public_key)) {
      return state.SkipWithError("a point of small order");
    }
  }
}
BENCHMARK(x25519);

}  // namespace
}  // namespace godwit::crypto
