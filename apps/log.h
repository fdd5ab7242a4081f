// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "control/config.h"

// The program's log: spdlog to standard error, a line an event, never user data. Thread safe.

namespace godwit::apps {

void start_log(control::LogLevel level);
void set_log_level(control::LogLevel level);

}  // namespace godwit::apps
