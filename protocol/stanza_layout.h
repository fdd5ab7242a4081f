// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "protocol/stanza.h"

// The bits of the flag bytes and the ranges that reading and writing must agree on. Only for the
// two halves of stanza.h.

namespace godwit::protocol::layout {

// Message: `type (2 bits) · ephemeral · has sequence · has delay · has device digest`.
inline constexpr std::uint8_t message_type_mask = 0x03;
inline constexpr std::uint8_t message_ephemeral = 0x04;
inline constexpr std::uint8_t message_has_sequence = 0x08;
inline constexpr std::uint8_t message_has_delay = 0x10;
inline constexpr std::uint8_t message_has_digest = 0x20;
inline constexpr std::uint8_t message_known = 0x3f;

// Device list: `gone`.
inline constexpr std::uint8_t device_list_gone = 0x01;
inline constexpr std::uint8_t device_list_known = 0x01;

// Presence: `type (2 bits) · show (3 bits) · has peer`.
inline constexpr std::uint8_t presence_type_mask = 0x03;
inline constexpr unsigned presence_show_shift = 2;
inline constexpr std::uint8_t presence_show_mask = 0x07;
inline constexpr std::uint8_t presence_has_peer = 0x20;
inline constexpr std::uint8_t presence_known = 0x3f;

// Iq: `type (2 bits) · has peer`.
inline constexpr std::uint8_t iq_type_mask = 0x03;
inline constexpr std::uint8_t iq_has_peer = 0x04;
inline constexpr std::uint8_t iq_known = 0x07;

// Type and length at their longest. The limits of limits.h are for whole stanzas.
inline constexpr std::size_t stanza_head_size_max = 4;

constexpr std::size_t content_size_max(StanzaType type) {
  return (type == StanzaType::message ? stanza_size_max : control_stanza_size_max) -
         stanza_head_size_max;
}

constexpr bool in_range(Condition condition) {
  return condition >= Condition::bad_request && condition <= Condition::follows_refused;
}
constexpr bool in_range(StreamCondition condition) {
  return condition >= StreamCondition::bad_format && condition <= StreamCondition::account_removed;
}
constexpr bool in_range(PresenceType type, PresenceShow show) {
  // RFC 6121, 4.7.2.1: show says more about being available, and about nothing else.
  return type <= PresenceType::error && show <= PresenceShow::dnd &&
         (type == PresenceType::available || show == PresenceShow::none);
}
// What may be refused with an error stanza; presence has no id.
constexpr bool in_range(StanzaType refused, std::uint64_t id) {
  if (refused == StanzaType::presence) return id == 0;
  return (refused == StanzaType::message || refused == StanzaType::iq) && id != 0;
}
constexpr bool in_range(std::uint64_t window) {
  return window >= 1 && window <= delivery_window_max;
}

}  // namespace godwit::protocol::layout
