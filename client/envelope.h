// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/signal/message.h"
#include "crypto/signal/secret_bytes.h"

// What is in a message between two devices. Payload on the wire: `kind (1 byte: 2 message, 3 prekey
// message, 8 request to send again) · the Signal message`. Inside it: `version (1) · kind (1) · id
// (varint) · bytes`, then 0x80 and zeros (ISO/IEC 7816-4) up to the next multiple of padding_step,
// so that lengths tell little. Pure functions.

namespace godwit::client {

inline constexpr std::size_t padding_step = 160;
// So that its prekey message fits into a payload: 372 steps, less 0x80, version, kind and id.
inline constexpr std::size_t text_size_max = 372 * padding_step - 1 - 1 - 1 - varint_size_max;

struct Envelope {
  enum class Kind : std::uint8_t { text = 1 };
  Kind kind = Kind::text;
  std::uint64_t id = 0;  // of the application's message
  Bytes bytes;
};
crypto::signal::SecretBytes write_envelope(const Envelope& envelope);
// Views into `plain`. Errors: malformed; refused, of a later version or kind.
Result<Envelope> read_envelope(Bytes plain);

std::vector<std::uint8_t> write_payload(const crypto::signal::CiphertextMessage& message);
// None for what is none of the three.
std::optional<crypto::signal::CiphertextMessage> read_payload(Bytes payload);

}  // namespace godwit::client
