// SPDX-License-Identifier: Apache-2.0
#include "client/envelope.h"

namespace godwit::client {

namespace signal = crypto::signal;

namespace {

constexpr std::uint8_t envelope_version = 1;
constexpr std::uint8_t padding_mark = 0x80;

std::unexpected<Error> malformed() {
  return fail(ErrorCode::malformed, "what was encrypted is no message of Godwit");
}

}  // namespace

signal::SecretBytes write_envelope(const Envelope& envelope) {
  const std::size_t size = 2 + varint_size(envelope.id) + envelope.bytes.size() + 1;
  signal::SecretBytes plain((size + padding_step - 1) / padding_step * padding_step);
  ByteWriter out(plain);
  out.u8(envelope_version);
  out.u8(static_cast<std::uint8_t>(envelope.kind));
  out.varint(envelope.id);
  out.bytes(envelope.bytes);
  out.u8(padding_mark);
  GODWIT_CHECK(out.ok());
  return plain;
}

Result<Envelope> read_envelope(Bytes plain) {
  if (plain.empty() || plain.size() % padding_step != 0) return malformed();
  std::size_t end = plain.size() - 1;
  while (end > 0 && plain[end] == 0) --end;
  if (plain[end] != padding_mark || plain.size() - end > padding_step) return malformed();
  ByteReader in(plain.first(end));
  const std::uint8_t version = in.u8();
  const std::uint8_t kind = in.u8();
  Envelope envelope;
  envelope.id = in.varint();
  if (!in.ok()) return malformed();
  if (version != envelope_version || kind != static_cast<std::uint8_t>(Envelope::Kind::text)) {
    return fail(ErrorCode::refused, "a message of a later version");
  }
  envelope.bytes = in.take_rest();
  return envelope;
}

std::vector<std::uint8_t> write_payload(const signal::CiphertextMessage& message) {
  std::vector<std::uint8_t> payload;
  payload.reserve(1 + message.bytes.size());
  payload.push_back(static_cast<std::uint8_t>(message.kind));
  payload.insert(payload.end(), message.bytes.begin(), message.bytes.end());
  return payload;
}

std::optional<signal::CiphertextMessage> read_payload(Bytes payload) {
  using signal::MessageKind;
  if (payload.empty()) return std::nullopt;
  const auto kind = static_cast<MessageKind>(payload[0]);
  if (kind != MessageKind::signal && kind != MessageKind::prekey &&
      kind != MessageKind::plaintext) {
    return std::nullopt;
  }
  return signal::CiphertextMessage{.kind = kind, .bytes = {payload.begin() + 1, payload.end()}};
}

}  // namespace godwit::client
