// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "protocol/limits.h"

// The shape byte of an element. Only for the two halves of node.h.

namespace godwit::protocol::layout {

inline constexpr std::uint8_t content_none = 0;
inline constexpr std::uint8_t content_children = 1;
inline constexpr std::uint8_t content_bytes = 2;
inline constexpr std::uint8_t content_mask = 0x03;
inline constexpr unsigned attributes_shift = 2;
static_assert(node_attributes_max <= 0xff >> attributes_shift);
static_assert(node_children_max == 0xff);

}  // namespace godwit::protocol::layout
