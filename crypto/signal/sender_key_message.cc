// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/sender_key_message.h"

#include <algorithm>

#include "crypto/signal/key_encoding.h"
#include "crypto/signal/limits.h"
#include "crypto/signal/protobuf.h"
#include "crypto/xeddsa.h"

namespace godwit::crypto::signal {
namespace {

std::unexpected<Error> malformed(const char* what) {
  return fail(ErrorCode::malformed, what);
}

Result<void> check_version(Bytes bytes) {
  if (bytes.size() > signal_message_size_max) return malformed("group message too long");
  if (bytes.empty()) return malformed("group message without a byte");
  if (bytes[0] >> 4 != sender_key_version_byte >> 4 ||
      (bytes[0] & 15) < (sender_key_version_byte & 15)) {
    return fail(ErrorCode::refused, "group message of a version that is not spoken here");
  }
  return {};
}

bool take_id(DistributionId& id, const std::optional<Bytes>& bytes) {
  if (!bytes || bytes->size() != id.size()) return false;
  std::ranges::copy(*bytes, id.begin());
  return true;
}

}  // namespace

Result<SenderKeyDistributionMessage> SenderKeyDistributionMessage::parse(Bytes bytes) {
  if (auto version = check_version(bytes); !version) return std::unexpected(version.error());
  ProtobufFields<5> fields(bytes.subspan(1));
  SenderKeyDistributionMessage message;
  const bool has_id = take_id(message.distribution_id, fields.bytes(1));
  const auto chain_id = fields.u32(2);
  const auto iteration = fields.u32(3);
  const auto chain_key = fields.bytes(4);
  const auto signing_key = fields.bytes(5);
  if (!fields.ok() || !has_id || !chain_id || !iteration || !chain_key || !signing_key ||
      chain_key->size() != 32) {
    return malformed("sender key whose fields are not right");
  }
  const auto key = decode_public_key(*signing_key);
  if (!key) return malformed("sender key with a signing key of the wrong kind or length");
  message.chain_id = *chain_id;
  message.iteration = *iteration;
  message.chain_key = Secret<32>(chain_key->first<32>());
  message.signing_key = *key;
  return message;
}

SecretBytes SenderKeyDistributionMessage::encode() const {
  SecretBytes out;
  out.push_back(sender_key_version_byte);
  ProtobufWriter writer(out);
  writer.bytes(1, distribution_id);
  writer.number(2, chain_id);
  writer.number(3, iteration);
  writer.bytes(4, chain_key.bytes());
  writer.bytes(5, encode_public_key(signing_key));
  return out;
}

Result<SenderKeyMessage> SenderKeyMessage::parse(Bytes bytes) {
  if (auto version = check_version(bytes); !version) return std::unexpected(version.error());
  SenderKeyMessage message;
  if (bytes.size() < 1 + message.signature.size()) return malformed("group message too short");
  message.authenticated = bytes.first(bytes.size() - message.signature.size());
  std::ranges::copy(bytes.last(message.signature.size()), message.signature.begin());
  ProtobufFields<4> fields(message.authenticated.subspan(1));
  const bool has_id = take_id(message.distribution_id, fields.bytes(1));
  const auto chain_id = fields.u32(2);
  const auto iteration = fields.u32(3);
  const auto ciphertext = fields.bytes(4);
  if (!fields.ok() || !has_id || !chain_id || !iteration || !ciphertext) {
    return malformed("group message whose fields are not right");
  }
  message.chain_id = *chain_id;
  message.iteration = *iteration;
  message.ciphertext = *ciphertext;
  return message;
}

std::vector<std::uint8_t> SenderKeyMessage::encode(const PrivateKey& signing_key,
                                                   RandomSource& random) const {
  std::vector<std::uint8_t> out;
  out.reserve(ciphertext.size() + 112);
  out.push_back(sender_key_version_byte);
  ProtobufWriter writer(out);
  writer.bytes(1, distribution_id);
  writer.number(2, chain_id);
  writer.number(3, iteration);
  writer.bytes(4, ciphertext);
  const Signature made = xeddsa_sign(signing_key, out, random);
  out.insert(out.end(), made.begin(), made.end());
  return out;
}

bool SenderKeyMessage::verify(const PublicKey& signing_key) const {
  return xeddsa_verify(signing_key, authenticated, signature);
}

}  // namespace godwit::crypto::signal
