// SPDX-License-Identifier: Apache-2.0
// Who may register: the rules, in the order they are asked.
#include "control/account_store.h"
#include "protocol/jid.h"

namespace godwit::control {
namespace {

using protocol::Condition;

constexpr Refusal bad_name{Condition::policy_violation,
                           "a user name has 1 to 64 of a-z 0-9 . _ - +"};
constexpr Refusal key_taken{Condition::conflict,
                            "this device key is registered for another account"};
constexpr Refusal closed{Condition::not_authorized, "registration is closed on this server"};
constexpr Refusal name_taken{
    Condition::conflict,
    "this name is taken; to add a device, use an invite made for this account"};
constexpr Refusal invite_needed{Condition::not_authorized,
                                "an invite is needed to register on this server"};
constexpr Refusal invite_wrong{Condition::not_authorized,
                               "this invite is not valid for this account"};
constexpr Refusal invite_over{Condition::not_authorized,
                              "this invite has been used up or has expired"};
constexpr Refusal devices_full{Condition::policy_violation,
                               "this account has as many devices as it may have"};

std::int64_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

Result<std::expected<RegisteredDevice, Refusal>> AccountStore::register_device(
    const Registration& registration, RegistrationMode mode, WallTime now) {
  GODWIT_CHECK(database_.in_transaction() || batch_error_);
  if (batch_error_) return std::unexpected(*batch_error_);
  Result<Decision> decision = decide(registration, mode, now);
  if (!decision) batch_error_ = decision.error();
  return decision;
}

Result<AccountStore::Decision> AccountStore::decide(const Registration& registration,
                                                    RegistrationMode mode, WallTime now) {
  if (!protocol::is_valid_user(registration.user)) return Decision(std::unexpected(bad_name));
  Result<std::optional<Decision>> known = find_by_key(registration);
  if (!known) return std::unexpected(known.error());
  if (*known) return std::move(**known);
  if (mode == RegistrationMode::closed) return Decision(std::unexpected(closed));

  Statement& found = statements_.find_account;
  const Result<bool> row = found.bind(1, registration.user).step();
  if (!row) return std::unexpected(row.error());
  const bool exists = *row;
  std::uint64_t account_id = 0;
  if (exists) {
    account_id = static_cast<std::uint64_t>(found.integer(0));
    found.reset();
    // Asked before the invite is, so that a refusal does not use it up.
    const Result<bool> counted =
        statements_.count_devices.bind(1, static_cast<std::int64_t>(account_id)).step();
    if (!counted) return std::unexpected(counted.error());
    const std::int64_t count = statements_.count_devices.integer(0);
    statements_.count_devices.reset();
    if (registration.invite.empty()) return Decision(std::unexpected(name_taken));
    if (count >= std::int64_t{options_.devices_per_account_max})
      return Decision(std::unexpected(devices_full));
  } else if (registration.invite.empty() && mode == RegistrationMode::invite) {
    return Decision(std::unexpected(invite_needed));
  }
  // An invite that is given must be right, also where none is needed: a mistyped name is then
  // noticed.
  if (!registration.invite.empty()) {
    const Result<std::optional<Refusal>> refused = use_invite(registration, exists, now);
    if (!refused) return std::unexpected(refused.error());
    if (*refused) return Decision(std::unexpected(**refused));
  }
  if (!exists) {
    const Result<std::uint64_t> added = add_account(registration.user, now);
    if (!added) return std::unexpected(added.error());
    account_id = *added;
  }
  return add_device(account_id, registration, now);
}

Result<std::optional<AccountStore::Decision>> AccountStore::find_by_key(
    const Registration& registration) {
  Statement& found = statements_.find_key;
  const Result<bool> row = found.bind(1, Bytes(registration.key)).step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::optional<Decision>{};
  Decision decision = std::unexpected(key_taken);
  if (found.text(1) == registration.user) {
    decision = RegisteredDevice{.account_id = static_cast<std::uint64_t>(found.integer(0)),
                                .device = static_cast<std::uint16_t>(found.integer(2))};
  }
  found.reset();
  return std::optional(decision);
}

Result<std::optional<Refusal>> AccountStore::use_invite(const Registration& registration,
                                                        bool must_be_bound, WallTime now) {
  Statement& found = statements_.find_invite;
  const Result<bool> row = found.bind(1, registration.invite).step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::optional(invite_wrong);
  const bool bound = !found.text(0).empty();
  const bool for_this = found.text(0) == registration.user;
  const bool over =
      found.integer(1) < 1 || (found.integer(2) > 0 && found.integer(2) <= seconds_of(now));
  found.reset();
  if ((bound || must_be_bound) && !for_this) return std::optional(invite_wrong);
  if (over) return std::optional(invite_over);
  if (Result<void> used = statements_.use_invite.bind(1, registration.invite).run(); !used) {
    return std::unexpected(used.error());
  }
  return std::optional<Refusal>{};
}

Result<std::uint64_t> AccountStore::add_account(std::string_view user, WallTime now) {
  const Result<void> added = statements_.add_account.bind(1, user)
                                 .bind(2, static_cast<std::int64_t>(queues::AccountStatus::active))
                                 .bind(3, seconds_of(now))
                                 .run();
  if (!added) return std::unexpected(added.error());
  ++batch_accounts_;
  return static_cast<std::uint64_t>(database_.last_insert_id());
}

Result<AccountStore::Decision> AccountStore::add_device(std::uint64_t account_id,
                                                        const Registration& registration,
                                                        WallTime now) {
  const auto account = static_cast<std::int64_t>(account_id);
  const Result<bool> taken = statements_.take_device_id.bind(1, account).step();
  if (!taken) return std::unexpected(taken.error());
  GODWIT_CHECK(*taken);
  const std::int64_t device = statements_.take_device_id.integer(0);
  // RETURNING has its rows only once the change is made; stepping on ends the statement.
  if (Result<void> done = statements_.take_device_id.run(); !done)
    return std::unexpected(done.error());
  if (device > protocol::device_max) return Decision(std::unexpected(devices_full));
  const Result<void> added = statements_.add_device.bind(1, account)
                                 .bind(2, device)
                                 .bind(3, Bytes(registration.key))
                                 .bind(4, registration.client)
                                 .bind(5, seconds_of(now))
                                 .run();
  if (!added) return std::unexpected(added.error());
  return Decision(RegisteredDevice{
      .account_id = account_id, .device = static_cast<std::uint16_t>(device), .added = true});
}

}  // namespace godwit::control
