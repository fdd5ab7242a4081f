// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <memory>

#include "control/account_store.h"

// An account database in memory with alice (device 1), made anew for each input so that an input
// alone repeats what it found.

namespace godwit::control {

inline constexpr WallTime fuzz_wall_time{std::chrono::seconds(1'800'000'000)};

inline std::unique_ptr<AccountStore> accounts_with_alice() {
  auto opened = AccountStore::open({.path = ":memory:", .blocks_per_account_max = 4});
  GODWIT_CHECK(opened.has_value());
  ::unlink(":memory:");  // the store makes the file; to SQLite the name means none
  AccountStore& accounts = **opened;
  GODWIT_CHECK(accounts.begin_batch().has_value());
  const auto device = accounts.register_device({.user = "alice", .client = "fuzz"},
                                               RegistrationMode::open, fuzz_wall_time);
  GODWIT_CHECK(device.has_value() && device->has_value());
  GODWIT_CHECK(accounts.commit_batch().has_value());
  return std::move(*opened);
}

}  // namespace godwit::control
