// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/session.h"

#include "crypto/signal/session_ratchet.h"

namespace godwit::crypto::signal {
namespace {

Result<void> check_identity(const SessionContext& context, const PublicKey& identity) {
  if (!context.known_identity || *context.known_identity == identity) return {};
  return fail(ErrorCode::refused, "the other device's identity is not the known one");
}

AddressPair incoming(const SessionContext& context) {
  return {context.remote, context.local};
}

// The archived session that can read the message, newest first; what the newest said when none
// can.
Result<SecretBytes> decrypt_archived(SessionRecord& record, const SignalMessage& message,
                                     const SessionContext& context, RandomSource& random) {
  SessionEdit edit(record);
  for (std::size_t i = 0; i < edit.archived_count(); ++i) {
    auto state = edit.archived(i);
    if (!state || !check_identity(context, state->remote_identity)) continue;
    auto plaintext = ratchet_decrypt(*state, {message, incoming(context)}, random);
    if (plaintext) edit.promote(i, std::move(*state));
    if (plaintext || plaintext.error().code == ErrorCode::exists) return plaintext;
  }
  return fail(ErrorCode::invalid, "no session with the other device can read the message");
}

// With the session that a prekey message names by its base key.
Result<SecretBytes> decrypt_with(SessionState& state, const PreKeySignalMessage& prekey,
                                 const SealedMessage& sealed, RandomSource& random) {
  if (state.remote_identity != prekey.identity_key) {
    return fail(ErrorCode::invalid, "the message names an identity that its session is not with");
  }
  return ratchet_decrypt(state, sealed, random);
}

// A prekey message of a session that is open, wherever it is kept; none when there is no such.
std::optional<Result<SecretBytes>> decrypt_known(SessionRecord& record,
                                                 const PreKeySignalMessage& prekey,
                                                 const SealedMessage& sealed,
                                                 RandomSource& random) {
  SessionEdit edit(record);
  if (edit.is_current(prekey.base_key)) {
    return decrypt_with(*edit.current(), prekey, sealed, random);
  }
  const auto index = edit.find_archived(prekey.base_key);
  if (!index) return std::nullopt;
  auto state = edit.archived(*index);
  if (!state) return fail(ErrorCode::corrupt, "an archived session is damaged");
  auto plaintext = decrypt_with(*state, prekey, sealed, random);
  if (plaintext) edit.promote(*index, std::move(*state));
  return plaintext;
}

std::unexpected<Error> prekey_gone(const char* which) {
  return fail(ErrorCode::not_found,
              std::string("the message names ") + which + " that this device has no more");
}

// The private halves of what the message names.
struct FoundPreKeys {
  std::optional<PreKeyRecord> one_time;
  SignedPreKeyRecord signed_once;
  KyberPreKeyRecord kyber;
};

Result<FoundPreKeys> find_prekeys(const PreKeyStore& prekeys, const PreKeySignalMessage& message) {
  auto signed_once = prekeys.signed_prekey(message.signed_prekey_id);
  if (!signed_once) return prekey_gone("a signed prekey");
  auto kyber = prekeys.kyber_prekey(message.kyber_prekey_id);
  if (!kyber) return prekey_gone("a post-quantum prekey");
  if (kyber->last_resort && prekeys.opened_with_last_resort(kyber->id, message.base_key)) {
    return fail(ErrorCode::exists, "the message opened a session before that is no longer kept");
  }
  FoundPreKeys found{std::nullopt, std::move(*signed_once), std::move(*kyber)};
  if (!message.one_time_prekey_id) return found;
  found.one_time = prekeys.one_time_prekey(*message.one_time_prekey_id);
  if (!found.one_time) return prekey_gone("a one-time prekey");
  return found;
}

Result<SessionState> respond(const FoundPreKeys& found, const PreKeySignalMessage& message,
                             const SessionContext& context) {
  const ResponderKeys own{context.identity, found.signed_once.pair,
                          found.one_time ? &found.one_time->pair : nullptr, found.kyber.seed};
  const auto agreement = pqxdh_respond(own, {message.identity_key, message.base_key,
                                             Kyber1024::CiphertextView(message.kyber_ciphertext)});
  if (!agreement) {
    return fail(ErrorCode::refused, "the message has a key that no honest device makes");
  }
  SessionState state = begin_as_bob(own, message, *agreement);
  state.local_registration_id = context.registration_id;
  return state;
}

}  // namespace

Result<void> open_session(SessionRecord& record, const PreKeyBundle& bundle,
                          const SessionContext& context, RandomSource& random) {
  if (auto known = check_identity(context, bundle.identity_key); !known) return known;
  if (auto verified = bundle.verify(); !verified) return verified;
  auto state = begin_as_alice(context.identity, bundle, context.now, random);
  if (!state) return std::unexpected(state.error());
  state->local_registration_id = context.registration_id;
  SessionEdit(record).begin_session(std::move(*state));
  return {};
}

Result<CiphertextMessage> encrypt(SessionRecord& record, Bytes plaintext,
                                  const SessionContext& context, RandomSource& random) {
  if (plaintext.size() > session_plaintext_size_max) {
    return fail(ErrorCode::invalid, "the plaintext is too long for one message");
  }
  if (!record.can_send(context.now)) {
    return fail(ErrorCode::not_found, "there is no session to send with; fetch a prekey bundle");
  }
  if (auto known = check_identity(context, record.current()->remote_identity); !known) {
    return std::unexpected(known.error());
  }
  return ratchet_encrypt(*SessionEdit(record).current(), plaintext, random);
}

Result<SecretBytes> decrypt(SessionRecord& record, Bytes bytes, const SessionContext& context,
                            RandomSource& random) {
  const auto message = SignalMessage::parse(bytes);
  if (!message) return std::unexpected(message.error());
  SessionState* const current = SessionEdit(record).current();
  if (current == nullptr && record.archived_count() == 0) {
    return fail(ErrorCode::not_found, "there is no session with the other device");
  }
  if (current == nullptr) return decrypt_archived(record, *message, context, random);
  if (auto known = check_identity(context, current->remote_identity); !known) {
    return std::unexpected(known.error());
  }
  auto plaintext = ratchet_decrypt(*current, {*message, incoming(context)}, random);
  if (plaintext || plaintext.error().code == ErrorCode::exists) return plaintext;
  auto archived = decrypt_archived(record, *message, context, random);
  const bool archive_knows = archived || archived.error().code == ErrorCode::exists;
  return archive_knows ? std::move(archived) : std::move(plaintext);
}

Result<PreKeyDecrypted> decrypt_prekey(SessionRecord& record, Bytes bytes,
                                       const PreKeyStore& prekeys, const SessionContext& context,
                                       RandomSource& random) {
  const auto prekey = PreKeySignalMessage::parse(bytes);
  if (!prekey) return std::unexpected(prekey.error());
  if (auto known = check_identity(context, prekey->identity_key); !known) {
    return std::unexpected(known.error());
  }
  const auto message = SignalMessage::parse(prekey->message);
  if (!message) return std::unexpected(message.error());
  const AddressPair addresses = incoming(context);
  const SealedMessage sealed{*message, addresses};
  if (auto read = decrypt_known(record, *prekey, sealed, random)) {
    if (!*read) return std::unexpected(read->error());
    return PreKeyDecrypted{std::move(**read), std::nullopt};
  }
  const auto found = find_prekeys(prekeys, *prekey);
  if (!found) return std::unexpected(found.error());
  auto state = respond(*found, *prekey, context);
  if (!state) return std::unexpected(state.error());
  auto plaintext = ratchet_decrypt(*state, sealed, random);
  if (!plaintext) return std::unexpected(plaintext.error());
  SessionEdit(record).begin_session(std::move(*state));
  return PreKeyDecrypted{std::move(*plaintext),
                         UsedPreKeys{.one_time_id = prekey->one_time_prekey_id,
                                     .kyber_id = prekey->kyber_prekey_id,
                                     .signed_id = prekey->signed_prekey_id,
                                     .last_resort = found->kyber.last_resort,
                                     .base_key = prekey->base_key}};
}

}  // namespace godwit::crypto::signal
