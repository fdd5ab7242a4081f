// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/sender_key.h"

#include <algorithm>

#include "crypto/hkdf.h"
#include "crypto/signal/aes_cbc.h"

namespace godwit::crypto::signal {
namespace {

constexpr std::uint8_t record_version = 1;
// libsignal reads chain ids as numbers of 31 bits.
constexpr std::uint32_t chain_id_mask = 0x7fffffff;

struct GroupKeys {
  Secret<16> iv;
  Secret<32> cipher_key;
};

GroupKeys group_keys(const Secret<32>& seed) {
  Secret<48> out;
  hkdf_sha256(out.writable(),
              {.salt = {}, .key_material = seed.bytes(), .info = as_bytes("WhisperGroup")});
  return {Secret<16>(out.bytes().first<16>()), Secret<32>(out.bytes().last<32>())};
}

std::unexpected<Error> nothing_to_send_with() {
  return fail(ErrorCode::not_found, "there is no sender key of our own; rotate makes one");
}

std::unexpected<Error> other_distribution() {
  return fail(ErrorCode::invalid, "the message is for another distribution");
}

}  // namespace

SenderKeyRecord::State SenderKeyRecord::copy_of(const State& state) {
  State copy{state.chain_id, state.signing_key, std::nullopt, state.chain.copy()};
  if (state.signing_private) copy.signing_private = state.signing_private->copy();
  return copy;
}

SenderKeyRecord SenderKeyRecord::copy() const {
  SenderKeyRecord copy(id_);
  for (const State& state : states_) copy.states_.push_back(copy_of(state));
  return copy;
}

bool SenderKeyRecord::can_encrypt() const {
  return !states_.empty() && states_.front().signing_private;
}

void SenderKeyRecord::rotate(RandomSource& random) {
  const std::uint32_t chain_id = static_cast<std::uint32_t>(random.next_u64()) & chain_id_mask;
  Secret<32> chain_key;
  random.fill(chain_key.writable());
  KeyPair signing = KeyPair::generate(random);
  states_.clear();
  states_.push_back({chain_id, signing.public_key, std::move(signing.private_key),
                     ReadingChain({std::move(chain_key), 0})});
}

Result<SenderKeyDistributionMessage> SenderKeyRecord::distribution() const {
  if (!can_encrypt()) return nothing_to_send_with();
  const State& state = states_.front();
  return SenderKeyDistributionMessage{.distribution_id = id_,
                                      .chain_id = state.chain_id,
                                      .iteration = state.chain.next().index,
                                      .chain_key = state.chain.next().key.copy(),
                                      .signing_key = state.signing_key};
}

Result<void> SenderKeyRecord::learn(const SenderKeyDistributionMessage& message) {
  if (message.distribution_id != id_) return other_distribution();
  if (can_encrypt()) {
    return fail(ErrorCode::refused, "our own sender key is not learnt from others");
  }
  const auto known = std::ranges::find_if(states_, [&](const State& state) {
    return state.chain_id == message.chain_id && state.signing_key == message.signing_key;
  });
  if (known != states_.end()) {
    std::rotate(states_.begin(), known, known + 1);
    return {};
  }
  std::erase_if(states_, [&](const State& s) { return s.chain_id == message.chain_id; });
  if (states_.size() == sender_key_states_max) states_.pop_back();
  states_.insert(states_.begin(), {message.chain_id, message.signing_key, std::nullopt,
                                   ReadingChain({message.chain_key.copy(), message.iteration})});
  return {};
}

Result<std::vector<std::uint8_t>> SenderKeyRecord::encrypt(Bytes plaintext, RandomSource& random) {
  if (!can_encrypt()) return nothing_to_send_with();
  if (plaintext.size() > group_plaintext_size_max) {
    return fail(ErrorCode::invalid, "the plaintext is too long for one message");
  }
  State& state = states_.front();
  const std::uint32_t iteration = state.chain.next().index;
  const auto seed = state.chain.take_seed(iteration);
  if (!seed) return fail(ErrorCode::limit, "the sender key is used up; rotate it");
  const GroupKeys keys = group_keys(*seed);
  const auto ciphertext = aes_cbc_encrypt({keys.cipher_key, keys.iv}, plaintext);
  const SenderKeyMessage message{.distribution_id = id_,
                                 .chain_id = state.chain_id,
                                 .iteration = iteration,
                                 .ciphertext = ciphertext,
                                 .authenticated = {},
                                 .signature = {}};
  return message.encode(*state.signing_private, random);
}

Result<SecretBytes> SenderKeyRecord::decrypt(Bytes bytes) {
  const auto message = SenderKeyMessage::parse(bytes);
  if (!message) return std::unexpected(message.error());
  if (message->distribution_id != id_) return other_distribution();
  const auto state = std::ranges::find(states_, message->chain_id, &State::chain_id);
  if (state == states_.end()) {
    return fail(ErrorCode::not_found, "no sender key for the message has been learnt");
  }
  // The signature first: nobody else can make us walk the chain.
  if (!message->verify(state->signing_key)) {
    return fail(ErrorCode::invalid, "the message is not signed by the owner of its sender key");
  }
  ReadingChain chain = state->chain.copy();
  const auto seed = chain.take_seed(message->iteration);
  if (!seed) return std::unexpected(seed.error());
  const GroupKeys keys = group_keys(*seed);
  auto plaintext = aes_cbc_decrypt({keys.cipher_key, keys.iv}, message->ciphertext);
  if (!plaintext) return fail(ErrorCode::invalid, "the message's key does not decrypt it");
  state->chain = std::move(chain);
  return std::move(*plaintext);
}

SecretBytes SenderKeyRecord::write() const {
  StateWriter out;
  out.u8(record_version);
  out.bytes(id_);
  out.u32(static_cast<std::uint32_t>(states_.size()));
  for (const State& state : states_) {
    out.u32(state.chain_id);
    out.bytes(state.signing_key);
    out.present(state.signing_private.has_value());
    if (state.signing_private) out.bytes(state.signing_private->bytes());
    state.chain.write(out);
  }
  return out.take();
}

SenderKeyRecord::State SenderKeyRecord::read_state(ByteReader& in) {
  const std::uint32_t chain_id = in.u32();
  const auto signing_key = take_array<32>(in);
  std::optional<PrivateKey> signing_private;
  if (take_present(in)) signing_private = take_secret<32>(in);
  return {chain_id, signing_key, std::move(signing_private), ReadingChain::read(in)};
}

Result<SenderKeyRecord> SenderKeyRecord::read(Bytes bytes) {
  ByteReader in(bytes);
  const bool known = in.u8() == record_version;
  SenderKeyRecord record(take_array<16>(in));
  const std::uint32_t count = in.u32();
  if (!known || count > sender_key_states_max) in.fail();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) record.states_.push_back(read_state(in));
  if (!in.ok() || !in.at_end()) {
    return fail(ErrorCode::corrupt, "a stored sender key is damaged or of an unknown version");
  }
  return record;
}

}  // namespace godwit::crypto::signal
