// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/spqr/braid.h"

namespace godwit::crypto::signal {
namespace {

using namespace braid;

template <std::size_t First, std::size_t Second>
std::array<std::uint8_t, First + Second> joined(const std::array<std::uint8_t, First>& first,
                                                const std::array<std::uint8_t, Second>& second) {
  std::array<std::uint8_t, First + Second> both;
  std::ranges::copy(first, both.begin());
  std::ranges::copy(second, both.begin() + First);
  return both;
}

template <std::size_t Size>
std::array<std::uint8_t, Size> array_of(Bytes bytes) {
  GODWIT_CHECK(bytes.size() == Size);
  std::array<std::uint8_t, Size> array;
  std::ranges::copy(bytes, array.begin());
  return array;
}

}  // namespace

Braid Braid::start(const Secret<32>& key, Role role) {
  State state = role == Role::alice ? State(KeysUnsampled{})
                                    : State(NoHeaderReceived{ErasureDecoder(header_chunks)});
  return Braid(1, Authenticator::start(1, key), std::move(state));
}

Braid Braid::copy() const {
  return Braid(epoch_, authenticator_.copy(), braid::copy(state_));
}

// Sending. A state without a chunk to send sends none.

Braid::Sent Braid::send(RandomSource& random) {
  return std::visit([&](auto& state) { return send_in(state, random); }, state_);
}

Braid::Sent Braid::with_chunk(BraidType type, const IndexedChunk& chunk) const {
  return {.message = {.epoch = epoch_, .type = type, .chunk = chunk}, .key = std::nullopt};
}

Braid::Sent Braid::without_chunk(BraidType type) const {
  return with_chunk(type, {});
}

Braid::Sent Braid::send_in(KeysUnsampled&, RandomSource& random) {
  KeySeed seed;
  random.fill(seed.writable());
  const Kem::Header header = Kem::header(Kem::Whole::from_seed(seed).public_key);
  ErasureEncoder encoder(joined(header, authenticator_.header_mac(epoch_, header)));
  const IndexedChunk chunk = encoder.next();
  state_ = KeysSampled{std::move(seed), std::move(encoder)};
  return with_chunk(BraidType::header, chunk);
}

Braid::Sent Braid::send_in(KeysSampled& state, RandomSource&) {
  return with_chunk(BraidType::header, state.header.next());
}

Braid::Sent Braid::send_in(HeaderSent& state, RandomSource&) {
  return with_chunk(BraidType::ek, state.ek.next());
}

Braid::Sent Braid::send_in(Ct1Received& state, RandomSource&) {
  return with_chunk(BraidType::ek_ct1_ack, state.ek.next());
}

Braid::Sent Braid::send_in(EkSentCt1Received&, RandomSource&) {
  return without_chunk(BraidType::ct1_ack);
}

Braid::Sent Braid::send_in(NoHeaderReceived&, RandomSource&) {
  return without_chunk(BraidType::none);
}

Braid::Sent Braid::send_in(HeaderReceived& state, RandomSource& random) {
  Kem::Begun begun = Kem::begin_encapsulation(state.header, random);
  EpochKey key{.epoch = epoch_, .key = epoch_key(epoch_, begun.shared_secret)};
  authenticator_.update(epoch_, key.key);
  ErasureEncoder ct1(begun.ciphertext_u);
  Sent sent = with_chunk(BraidType::ct1, ct1.next());
  sent.key = std::move(key);
  state_ =
      Ct1Sampled{{state.header, std::move(begun.state)}, std::move(ct1), ErasureDecoder(ek_chunks)};
  return sent;
}

Braid::Sent Braid::send_in(Ct1Sampled& state, RandomSource&) {
  return with_chunk(BraidType::ct1, state.ct1.next());
}

Braid::Sent Braid::send_in(EkReceivedCt1Sampled& state, RandomSource&) {
  return with_chunk(BraidType::ct1, state.ct1.next());
}

Braid::Sent Braid::send_in(Ct1Acknowledged&, RandomSource&) {
  return without_chunk(BraidType::none);
}

Braid::Sent Braid::send_in(Ct2Sampled& state, RandomSource&) {
  return with_chunk(BraidType::ct2, state.ct2.next());
}

// Receiving. What does not fit the state is of no use in it: a message sent earlier that came late.

Braid::Received Braid::receive(const BraidMessage& message) {
  const bool begins_next =
      message.epoch == epoch_ + 1 && std::holds_alternative<Ct2Sampled>(state_);
  if (message.epoch > epoch_ && !begins_next) {
    return fail(ErrorCode::not_found, "a message of an agreement that cannot have begun");
  }
  if (message.epoch < epoch_) return std::nullopt;
  return std::visit([&](auto& state) { return receive_in(state, message); }, state_);
}

Braid::Received Braid::receive_in(KeysUnsampled&, const BraidMessage&) {
  return std::nullopt;
}

Braid::Received Braid::receive_in(KeysSampled& state, const BraidMessage& message) {
  if (message.type != BraidType::ct1) return std::nullopt;
  const Kem::Vector ek = Kem::vector(Kem::Whole::from_seed(state.seed).public_key);
  ErasureDecoder ct1(ct1_chunks);
  ct1.add(message.chunk);
  state_ = HeaderSent{std::move(state.seed), ErasureEncoder(ek), std::move(ct1)};
  return std::nullopt;
}

Braid::Received Braid::receive_in(HeaderSent& state, const BraidMessage& message) {
  if (message.type != BraidType::ct1) return std::nullopt;
  state.ct1.add(message.chunk);
  if (state.ct1.complete()) {
    const auto ct1 = array_of<Kem::sizes.ciphertext_u>(state.ct1.message());
    state_ = Ct1Received{std::move(state.seed), std::move(state.ek), ct1};
  }
  return std::nullopt;
}

Braid::Received Braid::receive_in(Ct1Received& state, const BraidMessage& message) {
  if (message.type != BraidType::ct2) return std::nullopt;
  ErasureDecoder ct2(ct2_chunks);
  ct2.add(message.chunk);
  state_ = EkSentCt1Received{std::move(state.seed), state.ct1, std::move(ct2)};
  return std::nullopt;
}

Braid::Received Braid::receive_in(EkSentCt1Received& state, const BraidMessage& message) {
  if (message.type != BraidType::ct2) return std::nullopt;
  state.ct2.add(message.chunk);
  if (!state.ct2.complete()) return std::nullopt;
  const std::vector<std::uint8_t> ct2_and_mac = state.ct2.message();
  const auto ct2 =
      array_of<Kem::sizes.ciphertext_v>(Bytes(ct2_and_mac).first(Kem::sizes.ciphertext_v));
  const auto pair = Kem::Whole::from_seed(state.seed);
  const Secret<32> shared = Kem::decapsulate(pair.private_key, {.u = state.ct1, .v = ct2});
  EpochKey key{.epoch = epoch_, .key = epoch_key(epoch_, shared)};
  authenticator_.update(epoch_, key.key);
  const Authenticator::Mac mac = authenticator_.ciphertext_mac(epoch_, joined(state.ct1, ct2));
  if (!mac_equal(mac, Bytes(ct2_and_mac).last(Authenticator::mac_size))) {
    return fail(ErrorCode::refused, "a ciphertext that was not made by the session's peer");
  }
  ++epoch_;
  state_ = NoHeaderReceived{ErasureDecoder(header_chunks)};
  return key;
}

Braid::Received Braid::receive_in(NoHeaderReceived& state, const BraidMessage& message) {
  if (message.type != BraidType::header) return std::nullopt;
  state.header.add(message.chunk);
  if (!state.header.complete()) return std::nullopt;
  const std::vector<std::uint8_t> header_and_mac = state.header.message();
  const auto header = array_of<Kem::header_size>(Bytes(header_and_mac).first(Kem::header_size));
  if (!mac_equal(authenticator_.header_mac(epoch_, header),
                 Bytes(header_and_mac).last(Authenticator::mac_size))) {
    return fail(ErrorCode::refused, "a key header that was not made by the session's peer");
  }
  state_ = HeaderReceived{header};
  return std::nullopt;
}

Braid::Received Braid::receive_in(HeaderReceived&, const BraidMessage&) {
  return std::nullopt;
}

Braid::Received Braid::receive_in(Ct1Sampled& state, const BraidMessage& message) {
  const bool acknowledged = message.type == BraidType::ek_ct1_ack;
  if (message.type != BraidType::ek && !acknowledged) return std::nullopt;
  state.ek.add(message.chunk);
  if (!state.ek.complete()) {
    if (acknowledged) {
      const auto ct1 = array_of<Kem::sizes.ciphertext_u>(state.ct1.message());
      state_ = Ct1Acknowledged{std::move(state.begun), ct1, std::move(state.ek)};
    }
    return std::nullopt;
  }
  const auto ek = array_of<Kem::sizes.vector>(state.ek.message());
  if (acknowledged) {
    const auto ct1 = array_of<Kem::sizes.ciphertext_u>(state.ct1.message());
    return finish_encapsulation({.begun = state.begun, .ct1 = ct1, .ek = ek});
  }
  if (!Kem::vector_valid(state.begun.header, ek)) return wrong_vector();
  state_ = EkReceivedCt1Sampled{std::move(state.begun), std::move(state.ct1), ek};
  return std::nullopt;
}

Braid::Received Braid::receive_in(EkReceivedCt1Sampled& state, const BraidMessage& message) {
  if (message.type != BraidType::ek_ct1_ack) return std::nullopt;
  const auto ct1 = array_of<Kem::sizes.ciphertext_u>(state.ct1.message());
  return finish_encapsulation({.begun = state.begun, .ct1 = ct1, .ek = state.ek});
}

Braid::Received Braid::receive_in(Ct1Acknowledged& state, const BraidMessage& message) {
  if (message.type != BraidType::ek_ct1_ack && message.type != BraidType::ek) return std::nullopt;
  state.ek.add(message.chunk);
  if (!state.ek.complete()) return std::nullopt;
  const auto ek = array_of<Kem::sizes.vector>(state.ek.message());
  return finish_encapsulation({.begun = state.begun, .ct1 = state.ct1, .ek = ek});
}

// The next epoch has begun, and it is this side's turn to make a key.
Braid::Received Braid::receive_in(Ct2Sampled&, const BraidMessage& message) {
  if (message.epoch == epoch_) return std::nullopt;
  ++epoch_;
  state_ = KeysUnsampled{};
  return std::nullopt;
}

Braid::Received Braid::finish_encapsulation(const Encapsulated& parts) {
  const auto ct2 = Kem::finish_encapsulation(parts.begun.secret, parts.begun.header, parts.ek);
  if (!ct2) return wrong_vector();
  const Authenticator::Mac mac = authenticator_.ciphertext_mac(epoch_, joined(parts.ct1, *ct2));
  state_ = Ct2Sampled{ErasureEncoder(joined(*ct2, mac))};
  return std::nullopt;
}

Braid::Received Braid::wrong_vector() {
  return fail(ErrorCode::refused, "a key vector that is not the one of its header");
}

std::size_t Braid::write_size() const {
  return 8 + Authenticator::write_size + braid::write_size(state_);
}

void Braid::write(ByteWriter& out) const {
  out.u64(epoch_);
  authenticator_.write(out);
  braid::write(out, state_);
}

Braid Braid::read(ByteReader& in) {
  const std::uint64_t epoch = in.u64();
  if (epoch == 0 || epoch > epoch_max) in.fail();
  Authenticator authenticator = Authenticator::read(in);
  State state = braid::read(in);
  return Braid(epoch, std::move(authenticator), std::move(state));
}

bool Braid::has_key() const {
  return std::holds_alternative<Ct1Sampled>(state_) ||
         std::holds_alternative<EkReceivedCt1Sampled>(state_) ||
         std::holds_alternative<Ct1Acknowledged>(state_) ||
         std::holds_alternative<Ct2Sampled>(state_);
}

}  // namespace godwit::crypto::signal
