// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "bench/generator/program.h"
#include "bench/generator/report.h"
#include "bench/generator/scenario.h"

// What a message, an idle session and a login cost a gateway, in one run beside the bare relay that
// is the floor. Exits 0 when all was measured and the ledger holds, 1 when not.

namespace {

using namespace godwit;
using namespace godwit::bench;

struct Arguments {
  ProgramOptions program = program_options("gateway_cost");
  BenchSettings settings;
  std::string json_file;
  std::vector<std::string> only;
  double round_seconds = 1.5;
  long batch_wait_us = 50;
  std::size_t idle_sessions = 10'000;
};

constexpr std::size_t connections_window_1 = 1000;
constexpr std::size_t connections_window_8 = 100;

class Bench {
 public:
  explicit Bench(Arguments arguments) : arguments_(std::move(arguments)) {}

  Result<void> run() {
    const BenchSettings& settings = arguments_.settings;
    const bool sessions = wants("idle");
    const std::size_t count =
        std::max(connections_window_1, sessions ? arguments_.idle_sessions : 0);
    gateway_ = make_accounts(count, random_);
    relay_ = make_accounts(connections_window_1, random_);
    const std::string idle = idle_mode(settings);
    std::printf("godwitd: one shard, idle = \"%s\", on core %d; generator on core %d\n",
                idle.c_str(), settings.server_core, arguments_.program.own_core);
    lines_.push_back(json_machine(idle));
    const auto registered = register_accounts(settings, gateway_, random_);
    if (!registered) return std::unexpected(registered.error());
    std::printf("%zu accounts registered, %.0f a second\n\n", registered->accounts,
                registered->per_second);
    if (auto done = messages("window1", connections_window_1, 1); !done) return done;
    if (auto done = messages("window8", connections_window_8, 8); !done) return done;
    if (sessions) {
      const auto accounts = std::span(gateway_).first(arguments_.idle_sessions);
      auto cost = measure_sessions(settings, accounts, random_);
      if (!cost) return std::unexpected(cost.error());
      const auto classical = measure_classical_logins(settings, accounts, random_);
      if (!classical) return std::unexpected(classical.error());
      cost->classical_logins = *classical;
      report(*cost);
    }
    return write_json();
  }

 private:
  bool wants(const std::string& name) const {
    return arguments_.only.empty() ||
           std::ranges::find(arguments_.only, name) != arguments_.only.end();
  }

  Result<void> messages(const std::string& name, std::size_t connections, unsigned window) {
    if (!wants(name)) return {};
    const auto cost = measure_messages(
        arguments_.settings,
        {std::span(gateway_).first(connections), std::span(relay_).first(connections)}, window,
        random_);
    if (!cost) return std::unexpected(cost.error());
    report(*cost);
    return {};
  }

  template <typename Cost>
  void report(const Cost& cost) {
    std::printf("%s\n", table(cost).c_str());
    std::fflush(stdout);
    lines_.push_back(json(cost));
  }

  Result<void> write_json() const {
    if (arguments_.json_file.empty()) {
      for (const std::string& line : lines_) std::printf("%s\n", line.c_str());
      return {};
    }
    std::ofstream file(arguments_.json_file);
    for (const std::string& line : lines_) file << line << "\n";
    if (!file.flush()) return fail(ErrorCode::io, "cannot write " + arguments_.json_file);
    return {};
  }

  const Arguments arguments_;
  SystemRandom random_;
  std::vector<LoadAccount> gateway_;
  std::vector<LoadAccount> relay_;
  std::vector<std::string> lines_;
};

void add_options(CLI::App& app, Arguments& arguments) {
  BenchSettings& settings = arguments.settings;
  app.add_option("--relay", settings.relay, "path of bench_relay (beside this program)");
  add_options(app, arguments.program);
  app.add_option("--set", settings.config,
                 "a line for godwitd's configuration, such as "
                 "'server.idle = \"poll\"'; may be repeated");
  app.add_option("--godwitd-argument", settings.arguments, "a further argument for godwitd");
  app.add_option("--relay-argument", settings.relay_arguments, "an argument for the relay");
  app.add_option("--only", arguments.only, "window1, window8, idle; all without it");
  app.add_option("--rounds", settings.rounds, "rounds of each server (5)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--seconds", arguments.round_seconds, "length of a round (1.5)")
      ->check(CLI::Range(0.1, 600.0));
  app.add_option("--idle-sessions", arguments.idle_sessions, "sessions held idle (10000)")
      ->check(CLI::Range(2, 16'000));
  app.add_option("--relay-padding", settings.relay_padding,
                 "bytes added to the relay's payloads (0)")
      ->check(CLI::Range(0, 512));
  app.add_option("--batch", settings.batch, "events the generator waits for (32)")
      ->check(CLI::Range(1, 1024));
  app.add_option("--batch-wait", arguments.batch_wait_us, "and how many microseconds (50)");
  app.add_option(
         "--pacing", settings.pacing,
         "who sends when a message has arrived: who got it (reply) or its sender (recipient)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Pacing>{
          {"recipient", Pacing::recipient}, {"reply", Pacing::reply}}));
  app.add_option("--json", arguments.json_file, "file for the JSON lines; standard output without");
}

}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  Arguments arguments;
  BenchSettings& settings = arguments.settings;
  arguments.program.priority_means = Priority::nice;
  settings.relay = fs::canonical("/proc/self/exe").parent_path() / "bench_relay";
  CLI::App app{"CPU and memory of a gateway, beside the bare relay"};
  add_options(app, arguments);
  CLI11_PARSE(app, argc, argv);
  settings.round_time = std::chrono::milliseconds(std::lround(arguments.round_seconds * 1000));
  settings.batch_wait = std::chrono::microseconds(arguments.batch_wait_us);
  arguments.idle_sessions &= ~std::size_t{1};
  settings.godwitd = arguments.program.godwitd;
  settings.server_core = arguments.program.server_core;
  return run_program(arguments.program, [&](const std::string& folder) {
    settings.folder = folder;
    return Bench(arguments).run();
  });
}
