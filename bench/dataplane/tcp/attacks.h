// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

// Strangers' packets between those of a thousand good clients: three to one.

namespace godwit::bench {

enum class Attack : std::uint8_t { syn_flood, reset_injection, data_injection, port_scan };
inline constexpr std::array all_attacks = {Attack::syn_flood, Attack::reset_injection,
                                           Attack::data_injection, Attack::port_scan};
const char* name_of(Attack attack);

struct AttackResult {
  double ns = 0;               // CPU a packet of the attack, what the good clients cost taken off
  double answers = 0;          // frames sent a packet of the attack
  double resident_growth = 0;  // bytes, of both ends
  double counted_growth = 0;   // bytes, of the server's stack
  std::uint64_t replies = 0;
  std::uint64_t replies_due = 0;
  std::uint64_t connections = 0;
  std::uint64_t connections_left = 0;
};
AttackResult run_attack(Attack attack);

}  // namespace godwit::bench
