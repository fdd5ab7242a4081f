// SPDX-License-Identifier: Apache-2.0
#include "apps/operations.h"

#include <fmt/ranges.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "apps/log.h"
#include "control/admin_fields.h"
#include "control/backup.h"

namespace godwit::apps {

using nlohmann::json;

namespace {

void send(const control::AdminAnswer& answer, Result<json> result) {
  if (!result) return answer(control::to_answer(result.error()));
  (*result)["ok"] = true;
  answer(*result);
}

// Where files go: not in a folder of the gateway's own choice.
Result<std::string> folder_field(const json& request) {
  auto folder = control::text_field(request, "folder");
  if (folder && !folder->starts_with('/')) {
    return fail(ErrorCode::invalid, "the folder must be given from the root");
  }
  return folder;
}

}  // namespace

Operations::~Operations() {
  if (backup_.joinable()) backup_.join();
  if (reader_.joinable()) reader_.join();
}

std::map<std::string, control::AdminHandler, std::less<>> Operations::commands(
    control::Control& control) {
  return {
      {"reload",
       [this, &control](const json& request, Now, const control::AdminAnswer& answer) {
         const auto fields = control::check_fields(request, {});
         const auto left = fields ? take_over_config(control) : std::unexpected(fields.error());
         if (!left) return send(answer, std::unexpected(left.error()));
         send(answer, json{{"restart_needed", *left}});
       }},
      {"log_level",
       [this](const json& request, Now, const control::AdminAnswer& answer) {
         send(answer, set_level(request));
       }},
      {"ports",
       [this](const json& request, Now, const control::AdminAnswer& answer) {
         const auto fields = control::check_fields(request, {});
         send(answer, fields ? options_.ports() : std::unexpected(fields.error()));
       }},
      {"capture", [this](const json& request, Now,
                         const control::AdminAnswer& answer) { send(answer, capture(request)); }},
      {"drain", [this](const json& request, Now,
                       const control::AdminAnswer& answer) { send(answer, drain(request)); }},
      {"backup", [this](const json& request, Now, const control::AdminAnswer& answer) {
         back_up(request, answer);
       }}};
}

void Operations::reload(control::Control& control) {
  options_.loop.post([this, &control] { (void)take_over_config(control); });
}

Result<std::vector<std::string>> Operations::take_over_config(control::Control& control) {
  const auto wanted = options_.read_again();
  if (!wanted) {
    for (const std::string& problem : wanted.error()) spdlog::error("reload: {}", problem);
    return fail(ErrorCode::invalid, "nothing is changed: " + wanted.error().front());
  }
  control.set_registration(wanted->registration);
  options_.set_limits(wanted->limits);
  set_log_level(wanted->log.level);
  std::vector<std::string> left = control::restart_needed(options_.config, *wanted);
  spdlog::info("reloaded the configuration{}{}",
               left.empty() ? "" : "; these take a restart: ", fmt::join(left, ", "));
  return left;
}

Operations::Answer Operations::set_level(const json& request) {
  if (auto fields = control::check_fields(request, {"level"}); !fields) {
    return std::unexpected(fields.error());
  }
  const auto text = control::text_field(request, "level");
  if (!text) return std::unexpected(text.error());
  const auto level = control::parse_log_level(*text);
  if (!level) return std::unexpected(level.error());
  set_log_level(*level);
  return json{{"level", *text}};
}

Operations::Answer Operations::drain(const json& request) {
  constexpr std::uint64_t spread_default = 10;
  constexpr std::uint64_t spread_max = 3600;
  if (auto fields = control::check_fields(request, {"spread_s"}); !fields) {
    return std::unexpected(fields.error());
  }
  const auto spread = control::number_field(
      request, {.name = "spread_s", .min = 0, .max = spread_max, .missing = spread_default});
  if (!spread) return std::unexpected(spread.error());
  spdlog::info("draining: clients come back within {} s", *spread);
  options_.drain(std::chrono::seconds(*spread));
  return json{{"spread_s", *spread}};
}

void Operations::read_stored(std::uint64_t account_id, std::uint32_t limit,
                             std::function<void(control::StoredQueues)> done) {
  if (reading_) return done({.queues = {}, .unreadable_files = 1});
  if (reader_.joinable()) reader_.join();
  reading_ = true;
  const control::StoredQueuesQuery query{
      .folder = options_.config.server.data + "/store", .account_id = account_id, .limit = limit};
  reader_ = std::thread([this, query, done = std::move(done)] {
    ::pthread_setname_np(::pthread_self(), "store-reader");
    control::StoredQueues found = control::stored_queues(query);
    options_.loop.post([this, found = std::move(found), done] {
      reading_ = false;
      done(found);
    });
  });
}

// On a thread of its own: copying may take long, and control has shards to answer.
Operations::Answer Operations::capture(const json& request) {
  if (auto fields = control::check_fields(request, {"folder", "seconds"}); !fields) {
    return std::unexpected(fields.error());
  }
  const auto folder = folder_field(request);
  if (!folder) return std::unexpected(folder.error());
  const auto seconds =
      control::number_field(request, {.name = "seconds", .min = 1, .max = 600, .missing = 10});
  if (!seconds) return std::unexpected(seconds.error());
  const auto files = options_.capture({.folder = *folder, .time = std::chrono::seconds(*seconds)});
  if (!files) return std::unexpected(files.error());
  return json{{"files", *files}, {"seconds", *seconds}};
}

void Operations::back_up(const json& request, const control::AdminAnswer& answer) {
  if (auto fields = control::check_fields(request, {"folder"}); !fields) {
    return send(answer, std::unexpected(fields.error()));
  }
  const auto folder = folder_field(request);
  if (!folder) return send(answer, std::unexpected(folder.error()));
  if (backing_up_) {
    return send(answer, fail(ErrorCode::unavailable, "a backup is running; try again later"));
  }
  if (backup_.joinable()) backup_.join();
  backing_up_ = true;
  backup_ = std::thread([this, data = options_.config.server.data, folder = *folder, answer] {
    ::pthread_setname_np(::pthread_self(), "backup");
    const auto bytes = control::back_up({.data = data, .folder = folder});
    options_.loop.post([this, bytes, folder, answer] {
      backing_up_ = false;
      if (!bytes) return send(answer, std::unexpected(bytes.error()));
      send(answer, json{{"folder", folder}, {"bytes", *bytes}});
    });
  });
}

}  // namespace godwit::apps
