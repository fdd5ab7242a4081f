// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

// Who sends to whom, among accounts 0 … count-1. Everybody sends to one account at most, so a
// sender's messages are in one order everywhere. Pure functions, thread safe.

namespace godwit::client::load {

inline constexpr std::uint32_t nobody = UINT32_MAX;

struct Shape {
  enum class Kind : std::uint8_t {
    pairs,    // 2n and 2n+1 send to each other
    one_way,  // 2n sends to 2n+1, which only receives
    ring,     // n sends to n+1, the last one to the first
    fan_in,   // of each group of fan+1 all but the first send to the first
  };
  Kind kind = Kind::pairs;
  std::uint32_t fan = 10;  // for fan_in, at least 1

  // Accounts come in groups of so many, which never send to another group: what one thread takes is
  // a number of whole ones.
  std::uint32_t group() const {
    switch (kind) {
      case Kind::pairs:
      case Kind::one_way:
        return 2;
      case Kind::fan_in:
        return fan + 1;
      case Kind::ring:
        break;
    }
    return 1;
  }
  // Errors: invalid for a number of accounts that leaves one without a partner.
  Result<void> check(std::uint32_t count) const {
    if (count < 2 || (kind == Kind::fan_in && fan == 0) || count % group() != 0) {
      return fail(ErrorCode::invalid, "connections come in groups of " +
                                          std::to_string(kind == Kind::ring ? 2 : group()) +
                                          " here" + (kind == Kind::ring ? " or more" : ""));
    }
    return {};
  }
  // `count` passed check(). `nobody` for who only receives.
  std::uint32_t recipient_of(std::uint32_t account, std::uint32_t count) const {
    switch (kind) {
      case Kind::pairs:
        return account ^ 1;
      case Kind::one_way:
        return account % 2 == 0 ? account + 1 : nobody;
      case Kind::ring:
        return account + 1 == count ? 0 : account + 1;
      case Kind::fan_in:
        break;
    }
    const std::uint32_t place = account % group();
    return place == 0 ? nobody : account - place;
  }
};

}  // namespace godwit::client::load
