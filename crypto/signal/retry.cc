// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/retry.h"

#include "crypto/signal/key_encoding.h"
#include "crypto/signal/protobuf.h"

namespace godwit::crypto::signal {
namespace {

constexpr std::uint8_t plaintext_version_byte = 0xc0;
// Content ends with this and any number of zeros.
constexpr std::uint8_t padding_mark = 0x80;
constexpr std::uint32_t request_field = 8;
constexpr std::size_t content_size_max = 1'024;

std::unexpected<Error> malformed(const char* what) {
  return fail(ErrorCode::malformed, what);
}

std::optional<Bytes> without_padding(Bytes padded) {
  while (!padded.empty() && padded.back() == 0) padded = padded.first(padded.size() - 1);
  if (padded.empty() || padded.back() != padding_mark) return std::nullopt;
  return padded.first(padded.size() - 1);
}

Result<RetryRequest> parse_request(Bytes bytes) {
  ProtobufFields<3> fields(bytes);
  const auto ratchet_key = fields.bytes(1);
  const auto sent_at = fields.u64(2);
  const auto device_id = fields.u32(3);
  if (!fields.ok() || !sent_at || *sent_at > INT64_MAX) {
    return malformed("retry request whose fields are not right");
  }
  RetryRequest request;
  if (ratchet_key) {
    request.ratchet_key = decode_public_key(*ratchet_key);
    if (!request.ratchet_key) return malformed("retry request whose ratchet key is none");
  }
  request.sent_at = WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(*sent_at)));
  request.device_id = device_id.value_or(0);
  return request;
}

}  // namespace

Result<RetryRequest> RetryRequest::about(const Original& original) {
  RetryRequest request{std::nullopt, original.sent_at, original.sender_device_id};
  Bytes bytes = original.message.bytes;
  if (original.message.kind == MessageKind::prekey) {
    const auto prekey = PreKeySignalMessage::parse(bytes);
    if (!prekey) return std::unexpected(prekey.error());
    bytes = prekey->message;
  } else if (original.message.kind != MessageKind::signal) {
    return request;
  }
  const auto message = SignalMessage::parse(bytes);
  if (!message) return std::unexpected(message.error());
  request.ratchet_key = message->ratchet_key;
  return request;
}

Result<RetryRequest> RetryRequest::parse(Bytes content) {
  if (content.size() > content_size_max) return malformed("retry request too long");
  if (content.empty() || content[0] != plaintext_version_byte) {
    return malformed("unencrypted content of an unknown form");
  }
  const auto body = without_padding(content.subspan(1));
  if (!body) return malformed("unencrypted content without its end");
  ProtobufFields<request_field> fields(*body);
  const auto request = fields.bytes(request_field);
  if (!fields.ok()) return malformed("unencrypted content whose fields are not right");
  if (!request) return fail(ErrorCode::refused, "unencrypted content that is no retry request");
  return parse_request(*request);
}

std::vector<std::uint8_t> RetryRequest::encode() const {
  std::vector<std::uint8_t> request;
  ProtobufWriter writer(request);
  if (ratchet_key) writer.bytes(1, encode_public_key(*ratchet_key));
  writer.number(2, static_cast<std::uint64_t>(sent_at.time_since_epoch().count()));
  writer.number(3, device_id);
  std::vector<std::uint8_t> content{plaintext_version_byte};
  ProtobufWriter(content).bytes(request_field, request);
  content.push_back(padding_mark);
  return content;
}

}  // namespace godwit::crypto::signal
