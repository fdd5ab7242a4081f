// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>

namespace godwit {

// Names one connection of one shard. The generation changes whenever a slot is used again, so a
// stale name is recognised and never means another connection. Generation 0 names nothing.
struct ConnectionName {
  std::uint32_t slot = 0;
  std::uint16_t shard = 0;
  std::uint16_t generation = 0;

  bool valid() const { return generation != 0; }
  friend auto operator<=>(const ConnectionName&, const ConnectionName&) = default;
};
static_assert(sizeof(ConnectionName) == 8);

}  // namespace godwit
