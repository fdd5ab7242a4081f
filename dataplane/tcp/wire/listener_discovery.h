// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <span>

#include "base/clock.h"
#include "dataplane/tcp/wire/icmp.h"

// Multicast listener discovery (RFC 3810, and RFC 2710 for routers that know no better): routers
// and switches ask which groups a link has listeners for, and hosts tell. Values; thread safe. All
// we ever listen to are groups from any source.

namespace godwit::dataplane::tcp {

// Where reports of version 2 go (RFC 3810, 5.2.14).
inline constexpr IpAddress listener_routers{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22}};

struct ListenerQuery {
  IpAddress group;         // all zeros: which groups are there?
  Duration answer_within;  // a time that is drawn, up to this
  bool version_1 = false;
};

// Refuses what RFC 3810, 5.1.14 and 6.2 tell to ignore: queries that may come from another link.
std::expected<ListenerQuery, Drop> parse_listener_query(const IpPacket& packet,
                                                        const IcmpMessage& message);

enum class ListenerRecord : std::uint8_t {
  is_listening = 2,  // MODE_IS_EXCLUDE of no source: the answer to a query
  begins = 4,        // CHANGE_TO_EXCLUDE_MODE: was not listened to before
};

// An IPv6 packet with the router alert that makes routers look at it (RFC 2711).
std::size_t listener_report_size(std::size_t groups);
// Of `groups`, all with the same record, to listener_routers. `source` is link-local, or all zeros
// while we have none (RFC 3810, 5.2.13).
void write_listener_report(MutableBytes out, const IpAddress& source,
                           std::span<const IpAddress> groups, ListenerRecord record);
// Of version 1, to the group itself (RFC 2710, 3).
std::size_t listener_report_v1_size();
void write_listener_report_v1(MutableBytes out, const IpAddress& source, const IpAddress& group);

}  // namespace godwit::dataplane::tcp
