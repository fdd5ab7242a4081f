// SPDX-License-Identifier: Apache-2.0
// The admin command that looks at the key directory.
#include <nlohmann/json.hpp>

#include "control/admin_commands.h"
#include "control/admin_fields.h"

namespace godwit::control {

using nlohmann::json;

AdminCommands::Answer AdminCommands::show_keys(const json& request, Now now) {
  if (auto checked = check_fields(request, {"account"}); !checked)
    return std::unexpected(checked.error());
  const Result<std::string> user = user_of(request);
  if (!user) return std::unexpected(user.error());
  const Result<std::optional<Account>> account = accounts_.find(*user);
  if (!account) return std::unexpected(account.error());
  if (!*account) return fail(ErrorCode::not_found, "there is no account " + account_text(*user));
  const auto found = control_.options().keys.status((*account)->id);
  if (!found) return std::unexpected(found.error());
  const std::int64_t now_s =
      std::chrono::floor<std::chrono::seconds>(now.wall).time_since_epoch().count();
  const auto age = [&](std::int64_t at_s) { return std::max<std::int64_t>(0, now_s - at_s); };
  json rows = json::array();
  for (const Device& device : (*account)->devices) {
    json row{{"device", device.id}, {"generation", 0}};
    for (const KeyDirectory::Status& status : *found) {
      if (status.device != device.id) continue;
      row = {{"device", status.device},
             {"generation", status.keys.generation},
             {"one_time", status.keys.one_time},
             {"kem", status.keys.kem},
             {"low", std::min(status.keys.one_time, status.keys.kem) < KeyDirectory::low},
             {"signed_id", status.keys.signed_id},
             {"signed_age_s", age(status.signed_at_s)},
             {"last_resort_id", status.keys.last_resort_id},
             {"last_resort_age_s", age(status.last_resort_at_s)},
             {"last_resort_uses", status.last_resort_uses},
             {"bundles", status.bundles}};
    }
    rows.push_back(std::move(row));
  }
  return json{{"account", account_text(*user)}, {"keys", std::move(rows)}};
}

}  // namespace godwit::control
