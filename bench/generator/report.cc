// SPDX-License-Identifier: Apache-2.0
#include "bench/generator/report.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

namespace godwit::bench {

namespace {

[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...) {
  char text[512];
  std::va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(text, sizeof text, pattern, arguments);
  va_end(arguments);
  return text;
}

double median_of(const std::vector<RoundCost>& rounds, double RoundCost::*field) {
  std::vector<double> values;
  for (const RoundCost& round : rounds) values.push_back(round.*field);
  return median(std::move(values));
}

std::string row(const char* name, const std::vector<RoundCost>& rounds) {
  const auto of = [&](double RoundCost::*field) { return median_of(rounds, field); };
  return format("  %-8s %8.3f %9.3f %9.0f %6.0f%% %9.0f%% %8.1f %8.1f %7.3f %9.4f\n", name,
                of(&RoundCost::us_per_message), of(&RoundCost::shard_us_per_message),
                of(&RoundCost::messages_per_second), 100 * of(&RoundCost::server_busy),
                100 * of(&RoundCost::generator_busy), of(&RoundCost::bytes_out),
                of(&RoundCost::bytes_in), of(&RoundCost::frames_out), of(&RoundCost::ack_frames));
}

nlohmann::json rounds_of(const std::vector<RoundCost>& rounds) {
  auto list = nlohmann::json::array();
  for (const RoundCost& round : rounds) {
    list.push_back({{"us_per_message", round.us_per_message},
                    {"shard_us_per_message", round.shard_us_per_message},
                    {"messages_per_second", round.messages_per_second},
                    {"server_busy", round.server_busy},
                    {"generator_busy", round.generator_busy},
                    {"bytes_to_clients", round.bytes_in},
                    {"bytes_from_clients", round.bytes_out},
                    {"ack_frames", round.ack_frames}});
  }
  return list;
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

CostSummary summarise(const MessageCost& cost) {
  std::vector<double> ratios;
  std::vector<double> shard_ratios;
  for (std::size_t i = 0; i < cost.relay.size(); ++i) {
    ratios.push_back(cost.gateway[i].us_per_message / cost.relay[i].us_per_message);
    shard_ratios.push_back(cost.gateway[i].shard_us_per_message / cost.relay[i].us_per_message);
  }
  return {.relay_us = median_of(cost.relay, &RoundCost::us_per_message),
          .gateway_us = median_of(cost.gateway, &RoundCost::us_per_message),
          .shard_us = median_of(cost.gateway, &RoundCost::shard_us_per_message),
          .ratio = median(ratios),
          .ratio_min = *std::ranges::min_element(ratios),
          .ratio_max = *std::ranges::max_element(ratios),
          .shard_ratio = median(shard_ratios)};
}

std::string table(const MessageCost& cost) {
  const CostSummary summary = summarise(cost);
  std::string text =
      format("%zu connections, window %u (medians of %zu rounds; us of CPU a message)\n",
             cost.connections, cost.window, cost.relay.size());
  text +=
      "  server     us/msg  shard us     msg/s   busy  generator  B/msg->  B/msg<- frames ack "
      "frames\n";
  text += row("relay", cost.relay);
  text += row("godwitd", cost.gateway);
  text += format(
      "  ratio %.3f (rounds %.3f to %.3f), shard thread alone %.3f; threads of the last round:",
      summary.ratio, summary.ratio_min, summary.ratio_max, summary.shard_ratio);
  const RoundCost& last = cost.gateway.back();
  std::uint64_t all = 0;
  for (const apps::ThreadCpu& time : last.threads) all += time.nanoseconds;
  for (const apps::ThreadCpu& time : last.threads) {
    text += format(" %s %.1f%%", time.name.c_str(),
                   100 * static_cast<double>(time.nanoseconds) / static_cast<double>(all));
  }
  return text + "\n";
}

std::string table(const SessionCost& cost) {
  return format(
      "%zu idle sessions: resident memory %.0f B a session (anonymous %.0f B; second half alone "
      "%.0f B)\n"
      "  XXhfs logins a second of server CPU: %.0f (of the shard's alone: %.0f), XX: %.0f (%.0f)\n",
      cost.sessions, cost.resident_bytes, cost.anonymous_bytes, cost.resident_bytes_marginal,
      cost.hybrid_logins.per_second, cost.hybrid_logins.per_shard_second,
      cost.classical_logins.per_second, cost.classical_logins.per_shard_second);
}

std::string json(const MessageCost& cost) {
  const CostSummary summary = summarise(cost);
  return nlohmann::json{{"benchmark", "message_cost"},
                        {"connections", cost.connections},
                        {"window", cost.window},
                        {"relay_us_per_message", summary.relay_us},
                        {"godwit_us_per_message", summary.gateway_us},
                        {"godwit_shard_us_per_message", summary.shard_us},
                        {"ratio", summary.ratio},
                        {"ratio_min", summary.ratio_min},
                        {"ratio_max", summary.ratio_max},
                        {"shard_ratio", summary.shard_ratio},
                        {"relay_rounds", rounds_of(cost.relay)},
                        {"godwit_rounds", rounds_of(cost.gateway)}}
      .dump();
}

std::string json(const SessionCost& cost) {
  return nlohmann::json{{"benchmark", "session_cost"},
                        {"sessions", cost.sessions},
                        {"resident_bytes_per_session", cost.resident_bytes},
                        {"anonymous_bytes_per_session", cost.anonymous_bytes},
                        {"resident_bytes_per_session_marginal", cost.resident_bytes_marginal},
                        {"xxhfs_logins_per_cpu_second", cost.hybrid_logins.per_second},
                        {"xxhfs_logins_per_shard_cpu_second", cost.hybrid_logins.per_shard_second},
                        {"xx_logins_per_cpu_second", cost.classical_logins.per_second},
                        {"xx_logins_per_shard_cpu_second", cost.classical_logins.per_shard_second}}
      .dump();
}

std::string json_machine(const std::string& idle) {
  utsname name{};
  ::uname(&name);
  return nlohmann::json{{"benchmark", "machine"},
                        {"host", name.nodename},
                        {"kernel", name.release},
                        {"cpu", cpu_model()},
                        {"cores", std::thread::hardware_concurrency()},
                        {"idle", idle}}
      .dump();
}

}  // namespace godwit::bench
