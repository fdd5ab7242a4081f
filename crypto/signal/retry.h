// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "crypto/keys.h"
#include "crypto/signal/message.h"

// The request to send a message again that could not be decrypted, as libsignal writes it. It goes
// unencrypted (MessageKind::plaintext), since the session may be what is broken. Whoever gets it
// archives the session when its current ratchet key is the one named
// (SessionRecord::current_ratchet_key_is), opens another, and sends the message again. Thread
// safety: values.

namespace godwit::crypto::signal {

struct RetryRequest {
  std::optional<PublicKey> ratchet_key;  // the sender's; none for a group message
  WallTime sent_at{};                    // when the message was sent, by its sender's clock
  std::uint32_t device_id = 0;           // the sender's

  // About a message that did not decrypt. Errors: malformed, one that names no ratchet key though
  // its kind has one.
  struct Original {
    const CiphertextMessage& message;
    WallTime sent_at{};
    std::uint32_t sender_device_id = 0;
  };
  static Result<RetryRequest> about(const Original& original);

  // Errors: malformed; refused, unencrypted content that is no such request.
  static Result<RetryRequest> parse(Bytes content);
  std::vector<std::uint8_t> encode() const;
};

}  // namespace godwit::crypto::signal
