// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

// Big-endian numbers at places whose bounds their reader or writer has looked at once for all of
// them: one load or store each, where bytes.h looks each time and goes byte by byte.

namespace godwit {

static_assert(std::endian::native == std::endian::little);

inline std::uint16_t load_u16(const std::uint8_t* from) {
  std::uint16_t value;
  std::memcpy(&value, from, sizeof value);
  return std::byteswap(value);
}

inline std::uint32_t load_u32(const std::uint8_t* from) {
  std::uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return std::byteswap(value);
}

inline void store_u16(std::uint8_t* to, std::uint16_t value) {
  value = std::byteswap(value);
  std::memcpy(to, &value, sizeof value);
}

inline void store_u32(std::uint8_t* to, std::uint32_t value) {
  value = std::byteswap(value);
  std::memcpy(to, &value, sizeof value);
}

}  // namespace godwit
