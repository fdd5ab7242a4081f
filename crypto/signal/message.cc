// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/message.h"

#include "crypto/constant_time.h"
#include "crypto/hash.h"
#include "crypto/signal/key_encoding.h"
#include "crypto/signal/protobuf.h"

namespace godwit::crypto::signal {
namespace {

MessageMac message_mac(const Secret<32>& mac_key, const MessageIdentities& identities,
                       Bytes authenticated) {
  const Digest digest = hmac(NoiseHash::sha256, mac_key.bytes(),
                             {encode_public_key(identities.sender),
                              encode_public_key(identities.receiver), authenticated});
  MessageMac mac;
  std::copy_n(digest.data(), mac.size(), mac.begin());
  return mac;
}

std::unexpected<Error> malformed(const char* what) {
  return fail(ErrorCode::malformed, what);
}

Result<void> check_version(Bytes bytes, const char* too_short) {
  if (bytes.size() > signal_message_size_max) return malformed("Signal message too long");
  if (bytes.empty()) return malformed(too_short);
  // A later sender may know more than we do and still write our version.
  if (bytes[0] >> 4 != session_version_byte >> 4 || (bytes[0] & 15) < (session_version_byte & 15)) {
    return fail(ErrorCode::refused, "Signal message of a version that is not spoken here");
  }
  return {};
}

}  // namespace

Result<SignalMessage> SignalMessage::parse(Bytes bytes) {
  constexpr const char* too_short = "Signal message too short";
  if (auto version = check_version(bytes, too_short); !version) {
    return std::unexpected(version.error());
  }
  if (bytes.size() < 1 + message_mac_size) return malformed(too_short);
  SignalMessage message;
  message.authenticated = bytes.first(bytes.size() - message_mac_size);
  message.mac = bytes.last(message_mac_size);
  ProtobufFields<6> fields(message.authenticated.subspan(1));
  const auto ratchet_key = fields.bytes(1);
  const auto counter = fields.u32(2);
  message.previous_counter = fields.u32(3).value_or(0);
  const auto ciphertext = fields.bytes(4);
  message.pq_ratchet = fields.bytes(5).value_or(Bytes{});
  message.addresses = fields.bytes(6);
  if (!fields.ok() || !ratchet_key || !counter || !ciphertext) {
    return malformed("Signal message whose fields are not right");
  }
  const auto key = decode_public_key(*ratchet_key);
  if (!key) return malformed("Signal message whose ratchet key is none");
  if (message.pq_ratchet.size() > pq_ratchet_size_max) {
    return malformed("Signal message whose post-quantum part is too long");
  }
  message.ratchet_key = *key;
  message.counter = *counter;
  message.ciphertext = *ciphertext;
  return message;
}

std::vector<std::uint8_t> SignalMessage::encode(const Secret<32>& mac_key,
                                                const MessageIdentities& identities) const {
  std::vector<std::uint8_t> out;
  out.reserve(ciphertext.size() + pq_ratchet.size() + 96);
  out.push_back(session_version_byte);
  ProtobufWriter writer(out);
  writer.bytes(1, encode_public_key(ratchet_key));
  writer.number(2, counter);
  writer.number(3, previous_counter);
  writer.bytes(4, ciphertext);
  writer.bytes(5, pq_ratchet);
  if (addresses) writer.bytes(6, *addresses);
  const MessageMac made = message_mac(mac_key, identities, out);
  out.insert(out.end(), made.begin(), made.end());
  return out;
}

bool SignalMessage::verify(const Secret<32>& mac_key, const MessageIdentities& identities) const {
  const MessageMac expected = message_mac(mac_key, identities, authenticated);
  if (mac.size() != expected.size()) return false;
  int difference = sodium_memcmp(mac.data(), expected.data(), expected.size());
  // Whoever made the message learns anyway whether it was taken.
  publish(&difference, sizeof difference);
  return difference == 0;
}

Result<PreKeySignalMessage> PreKeySignalMessage::parse(Bytes bytes) {
  if (auto version = check_version(bytes, "prekey message too short"); !version) {
    return std::unexpected(version.error());
  }
  ProtobufFields<8> fields(bytes.subspan(1));
  PreKeySignalMessage message;
  message.one_time_prekey_id = fields.u32(1);
  const auto base_key = fields.bytes(2);
  const auto identity_key = fields.bytes(3);
  const auto inner = fields.bytes(4);
  message.registration_id = fields.u32(5).value_or(0);
  const auto signed_prekey_id = fields.u32(6);
  const auto kyber_prekey_id = fields.u32(7);
  const auto kyber_ciphertext = fields.bytes(8);
  if (!fields.ok() || !base_key || !identity_key || !inner || !signed_prekey_id ||
      !kyber_prekey_id || !kyber_ciphertext) {
    return malformed("prekey message whose fields are not right");
  }
  const auto base = decode_public_key(*base_key);
  const auto identity = decode_public_key(*identity_key);
  const auto ciphertext = decode_kyber_ciphertext(*kyber_ciphertext);
  if (!base || !identity || !ciphertext) {
    return malformed("prekey message with a key of the wrong kind or length");
  }
  if (!in_prime_order_subgroup(*base)) {
    return malformed("prekey message whose base key no honest device makes");
  }
  message.base_key = *base;
  message.identity_key = *identity;
  message.kyber_ciphertext = *ciphertext;
  message.signed_prekey_id = *signed_prekey_id;
  message.kyber_prekey_id = *kyber_prekey_id;
  message.message = *inner;
  return message;
}

std::vector<std::uint8_t> PreKeySignalMessage::encode() const {
  const Kyber1024::CiphertextView ciphertext(kyber_ciphertext);
  std::vector<std::uint8_t> out;
  out.reserve(message.size() + kyber_ciphertext.size() + 128);
  out.push_back(session_version_byte);
  ProtobufWriter writer(out);
  if (one_time_prekey_id) writer.number(1, *one_time_prekey_id);
  writer.bytes(2, encode_public_key(base_key));
  writer.bytes(3, encode_public_key(identity_key));
  writer.bytes(4, message);
  writer.number(5, registration_id);
  writer.number(6, signed_prekey_id);
  writer.number(7, kyber_prekey_id);
  writer.bytes(8, encode_kyber_ciphertext(ciphertext));
  return out;
}

}  // namespace godwit::crypto::signal
