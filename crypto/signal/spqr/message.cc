// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/spqr/message.h"

#include <algorithm>

namespace godwit::crypto::signal {

std::vector<std::uint8_t> encode(const SpqrMessage& message) {
  std::array<std::uint8_t, spqr_message_size_max> buffer;
  ByteWriter out(buffer);
  out.u8(spqr_message_version);
  out.varint(message.braid.epoch);
  out.varint(message.index);
  out.u8(static_cast<std::uint8_t>(message.braid.type));
  if (has_chunk(message.braid.type)) {
    out.varint(message.braid.chunk.index);
    out.bytes(message.braid.chunk.bytes);
  }
  GODWIT_CHECK(out.ok());
  return {out.written().begin(), out.written().end()};
}

Result<SpqrMessage> decode_spqr_message(Bytes bytes) {
  ByteReader in(bytes);
  if (in.u8() != spqr_message_version) {
    return fail(ErrorCode::malformed, "not a message of version 1 of the post-quantum ratchet");
  }
  SpqrMessage message;
  message.braid.epoch = in.varint();
  const std::uint64_t index = in.varint();
  const std::uint8_t type = in.u8();
  if (message.braid.epoch == 0 || index == 0 || index > 0xffffffff ||
      type > static_cast<std::uint8_t>(BraidType::ct2)) {
    return fail(ErrorCode::malformed, "a number out of range in a post-quantum ratchet message");
  }
  message.index = static_cast<std::uint32_t>(index);
  message.braid.type = static_cast<BraidType>(type);
  if (has_chunk(message.braid.type)) {
    const std::uint64_t chunk_index = in.varint();
    if (chunk_index > 0xffff) in.fail();
    const Bytes chunk = in.take(chunk_size);
    std::ranges::copy(chunk, message.braid.chunk.bytes.begin());
    message.braid.chunk.index = static_cast<std::uint16_t>(chunk_index);
  }
  if (!in.ok() || !in.at_end()) {
    return fail(ErrorCode::malformed, "a post-quantum ratchet message of a wrong length");
  }
  return message;
}

}  // namespace godwit::crypto::signal
