// SPDX-License-Identifier: Apache-2.0
#include "crypto/noise.h"

#include <benchmark/benchmark.h>

#include <array>
#include <ctime>
#include <vector>

// Whole handshakes, both sides on one thread, with a certificate-sized payload: with ML-KEM-768
// beside Curve25519 and without. Counters: what of that the gateway spends, and the bytes of the
// messages.

namespace godwit::crypto {
namespace {

// Of this thread, in microseconds: what else the machine does is not in it.
double cpu_us() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

void handshake(benchmark::State& state, NoisePattern pattern, NoiseSuite suite) {
  SeededRandom random(1);
  const KeyPair client_key = KeyPair::generate(random);
  const KeyPair server_key = KeyPair::generate(random);
  const std::array<std::uint8_t, 160> certificate{};
  std::array<std::uint8_t, 2048> message;
  std::array<std::uint8_t, 2048> payload;
  double at_server = 0;
  std::size_t bytes = 0;
  for (auto _ : state) {
    auto client = NoiseHandshake::start(
        {.pattern = pattern,
         .suite = suite,
         .initiator = true,
         .local_static = &client_key,
         .remote_static = is_ik(pattern) ? std::optional(server_key.public_key) : std::nullopt});
    auto server =
        NoiseHandshake::start({.pattern = pattern, .suite = suite, .local_static = &server_key});
    while (!server->finished() || !client->finished()) {
      const bool from_client = client->my_turn();
      NoiseHandshake& writer = from_client ? *client : *server;
      NoiseHandshake& reader = from_client ? *server : *client;
      const double begun = cpu_us();
      const auto size =
          writer.write_message(from_client ? Bytes{} : Bytes(certificate), message, random);
      const double written = cpu_us();
      if (!size || !reader.read_message(Bytes(message).first(*size), payload)) {
        return state.SkipWithError("the handshake failed");
      }
      at_server += from_client ? cpu_us() - written : written - begun;
      bytes += *size;
    }
    benchmark::DoNotOptimize(client->finish());
    benchmark::DoNotOptimize(server->finish());
  }
  const auto count = static_cast<double>(state.iterations());
  state.counters["server_us"] = at_server / count;
  state.counters["bytes"] = static_cast<double>(bytes) / count;
}

void noise_xx_aesgcm(benchmark::State& state) {
  handshake(state, NoisePattern::xx, {AeadKind::aes_256_gcm, NoiseHash::sha256});
}
void noise_ik_aesgcm(benchmark::State& state) {
  handshake(state, NoisePattern::ik, {AeadKind::aes_256_gcm, NoiseHash::sha256});
}
void noise_xx_hfs_aesgcm(benchmark::State& state) {
  handshake(state, NoisePattern::xx_hfs, {AeadKind::aes_256_gcm, NoiseHash::sha256});
}
void noise_ik_hfs_aesgcm(benchmark::State& state) {
  handshake(state, NoisePattern::ik_hfs, {AeadKind::aes_256_gcm, NoiseHash::sha256});
}
void noise_xx_hfs_chachapoly(benchmark::State& state) {
  handshake(state, NoisePattern::xx_hfs, {AeadKind::chacha20_poly1305, NoiseHash::blake2b});
}
void noise_xx_chachapoly(benchmark::State& state) {
  handshake(state, NoisePattern::xx, {AeadKind::chacha20_poly1305, NoiseHash::blake2b});
}
BENCHMARK(noise_xx_aesgcm);
BENCHMARK(noise_xx_hfs_aesgcm);
BENCHMARK(noise_ik_aesgcm);
BENCHMARK(noise_ik_hfs_aesgcm);
BENCHMARK(noise_xx_chachapoly);
BENCHMARK(noise_xx_hfs_chachapoly);

// What a handshake's Diffie-Hellmans consist of: one of its own, several at once, and key pairs.
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
void x25519_together(benchmark::State& state) {
  SeededRandom random(2);
  const auto count = static_cast<std::size_t>(state.range(0));
  const KeyPair remote = KeyPair::generate(random);
  std::vector<KeyPair> local;
  std::vector<Secret<32>> shared(count);
  std::vector<DiffieHellman> calls;
  for (std::size_t i = 0; i < count; ++i) local.push_back(KeyPair::generate(random));
  for (std::size_t i = 0; i < count; ++i) {
    calls.push_back({shared[i], local[i].private_key, remote.public_key});
  }
  for (auto _ : state) diffie_hellman_each(calls);
  for (const DiffieHellman& call : calls) {
    if (!call.made) return state.SkipWithError("a point of small order");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
void x25519_key_pair(benchmark::State& state) {
  SeededRandom random(2);
  for (auto _ : state) benchmark::DoNotOptimize(KeyPair::generate(random));
}
void x25519_key_pairs_together(benchmark::State& state) {
  SeededRandom random(2);
  std::array<KeyPair, 4> pairs;
  const std::array<KeyPair*, 4> all{&pairs[0], &pairs[1], &pairs[2], &pairs[3]};
  for (auto _ : state) KeyPair::generate_each(all, random);
  state.SetItemsProcessed(state.iterations() * 4);
}
BENCHMARK(x25519);
BENCHMARK(x25519_together)->DenseRange(2, 4);
BENCHMARK(x25519_key_pair);
BENCHMARK(x25519_key_pairs_together);

}  // namespace
}  // namespace godwit::crypto
