// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sodium.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace godwit::crypto {

// Fixed-size secret bytes: wiped when destroyed, overwritten or moved from; never printed, never
// compared with
// ==. Copying is explicit.
template <std::size_t Size>
class Secret {
 public:
  static constexpr std::size_t size = Size;

  Secret() = default;
  explicit Secret(std::span<const std::uint8_t, Size> source) {
    std::copy(source.begin(), source.end(), bytes_.begin());
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { other.wipe(); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      other.wipe();
    }
    return *this;
  }
  ~Secret() { wipe(); }

  Secret copy() const { return Secret(std::span<const std::uint8_t, Size>(bytes_)); }
  void wipe() { sodium_memzero(bytes_.data(), Size); }

  const std::uint8_t* data() const { return bytes_.data(); }
  std::uint8_t* data() { return bytes_.data(); }
  std::span<const std::uint8_t, Size> bytes() const { return bytes_; }
  std::span<std::uint8_t, Size> writable() { return bytes_; }

  // Constant time.
  bool equals(const Secret& other) const {
    return sodium_memcmp(bytes_.data(), other.bytes_.data(), Size) == 0;
  }

 private:
  std::array<std::uint8_t, Size> bytes_{};
};

}  // namespace godwit::crypto
