// SPDX-License-Identifier: Apache-2.0
#include "tests/interop/remote_device.h"

#include "crypto/signal/key_encoding.h"

namespace godwit::interop {
namespace {

using namespace crypto::signal;
using nlohmann::json;

std::vector<std::uint8_t> bytes_of(const json& answer, const char* field) {
  return from_hex(answer.at(field).get<std::string>()).value();
}

crypto::Signature signature_of(const json& answer, const char* field) {
  const auto bytes = bytes_of(answer, field);
  crypto::Signature signature;
  GODWIT_CHECK(bytes.size() == signature.size());
  std::ranges::copy(bytes, signature.begin());
  return signature;
}

crypto::PublicKey key_of(const json& answer, const char* field) {
  return decode_public_key(bytes_of(answer, field)).value();
}

}  // namespace

RemoteDevice::RemoteDevice(Peer& peer, const std::string& name, std::uint32_t registration_id)
    : peer_(peer), address_{name, 1} {
  GODWIT_CHECK(ask({{"op", "device"}, {"registration", registration_id}}).has_value());
}

Result<json> RemoteDevice::ask(json command) {
  command["me"] = address_.name;
  json answer = peer_.ask(command);
  if (answer.contains("error")) return fail(ErrorCode::refused, answer["error"].get<std::string>());
  return answer;
}

crypto::PublicKey RemoteDevice::identity() {
  return bundle(false).identity_key;
}

PreKeyBundle RemoteDevice::bundle(bool one_time) {
  const json made = ask({{"op", "bundle"}, {"one_time", one_time}}).value();
  PreKeyBundle bundle;
  bundle.registration_id = made.at("registration");
  bundle.device_id = address_.device_id;
  bundle.identity_key = key_of(made, "identity");
  const std::uint32_t id = made.at("id");
  if (one_time) bundle.one_time = {id, key_of(made, "one_time")};
  bundle.signed_id = id;
  bundle.signed_key = key_of(made, "signed");
  bundle.signed_signature = signature_of(made, "signed_signature");
  bundle.kyber_id = id;
  bundle.kyber_key = decode_kyber_key(bytes_of(made, "kyber")).value();
  bundle.kyber_signature = signature_of(made, "kyber_signature");
  return bundle;
}

Result<void> RemoteDevice::open(const ProtocolAddress& them, const PreKeyBundle& theirs) {
  json bundle = {{"registration", theirs.registration_id},
                 {"identity", to_hex(encode_public_key(theirs.identity_key))},
                 {"id", theirs.signed_id},
                 {"signed", to_hex(encode_public_key(theirs.signed_key))},
                 {"signed_signature", to_hex(theirs.signed_signature)},
                 {"kyber", to_hex(encode_kyber_key(theirs.kyber_key))},
                 {"kyber_signature", to_hex(theirs.kyber_signature)}};
  if (theirs.one_time) bundle["one_time"] = to_hex(encode_public_key(theirs.one_time->key));
  const auto answer = ask({{"op", "open"}, {"them", them.name}, {"bundle", bundle}});
  if (!answer) return std::unexpected(answer.error());
  return {};
}

Result<CiphertextMessage> RemoteDevice::send(const ProtocolAddress& them, std::string_view text) {
  const auto answer =
      ask({{"op", "encrypt"}, {"them", them.name}, {"text", to_hex(as_bytes(text))}});
  if (!answer) return std::unexpected(answer.error());
  return CiphertextMessage{static_cast<MessageKind>(answer->at("kind").get<int>()),
                           bytes_of(*answer, "bytes")};
}

Result<std::string> RemoteDevice::receive(const ProtocolAddress& them,
                                          const CiphertextMessage& message) {
  const auto answer = ask({{"op", "decrypt"},
                           {"them", them.name},
                           {"kind", static_cast<int>(message.kind)},
                           {"bytes", to_hex(message.bytes)}});
  if (!answer) return std::unexpected(answer.error());
  return std::string(as_text(bytes_of(*answer, "text")));
}

void RemoteDevice::archive(const ProtocolAddress& them) {
  GODWIT_CHECK(ask({{"op", "archive"}, {"them", them.name}}).has_value());
}

}  // namespace godwit::interop
