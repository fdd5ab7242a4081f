// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/spqr/spqr.h"

namespace godwit::crypto::signal {

Spqr Spqr::start(const Secret<32>& key, Role role) {
  return Spqr(Braid::start(key, role), Chains::start(key, role));
}

Spqr Spqr::copy() const {
  return Spqr(braid_.copy(), chains_.copy());
}

Result<Spqr::Sent> Spqr::send(RandomSource& random) {
  Result<Chains::Sending> taken = chains_.send(braid_.epoch() - 1);
  if (!taken) return std::unexpected(std::move(taken.error()));
  Braid::Sent sent = braid_.send(random);
  if (sent.key) chains_.add(*sent.key);
  return Sent{.message = encode(SpqrMessage{.braid = sent.message, .index = taken->index}),
              .key = std::move(taken->key)};
}

Result<Secret<32>> Spqr::receive(Bytes bytes) {
  const Result<SpqrMessage> message = decode_spqr_message(bytes);
  if (!message) return std::unexpected(message.error());
  Braid braid = braid_.copy();
  Result<std::optional<EpochKey>> agreed = braid.receive(message->braid);
  if (!agreed) return std::unexpected(std::move(agreed.error()));
  Result<Secret<32>> key = chains_.receive(message->braid.epoch - 1, message->index);
  if (!key) return key;
  braid_ = std::move(braid);
  if (*agreed) chains_.add(**agreed);
  return key;
}

std::size_t Spqr::write_size() const {
  return 1 + braid_.write_size() + chains_.write_size();
}

void Spqr::write(ByteWriter& out) const {
  out.u8(spqr_state_version);
  braid_.write(out);
  chains_.write(out);
}

Result<Spqr> Spqr::read(Bytes bytes) {
  ByteReader in(bytes);
  if (in.u8() != spqr_state_version) {
    return fail(ErrorCode::corrupt, "a post-quantum ratchet of another version than 1");
  }
  Braid braid = Braid::read(in);
  Chains chains = Chains::read(in);
  if (!in.ok() || !in.at_end()) {
    return fail(ErrorCode::corrupt, "a post-quantum ratchet that is cut short or damaged");
  }
  // Until it sends in a new epoch, the chains' sending epoch is that of the message before.
  const std::uint64_t last_epoch = braid.epoch() - (braid.has_key() ? 0 : 1);
  if (chains.last_epoch() != last_epoch || chains.sending_epoch() >= braid.epoch()) {
    return fail(ErrorCode::corrupt, "a post-quantum ratchet whose halves do not fit");
  }
  return Spqr(std::move(braid), std::move(chains));
}

}  // namespace godwit::crypto::signal
