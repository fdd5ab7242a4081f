// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/signal/spqr/erasure.h"

// What the ratchet adds to each message (field 5 of a SignalMessage):
//   version 1 ‖ varint epoch ‖ varint index ‖ type ‖ [varint chunk index ‖ 32 bytes]
// Values; no shared state.

namespace godwit::crypto::signal {

// What a message of the braid carries (ML-KEM Braid, section 2). A key's vector is `ek`, the two
// parts of a ciphertext are `ct1` and `ct2`.
enum class BraidType : std::uint8_t {
  none = 0,
  header = 1,
  ek = 2,
  ek_ct1_ack = 3,  // a chunk of the vector, and word that ct1 is there
  ct1_ack = 4,
  ct1 = 5,
  ct2 = 6,
};

constexpr bool has_chunk(BraidType type) {
  return type != BraidType::none && type != BraidType::ct1_ack;
}

struct BraidMessage {
  std::uint64_t epoch = 1;  // of the key that is being agreed on; from 1
  BraidType type = BraidType::none;
  IndexedChunk chunk;  // where has_chunk(type)
  bool operator==(const BraidMessage&) const = default;
};

struct SpqrMessage {
  BraidMessage braid;
  std::uint32_t index = 1;  // in the chain of the epoch before the braid's; from 1
  bool operator==(const SpqrMessage&) const = default;
};

inline constexpr std::uint8_t spqr_message_version = 1;
inline constexpr std::size_t spqr_message_size_max =
    1 + varint_size_max + varint_size(0xffffffff) + 1 + varint_size(0xffff) + chunk_size;

std::vector<std::uint8_t> encode(const SpqrMessage& message);
// malformed: anything but the form above, including bytes that follow it.
Result<SpqrMessage> decode_spqr_message(Bytes bytes);

}  // namespace godwit::crypto::signal
