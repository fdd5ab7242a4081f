// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "apps/load/load_run.h"

// What sessions cost by how many there are, all of it with the same ones: to log in again for each
// question would take a million of them minutes.

namespace godwit::apps {

using client::load::Flow;
using client::load::Who;

// Memory is looked at by the halves, so that what a gateway takes once is told from what each
// session takes.
Result<void> LoadRun::scale() {
  if (auto done = part_comes("first half", 0.5); !done) return done;
  if (auto done = part_comes("second half", 1); !done) return done;
  begin_phase("idle");
  auto done = wait_for(settings_.seconds);
  end_phase();
  note_memory();
  if (!done) return done;
  // Spread over all, as those are who happen to talk.
  const std::uint32_t every = std::max(1u, settings_.connections / settings_.talkers);
  if (done = talk("few", {.kind = Flow::Kind::closed, .window = 1, .every = every}); !done) {
    return done;
  }
  return talk("all", {.kind = Flow::Kind::open, .rate = settings_.flow.rate});
}

// Until all of the part are there, and then silent for as long as connections take to turn cold.
Result<void> LoadRun::part_comes(const std::string& phase, double part) {
  begin_phase(phase);
  want(Who::all, {.handshakes = settings_.at_once, .part = part});
  auto done = wait_until("logins", [&](const LoadStatus& now) { return now.ready == now.wanted; });
  end_phase();
  if (!done) return done;
  return wait_for(settings_.silence_s);
}

Result<void> LoadRun::talk(const std::string& phase, const Flow& flow) {
  start_flow(flow);
  if (auto done = wait_for(settings_.warm_up_s); !done) return done;
  begin_phase(phase);
  auto done = wait_for(settings_.seconds);
  end_phase();
  if (!done) return done;
  if (report_.phases.back().counts.arrived == 0 && settings_.seconds > 0) {
    return fail(ErrorCode::unavailable, phase + ": no message arrived");
  }
  return stop_flow();
}

}  // namespace godwit::apps
