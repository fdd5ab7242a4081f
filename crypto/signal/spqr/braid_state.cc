// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/spqr/braid_state.h"

#include <tuple>

#include "crypto/signal/spqr/stored.h"

namespace godwit::crypto::signal::braid {
namespace {

// Copies, one a state. What is not secret copies itself.

KeysUnsampled copy_of(const KeysUnsampled&) {
  return {};
}
KeysSampled copy_of(const KeysSampled& from) {
  return {from.seed.copy(), from.header};
}
HeaderSent copy_of(const HeaderSent& from) {
  return {from.seed.copy(), from.ek, from.ct1};
}
Ct1Received copy_of(const Ct1Received& from) {
  return {from.seed.copy(), from.ek, from.ct1};
}
EkSentCt1Received copy_of(const EkSentCt1Received& from) {
  return {from.seed.copy(), from.ct1, from.ct2};
}
NoHeaderReceived copy_of(const NoHeaderReceived& from) {
  return from;
}
HeaderReceived copy_of(const HeaderReceived& from) {
  return from;
}
Encapsulating copy_of(const Encapsulating& from) {
  return {from.header, from.secret.copy()};
}
Ct1Sampled copy_of(const Ct1Sampled& from) {
  return {copy_of(from.begun), from.ct1, from.ek};
}
EkReceivedCt1Sampled copy_of(const EkReceivedCt1Sampled& from) {
  return {copy_of(from.begun), from.ct1, from.ek};
}
Ct1Acknowledged copy_of(const Ct1Acknowledged& from) {
  return {copy_of(from.begun), from.ct1, from.ek};
}
Ct2Sampled copy_of(const Ct2Sampled& from) {
  return from;
}

// The members that are stored, in their order.

auto members(const KeysUnsampled&) {
  return std::tie();
}
auto members(const KeysSampled& of) {
  return std::tie(of.seed, of.header);
}
auto members(const HeaderSent& of) {
  return std::tie(of.seed, of.ek, of.ct1);
}
auto members(const Ct1Received& of) {
  return std::tie(of.seed, of.ek, of.ct1);
}
auto members(const EkSentCt1Received& of) {
  return std::tie(of.seed, of.ct1, of.ct2);
}
auto members(const NoHeaderReceived& of) {
  return std::tie(of.header);
}
auto members(const HeaderReceived& of) {
  return std::tie(of.header);
}
auto members(const Ct1Sampled& of) {
  return std::tie(of.begun.header, of.begun.secret, of.ct1, of.ek);
}
auto members(const EkReceivedCt1Sampled& of) {
  return std::tie(of.begun.header, of.begun.secret, of.ct1, of.ek);
}
auto members(const Ct1Acknowledged& of) {
  return std::tie(of.begun.header, of.begun.secret, of.ct1, of.ek);
}
auto members(const Ct2Sampled& of) {
  return std::tie(of.ct2);
}

template <std::size_t Size>
std::size_t size_of(const Secret<Size>&) {
  return Size;
}
template <std::size_t Size>
std::size_t size_of(const std::array<std::uint8_t, Size>&) {
  return Size;
}
std::size_t size_of(const ErasureEncoder& encoder) {
  return encoder.write_size();
}
std::size_t size_of(const ErasureDecoder& decoder) {
  return decoder.write_size();
}

template <std::size_t Size>
void write_one(ByteWriter& out, const Secret<Size>& secret) {
  out.bytes(secret.bytes());
}
template <std::size_t Size>
void write_one(ByteWriter& out, const std::array<std::uint8_t, Size>& array) {
  out.bytes(array);
}
void write_one(ByteWriter& out, const ErasureEncoder& encoder) {
  encoder.write(out);
}
void write_one(ByteWriter& out, const ErasureDecoder& decoder) {
  decoder.write(out);
}

KeySeed read_seed(ByteReader& in) {
  return read_secret<KeySeed::size>(in);
}

Kem::CiphertextU read_ct1(ByteReader& in) {
  return read_array<Kem::sizes.ciphertext_u>(in);
}

Encapsulating read_begun(ByteReader& in) {
  return {read_array<Kem::header_size>(in), read_secret<Kem::State::size>(in)};
}

}  // namespace

State copy(const State& state) {
  return std::visit([](const auto& from) -> State { return copy_of(from); }, state);
}

std::size_t write_size(const State& state) {
  return 1 + std::visit(
                 [](const auto& of) {
                   return std::apply(
                       [](const auto&... each) { return (std::size_t{0} + ... + size_of(each)); },
                       members(of));
                 },
                 state);
}

void write(ByteWriter& out, const State& state) {
  out.u8(static_cast<std::uint8_t>(state.index()));
  std::visit(
      [&out](const auto& of) {
        std::apply([&out](const auto&... each) { (write_one(out, each), ...); }, members(of));
      },
      state);
}

// Members between braces are read from left to right.
State read(ByteReader& in) {
  using Encoder = ErasureEncoder;
  using Decoder = ErasureDecoder;
  switch (in.u8()) {
    case 0:
      return KeysUnsampled{};
    case 1:
      return KeysSampled{read_seed(in), Encoder::read(in, header_chunks)};
    case 2:
      return HeaderSent{read_seed(in), Encoder::read(in, ek_chunks), Decoder::read(in, ct1_chunks)};
    case 3:
      return Ct1Received{read_seed(in), Encoder::read(in, ek_chunks), read_ct1(in)};
    case 4:
      return EkSentCt1Received{read_seed(in), read_ct1(in), Decoder::read(in, ct2_chunks)};
    case 5:
      return NoHeaderReceived{Decoder::read(in, header_chunks)};
    case 6:
      return HeaderReceived{read_array<Kem::header_size>(in)};
    case 7:
      return Ct1Sampled{read_begun(in), Encoder::read(in, ct1_chunks),
                        Decoder::read(in, ek_chunks)};
    case 8:
      return EkReceivedCt1Sampled{read_begun(in), Encoder::read(in, ct1_chunks),
                                  read_array<Kem::sizes.vector>(in)};
    case 9:
      return Ct1Acknowledged{read_begun(in), read_ct1(in), Decoder::read(in, ek_chunks)};
    case 10:
      return Ct2Sampled{Encoder::read(in, ct2_chunks)};
    default:
      in.fail();
      return KeysUnsampled{};
  }
}

}  // namespace godwit::crypto::signal::braid
