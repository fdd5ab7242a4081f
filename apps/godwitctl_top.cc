// SPDX-License-Identifier: Apache-2.0
#include "apps/godwitctl_top.h"

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <thread>

#include "apps/godwitctl_print.h"
#include "base/clock.h"

namespace godwit::apps {

using nlohmann::json;

namespace {

// A row of `after` in which every counter is what it grew by in a second.
json rates(const json& before, const json& after, double seconds) {
  json row = after;
  for (const auto& [name, value] : after.items()) {
    if (!name.ends_with("_total")) continue;
    const std::uint64_t then = before.value(name, std::uint64_t{0});
    const std::uint64_t now = value.get<std::uint64_t>();
    // Less than before: another process answers now.
    const std::uint64_t grown = now >= then ? now - then : now;
    row[name] = static_cast<std::uint64_t>(std::llround(static_cast<double>(grown) / seconds));
  }
  return row;
}

json rates_of_all(const json& before, const json& after, double seconds) {
  json rows = json::array();
  for (std::size_t i = 0; i < after.size(); ++i) {
    rows.push_back(rates(i < before.size() ? before[i] : json::object(), after[i], seconds));
  }
  return rows;
}

}  // namespace

std::string top_text(const json& before, const json& after, double seconds) {
  using Form = Column::Form;
  return table(rates_of_all(before.at("shards"), after.at("shards"), seconds),
               {{"SHARD", "shard", Form::number},
                {"SESSIONS", "sessions", Form::number},
                {"LOGINS/S", "logins_accepted_total", Form::number},
                {"RECEIVED/S", "messages_received_total", Form::number},
                {"DELIVERED/S", "messages_delivered_total", Form::number},
                {"SETTLED/S", "messages_settled_total", Form::number},
                {"REFUSED/S", "messages_refused_total", Form::number},
                {"IN MEMORY", "messages_in_memory", Form::number},
                {"AT RISK", "messages_at_risk", Form::number},
                {"TURNS/S", "turns_total", Form::number}}) +
         "\n" +
         table(rates_of_all(before.at("storage"), after.at("storage"), seconds),
               {{"STORAGE", "thread", Form::number},
                {"COMMITS/S", "storage_commits_total", Form::number},
                {"STORED/S", "storage_messages_stored_total", Form::number},
                {"CANCELLED/S", "storage_messages_cancelled_total", Form::number},
                {"LOADED/S", "storage_messages_loaded_total", Form::number},
                {"COMMIT US", "storage_commit_microseconds", Form::number}});
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
