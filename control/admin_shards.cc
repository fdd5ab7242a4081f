// SPDX-License-Identifier: Apache-2.0
// The admin commands that look at the shards.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "control/admin_commands.h"
#include "control/admin_fields.h"
#include "protocol/jid.h"

namespace godwit::control {
namespace {

using nlohmann::json;

constexpr std::uint64_t queues_limit_default = 20;

// Nanoseconds and counts as they are recorded; buckets that hold something, each by its largest
// value, so that two answers can be subtracted.
json to_json(const queues::HistogramSnapshot& seen) {
  json buckets = json::array();
  for (std::size_t i = 0; i < queues::HistogramSnapshot::buckets; ++i) {
    if (seen.counts[i] == 0) continue;
    buckets.push_back({queues::HistogramSnapshot::upper_of(i), seen.counts[i]});
  }
  return {{"count", seen.count()},        {"sum", seen.sum},
          {"p50", seen.quantile(0.5)},    {"p99", seen.quantile(0.99)},
          {"p999", seen.quantile(0.999)}, {"buckets", std::move(buckets)}};
}

// Metrics by name, with the label where there is one: "handshakes_total{result=\"failed\"}".
template <typename Which, typename Source>
json to_json(std::span<const queues::MetricInfo> infos,
             std::span<const queues::HistogramInfo> histograms, const Source& source) {
  json values = json::object();
  for (std::size_t metric = 0; metric < infos.size(); ++metric) {
    const queues::MetricInfo& info = infos[metric];
    const std::string label = info.label.empty() ? "" : "{" + std::string(info.label) + "}";
    values[std::string(info.name) + label] =
        source.get(static_cast<typename Source::Which>(metric));
  }
  json& distributions = values["histograms"] = json::object();
  for (std::size_t index = 0; index < histograms.size(); ++index) {
    distributions[std::string(histograms[index].name)] =
        to_json(source.snapshot(static_cast<Which>(index)));
  }
  return values;
}

json with_coverage(json answer, const QueryResult& result) {
  answer["ok"] = true;
  answer["unanswered_shards"] = result.unanswered;
  if (result.truncated) answer["truncated"] = true;
  return answer;
}

const Error too_busy{ErrorCode::unavailable,
                     "too many such requests are under way; try again in a moment"};

}  // namespace

std::uint64_t AdminCommands::sum(queues::ShardMetric metric) const {
  std::uint64_t sum = 0;
  for (const Control::ShardLink& link : control_.options().shards)
    sum += link.counters->get(metric);
  return sum;
}

AdminCommands::Answer AdminCommands::status(Now now) const {
  using queues::ShardMetric;
  json warnings = json::array();
  if (options_.ack_after == AckAfter::memory) {
    warnings.push_back(
        "ack_after is \"memory\": senders are told that a message is safe before it is; if the "
        "gateway dies, "
        "acknowledged messages are LOST");
  }
  json failing = json::array();
  for (std::size_t thread = 0; thread < options_.storage.size(); ++thread) {
    const StorageLink& link = options_.storage[thread];
    if (link.counters->get(queues::StorageMetric::failing) == 0) continue;
    const std::string error = link.last_error ? link.last_error() : "";
    failing.push_back(error.empty() ? "storage thread " + std::to_string(thread) + " cannot commit"
                                    : error);
  }
  for (const json& error : failing)
    warnings.push_back("message storage fails: " + error.get<std::string>());
  const bool keys_failing = control_.counters().get(ControlMetric::key_store_failing) != 0;
  const bool accounts_failing = control_.counters().get(ControlMetric::account_store_failing) != 0;
  if (accounts_failing) warnings.push_back("the account database fails; see the log");
  if (options_.certificate_ends < now.wall + std::chrono::days(30)) {
    warnings.push_back(
        "the certificate ends within 30 days; restart with the operator key in place");
  }
  const auto uptime =
      std::chrono::floor<std::chrono::seconds>(now.instant - options_.started.instant);
  return json{
      {"version", options_.version},
      {"uptime_s", uptime.count()},
      {"domain", control_.options().domain},
      {"node_key", options_.node_key},
      {"operator_key", options_.operator_key},
      {"certificate_ends", std::chrono::floor<std::chrono::seconds>(options_.certificate_ends)
                               .time_since_epoch()
                               .count()},
      {"shards", control_.options().shards.size()},
      {"connections", sum(ShardMetric::connections_open)},
      {"sessions", sum(ShardMetric::sessions)},
      {"accounts", accounts_.account_count()},
      {"messages_in_memory", sum(ShardMetric::messages_in_memory)},
      {"messages_at_risk", sum(ShardMetric::messages_at_risk)},
      {"registration", to_text(control_.options().registration.mode)},
      {"ack_after", to_text(options_.ack_after)},
      {"store", failing.empty() ? "ok" : "failing"},
      {"store_errors", std::move(failing)},
      {"account_store", accounts_failing ? "failing" : "ok"},
      {"key_store", keys_failing ? "failing" : "ok"},
      {"warnings", std::move(warnings)}};
}

AdminCommands::Answer AdminCommands::shards() const {
  json shards = json::array();
  for (const Control::ShardLink& link : control_.options().shards) {
    json row = to_json<queues::ShardHistogram>(queues::shard_metrics, queues::shard_histograms,
                                               *link.counters);
    row["shard"] = shards.size();
    row["ring_depth"] = link.from_shard->depth();
    shards.push_back(std::move(row));
  }
  json storage = json::array();
  for (const StorageLink& link : options_.storage) {
    json row = to_json<queues::StorageHistogram>(queues::storage_metrics,
                                                 queues::storage_histograms, *link.counters);
    row["thread"] = storage.size();
    storage.push_back(std::move(row));
  }
  return json{{"shards", std::move(shards)}, {"storage", std::move(storage)}};
}

void AdminCommands::list_sessions(const std::string& account, Now now, AdminAnswer answer) {
  const bool started = control_.queries().start(
      queues::AdminQuery::sessions, account, now, [this, answer](const QueryResult& result) {
        json rows = json::array();
        for (const queues::SessionRow& row : result.sessions) {
          rows.push_back({{"account", account_text(row.user)},
                          {"device", row.device},
                          {"client", row.client},
                          {"address", row.address},
                          {"connected_ms", row.connected_ms},
                          {"unacknowledged", row.unacknowledged}});
        }
        answer(with_coverage({{"sessions", std::move(rows)}}, result));
      });
  if (!started) answer(to_answer(too_busy));
}

void AdminCommands::show_sessions(const json& request, Now now, AdminAnswer answer) {
  const auto checked = check_fields(request, {"account"});
  const auto user = checked ? user_of(request) : std::unexpected(checked.error());
  if (!user) return answer(to_answer(user.error()));
  list_sessions(account_text(*user), now, std::move(answer));
}

void AdminCommands::top_queues(const json& request, Now now, AdminAnswer answer) {
  if (auto checked = check_fields(request, {"limit"}); !checked)
    return answer(to_answer(checked.error()));
  const Result<std::uint64_t> limit = number_field(
      request,
      {.name = "limit", .min = 1, .max = ShardQueries::rows_max, .missing = queues_limit_default});
  if (!limit) return answer(to_answer(limit.error()));
  find_queues({.limit = static_cast<std::uint32_t>(*limit)}, now, std::move(answer));
}

void AdminCommands::show_queues(const json& request, Now now, AdminAnswer answer) {
  const auto checked = check_fields(request, {"account"});
  const auto user = checked ? user_of(request) : std::unexpected(checked.error());
  if (!user) return answer(to_answer(user.error()));
  const auto found = accounts_.find(*user);
  if (!found) return answer(to_answer(found.error()));
  if (!*found) {
    return answer(to_answer({ErrorCode::not_found, "there is no account " + account_text(*user)}));
  }
  find_queues(
      {.account = account_text(*user), .account_id = (*found)->id, .limit = ShardQueries::rows_max},
      now, std::move(answer));
}

// The shards know what is in memory and what is stored for accounts they have loaded; the files
// know of all accounts.
void AdminCommands::find_queues(const QueuesWanted& wanted, Now now, AdminAnswer answer) {
  const bool started = control_.queries().start(
      queues::AdminQuery::queues, wanted.account, now,
      [this, answer, wanted](const QueryResult& result) {
        const auto finish = [this, answer, wanted, result](const StoredQueues& stored) {
          answer(with_coverage({{"queues", merge_queues(result, stored, wanted.limit)},
                                {"unreadable_files", stored.unreadable_files}},
                               result));
        };
        if (!options_.read_stored) return finish({});
        options_.read_stored(wanted.account_id, wanted.limit, finish);
      });
  if (!started) answer(to_answer(too_busy));
}

json AdminCommands::merge_queues(const QueryResult& result, const StoredQueues& stored,
                                 std::size_t limit) {
  std::map<std::pair<std::string, std::uint16_t>, json> rows;
  for (const queues::QueueRow& row : result.queues) {
    rows[{row.user, row.device}] = {{"account", account_text(row.user)},
                                    {"device", row.device},
                                    {"connected", row.connected},
                                    {"in_memory", row.in_memory},
                                    {"in_store", row.in_store},
                                    {"bytes", row.bytes},
                                    {"oldest", 0}};
  }
  for (const StoredQueue& queue : stored.queues) {
    const Result<std::string> user = accounts_.user_of(queue.account_id);
    if (!user || user->empty()) continue;  // removed; its messages are about to be
    json& row = rows[{*user, queue.device}];
    if (row.is_null()) {
      row = {{"account", account_text(*user)},
             {"device", queue.device},
             {"connected", false},
             {"in_memory", 0},
             {"in_store", queue.messages},
             {"bytes", queue.bytes}};
    }
    row["oldest"] = queue.oldest_s;
  }
  std::vector<json> sorted;
  for (auto& [name, row] : rows) sorted.push_back(std::move(row));
  std::ranges::stable_sort(sorted, std::ranges::greater{}, [](const json& row) {
    return row.at("in_memory").get<std::uint64_t>() + row.at("in_store").get<std::uint64_t>();
  });
  if (sorted.size() > limit) sorted.resize(limit);
  return sorted;
}

void AdminCommands::act_on_device(queues::AdminQuery query, const json& request, Now now,
                                  AdminAnswer answer) {
  if (auto checked = check_fields(request, {"device"}); !checked)
    return answer(to_answer(checked.error()));
  const Result<std::string> text = text_field(request, "device");
  if (!text) return answer(to_answer(text.error()));
  const Result<protocol::Jid> jid = protocol::parse_jid(*text);
  if (!jid) return answer(to_answer(jid.error()));
  const std::string& domain = control_.options().domain;
  if (jid->device == 0 || jid->domain != domain) {
    return answer(to_answer({ErrorCode::invalid, "a device is meant: USER@" + domain + "/DEVICE"}));
  }
  const bool started = control_.queries().start(
      query, *text, now, [answer, text = *text](const QueryResult& result) {
        answer(with_coverage({{"device", text}, {"affected", result.affected}}, result));
      });
  if (!started) answer(to_answer(too_busy));
}

}  // namespace godwit::control
