// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

// Where a gateway is, and the first step to it. Pure but for dial(). Thread safe.

namespace godwit::client {

struct ServerAddress {
  std::string host;  // a name or a numeric address, without brackets
  std::string port;  // 1 … 65535
};

// "HOST:PORT", "[V6]:PORT". Errors: invalid, with the form it should have.
Result<ServerAddress> parse_server_address(std::string_view text);

// A non-blocking TCP socket on its way to the server. A name with several addresses is tried at one
// address an attempt, in turn. Looking the name up blocks; a numeric address does not. Errors:
// unavailable.
Result<int> dial(const ServerAddress& address, std::uint32_t attempt);

}  // namespace godwit::client
