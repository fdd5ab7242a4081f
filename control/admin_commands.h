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
#include "control/stored_queues.h"
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
//   limit?                   queues: account, device, connected, in_memory, in_store, bytes, oldest
//                            (of what is stored); unreadable_files
//   sessions.show    account                  sessions: as sessions.list, of this account
//   queues.show      account                  queues: as queues.top, of this account's devices
//   queues.purge     device                   affected
//   accounts.add     account                  account, invite: the code of its first device
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
    // Reads the store files on another thread and calls back on control's; may be empty.
    using StoredDone = std::function<void(StoredQueues)>;
    std::function<void(std::uint64_t account_id, std::uint32_t limit, StoredDone)> read_stored;
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
  Answer add_account(const nlohmann::json& request, Now now);
  Answer set_status(const nlohmann::json& request, queues::AccountStatus status);
  Answer remove_account(const nlohmann::json& request);
  Answer create_invite(const nlohmann::json& request, Now now);
  Answer list_invites(Now now);
  Answer revoke_invite(const nlohmann::json& request);
  Answer show_keys(const nlohmann::json& request, Now now);
  // Those that ask the shards.
  void list_sessions(const std::string& account, Now now, AdminAnswer answer);
  void show_sessions(const nlohmann::json& request, Now now, AdminAnswer answer);
  void top_queues(const nlohmann::json& request, Now now, AdminAnswer answer);
  void show_queues(const nlohmann::json& request, Now now, AdminAnswer answer);
  // `account` is an address, or empty for all of them.
  struct QueuesWanted {
    std::string account;
    std::uint64_t account_id = 0;
    std::uint32_t limit = 0;
  };
  void find_queues(const QueuesWanted& wanted, Now now, AdminAnswer answer);
  nlohmann::json merge_queues(const QueryResult& result, const StoredQueues& stored,
                              std::size_t limit);
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
