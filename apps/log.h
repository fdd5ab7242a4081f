// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "control/config.h"

// The program's log: spdlog to standard error, a line an event, never user data, and of each kind
// of line no more than apps/log_limiter.h lets through. Thread safe.

namespace godwit::apps {

// Returns what tells how many lines were left out so far.
std::function<std::uint64_t()> start_log(control::LogLevel level);
void set_log_level(control::LogLevel level);

}  // namespace godwit::apps
