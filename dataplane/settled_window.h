// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/result.h"
#include "protocol/limits.h"

namespace godwit::dataplane {

// Which of a session's stanzas are settled. Homes answer in any order; the client's acknowledgement
// is cumulative. 24 bytes while at most 64 stanzas are outstanding, which is nearly always; beyond
// that a bitmap is taken and given back once all is settled. Moved, never copied. Not thread safe.
class SettledWindow {
 public:
  SettledWindow() = default;
  SettledWindow(SettledWindow&& other) noexcept { *this = std::move(other); }
  SettledWindow& operator=(SettledWindow&& other) noexcept {
    std::swap(taken_, other.taken_);
    std::swap(upto_, other.upto_);
    std::swap(settled_ahead_, other.settled_ahead_);
    std::swap(is_wide_, other.is_wide_);
    std::swap(bits_, other.bits_);
    return *this;
  }
  ~SettledWindow() {
    if (is_wide_) narrow();
  }

  // Numbers the next stanza, from 1. REQUIRES: outstanding() < protocol::unacknowledged_max.
  std::uint32_t take() { return ++taken_; }

  // Taken and above upto().
  std::uint32_t outstanding() const { return taken_ - upto_; }
  // Of those, not settled.
  std::uint32_t outstanding_unsettled() const { return outstanding() - settled_ahead_; }
  // Every stanza up to this number is settled.
  std::uint32_t upto() const { return upto_; }

  // Returns true when upto() moved. REQUIRES: number was taken and not settled before.
  bool settle(std::uint32_t number) {
    GODWIT_CHECK(number > upto_ && number <= taken_);
    const std::uint32_t offset = number - upto_ - 1;
    const std::uint32_t before = upto_;
    ++settled_ahead_;
    if (!is_wide_ && offset < 64) {
      bits_.low |= std::uint64_t{1} << offset;
      const int run = std::countr_one(bits_.low);
      bits_.low = run == 64 ? 0 : bits_.low >> run;
      upto_ += static_cast<std::uint32_t>(run);
      settled_ahead_ -= static_cast<std::uint32_t>(run);
      return run > 0;
    }
    if (!is_wide_) widen();
    bit(number) |= mask(number);
    while (upto_ < taken_ && (bit(upto_ + 1) & mask(upto_ + 1)) != 0) {
      ++upto_;
      bit(upto_) &= ~mask(upto_);
    }
    settled_ahead_ -= upto_ - before;
    if (upto_ == taken_) narrow();
    return upto_ > before;
  }

 private:
  static constexpr std::uint32_t words = protocol::unacknowledged_max / 64;
  using Bitmap = std::array<std::uint64_t, words>;
  union Bits {
    std::uint64_t low = 0;  // bit i: number upto_ + 1 + i is settled
    Bitmap* wide;           // owned; a number's bit is at number % (64 * words)
  };

  static std::uint64_t mask(std::uint32_t number) { return std::uint64_t{1} << number % 64; }
  std::uint64_t& bit(std::uint32_t number) { return (*bits_.wide)[number / 64 % words]; }

  void widen() {
    const std::uint64_t low = bits_.low;
    bits_.wide = std::make_unique<Bitmap>().release();
    is_wide_ = true;
    for (std::uint32_t i = 0; i < 64; ++i) {
      if ((low >> i & 1) != 0) bit(upto_ + 1 + i) |= mask(upto_ + 1 + i);
    }
  }
  void narrow() {
    std::unique_ptr<Bitmap>(bits_.wide).reset();
    bits_.low = 0;
    is_wide_ = false;
  }

  std::uint32_t taken_ = 0;
  std::uint32_t upto_ = 0;
  std::uint32_t settled_ahead_ = 0;  // settled, above upto_
  bool is_wide_ = false;             // says which of the bits count
  Bits bits_;
};
static_assert(sizeof(SettledWindow) == 24);

}  // namespace godwit::dataplane
