// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "dataplane/tcp/flow_hash.h"
#include "dataplane/tcp/syn_cache.h"
#include "dataplane/tcp/wire/segment.h"

// SYN cookies (RFC 4987, 3.6): the initial sequence number of a SYN-ACK that says all a connection
// needs, so that nothing is kept until its ACK comes. From the top: 2 bits of a 64 s clock, 3 bits
// of MSS, 27 bits of a keyed hash over both, the connection and the peer's first number. A guess is
// right once in 2^26 tries (two clock values are good), and only while cookies are being sent at
// all. Window scale, SACK and ECN come back in the low bits of the echoed timestamp. Pure
// functions.

namespace godwit::dataplane::tcp {

struct CookieInput {
  const FlowHash& hash;
  Instant now{};
};

// The sequence number for the SYN-ACK to a SYN with these values (flow, irs, mss).
std::uint32_t cookie_of(const CookieInput& input, const HalfOpen& half_open);

// The timestamp of that SYN-ACK: `clock` with its low 6 bits replaced, and never later than it.
std::uint32_t cookie_timestamp(std::uint32_t clock, const HalfOpen& half_open);

// From the ACK of a handshake, what the SYN had said; nothing when the cookie is none of ours or
// older than 64 to 128 s.
std::optional<HalfOpen> read_cookie(const CookieInput& input, const SegmentIn& segment);

// How long a cookie is good for, at the longest.
inline constexpr Duration cookie_life = std::chrono::seconds(128);

}  // namespace godwit::dataplane::tcp
