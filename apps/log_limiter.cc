// SPDX-License-Identifier: Apache-2.0
#include "apps/log_limiter.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace godwit::apps {

std::string_view LogLimiter::kind_of(std::string_view line) {
  constexpr std::size_t kind_size_max = 32;
  return line.substr(0, std::min({line.find(": "), line.size(), kind_size_max}));
}

LogLimiter::Verdict LogLimiter::take(std::string_view line, Time now) {
  Kind& kind = kinds_[std::hash<std::string_view>{}(kind_of(line)) % kinds_.size()];
  if (kind.spent == 0 || now < kind.refilled) {  // the clock may be set back
    kind.refilled = now;
  }
  const auto earned = (now - kind.refilled) / every;
  kind.refilled += earned * every;
  kind.spent -= static_cast<std::uint32_t>(std::min<std::int64_t>(earned, kind.spent));
  if (kind.spent >= burst) {
    ++kind.left_out;
    return {};
  }
  ++kind.spent;
  return {.pass = true, .left_out = std::exchange(kind.left_out, 0)};
}

}  // namespace godwit::apps
