// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "control/config.h"
#include "control/sqlite.h"
#include "protocol/limits.h"
#include "protocol/stanza.h"
#include "queues/records.h"

// Accounts, their devices, invites and blocks, in one SQLite file (WAL, synchronous=FULL).
//
// Invariants: an account id is never used again, also not after removal; nor is a device id within
// its account; a device key belongs to one device of one account. Thread safety: one thread. Calls
// may block on the disk.

namespace godwit::control {

struct Device {
  std::uint16_t id = 0;
  queues::PublicKeyBytes key{};
  std::string client;
  std::int64_t created_s = 0;  // Unix time
};

struct Account {
  std::uint64_t id = 0;
  std::string user;
  queues::AccountStatus status = queues::AccountStatus::active;
  std::int64_t created_s = 0;
  std::vector<Device> devices;      // by id
  std::vector<std::string> blocks;  // user parts, sorted
};

struct AccountSummary {
  std::uint64_t id = 0;
  std::string user;
  queues::AccountStatus status = queues::AccountStatus::active;
  std::int64_t created_s = 0;
  std::uint32_t devices = 0;
};

struct Invite {
  std::string code;
  std::string user;  // only for this account; empty: for any new one
  std::uint32_t uses_left = 1;
  std::int64_t created_s = 0;
  std::int64_t expires_s = 0;  // 0: never
};

// Why a registration is refused, for the client: RFC 6120 condition and a sentence.
struct Refusal {
  protocol::Condition condition{};
  std::string_view text;  // a literal
};

struct Registration {
  std::string_view user;
  std::string_view invite;  // empty: none
  std::string_view client;
  queues::PublicKeyBytes key{};
};

struct RegisteredDevice {
  std::uint64_t account_id = 0;
  std::uint16_t device = 0;
  bool added = false;  // false: this key was registered for this account before
};

class AccountStore {
 public:
  struct Options {
    std::string path;
    std::uint32_t devices_per_account_max = protocol::devices_per_account_max;
    std::uint32_t blocks_per_account_max = protocol::blocks_per_account_max;
    std::uint32_t invites_max = 100'000;
    std::uint32_t page_count_max = 0;  // of 4096 bytes; 0: as many as the disk holds
  };
  // Makes the file when missing. ErrorCode::corrupt for what is no account database, refused for
  // one of a newer version.
  static Result<std::unique_ptr<AccountStore>> open(const Options& options);

  // Several registrations, durable together when commit_batch returns; on its error nothing of them
  // is. An error of register_device dooms the batch: commit_batch then rolls back and repeats the
  // error.
  Result<void> begin_batch();
  Result<void> commit_batch();
  // REQUIRES: a batch.
  Result<std::expected<RegisteredDevice, Refusal>> register_device(const Registration& registration,
                                                                   RegistrationMode mode,
                                                                   WallTime now);

  Result<std::optional<Account>> find(std::string_view user);
  // For several find() in a row; it ends before any other call.
  Reading read_together() { return Reading(database_, reading_); }
  // By user, after `after`, at most `limit`.
  Result<std::vector<AccountSummary>> list(std::string_view after, std::uint32_t limit);
  // An account without a device; its first one needs an invite bound to it. False: it is there.
  // Errors: invalid, for what is no user part.
  Result<bool> add(std::string_view user, WallTime now);
  // False: there is no such account.
  Result<bool> set_status(std::string_view user, queues::AccountStatus status);
  // With its devices, blocks and bound invites. The id it had; empty: there is none.
  Result<std::optional<std::uint64_t>> remove(std::string_view user);

  // ErrorCode::limit past blocks_per_account_max, and nothing is then changed. Users need not
  // exist.
  Result<void> block(std::uint64_t account_id, std::span<const std::string> users);
  // No users: every block ends.
  Result<void> unblock(std::uint64_t account_id, std::span<const std::string> users);

  struct InviteOptions {
    std::string user;  // empty: for any new account
    std::uint32_t uses = 1;
    std::int64_t expires_s = 0;  // 0: never
  };
  // The code holds 128 random bits. ErrorCode::limit when there are too many.
  Result<Invite> create_invite(const InviteOptions& options, RandomSource& random, WallTime now);
  // Those that can still be used; the others are erased on the way.
  Result<std::vector<Invite>> list_invites(WallTime now);
  // False: no such code.
  Result<bool> revoke_invite(std::string_view code);

  // The user of this account; empty when there is no such account (any more).
  Result<std::string> user_of(std::uint64_t account_id);

  // As of the last commit.
  std::uint64_t account_count() const { return account_count_; }

 private:
  struct Statements {
    Statement find_account, find_user, list_devices, list_blocks, list_accounts;
    Statement add_account, set_status, remove_account;
    Statement find_key, add_device, count_devices, take_device_id;
    Statement find_invite, use_invite, add_invite, list_invites, count_invites, remove_invite,
        purge_invites, remove_user_invites;
    Statement add_block, remove_block, clear_blocks, count_blocks;
  };

  AccountStore(const Options& options, Database database)
      : options_(options), database_(std::move(database)) {}
  Result<void> prepare_schema();
  Result<void> prepare_statements();
  Result<void> list_devices_and_blocks(Account& account);
  // Runs `work` in a transaction of its own.
  template <typename Work>
  Result<void> transact(Work&& work);

  // account_registration.cc
  using Decision = std::expected<RegisteredDevice, Refusal>;
  Result<Decision> decide(const Registration& registration, RegistrationMode mode, WallTime now);
  Result<std::optional<Decision>> find_by_key(const Registration& registration);
  Result<std::optional<Refusal>> use_invite(const Registration& registration, bool must_be_bound,
                                            WallTime now);
  Result<Decision> add_device(std::uint64_t account_id, const Registration& registration,
                              WallTime now);
  Result<std::uint64_t> add_account(std::string_view user, WallTime now);

  const Options options_;
  Database database_;
  Statements statements_;
  ReadingStatements reading_;
  std::optional<Error> batch_error_;
  std::uint64_t account_count_ = 0;
  std::uint64_t batch_accounts_ = 0;  // made in the open batch
};

}  // namespace godwit::control
