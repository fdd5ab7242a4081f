// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/load/load_network.h"
#include "apps/load/load_run.h"
#include "apps/port_flags.h"
#include "apps/program_pages.h"

// The load generator's program: flags, a run, a report. Exits 0 when all went well and the ledger
// holds, 1 when not, 2 for wrong usage.

namespace {

using namespace godwit::apps;
using godwit::Result;
using godwit::client::load::Flow;
using godwit::client::load::Shape;

// Written by a signal, read by the run.
std::atomic<bool> interrupted{false};

struct Flags {
  std::string server = "127.0.0.1:5210";
  std::string sources;
  std::string cores;
  std::string json;
  std::string io = "uring";
  std::string pacing = "recipient";
  bool even = false;
  bool closed = false;
  PortFlags ports;
  LoadNetworkOptions network;
};

int complain(const std::string& message) {
  std::cerr << "godwit-load: " << message << "\n";
  return 1;
}

void add_common(CLI::App& app, LoadSettings& settings, Flags& flags) {
  app.add_option("--server", flags.server, "the gateway, HOST:PORT (127.0.0.1:5210)");
  app.add_option("--domain", settings.domain, "its domain (localhost)");
  app.add_option("--server-pid", settings.server_pid,
                 "process of the gateway on this machine: its CPU and memory are measured too");
  app.add_option("--connections", settings.connections, "accounts, with a session each (100)");
  app.add_option("--first-account", settings.first_account,
                 "number of the first account of the seed that is used (0)");
  app.add_option("--seed", settings.seed,
                 "what names and keys come from; the same one finds its accounts again (1)");
  app.add_option("--threads", settings.threads, "threads of this program (1)");
  app.add_option("--cores", flags.cores, "cores for them, as 1,2 or 2-5 (any)");
  app.add_option(
      "--source", flags.sources,
      "addresses to connect from, in turn, as 127.0.0.2-127.0.0.9; one address has about "
      "28 000 ports to one server (the system's choice)");
  app.add_option("--at-once", settings.at_once,
                 "handshakes under way at the same time; 0: nobody waits (256, in logins 0)");
  app.add_option("--patience", settings.patience_s,
                 "seconds without any progress after which the run fails (10)");
  app.add_option("--limit", settings.limit_s, "seconds after which it fails anyway (3600)");
  app.add_option("--first-id", settings.first_id,
                 "lowest message id; below it is what an earlier run left (from the time)");
  app.add_option("--gather-us", settings.gather_us,
                 "wait so long for more events after a small batch: less CPU, more latency "
                 "(50, with --rate 0)");
  app.add_flag("--poll", settings.poll, "never sleep");
  app.add_option("--json", flags.json, "write one JSON object here; - for standard output");
  app.add_flag("--quiet", settings.quiet, "no progress on standard error");
}

void add_network(CLI::App& app, Flags& flags) {
  app.add_option("--io", flags.io, "what carries the bytes: uring or dpdk (uring)")
      ->check(CLI::IsMember({"uring", "dpdk"}));
  flags.ports.add_to(app, "net_memif0,role=client");
  app.add_option("--memory-mb", flags.network.memory_mb, "memory for dpdk (128)");
}

void add_shape(CLI::App& app, LoadSettings& settings) {
  const std::map<std::string, Shape::Kind> shapes{{"pairs", Shape::Kind::pairs},
                                                  {"one-way", Shape::Kind::one_way},
                                                  {"ring", Shape::Kind::ring},
                                                  {"fan-in", Shape::Kind::fan_in}};
  app.add_option("--shape", settings.shape.kind,
                 "who sends to whom: pairs, one-way (of each pair), ring, fan-in; in each thread "
                 "for itself")
      ->transform(CLI::Transformer(shapes, CLI::ignore_case))
      ->option_text("SHAPE");
  app.add_option("--fan", settings.shape.fan, "senders to one recipient in fan-in (10)");
  app.add_option("--payload", settings.payload_size, "bytes of a message, from 8 to 61440 (100)");
}

void add_flow(CLI::App& app, LoadSettings& settings, Flags& flags) {
  add_shape(app, settings);
  auto* window = app.add_option("--window", settings.flow.window,
                                "closed loop: messages of a sender on their way, from 1 to 1000 "
                                "(1)");
  app.add_flag("--closed", flags.closed, "closed loop; as without --rate")
      ->excludes(
          app.add_option("--rate", settings.flow.rate.per_second,
                         "open loop: messages a second of all together, whatever becomes of them; "
                         "latency is from the moment one was due")
              ->excludes(window));
  app.add_flag("--even", flags.even, "open loop at even intervals, not as a Poisson process");
  app.add_option("--pacing", flags.pacing,
                 "closed loop: who sends the next message, the sender when the recipient has the "
                 "last (recipient), or the recipient (reply) (recipient)")
      ->check(CLI::IsMember({"recipient", "reply"}));
  app.add_option("--seconds", settings.seconds, "how long to measure (10)");
  app.add_option("--warm-up", settings.warm_up_s, "seconds before that (1)");
}

struct Commands {
  std::map<Scenario, CLI::App*> by_scenario;
  CLI::App* completion = nullptr;
  std::string shell;

  Commands(CLI::App& app, LoadSettings& settings, Flags& flags) {
    completion = app.add_subcommand("completion", "A script that completes this program's words");
    completion->add_option("bash|zsh", shell, "the shell")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh"}));
    add(app, Scenario::register_,
        "Registers accounts in bulk: each connects, registers, logs in "
        "and leaves");
    add_flow(add(app, Scenario::messages, "Sessions send each other messages"), settings, flags);
    CLI::App& offline = add(app, Scenario::offline,
                            "Senders store messages for devices that are away, which then come and "
                            "fetch them");
    add_shape(offline, settings);
    offline.add_option("--messages", settings.flow.each_max, "of each sender (100)");
    offline.add_option("--window", settings.flow.window,
                       "messages of a sender not accepted yet, from 1 to 1000 (8)");
    CLI::App& logins =
        add(app, Scenario::logins, "All log in again at once, after they were there and left");
    logins.add_option("--rate", settings.login_rate, "so many a second instead of at once");
    CLI::App& idle = add(app, Scenario::idle, "Sessions that do nothing: what each costs");
    idle.add_option("--seconds", settings.seconds, "how long to hold them (10)");
    CLI::App& churn = add(app, Scenario::churn, "Sessions come and go while messages flow");
    churn.add_option("--churn-rate", settings.churn_rate,
                     "sessions that end a second, half of them without a word (10)");
    add_flow(churn, settings, flags);
    add_scale(app, settings, flags);
  }

  void add_scale(CLI::App& app, LoadSettings& settings, Flags& flags) {
    CLI::App& scale =
        add(app, Scenario::scale,
            "What sessions cost by how many there are: half log in, then all, and are "
            "silent; then some talk beside the silent ones, then all");
    add_shape(scale, settings);
    scale.add_option("--rate", settings.flow.rate.per_second,
                     "messages a second when all talk, of all together (2000)");
    scale.add_flag("--even", flags.even, "these at even intervals, not as a Poisson process");
    scale.add_option("--talkers", settings.talkers,
                     "who talk beside the silent ones, each with one message on its way (1000)");
    scale.add_option("--silence", settings.silence_s,
                     "seconds after each half, in which connections turn cold (12.5)");
    scale.add_option("--seconds", settings.seconds, "how long to measure, each time (10)");
    scale.add_option("--warm-up", settings.warm_up_s, "seconds before messages count (1)");
  }

  CLI::App& add(CLI::App& app, Scenario scenario, const std::string& description) {
    CLI::App* command = app.add_subcommand(to_text(scenario), description);
    command->fallthrough();
    return *(by_scenario[scenario] = command);
  }
};

// What no flag said and what depends on another.
Result<void> finish(const CLI::App& app, const Commands& commands, LoadSettings& settings,
                    Flags& flags) {
  for (const auto& [scenario, command] : commands.by_scenario) {
    if (*command) settings.scenario = scenario;
  }
  const CLI::App& command = *commands.by_scenario.at(settings.scenario);
  const auto given = [&](const std::string& name) { return command.count(name) > 0; };
  if (settings.scenario == Scenario::offline) {
    settings.flow.kind = Flow::Kind::stored;
    if (!given("--window")) settings.flow.window = 8;
    if (!given("--messages")) settings.flow.each_max = 100;
    if (!given("--shape")) settings.shape.kind = Shape::Kind::one_way;
    if (settings.flow.each_max == 0) {
      return godwit::fail(godwit::ErrorCode::invalid, "--messages: at least 1");
    }
  } else if (settings.scenario == Scenario::messages || settings.scenario == Scenario::churn) {
    settings.flow.kind = given("--rate")           ? Flow::Kind::open
                         : flags.pacing == "reply" ? Flow::Kind::reply
                                                   : Flow::Kind::closed;
    settings.flow.rate.poisson = !flags.even;
  }
  if (settings.scenario == Scenario::scale) {
    if (!given("--rate")) settings.flow.rate.per_second = 2000;
    settings.flow.kind = Flow::Kind::open;
    settings.flow.rate.poisson = !flags.even;
  }
  if (settings.scenario == Scenario::churn && !given("--churn-rate")) settings.churn_rate = 10;
  if (settings.scenario == Scenario::logins && app.count("--at-once") == 0) settings.at_once = 0;
  if (settings.first_id == 0) settings.first_id = first_id_at(godwit::wall_now());
  flags.network.dpdk = flags.io == "dpdk";
  flags.ports.apply_to(flags.network.ports);
  auto server = find_server(flags.server);
  if (!server) return std::unexpected(server.error());
  settings.server = *server;
  if (!flags.sources.empty()) {
    auto sources = parse_sources(flags.sources);
    if (!sources) return std::unexpected(sources.error());
    settings.sources = std::move(*sources);
  }
  if (!flags.cores.empty()) {
    auto cores = parse_cores(flags.cores);
    if (!cores) return std::unexpected(cores.error());
    settings.cores = std::move(*cores);
  }
  return check(settings);
}

bool write_json(const LoadReport& report, const std::string& file) {
  const std::string text = to_json(report).dump();
  if (file == "-") {
    std::cout << text << std::endl;
    return std::cout.good();
  }
  std::ofstream out(file);
  out << text << std::endl;
  return out.good();
}

int run(const LoadSettings& settings, const Flags& flags) {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = true; };
  for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  auto network = LoadNetwork::open(flags.network, settings);
  if (!network) return complain(network.error().message);
  const godwit::client::load::Identities identities(settings.seed);
  auto threads = (*network)->threads(settings, identities);
  if (!threads) return complain(threads.error().message);
  const LoadReport report = LoadRun(settings, *threads, interrupted).run();
  threads->clear();
  if (flags.json != "-") std::cout << to_table(report);
  if (!flags.json.empty() && !write_json(report, flags.json)) {
    return complain("cannot write " + flags.json);
  }
  return report.good() ? 0 : complain(report.problems.front());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"A load for a Godwit gateway, and what it costs"};
  LoadSettings settings;
  Flags flags;
  app.set_version_flag("--version", std::string("godwit-load ") + GODWIT_VERSION);
  app.require_subcommand(1);
  add_common(app, settings, flags);
  add_network(app, flags);
  const Commands commands(app, settings, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    std::cerr << "godwit-load: " << error.what() << "; see godwit-load --help\n";
    return 2;
  }
  if (*commands.completion) {
    std::cout << completion_script(app, {"godwit-load", {"--json"}});
    return 0;
  }
  if (auto done = finish(app, commands, settings, flags); !done) {
    complain(done.error().message);
    return 2;
  }
  return run(settings, flags);
}
