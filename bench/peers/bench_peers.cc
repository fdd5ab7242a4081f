// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench/generator/load.h"
#include "bench/generator/server_process.h"
#include "bench/peers/peer_server.h"

// The same messages through servers of several makes, which run already: `run` beside this file
// starts them and reads what this writes. All stand still but the one that is measured; Godwit has
// a turn before each of the others. Exits 0 when all was measured and every ledger holds, 1 when
// not.

namespace {

using namespace godwit;
using namespace godwit::bench;

// How long servers are left alone before their memory is read.
constexpr auto settle_time = std::chrono::seconds(12);
constexpr auto start_time = std::chrono::seconds(1);
constexpr auto warm_up = std::chrono::milliseconds(300);

struct Arguments {
  std::vector<std::string> servers;
  int core = 1;
  unsigned rounds = 5;
  double seconds = 1.2;
  std::size_t payload_size = 100;
  unsigned batch = 32;
  bool register_only = false;
  std::string json_file;
};

struct Workload {
  const char* name;
  std::size_t connections;
  unsigned window;
};
constexpr Workload workloads[] = {{"window1", 1000, 1}, {"window8", 100, 8}};
constexpr std::size_t accounts_needed = 1000;

struct Side {
  std::unique_ptr<PeerServer> server;
  std::unique_ptr<Load> load;
  std::vector<std::uint64_t> resident;  // with none, half and all connections
  nlohmann::json rounds = nlohmann::json::array();
};

class Bench {
 public:
  explicit Bench(Arguments arguments) : arguments_(std::move(arguments)) {}

  Result<void> run() {
    for (const std::string& text : arguments_.servers) {
      auto side = make_side(text);
      if (!side) return std::unexpected(side.error());
      sides_.push_back(std::move(*side));
    }
    if (arguments_.register_only) {
      if (auto done = open(sides_[0], accounts_needed); !done) return done;
      return named(sides_[0], sides_[0].load->connect_until(accounts_needed));
    }
    for (Side& side : sides_) side.server->processes().freeze(true);
    for (const Workload& workload : workloads) {
      if (auto done = measure(workload); !done) return done;
    }
    for (Side& side : sides_) side.server->processes().freeze(false);
    std::ofstream file(arguments_.json_file);
    file << results_.dump(1) << "\n";
    if (!file.flush()) return fail(ErrorCode::io, "cannot write " + arguments_.json_file);
    return {};
  }

 private:
  Result<Side> make_side(const std::string& text) const {
    auto description = read_description(text);
    if (!description) return std::unexpected(description.error());
    auto server = PeerServer::create({.description = *description,
                                      .accounts = accounts_needed,
                                      .payload_size = arguments_.payload_size});
    if (!server) return std::unexpected(server.error());
    Side side;
    side.server = std::move(*server);
    return side;
  }

  static Result<void> named(const Side& side, Result<void> done) {
    if (done) return done;
    return fail(done.error().code, side.server->description().name + ": " + done.error().message);
  }

  Result<void> open(Side& side, std::size_t count) const {
    auto load = Load::create({.port = side.server->description().port,
                              .count = count,
                              .make_client = side.server->clients(),
                              .pacing = Pacing::recipient,
                              .batch = arguments_.batch});
    if (!load) return std::unexpected(load.error());
    side.load = std::move(*load);
    return {};
  }

  Result<void> measure(const Workload& workload) {
    for (Side& side : sides_) {
      if (auto done = open(side, workload.connections); !done) return named(side, done);
    }
    const bool first = &workload == &workloads[0];
    if (first) {
      if (auto done = measure_memory(workload.connections); !done) return done;
    }
    for (Side& side : sides_) {
      if (auto done = connect(side, workload.connections); !done) return done;
    }
    for (unsigned round = 0; round < arguments_.rounds; ++round) {
      for (std::size_t i = sides_.size() == 1 ? 0 : 1; i < sides_.size(); ++i) {
        if (i > 0) {
          if (auto done = measure_turn(sides_[0], workload.window); !done) return done;
        }
        if (auto done = measure_turn(sides_[i], workload.window); !done) return done;
      }
      std::printf("%s: round %u of %u\n", workload.name, round + 1, arguments_.rounds);
      std::fflush(stdout);
    }
    return finish(workload);
  }

  Result<void> connect(Side& side, std::size_t count) const {
    side.server->processes().freeze(false);
    auto done = side.load->connect_until(count);
    side.server->processes().freeze(true);
    return named(side, done);
  }

  // None, half and all connections.
  Result<void> measure_memory(std::size_t connections) {
    const std::size_t half = connections / 2;
    for (const std::size_t count : {std::size_t{0}, half, connections}) {
      for (Side& side : sides_) {
        if (auto done = connect(side, count); !done) return done;
      }
      if (auto done = read_memory(count == 0 ? Duration(start_time) : settle_time); !done) {
        return done;
      }
    }
    for (const Side& side : sides_) {
      const auto each = [&](std::size_t from, std::size_t count) {
        return (static_cast<double>(side.resident[2]) - static_cast<double>(side.resident[from])) /
               static_cast<double>(count);
      };
      nlohmann::json& result = results_[side.server->description().name];
      result["resident_bytes_per_connection"] = each(0, connections);
      result["resident_bytes_per_connection_marginal"] = each(1, connections - half);
    }
    return {};
  }

  // All wait together, their clients are read at the end.
  Result<void> read_memory(Duration wait) {
    for (Side& side : sides_) side.server->processes().freeze(false);
    std::this_thread::sleep_for(wait);
    for (Side& side : sides_) {
      side.resident.push_back(side.server->processes().resident());
      if (auto done = named(side, side.load->run_for(std::chrono::milliseconds(1))); !done) {
        return done;
      }
      side.server->processes().freeze(true);
    }
    return {};
  }

  Result<void> measure_turn(Side& side, unsigned window) {
    const ProcessTree& processes = side.server->processes();
    processes.freeze(false);
    Load& load = *side.load;
    load.start(window);
    if (auto done = named(side, load.run_for(warm_up)); !done) return done;
    const LoadCounters before = load.counters();
    const auto cpu_before = processes.times();
    const std::uint64_t own_before = own_cpu_ns();
    const Instant from = monotonic_now();
    const auto time = std::chrono::milliseconds(std::lround(arguments_.seconds * 1000));
    if (auto done = named(side, load.run_for(time)); !done) return done;
    const auto wall = static_cast<double>((monotonic_now() - from).count());
    const auto own = static_cast<double>(own_cpu_ns() - own_before);
    const auto used = static_cast<double>(used_ns(cpu_before, processes.times()));
    const LoadCounters& after = load.counters();
    const auto messages = static_cast<double>(after.delivered - before.delivered);
    side.rounds.push_back(
        {{"us_per_message", used / 1000 / messages},
         {"messages_per_second", messages / wall * 1e9},
         {"server_busy", used / wall},
         {"generator_busy", own / wall},
         {"bytes_from_clients", static_cast<double>(after.bytes_out - before.bytes_out) / messages},
         {"bytes_to_clients", static_cast<double>(after.bytes_in - before.bytes_in) / messages}});
    if (auto done = named(side, load.stop()); !done) return done;
    processes.freeze(true);
    return {};
  }

  // The connections end, so that the next workload's accounts are free.
  Result<void> finish(const Workload& workload) {
    for (Side& side : sides_) {
      results_[side.server->description().name][workload.name] = {
          {"connections", workload.connections},
          {"window", workload.window},
          {"messages", side.load->counters().delivered},
          {"rounds", std::exchange(side.rounds, nlohmann::json::array())}};
      side.load.reset();
      side.server->processes().freeze(false);
    }
    std::this_thread::sleep_for(std::chrono::seconds(2));
    for (Side& side : sides_) side.server->processes().freeze(true);
    return {};
  }

  const Arguments arguments_;
  std::vector<Side> sides_;
  nlohmann::json results_;
};

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{"CPU of servers that run already, a delivered message; Godwit's is the first"};
  app.add_option("--server", arguments.servers, "NAME,PROTOCOL,PORT,PID[,tls][,sm]; repeated")
      ->required();
  app.add_option("--core", arguments.core, "core of this program (1)");
  app.add_option("--rounds", arguments.rounds, "turns of each server (5)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--seconds", arguments.seconds, "length of a turn (1.2)")
      ->check(CLI::Range(0.1, 600.0));
  app.add_option("--payload-size", arguments.payload_size, "bytes of a message (100)");
  app.add_option("--batch", arguments.batch, "events this program waits for, 50 us at most (32)")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--register", arguments.register_only, "makes the first server's accounts, no more");
  app.add_option("--json", arguments.json_file, "file for the results");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  rlimit limit{};  // a ring's table may have as many descriptors
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (!pin_to_core(arguments.core)) {
    std::fprintf(stderr, "bench_peers: there is no core %d\n", arguments.core);
    return 1;
  }
  const auto done = Bench(arguments).run();
  if (done) return 0;
  std::fprintf(stderr, "bench_peers: %s\n", done.error().message.c_str());
  return 1;
}
