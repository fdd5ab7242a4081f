// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "client/connection.h"

// The gateway's conditions in sentences for people. Pure functions, thread safe.

namespace godwit::client {

// Why a message will not be delivered.
std::string explain(const Refused& refused);

// Whether the device may connect again: an error when that would only repeat itself. `registering`:
// the stream ended before the gateway had given a device. `domain` is the account's.
Result<void> may_reconnect(const StreamEnded& ended, bool registering, const std::string& domain);

}  // namespace godwit::client
