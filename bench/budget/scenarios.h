// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// The scripted loads whose instructions and bytes are budgeted. Each has a gateway and clients of
// its own, a fixed seed, and does what is unusual about it (first logins, first messages, growing
// tables) before it counts.

namespace godwit::bench {

// What one part of a load was about: `count` of `unit`, between two marks in the profile.
struct CountedPart {
  std::string name;
  std::string_view unit;
  std::uint64_t count = 0;
  std::vector<std::pair<std::string_view, double>> facts;  // a unit
};

// Pairs that send each other 100-byte messages without a pause.
CountedPart count_messages(std::string name, std::uint16_t shards, unsigned window);
// Messages to devices that are not connected, and those devices' taking them later.
std::vector<CountedPart> count_offline();
// Handshake, account look-up and login of a device whose account nobody has in memory.
CountedPart count_logins();

struct IdleMemory {
  std::uint64_t sessions = 0;
  double bytes_a_session = 0;
};
// Sessions that have logged in and said nothing for a while. Not for callgrind.
IdleMemory measure_idle();

}  // namespace godwit::bench
