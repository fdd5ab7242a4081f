// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/spqr/spqr.h"

#include <benchmark/benchmark.h>

// The post-quantum ratchet: a message out and in, averaged over whole agreements and in the state
// between them, what a caller does around each, and the erasure code.

namespace godwit::crypto::signal {
namespace {

struct Pair {
  SeededRandom random{1};
  Spqr alice = Spqr::start(Secret<32>(), Role::alice);
  Spqr bob = Spqr::start(Secret<32>(), Role::bob);

  void exchange() {
    GODWIT_CHECK(bob.receive(alice.send(random)->message));
    GODWIT_CHECK(alice.receive(bob.send(random)->message));
  }
};

// Two sends and two receives. An agreement takes 43 of these.
void spqr_round_trip(benchmark::State& state) {
  Pair pair;
  for (auto _ : state) pair.exchange();
  state.counters["epochs"] = static_cast<double>(pair.alice.epoch());
}
BENCHMARK(spqr_round_trip);

void spqr_send(benchmark::State& state) {
  Pair pair;
  for (int i = 0; i < 20; ++i) pair.exchange();
  for (auto _ : state) benchmark::DoNotOptimize(pair.bob.send(pair.random));
}
BENCHMARK(spqr_send);

// A message that brings a chunk, in the middle of an agreement; the copy is part of receiving.
void spqr_copy_and_receive(benchmark::State& state) {
  Pair pair;
  for (int i = 0; i < 20; ++i) pair.exchange();
  const auto message = pair.alice.send(pair.random)->message;
  for (auto _ : state) {
    Spqr trial = pair.bob.copy();
    benchmark::DoNotOptimize(trial.receive(message));
  }
}
BENCHMARK(spqr_copy_and_receive);

void spqr_write_and_read(benchmark::State& state) {
  Pair pair;
  for (int i = 0; i < 20; ++i) pair.exchange();
  std::vector<std::uint8_t> form(pair.bob.write_size());
  for (auto _ : state) {
    ByteWriter out(form);
    pair.bob.write(out);
    benchmark::DoNotOptimize(Spqr::read(form));
  }
  state.counters["bytes"] = static_cast<double>(form.size());
}
BENCHMARK(spqr_write_and_read);

std::vector<std::uint8_t> key_vector() {
  std::vector<std::uint8_t> message(erasure_chunks_max * chunk_size);
  SeededRandom(2).fill(message);
  return message;
}

// A chunk beyond the message itself.
void erasure_encode_chunk(benchmark::State& state) {
  const ErasureEncoder encoder(key_vector());
  std::uint16_t index = erasure_chunks_max;
  for (auto _ : state) benchmark::DoNotOptimize(encoder.at(index++ | 64));
}
BENCHMARK(erasure_encode_chunk);

// As many of the message's own chunks are missing as the argument says.
void erasure_decode(benchmark::State& state) {
  const ErasureEncoder encoder(key_vector());
  ErasureDecoder decoder(erasure_chunks_max);
  for (std::uint16_t i = 0; i < erasure_chunks_max; ++i) {
    const auto index = static_cast<std::uint16_t>(i + state.range(0));
    decoder.add({.index = index, .bytes = encoder.at(index)});
  }
  for (auto _ : state) benchmark::DoNotOptimize(decoder.message());
}
BENCHMARK(erasure_decode)->Arg(0)->Arg(1)->Arg(36);

}  // namespace
}  // namespace godwit::crypto::signal
