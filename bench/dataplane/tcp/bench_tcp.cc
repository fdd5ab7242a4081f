// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "bench/dataplane/tcp/attacks.h"
#include "bench/dataplane/tcp/bulk.h"
#include "bench/dataplane/tcp/kernel_echo.h"
#include "bench/dataplane/tcp/pair.h"
#include "bench/dataplane/tcp/resident.h"
#include "bench/dataplane/tcp/two_cores.h"
#include "bench/generator/report.h"

// What the server's half of our TCP costs: bench/README.md says how it is measured. Ends with 1
// when a connection or an answer is missing, or an idle connection is larger than it may be.

namespace godwit::bench {
namespace {

constexpr std::size_t message_size = 150;
// Of an idle connection: 512 bytes of state, and its share of the flow table, of the list of
// generations and of the timers' slots.
constexpr double idle_bytes_max = 600;

struct Program {
  std::uint32_t connections = 1'000'000;
  std::uint32_t messages = 1'000'000;
  std::uint32_t addresses = 1;
  std::uint64_t bulk_megabytes = 500;
  std::string json_file;
  std::vector<nlohmann::json> results;
  bool good = true;

  void add(nlohmann::json result) { results.push_back(std::move(result)); }
  void require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "bench_tcp: %s\n", what);
    good = false;
  }
};

double share(double amount, std::uint64_t count) {
  return amount / static_cast<double>(count);
}

void idle(Program& program) {
  const double before = resident_bytes();
  Pair pair({.connections = program.connections});
  pair.open_all();
  const ServerCost cost = pair.take_cost();
  pair.skip(std::chrono::seconds(1));
  for (int i = 0; i < 64; ++i) pair.turn();
  // The two ends have the same settings and the same connections.
  const double resident = share((resident_bytes() - before) / 2, program.connections);
  const double counted =
      share(static_cast<double>(pair.server().memory_bytes()), program.connections);
  std::printf(
      "idle: %u connections, %.0f bytes each resident, %.0f of them counted by the stack; "
      "%zu timers armed, %zu senders, %zu buffer bytes\n",
      program.connections, resident, counted, pair.server().armed_timers(), pair.server().senders(),
      pair.server().buffers_in_use());
  std::printf("      opened at %.0f ns of CPU each, %.0f a second and core\n",
              share(cost.total_ns(), program.connections),
              1e9 / share(cost.total_ns(), program.connections));
  program.require(pair.server().open_connections() == program.connections,
                  "connections are missing");
  program.require(pair.server().armed_timers() == 0, "an idle connection has a timer");
  program.require(program.connections < 100'000 || resident <= idle_bytes_max,
                  "an idle connection is larger than it may be");
  program.add({{"benchmark", "tcp_idle"},
               {"connections", program.connections},
               {"resident_bytes_each", resident},
               {"counted_bytes_each", counted},
               {"open_ns", share(cost.total_ns(), program.connections)}});
}

void opens(Program& program) {
  for (const bool cookies : {false, true}) {
    const std::uint32_t count = std::min(program.connections, 200'000u);
    Pair pair({.connections = count, .syn_cache = cookies ? 0u : 8192u, .close_at_once = true});
    pair.open_all();
    const ServerCost cost = pair.take_cost();
    const double each = share(cost.total_ns(), count);
    std::printf(
        "open and close, %s: %.0f ns of CPU each, %.0f a second and core (%.1f frames in, "
        "%.1f out, %lu by cookie)\n",
        cookies ? "cookies" : "cache", each, 1e9 / each,
        share(static_cast<double>(cost.frames_in), count),
        share(static_cast<double>(cost.frames_out), count),
        pair.server().counters().cookies_accepted);
    program.require(pair.server_events().closed == count, "a connection was not closed");
    program.add({{"benchmark", "tcp_open_close"},
                 {"cookies", cookies},
                 {"connections", count},
                 {"ns", each}});
  }
}

// CPU of the server a message of its own stack.
struct Over {
  bool offload = false;
  bool v6 = false;
};
double messages_over(Program& program, std::uint32_t connections, Over over = {}) {
  Pair pair({.connections = connections,
             .offload = over.offload,
             .v6 = over.v6,
             .addresses = program.addresses});
  pair.open_all();
  const std::vector<std::uint8_t> message(message_size, 'm');
  const std::uint32_t rounds = program.messages / batch;
  // Every connection beyond its first segments, which are acknowledged at once.
  for (std::uint32_t i = 0; i < 4 * connections / batch && connections <= 10'000; ++i) {
    pair.exchange(i * batch, batch, message);
  }
  pair.take_cost();
  const std::uint64_t before = pair.client_events().replies;
  for (std::uint32_t round = 0; round < rounds; ++round) {
    pair.exchange(round * batch, batch, message);
  }
  const ServerCost cost = pair.take_cost();
  const std::uint64_t count = std::uint64_t{rounds} * batch;
  program.require(pair.client_events().replies - before == count, "an answer is missing");
  const double each = share(cost.total_ns(), count);
  std::printf(
      "messages over %7u connections, IPv%d%s: %.0f ns of CPU an exchange, %.0f a second and "
      "core; %.0f ns a frame in (%lu), %.0f ns a frame out (%lu), timers %.0f ns; "
      "%lu sent again\n",
      connections, over.v6 ? 6 : 4, over.offload ? ", checksums by the port" : "", each, 1e9 / each,
      cost.in_each(), cost.frames_in, cost.out_each(), cost.frames_out, share(cost.timer_ns, count),
      pair.server().counters().retransmits);
  program.add({{"benchmark", "tcp_messages"},
               {"connections", connections},
               {"offload", over.offload},
               {"ipv6", over.v6},
               {"ns", each},
               {"ns_frame_in", cost.in_each()},
               {"ns_frame_out", cost.out_each()},
               {"frames_in", cost.frames_in},
               {"frames_out", cost.frames_out}});
  return each;
}

void messages(Program& program) {
  for (const bool v6 : {false, true}) {
    messages_over(program, 1'000, {.v6 = v6});
    messages_over(program, program.connections, {.v6 = v6});
  }
}

// Each end has a ring of its own, whose descriptors are as many as a process may have.
std::uint32_t connections_of_the_kernel() {
  constexpr rlim_t others = 1024;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<std::uint32_t>(std::min<rlim_t>(limit.rlim_cur - others, 100'000));
}

void beside_kernel_over(Program& program, std::uint32_t connections) {
  const double ours = messages_over(program, connections);
  const double offloaded = messages_over(program, connections, {.offload = true});
  const auto kernel = kernel_echo({.connections = connections, .messages = program.messages});
  if (!kernel) {
    program.require(false, kernel.error().message.c_str());
    return;
  }
  std::printf(
      "io/uring over loopback, %u connections: %.0f ns of CPU an exchange, server's "
      "thread; ours is %.1f times cheaper, %.1f with checksums by the port\n",
      connections, *kernel, *kernel / ours, *kernel / offloaded);
  program.add({{"benchmark", "tcp_beside_kernel"},
               {"connections", connections},
               {"kernel_ns", *kernel},
               {"ours_ns", ours},
               {"ours_offload_ns", offloaded},
               {"ratio", *kernel / ours}});
}

void beside_kernel(Program& program) {
  beside_kernel_over(program, 1'000);
  const std::uint32_t most = connections_of_the_kernel();
  if (most > 2'000) beside_kernel_over(program, most);
}

void two_cores_each(Program& program) {
  for (const bool v6 : {false, true}) {
    for (const std::uint32_t connections : {1'000u, program.connections}) {
      const TwoCoresResult result = two_cores({.connections = connections, .v6 = v6});
      std::printf(
          "a core for each end, IPv%d: %.0f connections opened and closed a second; %.0f exchanges "
          "a second over %u connections; %lu frames lost\n",
          v6 ? 6 : 4, result.opens_per_second, result.exchanges_per_second, connections,
          result.lost);
      program.require(result.complete, "two cores: nothing came for 10 seconds");
      program.add({{"benchmark", "tcp_two_cores"},
                   {"connections", connections},
                   {"ipv6", v6},
                   {"opens_per_second", result.opens_per_second},
                   {"exchanges_per_second", result.exchanges_per_second}});
    }
  }
}

void bulk_over(Program& program, const char* what, const tcp::PortFeatures& port) {
  Bulk bulk(port);
  bulk.run(20'000'000);  // its window is then as large as it gets
  const Bulk::Result result = bulk.run(program.bulk_megabytes * 1'000'000);
  std::printf("bulk, %s: %.0f ns of CPU 1000 bytes; %lu segments in %lu frames\n", what,
              result.ns_each_kilobyte, result.segments_out, result.frames_out);
  program.add({{"benchmark", "tcp_bulk"},
               {"port", what},
               {"ns_kilobyte", result.ns_each_kilobyte},
               {"segments", result.segments_out},
               {"frames", result.frames_out}});
}

constexpr tcp::PortFeatures completes_checksums{true, true};
constexpr tcp::PortFeatures cuts_segments{true, true, {.v4 = tcp::uncut_bytes_max}};

void bulk(Program& program) {
  bulk_over(program, "nothing by the port", {});
  bulk_over(program, "checksums by the port", completes_checksums);
  bulk_over(program, "checksums and segments by the port", cuts_segments);
}

void attacks(Program& program) {
  for (const Attack attack : all_attacks) {
    const AttackResult result = run_attack(attack);
    std::printf(
        "%-14s %.0f ns of CPU a packet, %.2f answers; %+.0f KiB resident, %+.0f KiB counted; "
        "good clients: %lu of %lu answers, %lu of %lu connections left\n",
        name_of(attack), result.ns, result.answers, result.resident_growth / 1024,
        result.counted_growth / 1024, result.replies, result.replies_due, result.connections_left,
        result.connections);
    program.require(result.replies == result.replies_due, "a good client had no answer");
    program.require(result.connections_left == result.connections, "a good client was thrown out");
    program.add({{"benchmark", "tcp_attack"},
                 {"attack", name_of(attack)},
                 {"ns", result.ns},
                 {"answers", result.answers},
                 {"resident_growth", result.resident_growth}});
  }
}

int run(int argc, char** argv) {
  Program program;
  CLI::App app("What the server's half of our TCP costs");
  app.add_option("--connections", program.connections, "of idle and messages")
      ->check(CLI::Range(1000u, 2'500'000u));
  app.add_option("--messages", program.messages, "of messages and beside-kernel")
      ->check(CLI::Range(1'000u, 1'000'000'000u));
  app.add_option("--addresses", program.addresses, "of the server, in messages and load")
      ->check(CLI::Range(1u, static_cast<std::uint32_t>(tcp::addresses_max) - 1));
  app.add_option("--megabytes", program.bulk_megabytes, "of bulk")->check(CLI::Range(1, 1'000'000));
  app.add_option("--json", program.json_file, "adds the results, an object a line");
  // The last ones repeat a part of others, for callgrind.
  constexpr std::size_t repeats = 3;
  const std::vector<std::pair<const char*, std::function<void(Program&)>>> parts = {
      {"idle", idle},
      {"opens", opens},
      {"messages", messages},
      {"bulk", bulk},
      {"beside-kernel", beside_kernel},
      {"two-cores", two_cores_each},
      {"attacks", attacks},
      {"load", [](Program& p) { messages_over(p, 1'000); }},
      {"bulk-single", [](Program& p) { bulk_over(p, "single segments", completes_checksums); }},
      {"bulk-cut", [](Program& p) { bulk_over(p, "cut by the port", cuts_segments); }}};
  std::vector<CLI::App*> commands;
  for (const auto& part : parts) commands.push_back(app.add_subcommand(part.first));
  CLI11_PARSE(app, argc, argv);
  double load = 0;
  ::getloadavg(&load, 1);
  std::printf("load of the machine before: %.1f\n", load);
  program.add({{"benchmark", "tcp_machine_load"}, {"load", load}});
  const bool all = app.get_subcommands().empty();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (all ? i + repeats < parts.size() : commands[i]->parsed()) parts[i].second(program);
  }
  if (!program.json_file.empty()) {
    std::ofstream out(program.json_file, std::ios::app);
    out << json_machine("virtual time") << '\n';
    for (const auto& result : program.results) out << result.dump() << '\n';
  }
  return program.good ? 0 : 1;
}

}  // namespace
}  // namespace godwit::bench

int main(int argc, char** argv) {
  return godwit::bench::run(argc, argv);
}
