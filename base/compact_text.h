// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace godwit {

// Text that is set once and kept by the million: 16 bytes, in place up to 15 of them (a phone
// number), else in one block of its own. Half a std::string, for the price of nothing that grows.
// Moved, never copied. Not thread safe.
class CompactText {
 public:
  static constexpr std::size_t in_place_max = 15;

  CompactText() = default;
  // REQUIRES: text.size() <= UINT32_MAX.
  explicit CompactText(std::string_view text) {
    if (text.size() <= in_place_max) {
      text.copy(bytes_.data(), text.size());
      bytes_.back() = static_cast<char>(text.size());
      return;
    }
    GODWIT_CHECK(text.size() <= UINT32_MAX);
    const Block block{new char[text.size()], static_cast<std::uint32_t>(text.size())};
    text.copy(block.text, text.size());
    std::memcpy(bytes_.data(), &block, sizeof(block));
    bytes_.back() = elsewhere;
  }
  CompactText(CompactText&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  CompactText& operator=(CompactText&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~CompactText() {
    if (bytes_.back() == elsewhere) delete[] block().text;
  }

  // Valid until this is assigned to, moved or destroyed.
  std::string_view view() const {
    if (bytes_.back() != elsewhere) {
      return {bytes_.data(), static_cast<std::size_t>(bytes_.back())};
    }
    return {block().text, block().size};
  }

 private:
  // What the first bytes hold when the text is too long for them.
  struct Block {
    char* text;
    std::uint32_t size;
  };
  static constexpr char elsewhere = 16;  // in the last byte; else it is the size

  Block block() const {
    Block block;
    std::memcpy(&block, bytes_.data(), sizeof(block.text) + sizeof(block.size));
    return block;
  }

  alignas(8) std::array<char, 16> bytes_{};
};
static_assert(sizeof(CompactText) == 16);

}  // namespace godwit
