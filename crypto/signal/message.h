// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/kem/kem.h"
#include "crypto/keys.h"
#include "crypto/signal/address.h"
#include "crypto/signal/limits.h"

// The two messages of a session on the wire (libsignal's version 4). What is parsed borrows the
// input, which must outlive it. Thread safety: values.

namespace godwit::crypto::signal {

// libsignal's numbers, which a carrier puts beside the bytes.
enum class MessageKind : std::uint8_t { signal = 2, prekey = 3, sender_key = 7, plaintext = 8 };

struct CiphertextMessage {
  MessageKind kind = MessageKind::signal;
  std::vector<std::uint8_t> bytes;
};

// High half: the version of the message; low half: the highest that the sender knows.
inline constexpr std::uint8_t session_version_byte = 0x44;
inline constexpr std::size_t message_mac_size = 8;
using MessageMac = std::array<std::uint8_t, message_mac_size>;

// Whose message it is: both go into the MAC.
struct MessageIdentities {
  const PublicKey& sender;
  const PublicKey& receiver;
};

struct SignalMessage {
  PublicKey ratchet_key{};
  std::uint32_t counter = 0;           // in the sender's chain of this ratchet key
  std::uint32_t previous_counter = 0;  // messages in the chain before
  Bytes ciphertext;
  Bytes pq_ratchet;                // SPQR's part
  std::optional<Bytes> addresses;  // see AddressPair in address.h
  Bytes authenticated;             // the version and the protobuf, when parsed
  Bytes mac;                       // when parsed

  // Errors: malformed; refused for another version.
  static Result<SignalMessage> parse(Bytes bytes);
  // Writes the fields; `authenticated` and `mac` are not looked at.
  std::vector<std::uint8_t> encode(const Secret<32>& mac_key,
                                   const MessageIdentities& identities) const;
  // Constant time in the MAC.
  [[nodiscard]] bool verify(const Secret<32>& mac_key, const MessageIdentities& identities) const;
};

// The first messages of a session, until the other side has answered.
struct PreKeySignalMessage {
  std::optional<std::uint32_t> one_time_prekey_id;
  std::uint32_t registration_id = 0;
  std::uint32_t signed_prekey_id = 0;
  std::uint32_t kyber_prekey_id = 0;
  Bytes kyber_ciphertext;  // Kyber1024::sizes.ciphertext bytes, without their kind
  PublicKey base_key{};
  PublicKey identity_key{};
  Bytes message;  // a SignalMessage

  // Errors as above. The message inside is not parsed; the base key is in the prime order subgroup.
  static Result<PreKeySignalMessage> parse(Bytes bytes);
  std::vector<std::uint8_t> encode() const;
};

}  // namespace godwit::crypto::signal
