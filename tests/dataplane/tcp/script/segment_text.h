// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataplane/tcp/wire/segment.h"
#include "tests/dataplane/tcp/script/script.h"

// A segment as a script writes it: "S. seq 0 ack 1 win 65535 <mss 1460,sack,ts 5,wscale 7>".

namespace godwit::dataplane::tcp::script {

// What one side of a conversation has to know to write the other's numbers as a script does: from 0
// on for both SYNs.
struct Conversation {
  std::uint16_t our_port = 8080;
  std::uint16_t peer_port = 40000;
  std::uint32_t peer_isn = 0x7000'0000;
  std::optional<std::uint32_t> our_isn;
  std::optional<std::uint32_t> timestamp_first;  // of ours
  std::uint32_t timestamp_last = 0;
  bool timestamps = false;  // agreed
};

struct Pattern {
  std::uint8_t flags = 0;
  std::int64_t seq = 0;
  std::optional<std::int64_t> ack;
  std::int64_t length = 0;
  std::optional<std::int64_t> window;
  std::int64_t urgent = 0;
  std::optional<Ecn> ecn;
  std::optional<std::vector<std::string>> options;
  std::optional<std::uint16_t> port;  // another peer's
  bool bad_checksum = false;
  bool more = false;          // the turn goes on with the next line
  std::int64_t raw_ack = -1;  // not relative
  bool other_data = false;    // bytes that are not the stream's
};

// Errors: invalid, with what was not understood.
Result<Pattern> parse_pattern(const std::vector<std::string>& words, const Names& names);

// The packet of a pattern that arrives.
Result<std::vector<std::uint8_t>> build(const Pattern& pattern, const Conversation& conversation,
                                        const Flow& flow, const Names& names);

// What differs between a pattern and a segment that has left; empty when nothing does.
std::string differences(const Pattern& pattern, const SegmentIn& segment,
                        const Conversation& conversation, const Names& names);

// As a script would write it.
std::string describe(const SegmentIn& segment, const Conversation& conversation);

}  // namespace godwit::dataplane::tcp::script
