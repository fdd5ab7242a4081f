// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/session_ratchet.h"

#include <algorithm>

#include "crypto/signal/aes_cbc.h"

namespace godwit::crypto::signal {
namespace {

std::unexpected<Error> not_ours() {
  return fail(ErrorCode::invalid, "the message was not made for this session or was changed");
}

CbcKey cbc_key(const MessageKeys& keys) {
  return {keys.cipher_key, keys.iv};
}

// The receiving half of a Diffie-Hellman ratchet step; false when their key has small order.
bool step_receiver(SessionState& state, const PublicKey& their_ratchet) {
  auto step = ratchet_step(state.root, {state.ratchet.private_key, their_ratchet});
  if (!step) return false;
  state.root = std::move(step->root);
  state.add_receiver_chain({their_ratchet, ReadingChain(std::move(step->chain))});
  return true;
}

// The sending half: a ratchet key of our own that the other side learns from our next message.
bool step_sender(SessionState& state, const PublicKey& their_ratchet, RandomSource& random) {
  KeyPair ratchet = KeyPair::generate(random);
  auto step = ratchet_step(state.root, {ratchet.private_key, their_ratchet});
  if (!step) return false;
  state.previous_counter = state.sender_chain.index;
  state.root = std::move(step->root);
  state.ratchet = std::move(ratchet);
  state.sender_chain = std::move(step->chain);
  return true;
}

bool addresses_fit(const SealedMessage& sealed) {
  if (!sealed.message.addresses) return true;
  const auto expected = encode_addresses(sealed.addresses);
  return expected && std::ranges::equal(*expected, *sealed.message.addresses);
}

std::vector<std::uint8_t> wrap_in_prekey(const SessionState& state, Bytes message) {
  const PendingPreKey& pending = *state.pending;
  return PreKeySignalMessage{.one_time_prekey_id = pending.one_time_id,
                             .registration_id = state.local_registration_id,
                             .signed_prekey_id = pending.signed_id,
                             .kyber_prekey_id = pending.kyber_id,
                             .kyber_ciphertext = pending.kyber_ciphertext,
                             .base_key = state.base_key,
                             .identity_key = state.local_identity,
                             .message = message}
      .encode();
}

}  // namespace

Result<SessionState> begin_as_alice(const IdentityKeyPair& identity, const PreKeyBundle& bundle,
                                    WallTime now, RandomSource& random) {
  const auto small_order = [] {
    return fail(ErrorCode::refused, "the bundle has a key that no honest device makes");
  };
  const KeyPair base = KeyPair::generate(random);
  auto initiation = pqxdh_initiate(identity, base, bundle, random);
  if (!initiation) return small_order();
  Agreement& agreement = initiation->agreement;
  PendingPreKey pending{.one_time_id = std::nullopt,
                        .signed_id = bundle.signed_id,
                        .kyber_id = bundle.kyber_id,
                        .kyber_ciphertext = initiation->kyber_ciphertext,
                        .created_at = now};
  if (bundle.one_time) pending.one_time_id = bundle.one_time->id;
  SessionState state{.local_identity = identity.public_key,
                     .remote_identity = bundle.identity_key,
                     .local_registration_id = 0,
                     .remote_registration_id = bundle.registration_id,
                     .base_key = base.public_key,
                     .root = std::move(agreement.root),
                     .ratchet = {},
                     .sender_chain = {},
                     .previous_counter = 0,
                     .receiver_chains = {},
                     .pending = pending,
                     .pq = Spqr::start(agreement.pq, Role::alice)};
  // The responder's first ratchet key is the signed prekey, and its first chain the agreed one.
  state.add_receiver_chain({bundle.signed_key, ReadingChain({std::move(agreement.chain), 0})});
  if (!step_sender(state, bundle.signed_key, random)) return small_order();
  return state;
}

SessionState begin_as_bob(const ResponderKeys& own, const PreKeySignalMessage& message,
                          const Agreement& agreement) {
  return {.local_identity = own.identity.public_key,
          .remote_identity = message.identity_key,
          .local_registration_id = 0,
          .remote_registration_id = message.registration_id,
          .base_key = message.base_key,
          .root = agreement.root.copy(),
          .ratchet = own.signed_prekey.copy(),
          .sender_chain = {agreement.chain.copy(), 0},
          .previous_counter = 0,
          .receiver_chains = {},
          .pending = std::nullopt,
          .pq = Spqr::start(agreement.pq, Role::bob)};
}

Result<CiphertextMessage> ratchet_encrypt(SessionState& state, Bytes plaintext,
                                          RandomSource& random) {
  if (state.sender_chain.index == UINT32_MAX) {
    return fail(ErrorCode::limit, "the session's sending chain is used up");
  }
  auto pq = state.pq.send(random);
  if (!pq) return std::unexpected(pq.error());
  const MessageKeys keys = derive_message_keys(state.sender_chain.message_seed(), pq->key.bytes());
  const std::vector<std::uint8_t> ciphertext = aes_cbc_encrypt(cbc_key(keys), plaintext);
  const SignalMessage message{.ratchet_key = state.ratchet.public_key,
                              .counter = state.sender_chain.index,
                              .previous_counter = state.previous_counter,
                              .ciphertext = ciphertext,
                              .pq_ratchet = pq->message,
                              .addresses = std::nullopt,
                              .authenticated = {},
                              .mac = {}};
  std::vector<std::uint8_t> bytes =
      message.encode(keys.mac_key, {state.local_identity, state.remote_identity});
  state.sender_chain = state.sender_chain.next();
  if (!state.pending) return CiphertextMessage{MessageKind::signal, std::move(bytes)};
  return CiphertextMessage{MessageKind::prekey, wrap_in_prekey(state, bytes)};
}

Result<SecretBytes> ratchet_decrypt(SessionState& state, const SealedMessage& sealed,
                                    RandomSource& random) {
  const SignalMessage& message = sealed.message;
  if (!addresses_fit(sealed)) return not_ours();
  SessionState next = state.copy();
  ReceiverChain* chain = next.receiver_chain(message.ratchet_key);
  const bool new_ratchet_key = chain == nullptr;
  if (new_ratchet_key) {
    if (!step_receiver(next, message.ratchet_key)) return not_ours();
    chain = &next.receiver_chains.back();
  }
  auto seed = chain->chain.take_seed(message.counter);
  if (!seed) return std::unexpected(seed.error());
  // Until the MAC has held, SPQR's errors say nothing about who is to blame.
  const auto pq_key = next.pq.receive(message.pq_ratchet);
  if (!pq_key) return not_ours();
  const MessageKeys keys = derive_message_keys(*seed, pq_key->bytes());
  if (!message.verify(keys.mac_key, {state.remote_identity, state.local_identity})) {
    return not_ours();
  }
  auto plaintext = aes_cbc_decrypt(cbc_key(keys), message.ciphertext);
  if (!plaintext) return not_ours();
  if (new_ratchet_key && !step_sender(next, message.ratchet_key, random)) return not_ours();
  next.pending.reset();
  state = std::move(next);
  return std::move(*plaintext);
}

}  // namespace godwit::crypto::signal
