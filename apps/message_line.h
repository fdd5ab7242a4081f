// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "client/state.h"

// A received message as `godwit receive` prints it: one line, without its end. Pure functions,
// thread safe.

namespace godwit::apps {

// "sender id text". Nothing in it is obeyed by a terminal and nothing of the payload is lost:
// control characters, backslashes and bytes that are no UTF-8 are escaped as \n, \\ and \xNN.
std::string text_line(const client::State::Incoming& message);

// An object with from, id, text and time; bytes that are no UTF-8 become U+FFFD.
std::string json_line(const client::State::Incoming& message);

// ISO 8601, UTC, with milliseconds.
std::string iso_time(std::int64_t unix_time_ms);

}  // namespace godwit::apps
