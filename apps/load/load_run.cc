// SPDX-License-Identifier: Apache-2.0
#include "apps/load/load_run.h"

#include <algorithm>
#include <cstdio>
#include <thread>
#include <utility>

namespace godwit::apps {

using client::load::CrewCounters;
using client::load::CrewLatencies;
using client::load::Flow;
using client::load::Who;

namespace {

constexpr auto look_every = std::chrono::milliseconds(2);
constexpr auto show_every = std::chrono::seconds(1);

Duration seconds_of(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

LoadRun::LoadRun(const LoadSettings& settings, Threads& threads,
                 const std::atomic<bool>& interrupted)
    : settings_(settings),
      threads_(threads),
      interrupted_(interrupted),
      start_(monotonic_now()),
      shown_at_(start_) {
  report_.settings = settings;
  report_.io = threads_.front()->io_description();
}

LoadReport LoadRun::run() {
  if (const auto use = look_at_server()) report_.resident_at_start = use->memory.resident_bytes;
  if (auto done = scenario(); !done) report_.problems.push_back(done.error().message);
  settle_ledger();
  for (std::string& doubt : doubts(report_)) report_.warnings.push_back(std::move(doubt));
  if (shown_any_) std::fputc('\n', stderr);
  return std::move(report_);
}

Result<void> LoadRun::scenario() {
  switch (settings_.scenario) {
    case Scenario::register_:
      return register_all();
    case Scenario::messages:
    case Scenario::churn:
      return messages();
    case Scenario::offline:
      return offline();
    case Scenario::logins:
      return logins();
    case Scenario::idle:
      return idle();
    case Scenario::scale:
      return scale();
  }
  return {};
}

// One connection each, which registers, logs in and leaves, so that many more accounts than
// connections can be registered.
Result<void> LoadRun::register_all() {
  begin_phase("register");
  want(Who::all, {.handshakes = settings_.at_once, .register_first = true, .leave = true});
  auto done = wait_until("registrations", [&](const LoadStatus& now) {
    return now.logins >= settings_.connections && now.wanted == 0;
  });
  end_phase();
  if (!done) return done;
  return wait_until("the connections' ends",
                    [](const LoadStatus& now) { return now.connections == 0; });
}

Result<void> LoadRun::messages() {
  if (auto done = all_come(); !done) return done;
  start_flow(settings_.flow);
  if (settings_.scenario == Scenario::churn) {
    all([&](client::load::Crew& crew, Instant now) {
      crew.churn({.per_second = settings_.churn_rate / static_cast<double>(threads_.size())}, now);
    });
  }
  if (auto done = wait_for(settings_.warm_up_s); !done) return done;
  begin_phase(to_text(settings_.scenario));
  auto done = wait_for(settings_.seconds);
  end_phase();
  if (!done) return done;
  const LoadPhase& phase = report_.phases.back();
  if (phase.counts.arrived == 0 && settings_.seconds > 0) {
    return fail(ErrorCode::unavailable, "no message arrived");
  }
  all([](client::load::Crew& crew, Instant now) { crew.churn({}, now); });
  return stop_flow();
}

Result<void> LoadRun::offline() {
  if (auto done = all_come(); !done) return done;
  all([](client::load::Crew& crew, Instant) { crew.dismiss(Who::receivers); });
  auto done = wait_until("the recipients' leaving",
                         [](const LoadStatus& now) { return now.connections == now.wanted; });
  if (!done) return done;
  begin_phase("store");
  start_flow(settings_.flow);
  done = wait_until("stored messages",
                    [&](const LoadStatus& now) { return now.due > 0 && now.undecided == 0; });
  end_phase();
  if (!done) return done;
  all([](client::load::Crew& crew, Instant) { crew.stop(); });
  begin_phase("fetch");
  want(Who::receivers, {.handshakes = settings_.at_once});
  done = wait_until("fetched messages", [](const LoadStatus& now) { return now.missing == 0; });
  end_phase();
  if (!done) return done;
  return stop_flow();
}

// All accounts have been registered and have left before the crowd comes.
Result<void> LoadRun::logins() {
  if (auto done = all_come(); !done) return done;
  if (auto done = all_go(); !done) return done;
  begin_phase("logins");
  want(Who::all, {.handshakes = settings_.login_rate > 0 ? 0 : settings_.at_once,
                  .rate = {.per_second = settings_.login_rate}});
  auto done = wait_until("logins",
                         [&](const LoadStatus& now) { return now.ready == settings_.connections; });
  end_phase();
  return done;
}

Result<void> LoadRun::idle() {
  if (auto done = all_come(); !done) return done;
  begin_phase("idle");
  auto done = wait_for(settings_.seconds);
  end_phase();
  note_memory();
  return done;
}

Result<void> LoadRun::all_come() {
  begin_phase("arrive");
  const std::uint32_t at_once = settings_.scenario == Scenario::logins
                                    ? std::min(256u, settings_.connections)
                                    : settings_.at_once;
  want(Who::all,
       {.handshakes = at_once,
        .rate = {.per_second = settings_.scenario == Scenario::logins ? 0 : settings_.login_rate}});
  auto done = wait_until("logins",
                         [&](const LoadStatus& now) { return now.ready == settings_.connections; });
  end_phase();
  note_memory();
  return done;
}

Result<void> LoadRun::all_go() {
  all([](client::load::Crew& crew, Instant) { crew.dismiss(Who::all); });
  return wait_until("the sessions' ends",
                    [](const LoadStatus& now) { return now.connections == 0; });
}

void LoadRun::want(Who who, client::load::Crew::Coming coming) {
  const auto count = static_cast<std::uint32_t>(threads_.size());
  if (coming.handshakes > 0) coming.handshakes = std::max(1u, coming.handshakes / count);
  coming.rate.per_second /= count;
  all([&](client::load::Crew& crew, Instant now) { crew.want(who, coming, now); });
}

void LoadRun::start_flow(Flow flow) {
  flow.rate.per_second /= static_cast<double>(threads_.size());
  all([&](client::load::Crew& crew, Instant now) { crew.start(flow, now); });
}

// Whoever lost the session comes back first; then everything sent is settled and arrives.
Result<void> LoadRun::stop_flow() {
  all([](client::load::Crew& crew, Instant) { crew.stop(); });
  auto done = wait_until("the last messages", [](const LoadStatus& now) {
    return now.loud == 0 && now.ready == now.wanted;
  });
  if (done || interrupted_) return done;
  all([&](client::load::Crew& crew, Instant) { report_.never_left += crew.forget_unsent(); });
  return done;
}

Result<void> LoadRun::look(const LoadStatus& now) {
  if (now.fault > 0) {
    std::string what;
    for (const auto& thread : threads_) {
      thread->ask([&](client::load::Crew& crew, Instant) {
        if (what.empty()) what = crew.fault();
      });
    }
    return fail(ErrorCode::corrupt, what);
  }
  if (monotonic_now() - start_ > seconds_of(settings_.limit_s)) {
    return fail(ErrorCode::limit, "the run took longer than --limit");
  }
  if (interrupted_) return fail(ErrorCode::unavailable, "interrupted");
  show_progress(now);
  return {};
}

Result<void> LoadRun::wait_until(const std::string& what,
                                 const std::function<bool(const LoadStatus&)>& holds) {
  Instant moved = monotonic_now();
  LoadStatus last = status();
  for (;;) {
    const LoadStatus now = status();
    if (auto done = look(now); !done) return done;
    if (holds(now)) return {};
    const bool moves = now.logins != last.logins || now.accepted != last.accepted ||
                       now.arrived != last.arrived || now.connections != last.connections ||
                       now.undecided != last.undecided;
    if (moves) moved = monotonic_now();
    last = now;
    if (monotonic_now() - moved > seconds_of(settings_.patience_s)) {
      std::string network;
      for (const auto& thread : threads_) {
        thread->ask([&](client::load::Crew&, Instant) {
          if (network.empty()) network = thread->network_error();
        });
      }
      return fail(ErrorCode::unavailable,
                  what + ": nothing moved any more for " +
                      std::to_string(static_cast<int>(settings_.patience_s)) + " s, with " +
                      std::to_string(now.ready) + " of " + std::to_string(now.wanted) +
                      " sessions" + (network.empty() ? "" : "; " + network));
    }
    std::this_thread::sleep_for(look_every);
  }
}

Result<void> LoadRun::wait_for(double seconds) {
  const Instant end = monotonic_now() + seconds_of(seconds);
  for (Instant now = monotonic_now(); now < end; now = monotonic_now()) {
    if (auto done = look(status()); !done) return done;
    std::this_thread::sleep_for(std::min<Duration>(end - now, look_every));
  }
  return {};
}

LoadStatus LoadRun::status() const {
  LoadStatus sum;
  for (const auto& thread : threads_) {
    const LoadStatus one = thread->status();
    sum.ready += one.ready;
    sum.wanted += one.wanted;
    sum.connections += one.connections;
    sum.logins += one.logins;
    sum.due += one.due;
    sum.sent += one.sent;
    sum.accepted += one.accepted;
    sum.arrived += one.arrived;
    sum.missing += one.missing;
    sum.undecided += one.undecided;
    sum.loud += one.loud;
    sum.fault += one.fault;
  }
  return sum;
}

void LoadRun::show_progress(const LoadStatus& now) {
  report_.sessions = std::max(report_.sessions, now.ready);
  const Instant at = monotonic_now();
  if (settings_.quiet || at - shown_at_ < show_every) return;
  const double seconds = std::chrono::duration<double>(at - shown_at_).count();
  const auto rate = [&](std::uint64_t after, std::uint64_t before) {
    return static_cast<double>(after - before) / seconds;
  };
  std::fprintf(
      stderr,
      "\r%6.0f s  %s  %llu of %llu sessions, %.0f logins/s, %.0f messages/s, %llu waiting   ",
      std::chrono::duration<double>(at - start_).count(), phase_.c_str(),
      static_cast<unsigned long long>(now.ready), static_cast<unsigned long long>(now.wanted),
      rate(now.logins, shown_.logins), rate(now.arrived, shown_.arrived),
      static_cast<unsigned long long>(now.missing + now.undecided));
  std::fflush(stderr);
  shown_ = now;
  shown_at_ = at;
  shown_any_ = true;
}

void LoadRun::all(const std::function<void(client::load::Crew&, Instant)>& what) {
  for (const auto& thread : threads_) thread->ask(what);
}

std::optional<ProcessUse> LoadRun::look_at_server() {
  if (settings_.server_pid == 0) return std::nullopt;
  auto use = look_at(settings_.server_pid);
  if (use) return std::move(*use);
  if (report_.warnings.empty()) report_.warnings.push_back(use.error().message);
  return std::nullopt;
}

LoadRun::Snapshot LoadRun::snapshot() {
  Snapshot taken;
  for (const auto& thread : threads_) taken.cpu.push_back(thread->cpu());
  taken.server = look_at_server();
  taken.at = monotonic_now();
  return taken;
}

void LoadRun::begin_phase(std::string name) {
  phase_ = std::move(name);
  before_ = snapshot();
  all([&](client::load::Crew& crew, Instant) {
    before_.counts = before_.counts + crew.counters();
    crew.take_latencies();
  });
}

void LoadRun::end_phase() {
  LoadPhase phase{.name = phase_};
  CrewCounters after;
  all([&](client::load::Crew& crew, Instant) {
    after = after + crew.counters();
    phase.latencies.merge(crew.take_latencies());
  });
  const Snapshot now = snapshot();
  phase.counts = after - before_.counts;
  phase.seconds = std::chrono::duration<double>(now.at - before_.at).count();
  for (std::size_t i = 0; i < now.cpu.size(); ++i) {
    phase.own_cpu.push_back(now.cpu[i] - before_.cpu[i]);
  }
  if (now.server && before_.server) {
    phase.server = ServerUse{.threads = difference(now.server->threads, before_.server->threads),
                             .resident_before = before_.server->memory.resident_bytes,
                             .resident_after = now.server->memory.resident_bytes,
                             .anonymous_before = before_.server->memory.anonymous_bytes,
                             .anonymous_after = now.server->memory.anonymous_bytes};
  }
  report_.phases.push_back(std::move(phase));
}

void LoadRun::note_memory() {
  report_.sessions = std::max(report_.sessions, status().ready);
  if (const auto use = look_at_server()) report_.resident_at_end = use->memory.resident_bytes;
}

void LoadRun::settle_ledger() {
  all([&](client::load::Crew& crew, Instant) {
    report_.totals = report_.totals + crew.counters();
    report_.missing += crew.missing();
    report_.undecided += crew.undecided();
  });
  const auto say = [&](std::uint64_t count, const char* what) {
    if (count > 0) report_.problems.push_back(std::to_string(count) + what);
  };
  say(report_.missing, " messages were accepted and did not arrive");
  say(report_.undecided, " messages were neither accepted nor refused");
}

}  // namespace godwit::apps
