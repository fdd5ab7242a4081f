// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/load/load_settings.h"
#include "apps/load/process_watch.h"
#include "client/load/crew.h"

// What a run found, as one JSON object and as a table. Values; pure functions, thread safe.

namespace godwit::apps {

struct ServerUse {
  ThreadTimes threads;  // CPU of this phase
  std::uint64_t resident_before = 0;
  std::uint64_t resident_after = 0;
  std::uint64_t anonymous_before = 0;  // of the resident, in no file
  std::uint64_t anonymous_after = 0;
  std::uint64_t cpu_ns() const { return total_ns(threads); }
};

// A stretch of the run that was measured by itself.
struct LoadPhase {
  std::string name;
  double seconds = 0;
  client::load::CrewCounters counts;
  client::load::CrewLatencies latencies;
  std::vector<Duration> own_cpu;  // of each thread
  std::optional<ServerUse> server;

  Duration own_cpu_total() const;
  // Of the busiest thread, of one core.
  double own_share() const;
};

struct LoadReport {
  LoadSettings settings;
  std::string io;  // what carried the bytes
  std::vector<LoadPhase> phases;
  client::load::CrewCounters totals;
  std::uint64_t missing = 0;     // accepted, and never arrived
  std::uint64_t undecided = 0;   // sent, and neither accepted nor refused
  std::uint64_t never_left = 0;  // due, and not sent before the end
  std::uint64_t sessions = 0;    // at the most
  std::uint64_t resident_at_start = 0;
  std::uint64_t resident_at_end = 0;  // with all sessions there
  std::vector<std::string> problems;  // each makes the run a failure
  std::vector<std::string> warnings;

  bool good() const { return problems.empty(); }
};

// The shares of the generator that make a result doubtful, as sentences.
std::vector<std::string> doubts(const LoadReport& report);

nlohmann::json to_json(const LoadReport& report);
std::string to_table(const LoadReport& report);

}  // namespace godwit::apps
