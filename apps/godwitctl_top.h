// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "apps/godwitctl_client.h"

// A running view of what the threads do.

namespace godwit::apps {

// Two answers to "shards", so many seconds apart, as a table of what happened in each second
// between them and of how things stand now. Pure.
std::string top_text(const nlohmann::json& before, const nlohmann::json& after, double seconds);

struct TopOptions {
  unsigned interval_s = 1;
  unsigned count = 0;  // tables to print; 0: without end
};
// Prints tables to standard output, over one another on a terminal.
Result<void> top(AdminClient& client, const TopOptions& options);

}  // namespace godwit::apps
