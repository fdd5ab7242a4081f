// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "control/key_directory.h"

// What the key directory gives out, and to whom.

namespace godwit::control {
namespace {

std::int64_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

std::vector<std::uint8_t> copy_of(Bytes bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace

auto KeyDirectory::take_bundle(const Requester& requester, DeviceName device, WallTime now)
    -> Result<std::expected<Bundle, Condition>> {
  run("SAVEPOINT bundle");
  auto bundle = take(requester, device, now);
  run(bundle ? "RELEASE bundle" : "ROLLBACK TO bundle; RELEASE bundle");
  if (Result<void> failed = take_error(); !failed) return std::unexpected(failed.error());
  return bundle;
}

auto KeyDirectory::take(const Requester& requester, DeviceName device, WallTime now)
    -> std::expected<Bundle, Condition> {
  const std::optional<Row> row = find(device);
  if (!row) return std::unexpected(Condition::item_not_found);
  if (!may_fetch(requester, {device, bundle_burst, bundle_interval}, now) ||
      !may_fetch(requester, {{}, account_burst, account_interval}, now)) {
    return std::unexpected(Condition::policy_violation);
  }
  Bundle bundle{
      .registration = row->registration, .identity = row->identity, .signed_key = row->signed_key};
  bundle.one_time = take_key(device, Kind::one_time);
  auto kem = take_key(device, Kind::kem);
  bundle.last_resort = !kem;
  bundle.kem = kem ? std::move(*kem) : row->last_resort;
  run(bind(statements_.note_bundle, device).bind(3, std::int64_t{bundle.last_resort}));
  bundle.left = {.generation = row->generation,
                 .one_time = count_keys(device, Kind::one_time),
                 .kem = count_keys(device, Kind::kem),
                 .signed_id = row->signed_key.id,
                 .last_resort_id = row->last_resort.id};
  return bundle;
}

// The generic cell rate algorithm (ITU-T I.371), as base/token_bucket.h has it in memory.
bool KeyDirectory::may_fetch(const Requester& requester, const Bucket& bucket, WallTime now) {
  const std::int64_t now_s = seconds_of(now);
  std::int64_t ready = now_s;
  Statement& found = statements_.find_fetch;
  const auto who = static_cast<std::int64_t>(requester.account);
  if (step(bind(found, bucket.device).bind(3, who))) {
    ready = std::max(ready, found.integer(0));
    found.reset();
  }
  ready += bucket.interval.count();
  // A clock that was set back must not lock anybody out for longer than an empty bucket does.
  if (ready - now_s > 2 * bucket.burst * bucket.interval.count()) ready = now_s;
  if (ready - now_s > bucket.burst * bucket.interval.count()) return false;
  run(bind(statements_.set_fetch, bucket.device)
          .bind(3, who)
          .bind(4, requester.user)
          .bind(5, ready)
          .bind(6, now_s));
  return true;
}

std::optional<KeyDirectory::Bundle::Key> KeyDirectory::take_key(DeviceName device, Kind kind) {
  const auto kind_number = static_cast<std::int64_t>(kind);
  Statement& first = statements_.first_key;
  if (!step(bind(first, device).bind(3, kind_number))) return std::nullopt;
  Bundle::Key key{static_cast<std::uint32_t>(first.integer(0)), copy_of(first.blob(1))};
  first.reset();
  run(bind(statements_.mark_taken, device).bind(3, kind_number).bind(4, std::int64_t{key.id}));
  Statement& counted = statements_.count_taken;
  if (step(bind(counted, device).bind(3, kind_number))) {
    const bool too_many = counted.integer(0) > std::int64_t{taken_ids_max};
    counted.reset();
    if (too_many) run(bind(statements_.forget_taken, device).bind(3, kind_number));
  }
  return key;
}

Result<std::vector<KeyDirectory::Device>> KeyDirectory::devices(std::uint64_t account) {
  std::vector<Device> found;
  Statement& list = statements_.list;
  list.bind(1, static_cast<std::int64_t>(account));
  while (step(list)) {
    found.push_back({.device = static_cast<std::uint16_t>(list.integer(0)),
                     .registration = static_cast<std::uint32_t>(list.integer(1)),
                     .identity = copy_of(list.blob(2))});
  }
  if (Result<void> failed = take_error(); !failed) return std::unexpected(failed.error());
  return found;
}

Result<std::vector<KeyDirectory::Status>> KeyDirectory::status(std::uint64_t account) {
  std::vector<Status> found;
  Statement& list = statements_.list;
  list.bind(1, static_cast<std::int64_t>(account));
  const auto number = [&](int column) { return static_cast<std::uint32_t>(list.integer(column)); };
  while (step(list)) {
    found.push_back(
        {.device = static_cast<std::uint16_t>(list.integer(0)),
         .keys = {.generation = number(3), .signed_id = number(4), .last_resort_id = number(6)},
         .signed_at_s = list.integer(5),
         .last_resort_at_s = list.integer(7),
         .bundles = static_cast<std::uint64_t>(list.integer(8)),
         .last_resort_uses = static_cast<std::uint64_t>(list.integer(9))});
  }
  for (Status& status : found) {
    status.keys.one_time = count_keys({account, status.device}, Kind::one_time);
    status.keys.kem = count_keys({account, status.device}, Kind::kem);
  }
  if (Result<void> failed = take_error(); !failed) return std::unexpected(failed.error());
  return found;
}

Result<std::vector<std::string>> KeyDirectory::contacts(std::uint64_t account, WallTime now) {
  std::vector<std::string> users;
  Statement& list = statements_.contacts;
  list.bind(1, static_cast<std::int64_t>(account)).bind(2, seconds_of(now - contact_memory));
  while (step(list)) users.emplace_back(list.text(0));
  if (Result<void> failed = take_error(); !failed) return std::unexpected(failed.error());
  return users;
}

Result<int> KeyDirectory::forget_old_contacts(WallTime now) {
  run(statements_.forget_old_fetches.bind(1, seconds_of(now - contact_memory))
          .bind(2, std::int64_t{contacts_forgotten_max}));
  const int forgotten = database_.changes();
  if (Result<void> failed = take_error(); !failed) return std::unexpected(failed.error());
  return forgotten;
}

}  // namespace godwit::control
