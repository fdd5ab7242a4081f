// SPDX-License-Identifier: Apache-2.0
#include "bench/generator/scenario.h"

#include <algorithm>
#include <fstream>
#include <thread>

namespace godwit::bench {

using apps::ProcessMemory;
using apps::ThreadCpu;
using apps::ThreadTimes;
using protocol::HandshakePattern;

namespace {

// How long a gateway is left alone before its memory is read: connections have then turned cold.
constexpr auto settle_time = std::chrono::seconds(12);

std::vector<std::string> godwitd_command(const BenchSettings& settings) {
  const std::string config = settings.folder + "/godwit.toml";
  std::ofstream file(config);
  file << "registration.per_second = 1000000\nregistration.burst = 1000000\n";
  for (const std::string& line : settings.config) file << line << "\n";
  std::vector<std::string> command{settings.godwitd,
                                   "--config",
                                   config,
                                   "--data",
                                   settings.folder + "/data",
                                   "--listen",
                                   "127.0.0.1:0",
                                   "--shards",
                                   "1",
                                   "--metrics",
                                   ""};
  command.insert(command.end(), settings.arguments.begin(), settings.arguments.end());
  return command;
}

std::vector<std::string> relay_command(const BenchSettings& settings) {
  std::vector<std::string> command{settings.relay};
  command.insert(command.end(), settings.relay_arguments.begin(), settings.relay_arguments.end());
  return command;
}

Result<ServerProcess> start_server(const BenchSettings& settings, GatewayClient::Server server) {
  const bool gateway = server == GatewayClient::Server::gateway;
  return ServerProcess::start(
      {.command = gateway ? godwitd_command(settings) : relay_command(settings),
       .core = settings.server_core,
       .log = settings.folder + (gateway ? "/godwitd.log" : "/relay.log")});
}

// A server and its load.
struct Side {
  GatewayClient::Server server;
  ServerProcess process;
  std::unique_ptr<Load> load;
};

Result<Side> start_side(const BenchSettings& settings, GatewayClient::Server server,
                        std::span<LoadAccount> accounts, RandomSource& random,
                        HandshakePattern pattern = HandshakePattern::xx_hfs) {
  auto process = start_server(settings, server);
  if (!process) return std::unexpected(process.error());
  const bool relay = server == GatewayClient::Server::relay;
  auto load = Load::create(
      {.port = process->port(),
       .count = accounts.size(),
       .make_client = gateway_clients(
           {.server = server,
            .accounts = accounts,
            .pattern = pattern,
            .payload_size = settings.payload_size + (relay ? settings.relay_padding : 0)},
           random),
       .pacing = settings.pacing,
       .batch = settings.batch,
       .batch_wait = settings.batch_wait});
  if (!load) return std::unexpected(load.error());
  return Side{server, std::move(*process), std::move(*load)};
}

std::uint64_t busiest_ns(const ThreadTimes& times) {
  std::uint64_t most = 0;
  for (const ThreadCpu& time : times) most = std::max(most, time.nanoseconds);
  return most;
}

LoginRate login_rate(const ThreadTimes& threads, double count) {
  return {.per_second = count / static_cast<double>(total_ns(threads)) * 1e9,
          .per_shard_second = count / static_cast<double>(busiest_ns(threads)) * 1e9};
}

Result<RoundCost> measure_round(const BenchSettings& settings, Side& side, unsigned window) {
  Load& load = *side.load;
  load.start(window);
  if (auto done = load.run_for(settings.warm_up); !done) return std::unexpected(done.error());
  const LoadCounters before = load.counters();
  const ThreadTimes cpu_before = side.process.cpu_times();
  const std::uint64_t own_before = own_cpu_ns();
  const Instant from = monotonic_now();
  if (auto done = load.run_for(settings.round_time); !done) return std::unexpected(done.error());
  const double wall_ns = static_cast<double>((monotonic_now() - from).count());
  const double own_ns = static_cast<double>(own_cpu_ns() - own_before);
  const ThreadTimes threads = difference(side.process.cpu_times(), cpu_before);
  const LoadCounters& after = load.counters();
  const auto messages = static_cast<double>(after.delivered - before.delivered);
  const auto per_message = [&](std::uint64_t later, std::uint64_t earlier) {
    return static_cast<double>(later - earlier) / messages;
  };
  RoundCost cost{.us_per_message = static_cast<double>(total_ns(threads)) / 1000 / messages,
                 .shard_us_per_message = static_cast<double>(busiest_ns(threads)) / 1000 / messages,
                 .messages_per_second = messages / wall_ns * 1e9,
                 .server_busy = static_cast<double>(total_ns(threads)) / wall_ns,
                 .generator_busy = own_ns / wall_ns,
                 .bytes_in = per_message(after.bytes_in, before.bytes_in),
                 .bytes_out = per_message(after.bytes_out, before.bytes_out),
                 .frames_out = per_message(after.frames_out, before.frames_out),
                 .ack_frames = per_message(after.ack_frames_out, before.ack_frames_out),
                 .threads = threads};
  if (auto done = load.stop(); !done) return std::unexpected(done.error());
  return cost;
}

}  // namespace

std::string idle_mode(const BenchSettings& settings) {
  std::vector<std::string> command = godwitd_command(settings);
  command.push_back("--print-config");
  std::string line;
  for (const std::string& word : command) line += "'" + word + "' ";
  std::FILE* output = ::popen(line.c_str(), "r");
  if (output == nullptr) return "unknown";
  std::string mode = "unknown";
  char text[256];
  while (std::fgets(text, sizeof text, output) != nullptr) {
    char value[32];
    if (std::sscanf(text, "idle = \"%31[a-z]\"", value) == 1) mode = value;
  }
  ::pclose(output);
  return mode;
}

Result<RegistrationCost> register_accounts(const BenchSettings& settings,
                                           std::span<LoadAccount> accounts, RandomSource& random) {
  auto process = start_server(settings, GatewayClient::Server::gateway);
  if (!process) return std::unexpected(process.error());
  auto load = Load::create(
      {.port = process->port(),
       .count = accounts.size(),
       .make_client = gateway_clients(
           {.goal = LoadClient::Goal::register_account, .accounts = accounts}, random)});
  if (!load) return std::unexpected(load.error());
  const Instant from = monotonic_now();
  if (auto done = (*load)->connect_until(accounts.size()); !done) {
    return std::unexpected(done.error());
  }
  const std::chrono::duration<double> took = monotonic_now() - from;
  return RegistrationCost{accounts.size(), static_cast<double>(accounts.size()) / took.count()};
}

Result<MessageCost> measure_messages(const BenchSettings& settings, PairedAccounts accounts,
                                     unsigned window, RandomSource& random) {
  auto relay = start_side(settings, GatewayClient::Server::relay, accounts.relay, random);
  if (!relay) return std::unexpected(relay.error());
  auto gateway = start_side(settings, GatewayClient::Server::gateway, accounts.gateway, random);
  if (!gateway) return std::unexpected(gateway.error());
  MessageCost cost{.connections = accounts.gateway.size(), .window = window};
  for (Side* side : {&*relay, &*gateway}) {
    if (auto done = side->load->connect_until(cost.connections); !done) {
      return std::unexpected(done.error());
    }
  }
  for (unsigned round = 0; round < settings.rounds; ++round) {
    for (Side* side : {&*relay, &*gateway}) {
      const Side& other = side == &*relay ? *gateway : *relay;
      other.process.freeze(true);  // so that not even its timers cost the one that is measured
      auto measured = measure_round(settings, *side, window);
      other.process.freeze(false);
      if (!measured) return std::unexpected(measured.error());
      (side == &*relay ? cost.relay : cost.gateway).push_back(std::move(*measured));
    }
  }
  return cost;
}

Result<SessionCost> measure_sessions(const BenchSettings& settings, std::span<LoadAccount> accounts,
                                     RandomSource& random) {
  auto side = start_side(settings, GatewayClient::Server::gateway, accounts, random);
  if (!side) return std::unexpected(side.error());
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const ProcessMemory empty = side->process.memory();
  const ThreadTimes cpu_before = side->process.cpu_times();
  const std::size_t half = accounts.size() / 2;
  std::vector<ProcessMemory> uses;
  ThreadTimes threads;
  for (const std::size_t count : {half, accounts.size()}) {
    if (auto done = side->load->connect_until(count); !done) return std::unexpected(done.error());
    if (count == accounts.size()) threads = difference(side->process.cpu_times(), cpu_before);
    if (auto done = side->load->run_for(settle_time); !done) return std::unexpected(done.error());
    uses.push_back(side->process.memory());
  }
  const auto sessions = static_cast<double>(accounts.size());
  const auto growth = [](std::uint64_t after, std::uint64_t before, double count) {
    return (static_cast<double>(after) - static_cast<double>(before)) / count;
  };
  return SessionCost{
      .sessions = accounts.size(),
      .resident_bytes = growth(uses[1].resident_bytes, empty.resident_bytes, sessions),
      .anonymous_bytes = growth(uses[1].anonymous_bytes, empty.anonymous_bytes, sessions),
      .resident_bytes_marginal = growth(uses[1].resident_bytes, uses[0].resident_bytes,
                                        static_cast<double>(accounts.size() - half)),
      .hybrid_logins = login_rate(threads, sessions)};
}

Result<LoginRate> measure_classical_logins(const BenchSettings& settings,
                                           std::span<LoadAccount> accounts, RandomSource& random) {
  auto side =
      start_side(settings, GatewayClient::Server::gateway, accounts, random, HandshakePattern::xx);
  if (!side) return std::unexpected(side.error());
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const ThreadTimes before = side->process.cpu_times();
  if (auto done = side->load->connect_until(accounts.size()); !done) {
    return std::unexpected(done.error());
  }
  return login_rate(difference(side->process.cpu_times(), before),
                    static_cast<double>(accounts.size()));
}

}  // namespace godwit::bench
