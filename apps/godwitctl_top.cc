// SPDX-License-Identifier: Apache-2.0
#include "apps/godwitctl_top.h"

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "apps/godwitctl_print.h"
#include "base/clock.h"

namespace godwit::apps {

using nlohmann::json;

namespace {

// What a counter grew by in a second.
std::uint64_t rate(std::uint64_t then, std::uint64_t now, double seconds) {
  // Less than before: another process answers now.
  const std::uint64_t grown = now >= then ? now - then : now;
  return static_cast<std::uint64_t>(std::llround(static_cast<double>(grown) / seconds));
}

using Buckets = std::map<std::uint64_t, std::uint64_t>;

Buckets buckets_of(const json& row, const std::string& name) {
  Buckets buckets;
  const auto histograms = row.find("histograms");
  if (histograms == row.end() || !histograms->contains(name)) return buckets;
  for (const json& bucket : histograms->at(name).at("buckets")) {
    buckets[bucket.at(0).get<std::uint64_t>()] = bucket.at(1).get<std::uint64_t>();
  }
  return buckets;
}

// What came between the two; all of `after` when another process answers now.
Buckets grown(const Buckets& before, const Buckets& after) {
  Buckets between = after;
  for (const auto& [bound, count] : before) {
    const auto found = between.find(bound);
    if (found == between.end() || found->second < count) return after;
    found->second -= count;
  }
  return between;
}

std::optional<std::uint64_t> quantile(const Buckets& buckets, double rank) {
  std::uint64_t total = 0;
  for (const auto& [bound, count] : buckets) total += count;
  if (total == 0) return std::nullopt;
  const auto wanted = static_cast<std::uint64_t>(rank * static_cast<double>(total - 1));
  std::uint64_t passed = 0;
  for (const auto& [bound, count] : buckets) {
    passed += count;
    if (passed > wanted) return bound;
  }
  return buckets.rbegin()->first;
}

void add_quantiles(json& row, const json& before, const json& after) {
  const auto histograms = after.find("histograms");
  if (histograms == after.end()) return;
  for (const auto& [name, unused] : histograms->items()) {
    const Buckets between = grown(buckets_of(before, name), buckets_of(after, name));
    for (const auto& [suffix, rank] : {std::pair{" p50", 0.5}, std::pair{" p99", 0.99}}) {
      const auto value = quantile(between, rank);
      if (!value) continue;
      row[name + suffix] = name.ends_with("_seconds") ? json(duration_text(*value)) : json(*value);
    }
  }
}

// A row of `after` in which every counter is what it grew by in a second, metrics that differ in a
// label alone are summed under the bare name, and histograms are the quantiles of what came.
json changes(const json& before, const json& after, double seconds) {
  json row = json::object();
  for (const auto& [name, value] : after.items()) {
    if (!value.is_number()) continue;
    const std::string bare = name.substr(0, name.find('{'));
    const auto now = value.get<std::uint64_t>();
    const std::uint64_t shown =
        bare.ends_with("_total") ? rate(before.value(name, std::uint64_t{0}), now, seconds) : now;
    row[bare] = row.value(bare, std::uint64_t{0}) + shown;
  }
  if (row.contains("memory_bytes")) {
    row["memory"] = size_text(row["memory_bytes"].get<std::uint64_t>());
  }
  add_quantiles(row, before, after);
  return row;
}

json changes_of_all(const json& before, const json& after, double seconds) {
  json rows = json::array();
  for (std::size_t i = 0; i < after.size(); ++i) {
    rows.push_back(changes(i < before.size() ? before[i] : json::object(), after[i], seconds));
  }
  return rows;
}

}  // namespace

std::string top_text(const json& before, const json& after, double seconds) {
  using Form = Column::Form;
  const json shards = changes_of_all(before.at("shards"), after.at("shards"), seconds);
  const json storage = changes_of_all(before.at("storage"), after.at("storage"), seconds);
  return table(shards, {{"SHARD", "shard", Form::number},
                        {"SESSIONS", "sessions", Form::number},
                        {"LOGINS/S", "logins_accepted_total", Form::number},
                        {"RECEIVED/S", "messages_received_total", Form::number},
                        {"DELIVERED/S", "messages_delivered_total", Form::number},
                        {"SETTLED/S", "messages_settled_total", Form::number},
                        {"REFUSED/S", "stanzas_refused_total", Form::number},
                        {"IN MEMORY", "messages_in_memory", Form::number},
                        {"AT RISK", "messages_at_risk", Form::number}}) +
         "\n" +
         table(shards, {{"SHARD", "shard", Form::number},
                        {"DELIVERY P50", "delivery_seconds p50", Form::number},
                        {"P99", "delivery_seconds p99", Form::number},
                        {"SETTLE P50", "settlement_seconds p50", Form::number},
                        {"P99", "settlement_seconds p99", Form::number},
                        {"ACK P50", "acknowledgement_seconds p50", Form::number},
                        {"P99", "acknowledgement_seconds p99", Form::number},
                        {"TURN P50", "turn_seconds p50", Form::number},
                        {"P99", "turn_seconds p99", Form::number}}) +
         "\n" +
         table(shards, {{"SHARD", "shard", Form::number},
                        {"TURNS/S", "turns_total", Form::number},
                        {"FRAMES IN/S", "frames_received_total", Form::number},
                        {"FRAMES OUT/S", "frames_sent_total", Form::number},
                        {"RING P50", "ring_commands p50", Form::number},
                        {"P99", "ring_commands p99", Form::number},
                        {"RING FULL/S", "ring_full_total", Form::number},
                        {"MAILBOX P99", "mailbox_messages p99", Form::number},
                        {"MEMORY", "memory", Form::number}}) +
         "\n" +
         table(storage, {{"STORAGE", "thread", Form::number},
                         {"COMMITS/S", "storage_commits_total", Form::number},
                         {"STORED/S", "storage_messages_stored_total", Form::number},
                         {"CANCELLED/S", "storage_messages_cancelled_total", Form::number},
                         {"LOADED/S", "storage_messages_loaded_total", Form::number},
                         {"BATCH P50", "storage_batch_messages p50", Form::number},
                         {"COMMIT P50", "storage_commit_seconds p50", Form::number},
                         {"P99", "storage_commit_seconds p99", Form::number}});
}

Result<void> top(AdminClient& client, const TopOptions& options) {
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  const json request{{"command", "shards"}};
  auto before = client.ask(request);
  if (!before) return std::unexpected(before.error());
  Instant asked = monotonic_now();
  for (unsigned printed = 0; options.count == 0 || printed < options.count; ++printed) {
    std::this_thread::sleep_for(std::chrono::seconds(options.interval_s));
    auto after = client.ask(request);
    if (!after) return std::unexpected(after.error());
    const Instant now = monotonic_now();
    const double seconds = std::chrono::duration<double>(now - asked).count();
    const std::string text = top_text(*before, *after, seconds);
    // Home, and everything below it erased.
    const std::string shown = (terminal ? "\x1b[H\x1b[J" : printed > 0 ? "\n" : "") + text;
    if (std::fputs(shown.c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
      return fail(ErrorCode::io, "cannot write to standard output");
    }
    before = std::move(after);
    asked = now;
  }
  return {};
}

}  // namespace godwit::apps
