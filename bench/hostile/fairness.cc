// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "bench/generator/server_process.h"
#include "bench/hostile/attack.h"
#include "bench/hostile/greedy.h"
#include "bench/hostile/probe.h"

// What clients feel of one that takes all it can get: a sender at full speed, a device that never
// reads, a mailbox that fills up and is then fetched; and what the gateway's memory does meanwhile.
// In one run; exits 0 when every good message arrived, 1 when not.

namespace {

using namespace godwit;
using namespace godwit::bench;

struct Arguments {
  std::string godwitd;
  std::size_t clients = 40;
  std::uint64_t messages = 1'000'000;
  double seconds = 3;
  int server_core = 0;
  int own_core = 1;
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
    auto gateway =
        ServerProcess::start({.command = {arguments_.godwitd, "--config", folder_ + "/godwit.toml",
                                          "--data", folder_ + "/data", "--listen", "127.0.0.1:0",
                                          "--shards", "1", "--metrics", ""},
                              .core = arguments_.server_core,
                              .log = folder_ + "/godwitd.log"});
    if (!gateway) return std::unexpected(gateway.error());
    std::vector<LoadAccount> accounts = make_accounts(arguments_.clients, 491'700'000'000, random_);
    std::vector<LoadAccount> greedy = make_accounts(6, 491'800'000'000, random_);
    {
      Probe registering({.port = gateway->port(), .accounts = greedy, .random = random_});
      if (auto done = registering.connect(); !done) return done;
    }
    Probe probe({.port = gateway->port(), .accounts = accounts, .random = random_});
    if (auto done = probe.connect(); !done) return done;
    std::printf("%zu clients, a message each every 20 ms; times in us\n", accounts.size());
    std::printf("%-28s %10s %9s %9s %9s %9s %7s\n", "beside them", "its msg/s", "p50", "p99", "max",
                "MB", "p99 x");
    const auto measure = [&](const char* name, Greed greed, std::uint64_t messages) {
      return measure_one(name, *gateway, probe,
                         {.greed = greed,
                          .port = gateway->port(),
                          .accounts = std::span(greedy).subspan(pair_of(greed), 2),
                          .messages = messages});
    };
    if (auto done = measure("nothing", Greed::none, 0); !done) return done;
    if (auto done = measure("a sender at full speed", Greed::sends, UINT64_MAX); !done) return done;
    if (auto done = measure("a device that never reads", Greed::never_reads, UINT64_MAX); !done) {
      return done;
    }
    if (auto done = measure("a mailbox that fills up", Greed::fills, arguments_.messages); !done) {
      return done;
    }
    return measure("a mailbox that is fetched", Greed::fetches, 0);
  }

 private:
  // Each process keeps what it has received to itself, so who goes on where another was has a pair
  // of its own.
  static std::size_t pair_of(Greed greed) {
    if (greed == Greed::fills || greed == Greed::fetches) return 4;
    return greed == Greed::never_reads ? 2 : 0;
  }
  // Until the greedy one has done what it was to do, or for the time of a round.
  Result<void> measure_one(const char* name, const ServerProcess& gateway, Probe& probe,
                           const GreedyOptions& options) {
    const auto time = std::chrono::milliseconds(std::lround(arguments_.seconds * 1000));
    const AttackProcess greedy(arguments_.own_core, [&](std::atomic<std::uint64_t>& count) {
      SystemRandom random;
      run_greedy(options, random, count);
    });
    const Instant start = monotonic_now();
    std::uint64_t memory = 0;
    double p50 = 0, p99 = 0, most = 0;
    for (std::uint64_t rounds = 0;; ++rounds) {
      const auto latency = probe.run_for(time);
      if (!latency) return std::unexpected(latency.error());
      memory = std::max(memory, gateway.memory().resident);
      p50 = std::max(p50, latency->p50_us);
      p99 = std::max(p99, latency->p99_us);
      most = std::max(most, latency->max_us);
      const bool endless = options.greed != Greed::fills;
      if (endless || greedy.count() >= options.messages || rounds == 200) break;
    }
    const std::chrono::duration<double> took = monotonic_now() - start;
    if (calm_p99_ == 0) calm_p99_ = p99;
    const double rate = static_cast<double>(greedy.count()) / took.count();
    const double megabytes = static_cast<double>(memory) / 1e6;
    std::printf("%-28s %10.0f %9.0f %9.0f %9.0f %9.1f %7.2f\n", name, rate, p50, p99, most,
                megabytes, p99 / calm_p99_);
    std::fflush(stdout);
    if (json_.is_open()) {
      json_ << "{\"beside\": \"" << name << "\", \"messages_per_second\": " << rate
            << ", \"p99_us\": " << p99 << ", \"resident_mb\": " << megabytes
            << ", \"ratio\": " << p99 / calm_p99_ << "}\n";
    }
    return {};
  }

  const Arguments& arguments_;
  const std::string folder_;
  SystemRandom random_;
  std::ofstream json_;
  double calm_p99_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  Arguments arguments;
  arguments.godwitd =
      fs::canonical("/proc/self/exe").parent_path().parent_path() / "apps" / "godwitd";
  CLI::App app{"What clients feel of one that takes all it can get"};
  app.add_option("--godwitd", arguments.godwitd, "path of godwitd (../apps/godwitd from here)");
  app.add_option("--clients", arguments.clients, "good clients, an even number (40)")
      ->check(CLI::Range(2, 1000));
  app.add_option("--messages", arguments.messages, "in the large mailbox (1000000)")
      ->check(CLI::Range(1, 10'000'000));
  app.add_option("--seconds", arguments.seconds, "length of a round (3)")
      ->check(CLI::Range(0.2, 60.0));
  app.add_option("--server-core", arguments.server_core, "core of the gateway (0)");
  app.add_option("--own-core", arguments.own_core, "core of all clients (1)");
  app.add_option("--json", arguments.json_file, "file for a JSON line a case");
  CLI11_PARSE(app, argc, argv);
  arguments.clients &= ~std::size_t{1};
  std::signal(SIGPIPE, SIG_IGN);
  char folder[] = "/tmp/godwit-fairness-XXXXXX";
  if (::mkdtemp(folder) == nullptr || !pin_to_core(arguments.own_core)) {
    std::perror("bench_fairness");
    return 1;
  }
  const auto done = Bench(arguments, folder).run();
  if (!done) {
    std::fprintf(stderr, "bench_fairness: %s (logs in %s)\n", done.error().message.c_str(), folder);
    return 1;
  }
  fs::remove_all(folder);
  return 0;
}
