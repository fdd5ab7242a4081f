// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "control/config.h"

// A configuration file: its problems are told, or it is taken, is within all ranges, and comes back
// the same from what render_config makes of it.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace godwit;
  const auto config = control::parse_config(as_text(Bytes(data, size)), "godwit.toml");
  if (!config) {
    GODWIT_CHECK(!config.error().empty());
    for (const std::string& problem : config.error()) GODWIT_CHECK(!problem.empty());
    return 0;
  }
  GODWIT_CHECK(control::check_config(*config).empty());
  const auto again = control::parse_config(control::render_config(*config), "rendered");
  GODWIT_CHECK(again && *again == *config);
  GODWIT_CHECK(control::restart_needed(*config, *again).empty());
  return 0;
}
