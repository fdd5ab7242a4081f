// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// Every size and limit of the wire, on one page. docs/protocol.md quotes these; a peer that goes
// past one is answered with the error named beside it.

namespace godwit::protocol {

// The first four bytes a client sends, and the Noise prologue: 'G' 'W', version, suite.
inline constexpr std::size_t preamble_size = 4;
inline constexpr std::uint8_t preamble_magic_0 = 'G';
inline constexpr std::uint8_t preamble_magic_1 = 'W';
inline constexpr std::uint8_t protocol_version = 1;

// A handshake message and a frame both travel behind a 3-byte big-endian length.
inline constexpr std::size_t length_prefix_size = 3;

// Noise, section 3: no message is longer than 65 535 bytes. 16 of them are the tag.
inline constexpr std::size_t aead_tag_size = 16;
inline constexpr std::size_t frame_ciphertext_size_max = 65535;
inline constexpr std::size_t frame_plaintext_size_max = frame_ciphertext_size_max - aead_tag_size;
inline constexpr std::size_t frame_wire_size_max = length_prefix_size + frame_ciphertext_size_max;
// A frame holds at least one stanza: type and length, two bytes.
inline constexpr std::size_t frame_ciphertext_size_min = aead_tag_size + 2;

// The longest handshake message is message 2 of XX: e 32 + s 48 + certificate payload 399 + tag 16.
inline constexpr std::size_t handshake_message_size_max = 1024;
// The longest hybrid one is message 1 of the fallback: status 1 + e 32 + e1 1184 + 16 + s 48 +
// certificate 399 + tag 16 = 1 696. With its length one of this size fits a block of 2 KiB
// (queues/buffer.h), which is what a peer that stops in the middle of one can hold of the gateway.
inline constexpr std::size_t hybrid_handshake_message_size_max = 1984;

// The payload of one message. 61 440 + heads fits in one frame with room for other stanzas.
inline constexpr std::size_t payload_size_max = 61440;
// Head of a message stanza at its largest: type and length 4, flags 2, id 10, JID, sequence 10,
// delay 10.
inline constexpr std::size_t jid_user_size_max = 64;
inline constexpr std::size_t jid_domain_size_max = 253;  // RFC 1035, 2.3.4, in text form
inline constexpr std::size_t jid_text_size_max =
    jid_user_size_max + 1 + jid_domain_size_max + 1 + 5;
inline constexpr std::size_t jid_encoded_size_max =
    3 + jid_user_size_max + 3 + jid_domain_size_max + 3;
inline constexpr std::size_t message_head_size_max = 4 + 2 + 10 + jid_encoded_size_max + 10 + 10;
inline constexpr std::size_t stanza_size_max = message_head_size_max + payload_size_max;
static_assert(stanza_size_max <= frame_plaintext_size_max);

// Everything but a message: iq, presence, errors, session control.
inline constexpr std::size_t control_stanza_size_max = 8192;
inline constexpr std::size_t error_text_size_max = 255;
inline constexpr std::size_t presence_status_size_max = 255;
// What is left of a control stanza beside type and length 4, flags 1, id 10 and the longest
// address, so that an iq that came in always fits when it goes on under its sender's address.
inline constexpr std::size_t iq_node_size_max =
    control_stanza_size_max - 4 - 1 - 10 - jid_encoded_size_max;
inline constexpr std::size_t invite_size_max = 64;
inline constexpr std::size_t client_version_size_max = 32;

// Binary XML inside iq and presence.
inline constexpr std::size_t node_depth_max = 8;
inline constexpr std::size_t node_attributes_max = 32;
inline constexpr std::size_t node_children_max = 255;

inline constexpr std::uint16_t device_max = 65535;
inline constexpr std::size_t devices_per_account_max = 16;
inline constexpr std::size_t blocks_per_account_max = 1000;

// Stanzas a client may have sent and not yet seen acknowledged. One more ends the session with the
// stream error policy_violation: the limit is the client's to keep.
inline constexpr std::uint32_t unacknowledged_max = 1024;
// Messages the gateway has in flight to one device; a client grants as many or fewer.
inline constexpr std::uint32_t delivery_window_max = 1024;
inline constexpr std::uint32_t delivery_window_default = 256;
// An acknowledgement leaves at the latest after so many stanzas (or after ack_delay).
inline constexpr std::uint32_t ack_stanzas_max = 64;

}  // namespace godwit::protocol
