// SPDX-License-Identifier: Apache-2.0
#include "control/admin_commands.h"

#include <nlohmann/json.hpp>

#include "control/admin_fields.h"
#include "protocol/jid.h"

namespace godwit::control {
namespace {

using nlohmann::json;

constexpr std::uint64_t accounts_per_page_max = 1000;
constexpr std::uint64_t invite_uses_max = 1'000'000;
constexpr std::uint64_t invite_days_max = 3650;
constexpr std::int64_t seconds_per_day = 86'400;

std::string_view status_text(queues::AccountStatus status) {
  return status == queues::AccountStatus::active ? "active" : "suspended";
}

std::int64_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

AdminCommands::AdminCommands(Control& control, AccountStore& accounts, Options options)
    : control_(control), accounts_(accounts), options_(std::move(options)) {}

void AdminCommands::handle(const json& request, Now now, AdminAnswer answer) {
  const std::string command = request.at("command").get<std::string>();
  control_.counters().add(ControlMetric::admin_commands);
  const auto reply = [&](const Answer& result) {
    if (!result) return answer(to_answer(result.error()));
    json full = *result;
    full["ok"] = true;
    answer(full);
  };
  if (command == "status") return reply(status(now));
  if (command == "shards") return reply(shards());
  if (command == "accounts.list") return reply(list_accounts(request));
  if (command == "accounts.show") return reply(show_account(request));
  if (command == "accounts.add") return reply(add_account(request, now));
  if (command == "accounts.suspend")
    return reply(set_status(request, queues::AccountStatus::suspended));
  if (command == "accounts.resume")
    return reply(set_status(request, queues::AccountStatus::active));
  if (command == "accounts.remove") return reply(remove_account(request));
  if (command == "invites.create") return reply(create_invite(request, now));
  if (command == "invites.list") return reply(list_invites(now));
  if (command == "invites.revoke") return reply(revoke_invite(request));
  if (command == "keys") return reply(show_keys(request, now));
  if (command == "sessions.list") return list_sessions("", now, std::move(answer));
  if (command == "sessions.show") return show_sessions(request, now, std::move(answer));
  if (command == "sessions.kick") {
    return act_on_device(queues::AdminQuery::kick, request, now, std::move(answer));
  }
  if (command == "queues.top") return top_queues(request, now, std::move(answer));
  if (command == "queues.show") return show_queues(request, now, std::move(answer));
  if (command == "queues.purge") {
    return act_on_device(queues::AdminQuery::purge, request, now, std::move(answer));
  }
  if (const auto more = options_.more.find(command); more != options_.more.end()) {
    return more->second(request, now, std::move(answer));
  }
  reply(fail(ErrorCode::not_found, "unknown command '" + command + "'"));
}

Result<std::string> AdminCommands::user_of(const json& request) const {
  Result<std::string> text = text_field(request, "account");
  if (!text) return text;
  const std::string& domain = control_.options().domain;
  const Result<protocol::Jid> jid =
      protocol::parse_jid(text->find('@') == std::string::npos ? *text + "@" + domain : *text);
  if (!jid) return std::unexpected(jid.error());
  if (jid->device != 0)
    return fail(ErrorCode::invalid,
                "an account is meant, without a device: " + account_text(jid->user));
  if (jid->domain != domain) {
    return fail(ErrorCode::not_found, "this server is " + domain + ", not " + jid->domain);
  }
  return jid->user;
}

std::string AdminCommands::account_text(std::string_view user) const {
  return std::string(user) + "@" + control_.options().domain;
}

AdminCommands::Answer AdminCommands::list_accounts(const json& request) {
  if (auto checked = check_fields(request, {"after", "limit"}); !checked)
    return std::unexpected(checked.error());
  const Result<std::uint64_t> limit = number_field(
      request,
      {.name = "limit", .min = 1, .max = accounts_per_page_max, .missing = accounts_per_page_max});
  if (!limit) return std::unexpected(limit.error());
  std::string after;
  if (request.contains("after")) {
    Result<std::string> text = text_field(request, "after");
    if (!text) return std::unexpected(text.error());
    after = text->substr(0, text->find('@'));
  }
  Result<std::vector<AccountSummary>> accounts =
      accounts_.list(after, static_cast<std::uint32_t>(*limit) + 1);
  if (!accounts) return std::unexpected(accounts.error());
  json answer{{"accounts", json::array()}, {"total", accounts_.account_count()}};
  const bool more = accounts->size() > *limit;
  if (more) {
    accounts->pop_back();
    answer["next"] = account_text(accounts->back().user);
  }
  for (const AccountSummary& account : *accounts) {
    answer["accounts"].push_back({{"account", account_text(account.user)},
                                  {"id", account.id},
                                  {"status", status_text(account.status)},
                                  {"created", account.created_s},
                                  {"devices", account.devices}});
  }
  return answer;
}

AdminCommands::Answer AdminCommands::show_account(const json& request) {
  if (auto checked = check_fields(request, {"account"}); !checked)
    return std::unexpected(checked.error());
  const Result<std::string> user = user_of(request);
  if (!user) return std::unexpected(user.error());
  const Result<std::optional<Account>> found = accounts_.find(*user);
  if (!found) return std::unexpected(found.error());
  if (!*found) return fail(ErrorCode::not_found, "there is no account " + account_text(*user));
  const Account& account = **found;
  json devices = json::array();
  for (const Device& device : account.devices) {
    devices.push_back({{"device", device.id},
                       {"key", to_hex(device.key)},
                       {"client", device.client},
                       {"created", device.created_s}});
  }
  json blocks = json::array();
  for (const std::string& blocked : account.blocks) blocks.push_back(account_text(blocked));
  return json{{"account", account_text(account.user)}, {"id", account.id},
              {"status", status_text(account.status)}, {"created", account.created_s},
              {"devices", std::move(devices)},         {"blocks", std::move(blocks)}};
}

AdminCommands::Answer AdminCommands::add_account(const json& request, Now now) {
  if (auto checked = check_fields(request, {"account"}); !checked)
    return std::unexpected(checked.error());
  const Result<std::string> user = user_of(request);
  if (!user) return std::unexpected(user.error());
  const Result<bool> added = accounts_.add(*user, now.wall);
  if (!added) return std::unexpected(added.error());
  if (!*added) return fail(ErrorCode::exists, "there is an account " + account_text(*user));
  control_.counters().set(ControlMetric::accounts, accounts_.account_count());
  const Result<Invite> invite = accounts_.create_invite({.user = *user}, options_.random, now.wall);
  if (!invite) return std::unexpected(invite.error());
  return json{{"account", account_text(*user)}, {"invite", invite->code}};
}

AdminCommands::Answer AdminCommands::set_status(const json& request, queues::AccountStatus status) {
  if (auto checked = check_fields(request, {"account"}); !checked)
    return std::unexpected(checked.error());
  const Result<std::string> user = user_of(request);
  if (!user) return std::unexpected(user.error());
  const Result<bool> changed = accounts_.set_status(*user, status);
  if (!changed) return std::unexpected(changed.error());
  if (!*changed) return fail(ErrorCode::not_found, "there is no account " + account_text(*user));
  control_.announce(*user);
  return json{{"account", account_text(*user)}, {"status", status_text(status)}};
}

AdminCommands::Answer AdminCommands::remove_account(const json& request) {
  if (auto checked = check_fields(request, {"account"}); !checked)
    return std::unexpected(checked.error());
  const Result<std::string> user = user_of(request);
  if (!user) return std::unexpected(user.error());
  const Result<std::optional<std::uint64_t>> removed = accounts_.remove(*user);
  if (!removed) return std::unexpected(removed.error());
  if (!*removed) return fail(ErrorCode::not_found, "there is no account " + account_text(*user));
  control_.announce_removal(*user, **removed);
  return json{{"account", account_text(*user)}, {"status", "removed"}};
}

namespace {

json to_json(const Invite& invite, const std::string& account) {
  return {{"code", invite.code},
          {"account", account},
          {"uses_left", invite.uses_left},
          {"created", invite.created_s},
          {"expires", invite.expires_s}};
}

}  // namespace

AdminCommands::Answer AdminCommands::create_invite(const json& request, Now now) {
  if (auto checked = check_fields(request, {"account", "uses", "expires_days"}); !checked) {
    return std::unexpected(checked.error());
  }
  AccountStore::InviteOptions options;
  if (request.contains("account")) {
    const Result<std::string> user = user_of(request);
    if (!user) return std::unexpected(user.error());
    options.user = *user;
  }
  const Result<std::uint64_t> uses =
      number_field(request, {.name = "uses", .min = 1, .max = invite_uses_max, .missing = 1});
  if (!uses) return std::unexpected(uses.error());
  options.uses = static_cast<std::uint32_t>(*uses);
  const Result<std::uint64_t> days = number_field(
      request, {.name = "expires_days", .min = 1, .max = invite_days_max, .missing = 0});
  if (!days) return std::unexpected(days.error());
  if (*days > 0)
    options.expires_s = seconds_of(now.wall) + static_cast<std::int64_t>(*days) * seconds_per_day;
  const Result<Invite> invite = accounts_.create_invite(options, options_.random, now.wall);
  if (!invite) return std::unexpected(invite.error());
  return json{{"invite", to_json(*invite, invite->user.empty() ? "" : account_text(invite->user))}};
}

AdminCommands::Answer AdminCommands::list_invites(Now now) {
  const Result<std::vector<Invite>> invites = accounts_.list_invites(now.wall);
  if (!invites) return std::unexpected(invites.error());
  json rows = json::array();
  for (const Invite& invite : *invites) {
    rows.push_back(to_json(invite, invite.user.empty() ? "" : account_text(invite.user)));
  }
  return json{{"invites", std::move(rows)}};
}

AdminCommands::Answer AdminCommands::revoke_invite(const json& request) {
  if (auto checked = check_fields(request, {"code"}); !checked)
    return std::unexpected(checked.error());
  const Result<std::string> code = text_field(request, "code");
  if (!code) return std::unexpected(code.error());
  const Result<bool> revoked = accounts_.revoke_invite(*code);
  if (!revoked) return std::unexpected(revoked.error());
  if (!*revoked) return fail(ErrorCode::not_found, "there is no such invite");
  return json{{"code", *code}, {"status", "revoked"}};
}

}  // namespace godwit::control
