// SPDX-License-Identifier: Apache-2.0
#include "apps/load/load_report.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

namespace godwit::apps {

using client::load::LatencyHistogram;
using nlohmann::json;

namespace {

constexpr double own_share_max = 0.8;

double us(Duration time) {
  return static_cast<double>(time.count()) / 1000;
}

double each(double total, std::uint64_t count) {
  return count == 0 ? 0 : total / static_cast<double>(count);
}

json to_json(const LatencyHistogram& histogram) {
  return {{"count", histogram.count()},
          {"mean_us", us(histogram.mean())},
          {"p50_us", us(histogram.quantile(0.5))},
          {"p90_us", us(histogram.quantile(0.9))},
          {"p99_us", us(histogram.quantile(0.99))},
          {"p999_us", us(histogram.quantile(0.999))},
          {"max_us", us(histogram.max())}};
}

json to_json(const client::load::CrewCounters& counters) {
  json object = json::object();
  for (const auto& field : client::load::crew_counter_fields) {
    object[std::string(field.name)] = counters.*field.value;
  }
  return object;
}

json to_json(const ServerUse& server, const LoadPhase& phase) {
  json threads = json::array();
  for (const ThreadCpu& thread : server.threads) {
    threads.push_back({{"name", thread.name},
                       {"cpu_s", static_cast<double>(thread.nanoseconds) / 1e9},
                       {"us_per_message", each(static_cast<double>(thread.nanoseconds) / 1000,
                                               phase.counts.arrived)}});
  }
  const double cpu_us = static_cast<double>(server.cpu_ns()) / 1000;
  return {{"cpu_s", cpu_us / 1e6},
          {"share_of_a_core", cpu_us / 1e6 / phase.seconds},
          {"us_per_message", each(cpu_us, phase.counts.arrived)},
          {"us_per_accepted", each(cpu_us, phase.counts.accepted)},
          {"us_per_login", each(cpu_us, phase.counts.logins)},
          {"resident_bytes_before", server.resident_before},
          {"resident_bytes_after", server.resident_after},
          {"anonymous_bytes_before", server.anonymous_before},
          {"anonymous_bytes_after", server.anonymous_after},
          {"threads", std::move(threads)}};
}

json to_json(const LoadPhase& phase) {
  json cpu = json::array();
  for (const Duration time : phase.own_cpu) cpu.push_back(us(time) / 1e6);
  const double own_us = us(phase.own_cpu_total());
  const auto per_second = [&](std::uint64_t count) {
    return phase.seconds > 0 ? static_cast<double>(count) / phase.seconds : 0;
  };
  json object{{"name", phase.name},
              {"seconds", phase.seconds},
              {"messages_per_second", per_second(phase.counts.arrived)},
              {"accepted_per_second", per_second(phase.counts.accepted)},
              {"logins_per_second", per_second(phase.counts.logins)},
              {"bytes_in_per_message",
               each(static_cast<double>(phase.counts.bytes_in), phase.counts.arrived)},
              {"bytes_out_per_message",
               each(static_cast<double>(phase.counts.bytes_out), phase.counts.arrived)},
              {"counts", to_json(phase.counts)},
              {"latency",
               {{"arrival", to_json(phase.latencies.arrival)},
                {"acceptance", to_json(phase.latencies.acceptance)},
                {"login", to_json(phase.latencies.login)}}},
              {"generator",
               {{"cpu_s", std::move(cpu)},
                {"busiest_share", phase.own_share()},
                {"us_per_message", each(own_us, phase.counts.arrived)},
                {"us_per_login", each(own_us, phase.counts.logins)}}}};
  if (phase.server) object["server"] = to_json(*phase.server, phase);
  return object;
}

bool knows_memory(const LoadReport& report) {
  return report.resident_at_start > 0 && report.resident_at_end > 0 && report.sessions > 0;
}

std::string shape_name(const client::load::Shape& shape) {
  switch (shape.kind) {
    case client::load::Shape::Kind::pairs:
      return "pairs";
    case client::load::Shape::Kind::one_way:
      return "one-way";
    case client::load::Shape::Kind::ring:
      return "ring";
    case client::load::Shape::Kind::fan_in:
      break;
  }
  return "fan-in of " + std::to_string(shape.fan);
}

std::string flow_name(const client::load::Flow& flow) {
  switch (flow.kind) {
    case client::load::Flow::Kind::closed:
      return "closed";
    case client::load::Flow::Kind::reply:
      return "reply";
    case client::load::Flow::Kind::stored:
      return "stored";
    case client::load::Flow::Kind::open:
      break;
  }
  return flow.rate.poisson ? "open, Poisson" : "open, even";
}

json to_json(const LoadSettings& settings) {
  return {{"scenario", to_text(settings.scenario)},
          {"server", settings.server.host + ":" + std::to_string(settings.server.port)},
          {"seed", settings.seed},
          {"first_account", settings.first_account},
          {"first_id", settings.first_id},
          {"connections", settings.connections},
          {"threads", settings.threads},
          {"cores", settings.cores},
          {"sources", settings.sources.size()},
          {"shape", shape_name(settings.shape)},
          {"flow", flow_name(settings.flow)},
          {"window", settings.flow.window},
          {"rate_per_second", settings.flow.rate.per_second},
          {"messages_each", settings.flow.each_max},
          {"payload_bytes", settings.payload_size},
          {"warm_up_s", settings.warm_up_s},
          {"seconds", settings.seconds},
          {"handshakes_at_once", settings.at_once},
          {"logins_per_second", settings.login_rate},
          {"churn_per_second", settings.churn_rate},
          {"gather_us", settings.gather_us},
          {"talkers", settings.talkers},
          {"silence_s", settings.silence_s}};
}

// printf into a string; for a table's lines.
__attribute__((format(printf, 2, 3))) void add(std::string& out, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  out += line;
}

void add_latency(std::string& out, const char* name, const LatencyHistogram& histogram) {
  if (histogram.count() == 0) return;
  add(out, "  %-12s p50 %10.1f  p90 %10.1f  p99 %10.1f  p99.9 %10.1f  max %10.1f us\n", name,
      us(histogram.quantile(0.5)), us(histogram.quantile(0.9)), us(histogram.quantile(0.99)),
      us(histogram.quantile(0.999)), us(histogram.max()));
}

void add_phase(std::string& out, const LoadPhase& phase) {
  const auto& counts = phase.counts;
  add(out, "\n%s, %.2f s", phase.name.c_str(), phase.seconds);
  if (counts.logins > 0) {
    add(out, "; %llu logins, %.0f a second", static_cast<unsigned long long>(counts.logins),
        static_cast<double>(counts.logins) / phase.seconds);
  }
  if (counts.arrived + counts.accepted > 0) {
    add(out, "; %llu messages arrived, %.0f a second, %.0f accepted a second",
        static_cast<unsigned long long>(counts.arrived),
        static_cast<double>(counts.arrived) / phase.seconds,
        static_cast<double>(counts.accepted) / phase.seconds);
  }
  out += "\n";
  add_latency(out, "login", phase.latencies.login);
  add_latency(out, "arrival", phase.latencies.arrival);
  add_latency(out, "acceptance", phase.latencies.acceptance);
  // What most of the phase was about.
  const bool by_message = counts.arrived + counts.accepted > counts.logins;
  const std::uint64_t units =
      by_message ? std::max(counts.arrived, counts.accepted) : counts.logins;
  const char* unit = by_message ? "message" : "login";
  const double own_us = us(phase.own_cpu_total());
  add(out, "  generator    %.1f %% of a core", own_us / 1e4 / phase.seconds);
  if (units > 0) add(out, ", %.2f us a %s", each(own_us, units), unit);
  if (units > 0) {
    add(out, "; %.1f bytes in and %.1f out a %s", each(static_cast<double>(counts.bytes_in), units),
        each(static_cast<double>(counts.bytes_out), units), unit);
  }
  out += "\n";
  if (!phase.server) return;
  const double server_us = static_cast<double>(phase.server->cpu_ns()) / 1000;
  add(out, "  server       %.1f %% of a core", server_us / 1e4 / phase.seconds);
  if (units > 0) add(out, ", %.2f us a %s", each(server_us, units), unit);
  add(out, "; %.1f MiB resident\n", static_cast<double>(phase.server->resident_after) / (1 << 20));
  for (const ThreadCpu& thread : phase.server->threads) {
    const double thread_us = static_cast<double>(thread.nanoseconds) / 1000;
    if (thread_us < server_us / 100) continue;
    add(out, "    %-16s %5.1f %% of it\n", thread.name.c_str(), thread_us / server_us * 100);
  }
}

}  // namespace

Duration LoadPhase::own_cpu_total() const {
  Duration total{};
  for (const Duration time : own_cpu) total += time;
  return total;
}

double LoadPhase::own_share() const {
  if (own_cpu.empty() || seconds <= 0) return 0;
  return us(*std::ranges::max_element(own_cpu)) / 1e6 / seconds;
}

std::vector<std::string> doubts(const LoadReport& report) {
  std::vector<std::string> found;
  for (const LoadPhase& phase : report.phases) {
    if (phase.own_share() <= own_share_max || report.settings.poll || phase.seconds < 0.1) continue;
    char text[200];
    std::snprintf(text, sizeof text,
                  "%s: a thread of the generator took %.0f %% of its core, so it may be what was "
                  "measured; give it more --threads",
                  phase.name.c_str(), phase.own_share() * 100);
    found.emplace_back(text);
  }
  return found;
}

json to_json(const LoadReport& report) {
  json phases = json::array();
  for (const LoadPhase& phase : report.phases) phases.push_back(to_json(phase));
  json object{{"program", "godwit-load"},
              {"version", GODWIT_VERSION},
              {"machine",
               {{"cpu", cpu_name()},
                {"cores", std::thread::hardware_concurrency()},
                {"kernel", kernel_name()}}},
              {"io", report.io},
              {"settings", to_json(report.settings)},
              {"phases", std::move(phases)},
              {"totals", to_json(report.totals)},
              {"ledger",
               {{"accepted", report.totals.accepted},
                {"arrived", report.totals.arrived},
                {"refused", report.totals.refused},
                {"missing", report.missing},
                {"undecided", report.undecided},
                {"never_left", report.never_left},
                {"good", report.good()}}},
              {"problems", report.problems},
              {"warnings", report.warnings}};
  if (knows_memory(report)) {
    object["memory"] = {{"sessions", report.sessions},
                        {"resident_bytes_at_start", report.resident_at_start},
                        {"resident_bytes_with_all", report.resident_at_end},
                        {"bytes_per_session", (static_cast<double>(report.resident_at_end) -
                                               static_cast<double>(report.resident_at_start)) /
                                                  static_cast<double>(report.sessions)}};
  }
  return object;
}

std::string to_table(const LoadReport& report) {
  const LoadSettings& settings = report.settings;
  std::string out;
  add(out, "godwit-load %s: %s, %u connections, %u thread%s, server %s:%u, seed %llu\n",
      GODWIT_VERSION, to_text(settings.scenario).c_str(), settings.connections, settings.threads,
      settings.threads == 1 ? "" : "s", settings.server.host.c_str(), settings.server.port,
      static_cast<unsigned long long>(settings.seed));
  out += report.io + "\n";
  for (const LoadPhase& phase : report.phases) add_phase(out, phase);
  if (knows_memory(report)) {
    add(out, "\nserver memory  %.0f bytes a session, %llu sessions, from %.1f to %.1f MiB\n",
        (static_cast<double>(report.resident_at_end) -
         static_cast<double>(report.resident_at_start)) /
            static_cast<double>(report.sessions),
        static_cast<unsigned long long>(report.sessions),
        static_cast<double>(report.resident_at_start) / (1 << 20),
        static_cast<double>(report.resident_at_end) / (1 << 20));
  }
  const auto& totals = report.totals;
  add(out, "\nledger  accepted %llu, arrived %llu, refused %llu, missing %llu, undecided %llu",
      static_cast<unsigned long long>(totals.accepted),
      static_cast<unsigned long long>(totals.arrived),
      static_cast<unsigned long long>(totals.refused),
      static_cast<unsigned long long>(report.missing),
      static_cast<unsigned long long>(report.undecided));
  add(out, "; sent again %llu, never left %llu\n",
      static_cast<unsigned long long>(totals.sent_again),
      static_cast<unsigned long long>(report.never_left));
  add(out, "events  %llu connections lost, %llu failed, %llu logins refused, %llu told to wait\n",
      static_cast<unsigned long long>(totals.connections_lost),
      static_cast<unsigned long long>(totals.connects_failed),
      static_cast<unsigned long long>(totals.logins_refused),
      static_cast<unsigned long long>(totals.told_to_wait));
  for (const std::string& warning : report.warnings) out += "warning: " + warning + "\n";
  for (const std::string& problem : report.problems) out += "problem: " + problem + "\n";
  return out;
}

}  // namespace godwit::apps
