// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/kem.h"

#include <benchmark/benchmark.h>

#include "crypto/kem/incremental.h"
#include "crypto/kem/keccak.h"
#include "crypto/xeddsa.h"

// Key encapsulation of each set, its parts as a braid uses them, and XEdDSA.

namespace godwit::crypto {
namespace {

template <typename K>
void kem_generate(benchmark::State& state) {
  SeededRandom random(1);
  for (auto _ : state) benchmark::DoNotOptimize(K::generate(random));
}

template <typename K>
void kem_encapsulate(benchmark::State& state) {
  SeededRandom random(2);
  const auto pair = K::generate(random);
  for (auto _ : state) benchmark::DoNotOptimize(K::encapsulate(pair.public_key, random));
}

template <typename K>
void kem_decapsulate(benchmark::State& state) {
  SeededRandom random(3);
  const auto pair = K::generate(random);
  const auto made = K::encapsulate(pair.public_key, random);
  for (auto _ : state) {
    benchmark::DoNotOptimize(K::decapsulate(pair.private_key, made->ciphertext));
  }
}

BENCHMARK(kem_generate<MlKem768>);
BENCHMARK(kem_encapsulate<MlKem768>);
BENCHMARK(kem_decapsulate<MlKem768>);
BENCHMARK(kem_generate<MlKem1024>);
BENCHMARK(kem_encapsulate<MlKem1024>);
BENCHMARK(kem_decapsulate<MlKem1024>);
BENCHMARK(kem_generate<Kyber1024>);
BENCHMARK(kem_encapsulate<Kyber1024>);
BENCHMARK(kem_decapsulate<Kyber1024>);

void kem_braid_begin(benchmark::State& state) {
  using K = IncrementalMlKem768;
  SeededRandom random(4);
  const auto header = K::header(MlKem768::generate(random).public_key);
  for (auto _ : state) benchmark::DoNotOptimize(K::begin_encapsulation(header, random));
}

void kem_braid_finish(benchmark::State& state) {
  using K = IncrementalMlKem768;
  SeededRandom random(5);
  const auto key = MlKem768::generate(random).public_key;
  const auto header = K::header(key);
  const auto vector = K::vector(key);
  const auto begun = K::begin_encapsulation(header, random);
  for (auto _ : state) {
    benchmark::DoNotOptimize(K::finish_encapsulation(begun.state, header, vector));
  }
}
BENCHMARK(kem_braid_begin);
BENCHMARK(kem_braid_finish);

// One block of the permutation that most of the time goes to.
void keccak_block(benchmark::State& state) {
  Keccak sponge(KeccakKind::shake128);
  std::array<std::uint8_t, keccak_rate(KeccakKind::shake128)> block;
  for (auto _ : state) {
    sponge.squeeze(block);
    benchmark::DoNotOptimize(block);
  }
}
BENCHMARK(keccak_block);

void xeddsa_signing(benchmark::State& state) {
  SeededRandom random(6);
  const KeyPair pair = KeyPair::generate(random);
  for (auto _ : state) {
    benchmark::DoNotOptimize(xeddsa_sign(pair.private_key, pair.public_key, random));
  }
}

void xeddsa_verification(benchmark::State& state) {
  SeededRandom random(7);
  const KeyPair pair = KeyPair::generate(random);
  const Signature signature = xeddsa_sign(pair.private_key, pair.public_key, random);
  for (auto _ : state) {
    benchmark::DoNotOptimize(xeddsa_verify(pair.public_key, pair.public_key, signature));
  }
}
BENCHMARK(xeddsa_signing);
BENCHMARK(xeddsa_verification);

}  // namespace
}  // namespace godwit::crypto
