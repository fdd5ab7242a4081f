// SPDX-License-Identifier: Apache-2.0
#include "protocol/stanza.h"

#include <benchmark/benchmark.h>

#include <array>
#include <vector>

// A 100-byte message as it crosses a gateway: read from its sender, written for its recipient.

namespace godwit::protocol {
namespace {

constexpr Context context{"localhost"};

Message a_message(Bytes payload) {
  return {.id = 1000, .peer = {"491700000001", "localhost", 0}, .payload = payload};
}

void write_message(benchmark::State& state) {
  const std::array<std::uint8_t, 100> payload{};
  std::array<std::uint8_t, 512> frame;
  for (auto _ : state) {
    ByteWriter out(frame);
    if (!write(out, a_message(payload), context)) return state.SkipWithError("does not fit");
    benchmark::DoNotOptimize(frame);
  }
}
BENCHMARK(write_message);

void read_frame_of_message_and_ack(benchmark::State& state) {
  const std::array<std::uint8_t, 100> payload{};
  std::array<std::uint8_t, 512> frame;
  ByteWriter out(frame);
  if (!write(out, a_message(payload), context) || !write(out, Ack{.upto = 1000})) {
    return state.SkipWithError("does not fit");
  }
  for (auto _ : state) {
    Bytes stanzas = out.written();
    JidScratch scratch;
    const auto first = next_stanza(stanzas);
    const auto message = read_message(first->content, context, Side::from_client, scratch);
    const auto second = next_stanza(stanzas);
    const auto ack = read_ack(second->content);
    if (!message || !ack) return state.SkipWithError("does not read back");
    benchmark::DoNotOptimize(message->peer.user.data());
    benchmark::DoNotOptimize(ack->upto);
  }
}
BENCHMARK(read_frame_of_message_and_ack);

void write_delivery_of_body(benchmark::State& state) {
  const std::array<std::uint8_t, 100> payload{};
  std::array<std::uint8_t, 512> body;
  std::array<std::uint8_t, 512> frame;
  ByteWriter body_out(body);
  if (!write_message_body(body_out, a_message(payload), context)) {
    return state.SkipWithError("does not fit");
  }
  for (auto _ : state) {
    ByteWriter out(frame);
    if (!write_delivery(out, {}, body_out.written())) return state.SkipWithError("does not fit");
    benchmark::DoNotOptimize(frame);
  }
}
BENCHMARK(write_delivery_of_body);

}  // namespace
}  // namespace godwit::protocol
