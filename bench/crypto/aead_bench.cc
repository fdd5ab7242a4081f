// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"

#include <benchmark/benchmark.h>

#include <vector>

#include "base/random.h"

// Seal and open of frames, a frame of one 100-byte message being about 120 bytes of plaintext.

namespace godwit::crypto {
namespace {

TransportKey make_key(AeadKind kind) {
  TransportKey key;
  SeededRandom(1).fill(key.key.writable());
  key.kind = kind;
  return key;
}

void seal_and_open(benchmark::State& state, AeadKind kind, AeadCache* cache) {
  if (kind == AeadKind::aes_256_gcm && !cpu_has_aes_gcm()) {
    return state.SkipWithError("this CPU has no AES-GCM");
  }
  TransportKey sender = make_key(kind);
  TransportKey receiver = make_key(kind);
  const std::vector<std::uint8_t> plain(static_cast<std::size_t>(state.range(0)), 7);
  std::vector<std::uint8_t> sealed(plain.size() + aead_tag_size);
  std::vector<std::uint8_t> opened(plain.size());
  for (auto _ : state) {
    const bool good = cache != nullptr
                          ? seal(*cache, 1, sender, {}, plain, sealed) &&
                                open(*cache, 2, receiver, {}, sealed, opened)
                          : seal(sender, {}, plain, sealed) && open(receiver, {}, sealed, opened);
    if (!good) return state.SkipWithError("what was sealed does not open");
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

// One way alone, as a gateway does it, with the expanded key at hand.
void seal_alone(benchmark::State& state) {
  AeadCache cache(64);
  TransportKey key = make_key(AeadKind::aes_256_gcm);
  const std::vector<std::uint8_t> plain(static_cast<std::size_t>(state.range(0)), 7);
  std::vector<std::uint8_t> sealed(plain.size() + aead_tag_size);
  for (auto _ : state) {
    if (!seal(cache, 1, key, {}, plain, sealed)) return state.SkipWithError("the key is used up");
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
void open_alone(benchmark::State& state) {
  AeadCache cache(64);
  TransportKey sender = make_key(AeadKind::aes_256_gcm);
  TransportKey receiver = make_key(AeadKind::aes_256_gcm);
  const std::vector<std::uint8_t> plain(static_cast<std::size_t>(state.range(0)), 7);
  std::vector<std::uint8_t> sealed(plain.size() + aead_tag_size);
  std::vector<std::uint8_t> opened(plain.size());
  if (!seal(sender, {}, plain, sealed)) return state.SkipWithError("the key is used up");
  for (auto _ : state) {
    receiver.counter = 0;
    if (!open(cache, 1, receiver, {}, sealed, opened)) {
      return state.SkipWithError("what was sealed does not open");
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void aes_gcm(benchmark::State& state) {
  seal_and_open(state, AeadKind::aes_256_gcm, nullptr);
}
void aes_gcm_cached_keys(benchmark::State& state) {
  AeadCache cache(64);
  seal_and_open(state, AeadKind::aes_256_gcm, &cache);
}
void chacha20_poly1305(benchmark::State& state) {
  seal_and_open(state, AeadKind::chacha20_poly1305, nullptr);
}
BENCHMARK(seal_alone)->Arg(16)->Arg(120)->Arg(1024)->Arg(16384);
BENCHMARK(open_alone)->Arg(16)->Arg(120)->Arg(1024)->Arg(16384);
BENCHMARK(aes_gcm)->Arg(16)->Arg(120)->Arg(1024)->Arg(16384);
BENCHMARK(aes_gcm_cached_keys)->Arg(16)->Arg(120)->Arg(1024)->Arg(16384);
BENCHMARK(chacha20_poly1305)->Arg(16)->Arg(120)->Arg(1024)->Arg(16384);

}  // namespace
}  // namespace godwit::crypto
