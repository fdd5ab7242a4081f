// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/load/load_report.h"
#include "apps/load/load_settings.h"
#include "apps/load/load_thread.h"

// A run from the first login to the ledger: it tells the threads what to do next, waits for it, and
// measures between. Every wait is bounded: by the settings' patience without any progress, and by
// their limit over all. Whatever goes wrong, there is a report, which says so.
//
// Not thread safe; what it reads of the threads they publish.

namespace godwit::apps {

class LoadRun {
 public:
  using Threads = std::vector<std::unique_ptr<LoadThread>>;
  // `interrupted` ends it early, with a report. The threads are started.
  LoadRun(const LoadSettings& settings, Threads& threads, const std::atomic<bool>& interrupted);
  LoadReport run();

 private:
  struct Snapshot {
    Instant at{};
    client::load::CrewCounters counts;
    std::vector<Duration> cpu;
    std::optional<ProcessUse> server;
  };

  Result<void> scenario();
  Result<void> register_all();
  Result<void> messages();
  Result<void> offline();
  Result<void> logins();
  Result<void> idle();
  // load_scale.cc
  Result<void> scale();
  Result<void> part_comes(const std::string& phase, double part);
  Result<void> talk(const std::string& phase, const client::load::Flow& flow);

  Result<void> all_come();
  Result<void> all_go();
  void want(client::load::Who who, client::load::Crew::Coming coming);
  void start_flow(client::load::Flow flow);
  Result<void> stop_flow();
  // Until it holds; an error that begins with `what` when nothing moves any more.
  Result<void> wait_until(const std::string& what,
                          const std::function<bool(const LoadStatus&)>& holds);
  Result<void> wait_for(double seconds);
  Result<void> look(const LoadStatus& status);

  void begin_phase(std::string name);
  void end_phase();
  Snapshot snapshot();
  std::optional<ProcessUse> look_at_server();
  LoadStatus status() const;
  void show_progress(const LoadStatus& status);
  void all(const std::function<void(client::load::Crew&, Instant)>& what);
  void settle_ledger();
  void note_memory();

  const LoadSettings& settings_;
  Threads& threads_;
  const std::atomic<bool>& interrupted_;
  LoadReport report_;
  std::string phase_;
  Snapshot before_;
  const Instant start_;
  Instant shown_at_;
  LoadStatus shown_;
  bool shown_any_ = false;
};

}  // namespace godwit::apps
