// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include "crypto/signal/fingerprint.h"
#include "crypto/signal/sender_key.h"
#include "tests/crypto/signal/device.h"

// What Signal's sessions cost a client: to open one, to send and to read, to store it, and to send
// to a group. Messages have 256 bytes. signal_peer.mjs does the same with libsignal, under the same
// names, and beside_libsignal puts the two beside each other.

namespace godwit::crypto::signal {
namespace {

using testing::Device;

const std::string text(256, 'x');

struct Pair {
  Device alice{"alice@example.org", 1};
  Device bob{"bob@example.org", 2};

  // Both have sent; the post-quantum ratchet is `messages` on.
  void establish(int messages = 200) {
    GODWIT_CHECK(alice.open(bob.address, bob.bundle()).has_value());
    for (int i = 0; i < messages; ++i) {
      GODWIT_CHECK(bob.receive(alice.address, alice.send(bob.address, text).value()).has_value());
      GODWIT_CHECK(alice.receive(bob.address, bob.send(alice.address, text).value()).has_value());
    }
  }
};

void signal_publish(benchmark::State& state) {
  Device bob("bob@example.org", 1);
  for (auto _ : state) benchmark::DoNotOptimize(bob.bundle());
}

// Verifies the bundle, agrees, and makes the first message.
void signal_open(benchmark::State& state) {
  Pair pair;
  const PreKeyBundle bundle = pair.bob.bundle();
  for (auto _ : state) {
    pair.alice.records.clear();
    benchmark::DoNotOptimize(pair.alice.open(pair.bob.address, bundle));
    benchmark::DoNotOptimize(pair.alice.send(pair.bob.address, text));
  }
}

void signal_answer(benchmark::State& state) {
  Pair pair;
  GODWIT_CHECK(pair.alice.open(pair.bob.address, pair.bob.bundle()).has_value());
  const CiphertextMessage first = pair.alice.send(pair.bob.address, text).value();
  for (auto _ : state) {
    SessionRecord record;
    benchmark::DoNotOptimize(decrypt_prekey(record, first.bytes, pair.bob,
                                            pair.bob.context(pair.alice.address), pair.bob.random));
  }
}

void signal_encrypt(benchmark::State& state) {
  Pair pair;
  pair.establish();
  for (auto _ : state) benchmark::DoNotOptimize(pair.alice.send(pair.bob.address, text));
}

// In order and in one chain: no Diffie-Hellman.
void signal_decrypt(benchmark::State& state) {
  constexpr int batch = 64;
  Pair pair;
  pair.establish();
  while (state.KeepRunningBatch(batch)) {
    state.PauseTiming();
    std::vector<CiphertextMessage> messages;
    for (int i = 0; i < batch; ++i) {
      messages.push_back(pair.alice.send(pair.bob.address, text).value());
    }
    state.ResumeTiming();
    for (const CiphertextMessage& message : messages) {
      benchmark::DoNotOptimize(pair.bob.receive(pair.alice.address, message));
    }
  }
}

// A message each way: two of everything, with a new ratchet key each.
void signal_round(benchmark::State& state) {
  Pair pair;
  pair.establish();
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        pair.bob.receive(pair.alice.address, pair.alice.send(pair.bob.address, text).value()));
    benchmark::DoNotOptimize(
        pair.alice.receive(pair.bob.address, pair.bob.send(pair.alice.address, text).value()));
  }
}

void signal_store(benchmark::State& state) {
  Pair pair;
  pair.establish();
  const SessionRecord& record = pair.alice.with(pair.bob.address);
  for (auto _ : state) benchmark::DoNotOptimize(record.write());
  state.counters["bytes"] = static_cast<double>(record.write().size());
}

void signal_load(benchmark::State& state) {
  Pair pair;
  pair.establish();
  const SecretBytes bytes = pair.alice.with(pair.bob.address).write();
  for (auto _ : state) benchmark::DoNotOptimize(SessionRecord::read(bytes));
}

void group_encrypt(benchmark::State& state) {
  SeededRandom random(3);
  SenderKeyRecord sender(DistributionId{1});
  sender.rotate(random);
  for (auto _ : state) benchmark::DoNotOptimize(sender.encrypt(as_bytes(text), random));
}

void group_decrypt(benchmark::State& state) {
  constexpr int batch = 64;
  SeededRandom random(3);
  SenderKeyRecord sender(DistributionId{1});
  sender.rotate(random);
  SenderKeyRecord reader(DistributionId{1});
  GODWIT_CHECK(reader.learn(*sender.distribution()).has_value());
  while (state.KeepRunningBatch(batch)) {
    state.PauseTiming();
    std::vector<std::vector<std::uint8_t>> messages;
    for (int i = 0; i < batch; ++i) {
      messages.push_back(sender.encrypt(as_bytes(text), random).value());
    }
    state.ResumeTiming();
    for (const auto& message : messages) benchmark::DoNotOptimize(reader.decrypt(message));
  }
}

// A distribution that is known already: hardly any work.
void group_learn_again(benchmark::State& state) {
  SeededRandom random(3);
  SenderKeyRecord sender(DistributionId{1});
  sender.rotate(random);
  SenderKeyRecord reader(DistributionId{1});
  const SenderKeyDistributionMessage message = sender.distribution().value();
  for (auto _ : state) benchmark::DoNotOptimize(reader.learn(message));
}

void safety_number(benchmark::State& state) {
  Pair pair;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        Fingerprint::make({as_bytes(pair.alice.address.name), pair.alice.identity.public_key},
                          {as_bytes(pair.bob.address.name), pair.bob.identity.public_key}));
  }
}

BENCHMARK(signal_publish);
BENCHMARK(signal_open);
BENCHMARK(signal_answer);
BENCHMARK(signal_encrypt);
BENCHMARK(signal_decrypt);
BENCHMARK(signal_round);
BENCHMARK(signal_store);
BENCHMARK(signal_load);
BENCHMARK(group_encrypt);
BENCHMARK(group_decrypt);
BENCHMARK(group_learn_again);
BENCHMARK(safety_number);

}  // namespace
}  // namespace godwit::crypto::signal
