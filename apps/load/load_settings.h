// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "client/load/crew.h"
#include "dataplane/io/stream.h"

// What godwit-load is asked to do. Values; pure functions, thread safe.

namespace godwit::apps {

enum class Scenario : std::uint8_t { register_, messages, offline, logins, idle, churn, scale };
std::string to_text(Scenario scenario);

struct LoadSettings {
  Scenario scenario = Scenario::messages;
  dataplane::io::Endpoint server{"127.0.0.1", 5210};
  std::string domain = "localhost";
  std::uint64_t seed = 1;
  std::uint32_t first_account = 0;
  std::uint32_t connections = 100;
  std::uint32_t threads = 1;
  std::vector<int> cores;  // one a thread, in turn; none: wherever
  std::vector<std::string> sources;
  client::load::Shape shape;
  client::load::Flow flow;  // its rate is of all threads together
  std::size_t payload_size = 100;
  std::uint64_t first_id = 0;  // 0: from the time
  double warm_up_s = 1;
  double seconds = 10;
  std::uint32_t at_once = 256;   // handshakes of all threads together; 0: no limit
  double login_rate = 0;         // of all threads together, a second; 0: as at_once allows
  double churn_rate = 0;         // sessions that end, a second
  std::uint32_t talkers = 1000;  // of scale: those who talk while the others are silent, about
  double silence_s = 12.5;       // of scale: before memory is looked at
  double patience_s = 10;        // without any progress
  double limit_s = 3600;         // of the whole run
  double gather_us = -1;         // negative: what fits the flow
  bool poll = false;
  pid_t server_pid = 0;
  bool quiet = false;
};

// Errors: invalid, with what to change.
Result<void> check(const LoadSettings& settings);

// "HOST:PORT", "[V6]:PORT"; a name is looked up. Errors: invalid, unavailable.
Result<dataplane::io::Endpoint> find_server(const std::string& text);
// "A", "A,B", "A-B" with A and B in one IPv4 /16. Errors: invalid.
Result<std::vector<std::string>> parse_sources(const std::string& text);
// "0,2-5". Errors: invalid.
Result<std::vector<int>> parse_cores(const std::string& text);

// How many of the connections each thread takes: whole groups, as evenly as that goes.
std::vector<std::uint32_t> shares(const LoadSettings& settings);
// The lowest message id of a run that starts now: above those of all runs before it, as long as no
// account sent more than 16 000 messages a second, which is more than the gateway takes.
std::uint64_t first_id_at(WallTime now);

}  // namespace godwit::apps
