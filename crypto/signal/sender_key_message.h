// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/keys.h"
#include "crypto/secret.h"
#include "crypto/signal/secret_bytes.h"
#include "crypto/signature.h"

// The two messages of sender keys on the wire (libsignal's version 3). Thread safety: values.

namespace godwit::crypto::signal {

inline constexpr std::uint8_t sender_key_version_byte = 0x33;

// A UUID that names one member's sending to one group.
using DistributionId = std::array<std::uint8_t, 16>;

// What a member gives each other member, in a message of their session. It is a secret.
struct SenderKeyDistributionMessage {
  DistributionId distribution_id{};
  std::uint32_t chain_id = 0;
  std::uint32_t iteration = 0;
  Secret<32> chain_key;
  PublicKey signing_key{};

  // Errors: malformed; refused for another version.
  static Result<SenderKeyDistributionMessage> parse(Bytes bytes);
  SecretBytes encode() const;
};

// A message to the group. What is parsed borrows the input, which must outlive it.
struct SenderKeyMessage {
  DistributionId distribution_id{};
  std::uint32_t chain_id = 0;
  std::uint32_t iteration = 0;
  Bytes ciphertext;
  Bytes authenticated;    // the version and the protobuf, when parsed
  Signature signature{};  // when parsed

  // Errors as above.
  static Result<SenderKeyMessage> parse(Bytes bytes);
  // Writes and signs the fields; `authenticated` and `signature` are not looked at.
  std::vector<std::uint8_t> encode(const PrivateKey& signing_key, RandomSource& random) const;
  [[nodiscard]] bool verify(const PublicKey& signing_key) const;
};

}  // namespace godwit::crypto::signal
