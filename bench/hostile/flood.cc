// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>

#include "bench/generator/program.h"
#include "bench/generator/server_process.h"
#include "bench/hostile/attack.h"
#include "bench/hostile/probe.h"

// What good clients feel of a flood: the time a message takes while nothing else happens and while
// strangers do their worst, in one run. Beside it what of that is not the gateway's: how long its
// shard was able to run and not let, and how long good clients let a message lie that had arrived.
// Exits 0 when every good message arrived, whatever the times; 1 when not.

namespace {

using namespace godwit;
using namespace godwit::bench;

struct Arguments {
  ProgramOptions program = program_options("flood");
  std::size_t clients = 40;
  double seconds = 3;
  unsigned rounds = 3;
  std::vector<std::string> only;  // floods; none for all
  std::string json_file;
};

bool wanted(const Arguments& arguments, Attack attack) {
  return arguments.only.empty() || std::ranges::count(arguments.only, to_text(attack)) > 0;
}

Result<ServerProcess> start_gateway(const Arguments& arguments, const std::string& folder) {
  std::ofstream(folder + "/godwit.toml")
      << "registration.per_second = 1000000\nregistration.burst = 1000000\n"
         "limits.exempt_addresses = \"127.0.0.1\"\n";
  return ServerProcess::start(
      {.command = {arguments.program.godwitd, "--config", folder + "/godwit.toml", "--data",
                   folder + "/data", "--listen", "127.0.0.1:0", "--shards", "1", "--metrics", ""},
       .core = arguments.program.server_core,
       .log = folder + "/godwitd.log"});
}

std::chrono::milliseconds length_of(const Arguments& arguments) {
  return std::chrono::milliseconds(std::lround(arguments.seconds * 1000));
}

// What the thread of the gateway's only shard has had, and what it has waited for.
apps::ThreadCpu shard_time(const ServerProcess& gateway) {
  for (const apps::ThreadCpu& time : gateway.cpu_times()) {
    if (time.name == "shard-0") return time;
  }
  return {};
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// A round, with what the shard had of its core meanwhile.
struct Round {
  Latency latency;
  double busy = 0;
  double waits_ms = 0;
};
Result<Round> run_round(const Arguments& arguments, const ServerProcess& gateway, Probe& probe) {
  const apps::ThreadCpu before = shard_time(gateway);
  const auto latency = probe.run_for(length_of(arguments));
  if (!latency) return std::unexpected(latency.error());
  const apps::ThreadCpu after = shard_time(gateway);
  const double ns = arguments.seconds * 1e9;
  return Round{*latency, static_cast<double>(after.nanoseconds - before.nanoseconds) / ns,
               static_cast<double>(after.waiting_ns - before.waiting_ns) / ns * 1000};
}

struct Row {
  Round calm;
  Round flooded;
  double attacks_per_second = 0;
};
// Calm and flooded take turns, so that what else the machine does meets both.
Result<std::vector<Row>> measure(const Arguments& arguments, const ServerProcess& gateway,
                                 Probe& probe, const AttackProcess::Options& attack) {
  std::vector<Row> rows;
  for (unsigned round = 0; round < arguments.rounds; ++round) {
    const auto calm = run_round(arguments, gateway, probe);
    if (!calm) return std::unexpected(calm.error());
    const AttackProcess process(attack);
    if (auto warm = probe.run_for(length_of(arguments) / 4); !warm) {
      return std::unexpected(warm.error());
    }
    const std::uint64_t before = process.count();
    const auto flooded = run_round(arguments, gateway, probe);
    if (!flooded) return std::unexpected(flooded.error());
    const auto attacks = static_cast<double>(process.count() - before);
    rows.push_back({*calm, *flooded, attacks / arguments.seconds});
  }
  return rows;
}

// The figures of a flood, each the median of its rounds.
struct Medians {
  explicit Medians(const std::vector<Row>& rows) : rows_(rows) {}
  double calm(double Latency::*figure) const {
    return of([&](const Row& row) { return row.calm.latency.*figure; });
  }
  double flooded(double Latency::*figure) const {
    return of([&](const Row& row) { return row.flooded.latency.*figure; });
  }
  double ratio() const {
    return of([](const Row& row) { return row.flooded.latency.p99_us / row.calm.latency.p99_us; });
  }
  double of(const std::function<double(const Row&)>& figure) const {
    std::vector<double> values;
    for (const Row& row : rows_) values.push_back(figure(row));
    return median(values);
  }

 private:
  const std::vector<Row>& rows_;
};

void report_head() {
  std::printf("%-12s %9s %8s %8s %6s %8s %6s %7s %6s %5s %13s %13s\n", "flood", "addresses",
              "a second", "p50 calm", "p50", "p99 calm", "p99", "max", "p99 x", "busy",
              "waits (calm)", "late (calm)");
}

void report(const AttackProcess::Options& attack, const std::vector<Row>& rows,
            std::ofstream& json) {
  const Medians medians(rows);
  const std::string name(to_text(attack.attack));
  const double rate = medians.of([](const Row& row) { return row.attacks_per_second; });
  const double calm = medians.calm(&Latency::p99_us);
  const double flooded = medians.flooded(&Latency::p99_us);
  const double busy = medians.of([](const Row& row) { return row.flooded.busy; });
  const double waits = medians.of([](const Row& row) { return row.flooded.waits_ms; });
  std::printf(
      "%-12s %9u %8.0f %8.0f %6.0f %8.0f %6.0f %7.0f %6.2f %4.0f%% %5.1f (%5.1f) %5.0f (%5.0f)\n",
      name.c_str(), attack.addresses, rate, medians.calm(&Latency::p50_us),
      medians.flooded(&Latency::p50_us), calm, flooded, medians.flooded(&Latency::max_us),
      medians.ratio(), busy * 100, waits,
      medians.of([](const Row& row) { return row.calm.waits_ms; }),
      medians.flooded(&Latency::late_p99_us), medians.calm(&Latency::late_p99_us));
  std::fflush(stdout);
  if (!json) return;
  json << "{\"attack\": \"" << name << "\", \"addresses\": " << attack.addresses
       << ", \"per_second\": " << rate << ", \"calm_p99_us\": " << calm
       << ", \"flooded_p99_us\": " << flooded << ", \"ratio\": " << medians.ratio()
       << ", \"shard_busy\": " << busy << ", \"shard_waits_ms\": " << waits
       << ", \"late_p99_us\": " << medians.flooded(&Latency::late_p99_us) << "}\n";
}

Result<void> run(const Arguments& arguments, const std::string& folder) {
  SystemRandom random;
  auto gateway = start_gateway(arguments, folder);
  if (!gateway) return std::unexpected(gateway.error());
  std::vector<LoadAccount> accounts = make_accounts(arguments.clients, random);
  Probe probe({.port = gateway->port(), .accounts = accounts, .random = random});
  if (auto connected = probe.connect(); !connected) return connected;
  std::ofstream json;
  if (!arguments.json_file.empty()) json.open(arguments.json_file);
  std::printf("%zu good clients, a message each every 20 ms; times in us, medians of %u rounds\n",
              accounts.size(), arguments.rounds);
  report_head();
  for (const Attack attack : all_attacks) {
    if (!wanted(arguments, attack)) continue;
    for (const unsigned addresses : {1u, 180u}) {
      const AttackProcess::Options options{.attack = attack,
                                           .port = gateway->port(),
                                           .addresses = addresses,
                                           .core = arguments.program.own_core};
      const auto rows = measure(arguments, *gateway, probe, options);
      if (!rows) return std::unexpected(rows.error());
      report(options, *rows, json);
    }
  }
  std::printf("gateway: %.1f MB resident\n",
              static_cast<double>(gateway->memory().resident_bytes) / 1e6);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{"What good clients feel of a flood of strangers"};
  add_options(app, arguments.program);
  app.add_option("--clients", arguments.clients, "good clients, an even number (40)")
      ->check(CLI::Range(2, 1000));
  app.add_option("--rounds", arguments.rounds, "of each kind (3)")->check(CLI::Range(1, 100));
  app.add_option("--seconds", arguments.seconds, "length of a round (3)")
      ->check(CLI::Range(0.2, 60.0));
  app.add_option("--only", arguments.only, "connections, garbage, handshakes, silence (all)")
      ->check(CLI::IsMember({"connections", "garbage", "handshakes", "silence"}));
  app.add_option("--json", arguments.json_file, "file for a JSON line a flood");
  CLI11_PARSE(app, argc, argv);
  arguments.clients &= ~std::size_t{1};
  return run_program(arguments.program,
                     [&](const std::string& folder) { return run(arguments, folder); });
}
