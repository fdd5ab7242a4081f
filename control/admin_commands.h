// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "control/account_store.h"
#include "control/admin_server.h"
#include "control/config.h"
#include "control/control.h"
#include "queues/counters.h"

// The commands of the admin socket. Every answer has "ok"; below is what else a request takes and
// its answer has.
//
//   status
//   accounts.list    after?, limit?           accounts: user, id, status, created, devices; next?
//   (give as `after`) accounts.show    account                  account: …, devices: id, key,
//   client, created; blocks accounts.suspend / accounts.resume / accounts.remove    account
//   invites.create   account?, uses?, expires_days?         invite: code, account, uses_left,
//   created, expires invites.list                              invites invites.revoke   code
//   sessions.list                             sessions: account, device, client, address,
//   connected_ms, … sessions.kick    device ("user@domain/device")          affected queues.top
//   limit?                   queues: account, device, connected, in_memory, in_store, bytes
//   queues.purge     device                   affected
//   keys             account                  keys: one object a device; generation 0: it has none
//   shards                                    shards: one object a shard, by metric name; storage:
//   the same
//
// `account` is "user@domain" or "user". Times are Unix seconds, 0 for never. A shard that does not
// answer in time is counted in "unanswered_shards". Unknown fields are errors: a misspelt limit
// must not purge everything. Thread safety: control's thread.

namespace godwit::control {

class AdminCommands {
 public:
  struct StorageLink {
    const queues::StorageCounters* counters = nullptr;
    std::function<std::string()> last_error;  // may be empty; called on control's thread
  };
  struct Options {
    std::string version;
    std::string node_key;      // hex
    std::string operator_key;  // hex
    WallTime certificate_ends{};
    Now started{};
    AckAfter ack_after = AckAfter::durable;
    std::vector<StorageLink> storage;
    RandomSource& random;
    // More commands, by name, for what only the program can do (drain, reload); they check their
    // own fields.
    std::map<std::string, AdminHandler, std::less<>> more;
  };

  AdminCommands(Control& control, AccountStore& accounts, Options options);

  // For AdminServer. Answers at once, or from a later turn of Control.
  void handle(const nlohmann::json& request, Now now, AdminAnswer answer);

 private:
  using Answer = Result<nlohmann::json>;

  Answer status(Now now) const;
  Answer shards() const;
  Answer list_accounts(const nlohmann::json& request);
  Answer show_account(const nlohmann::json& request);
  Answer set_status(const nlohmann::json& request, queues::AccountStatus status);
  Answer remove_account(const nlohmann::json& request);
  Answer create_invite(const nlohmann::json& request, Now now);
  Answer list_invites(Now now);
  Answer revoke_invite(const nlohmann::json& request);
  Answer show_keys(const nlohmann::json& request, Now now);
  // Those that ask the shards.
  void list_sessions(Now now, AdminAnswer answer);
  void top_queues(const nlohmann::json& request, Now now, AdminAnswer answer);
  void act_on_device(queues::AdminQuery query, const nlohmann::json& request, Now now,
                     AdminAnswer answer);

  Result<std::string> user_of(const nlohmann::json& request) const;
  std::string account_text(std::string_view user) const;
  std::uint64_t sum(queues::ShardMetric metric) const;

  Control& control_;
  AccountStore& accounts_;
  const Options options_;
};

}  // namespace godwit::control
