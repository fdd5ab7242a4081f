// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "bench/generator/program.h"
#include "bench/generator/server_process.h"
#include "bench/hostile/attack.h"
#include "bench/hostile/greedy.h"
#include "bench/hostile/probe.h"

// What clients feel of one that takes all it can get: a sender at full speed, a device that never
// reads, a mailbox that fills up and is then fetched; and what the gateway's memory does meanwhile.
// In one run; exits 0 when every good message arrived, 1 when not. Each case has calm rounds before
// it; medians of the rounds. With --priority good clients and the gateway's shard are real-time,
// the greedy ones and its storage thread are not: then it shows what the gateway does, and not what
// the kernel makes of threads that have to share a core.

namespace {

using namespace godwit;
using namespace godwit::bench;

struct Arguments {
  ProgramOptions program = program_options("fairness");
  std::size_t clients = 40;
  std::uint64_t messages = 1'000'000;
  double seconds = 1;
  unsigned rounds = 3;
  std::string json_file;
};

class Bench {
 public:
  Bench(const Arguments& arguments, std::string folder)
      : arguments_(arguments), folder_(std::move(folder)) {
    if (!arguments.json_file.empty()) json_.open(arguments.json_file);
  }

  Result<void> run() {
    std::ofstream(folder_ + "/godwit.toml")
        << "registration.per_second = 1000000\nregistration.burst = 1000000\n"
           "limits.mailbox_messages_max = 10000000\nlimits.mailbox_bytes_max = 10000000000\n";
    auto gateway = ServerProcess::start(
        {.command = {arguments_.program.godwitd, "--config", folder_ + "/godwit.toml", "--data",
                     folder_ + "/data", "--listen", "127.0.0.1:0", "--shards", "1", "--metrics",
                     ""},
         .core = arguments_.program.server_core,
         .log = folder_ + "/godwitd.log"});
    if (!gateway) return std::unexpected(gateway.error());
    std::vector<LoadAccount> accounts = make_accounts(arguments_.clients, random_);
    std::vector<LoadAccount> greedy = make_accounts(6, random_, 491'800'000'000);
    {
      Probe registering({.port = gateway->port(), .accounts = greedy, .random = random_});
      if (auto done = registering.connect(); !done) return done;
    }
    Probe probe({.port = gateway->port(), .accounts = accounts, .random = random_});
    if (auto done = probe.connect(); !done) return done;
    std::printf("%zu clients, a message each every 20 ms; times in us\n", accounts.size());
    std::printf("%-28s %10s %9s %9s %9s %9s %9s %7s\n", "beside them", "its msg/s", "p99 calm",
                "p50", "p99", "max", "MB", "p99 x");
    const auto measure = [&](const char* name, Greed greed, std::uint64_t messages) {
      return measure_one(name, *gateway, probe,
                         {.greed = greed,
                          .port = gateway->port(),
                          .accounts = std::span(greedy).subspan(pair_of(greed), 2),
                          .messages = messages});
    };
    if (auto done = measure("a sender at full speed", Greed::sends, UINT64_MAX); !done) return done;
    if (auto done = measure("a device that never reads", Greed::never_reads, UINT64_MAX); !done) {
      return done;
    }
    if (auto done = measure("a mailbox that fills up", Greed::fills, arguments_.messages); !done) {
      return done;
    }
    return measure("a mailbox that is fetched", Greed::fetches, arguments_.messages);
  }

 private:
  // Each process keeps what it has received to itself, so who goes on where another was has a pair
  // of its own.
  static std::size_t pair_of(Greed greed) {
    if (greed == Greed::fills || greed == Greed::fetches) return 4;
    return greed == Greed::never_reads ? 2 : 0;
  }
  struct Rounds {
    std::vector<Latency> latencies;
    double p99() const { return middle(&Latency::p99_us); }
    double middle(double Latency::*figure) const {
      std::vector<double> values;
      for (const Latency& latency : latencies) values.push_back(latency.*figure);
      std::ranges::sort(values);
      return values[values.size() / 2];
    }
  };
  // Rounds until `done`, and as many as were asked for at least.
  template <typename Done>
  Result<Rounds> run_rounds(Probe& probe, Done&& done) {
    const auto time = std::chrono::milliseconds(std::lround(arguments_.seconds * 1000));
    constexpr std::size_t rounds_max = 1000;
    Rounds rounds;
    while (rounds.latencies.size() < arguments_.rounds || !done()) {
      if (rounds.latencies.size() == rounds_max) {
        return fail(ErrorCode::unavailable, "the large mailbox is not done after 1000 rounds");
      }
      const auto latency = probe.run_for(time);
      if (!latency) return std::unexpected(latency.error());
      rounds.latencies.push_back(*latency);
    }
    return rounds;
  }
  Result<void> measure_one(const char* name, const ServerProcess& gateway, Probe& probe,
                           const GreedyOptions& options) {
    const auto calm = run_rounds(probe, [] { return true; });
    if (!calm) return std::unexpected(calm.error());
    const AttackProcess greedy(arguments_.program.own_core, [&](std::atomic<std::uint64_t>& count) {
      SystemRandom random;
      run_greedy(options, random, count);
    });
    const bool ends = options.greed == Greed::fills || options.greed == Greed::fetches;
    const Instant start = monotonic_now();
    Instant finished = start;
    std::uint64_t memory = 0;
    const auto rounds = run_rounds(probe, [&] {
      memory = std::max(memory, gateway.memory().resident_bytes);
      const bool done = !ends || greedy.count() >= options.messages;
      if (!done || !ends || finished == start) finished = monotonic_now();
      return done;
    });
    if (!rounds) return std::unexpected(rounds.error());
    const std::chrono::duration<double> took = finished - start;
    const double rate = static_cast<double>(greedy.count()) / took.count();
    report({.name = name,
            .rate = rate,
            .calm_p99 = calm->p99(),
            .p50 = rounds->middle(&Latency::p50_us),
            .p99 = rounds->p99(),
            .most = rounds->middle(&Latency::max_us),
            .megabytes = static_cast<double>(memory) / 1e6});
    return {};
  }

  struct Row {
    const char* name;
    double rate, calm_p99, p50, p99, most, megabytes;
  };
  void report(const Row& row) {
    const double ratio = row.p99 / row.calm_p99;
    std::printf("%-28s %10.0f %9.0f %9.0f %9.0f %9.0f %9.1f %7.2f\n", row.name, row.rate,
                row.calm_p99, row.p50, row.p99, row.most, row.megabytes, ratio);
    std::fflush(stdout);
    if (!json_.is_open()) return;
    json_ << "{\"beside\": \"" << row.name << "\", \"messages_per_second\": " << row.rate
          << ", \"calm_p99_us\": " << row.calm_p99 << ", \"p99_us\": " << row.p99
          << ", \"resident_mb\": " << row.megabytes << ", \"ratio\": " << ratio << "}\n";
  }

  const Arguments& arguments_;
  const std::string folder_;
  SystemRandom random_;
  std::ofstream json_;
};

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{"What clients feel of one that takes all it can get"};
  add_options(app, arguments.program);
  app.add_option("--clients", arguments.clients, "good clients, an even number (40)")
      ->check(CLI::Range(2, 1000));
  app.add_option("--messages", arguments.messages, "in the large mailbox (1000000)")
      ->check(CLI::Range(1, 10'000'000));
  app.add_option("--seconds", arguments.seconds, "length of a round (1)")
      ->check(CLI::Range(0.2, 60.0));
  app.add_option("--rounds", arguments.rounds, "of what does not end by itself (3)")
      ->check(CLI::Range(1, 100));
  app.add_option("--json", arguments.json_file, "file for a JSON line a case");
  CLI11_PARSE(app, argc, argv);
  arguments.clients &= ~std::size_t{1};
  return run_program(arguments.program,
                     [&](const std::string& folder) { return Bench(arguments, folder).run(); });
}
