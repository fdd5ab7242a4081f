// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

// A copy of a data folder while a gateway works in it. To restore, start a gateway on the copy.

namespace godwit::control {

struct BackupPlace {
  std::string data;    // of the gateway
  std::string folder;  // to be made; its parent exists
};

// Each database as it was at one instant, the accounts after the messages, so that every message of
// the copy has its account; then the keys. Whole and on disk when this returns, or not there at
// all. What has been accepted since is not in it, and what has been delivered since is delivered
// again: receivers drop it. Returns the bytes copied. Errors: exists; io; full; corrupt. Thread
// safe; blocks for as long as the copying takes.
Result<std::uint64_t> back_up(const BackupPlace& place);

}  // namespace godwit::control
