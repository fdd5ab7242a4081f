// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "bench/generator/program.h"
#include "bench/generator/server_process.h"
#include "bench/hostile/attack.h"
#include "bench/hostile/probe.h"

// What good clients feel of a flood: the time a message takes while nothing else happens and while
// strangers do their worst, in one run. Exits 0 when every good message arrived, whatever the
// times; 1 when not.

namespace {

using namespace godwit;
using namespace godwit::bench;

struct Arguments {
  ProgramOptions program = program_options("flood");
  std::size_t clients = 40;
  double seconds = 3;
  unsigned rounds = 3;
  std::string json_file;
};

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

struct Row {
  Latency calm;
  Latency flooded;
  double attacks_per_second = 0;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Calm and flooded take turns, so that what else the machine does meets both.
Result<std::vector<Row>> measure(const Arguments& arguments, Probe& probe,
                                 const AttackProcess::Options& attack) {
  const auto time = std::chrono::milliseconds(std::lround(arguments.seconds * 1000));
  std::vector<Row> rows;
  for (unsigned round = 0; round < arguments.rounds; ++round) {
    const auto calm = probe.run_for(time);
    if (!calm) return std::unexpected(calm.error());
    const AttackProcess process(attack);
    if (auto warm = probe.run_for(time / 4); !warm) return std::unexpected(warm.error());
    const std::uint64_t before = process.count();
    const auto flooded = probe.run_for(time);
    if (!flooded) return std::unexpected(flooded.error());
    rows.push_back(
        {*calm, *flooded, static_cast<double>(process.count() - before) / arguments.seconds});
  }
  return rows;
}

void report(const AttackProcess::Options& attack, const std::vector<Row>& rows,
            std::ofstream& json) {
  const auto middle = [&](auto value) {
    std::vector<double> values;
    for (const Row& row : rows) values.push_back(value(row));
    return median(values);
  };
  const double calm = middle([](const Row& row) { return row.calm.p99_us; });
  const double flooded = middle([](const Row& row) { return row.flooded.p99_us; });
  const double ratio = middle([](const Row& row) { return row.flooded.p99_us / row.calm.p99_us; });
  const double p50 = middle([](const Row& row) { return row.calm.p50_us; });
  const double p50_flooded = middle([](const Row& row) { return row.flooded.p50_us; });
  const double most = middle([](const Row& row) { return row.flooded.max_us; });
  const double rate = middle([](const Row& row) { return row.attacks_per_second; });
  const std::string name(to_text(attack.attack));
  std::printf("%-12s %9u %10.0f %9.0f %9.0f %9.0f %9.0f %9.0f %7.2f\n", name.c_str(),
              attack.addresses, rate, p50, p50_flooded, calm, flooded, most, ratio);
  std::fflush(stdout);
  if (!json) return;
  json << "{\"attack\": \"" << name << "\", \"addresses\": " << attack.addresses
       << ", \"per_second\": " << rate << ", \"calm_p99_us\": " << calm
       << ", \"flooded_p99_us\": " << flooded << ", \"ratio\": " << ratio << "}\n";
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
  std::printf("%-12s %9s %10s %9s %9s %9s %9s %9s %7s\n", "flood", "addresses", "a second",
              "p50 calm", "p50", "p99 calm", "p99", "max", "p99 x");
  for (const Attack attack : all_attacks) {
    for (const unsigned addresses : {1u, 180u}) {
      const AttackProcess::Options options{.attack = attack,
                                           .port = gateway->port(),
                                           .addresses = addresses,
                                           .core = arguments.program.own_core};
      const auto rows = measure(arguments, probe, options);
      if (!rows) return std::unexpected(rows.error());
      report(options, *rows, json);
    }
  }
  std::printf("gateway: %.1f MB resident\n", static_cast<double>(gateway->memory().resident) / 1e6);
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
  app.add_option("--json", arguments.json_file, "file for a JSON line a flood");
  CLI11_PARSE(app, argc, argv);
  arguments.clients &= ~std::size_t{1};
  return run_program(arguments.program,
                     [&](const std::string& folder) { return run(arguments, folder); });
}
