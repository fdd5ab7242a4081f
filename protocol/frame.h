// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "protocol/limits.h"
#include "protocol/preamble.h"

// Cuts a byte stream into what travels behind 3-byte big-endian lengths: handshake messages first,
// frames after. Pure functions over what has been received so far; they own no buffer.

namespace godwit::protocol {

struct FrameLimits {
  std::size_t size_min = 0;
  std::size_t size_max = 0;
};
inline constexpr FrameLimits transport_frame_limits{frame_ciphertext_size_min,
                                                    frame_ciphertext_size_max};
// The gateway's messages have a status byte in front, so one byte is the least there is.
inline constexpr FrameLimits handshake_frame_limits{1, handshake_message_size_max};
inline constexpr FrameLimits hybrid_handshake_frame_limits{1, hybrid_handshake_message_size_max};
constexpr FrameLimits handshake_limits_of(HandshakePattern pattern) {
  return is_hybrid(pattern) ? hybrid_handshake_frame_limits : handshake_frame_limits;
}

enum class SplitStatus : std::uint8_t {
  need_more,
  complete,
  too_small,  // the connection must close: what follows cannot be told apart
  too_large,  // the same
};

struct Split {
  SplitStatus status = SplitStatus::need_more;
  // Bytes of the first frame with its length: all there when complete, so many to wait for when
  // need_more (the length alone while that is not there yet).
  std::size_t wire_size = 0;
};

// Looks at the front of `received`. The body of a complete frame is frame_body(received, split).
constexpr Split split_frame(Bytes received, FrameLimits limits) {
  if (received.size() < length_prefix_size) return {SplitStatus::need_more, length_prefix_size};
  const std::size_t size =
      std::size_t{received[0]} << 16 | std::size_t{received[1]} << 8 | std::size_t{received[2]};
  if (size < limits.size_min) return {SplitStatus::too_small, 0};
  if (size > limits.size_max) return {SplitStatus::too_large, 0};
  const std::size_t wire_size = length_prefix_size + size;
  return {received.size() < wire_size ? SplitStatus::need_more : SplitStatus::complete, wire_size};
}

// REQUIRES: split is complete. Keeps constness, so a frame can be decrypted where it lies.
template <typename Byte>
constexpr std::span<Byte> frame_body(std::span<Byte> received, const Split& split) {
  return received.subspan(length_prefix_size, split.wire_size - length_prefix_size);
}

// REQUIRES: out has length_prefix_size bytes, body_size fits 24 bits.
constexpr void write_frame_length(MutableBytes out, std::size_t body_size) {
  out[0] = static_cast<std::uint8_t>(body_size >> 16);
  out[1] = static_cast<std::uint8_t>(body_size >> 8);
  out[2] = static_cast<std::uint8_t>(body_size);
}

}  // namespace godwit::protocol
