// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "control/control.h"
#include "tests/control/fake_shards.h"
#include "tests/control/scratch_folder.h"

namespace godwit::control {

// A Control over two fake shards, an account database in a scratch folder, and a clock that the
// test moves. The hash of a user is its length; an even hash has its home on shard 0.
class ControlFixture : public testing::Test {
 protected:
  static constexpr std::uint64_t hash(std::string_view user) { return user.size(); }

  void SetUp() override { start({}, std::size_t{4} << 20); }

  void start(const Config::Registration& registration, std::size_t pool_bytes,
             AccountStore::Options store = {}) {
    control_.reset();
    for (unsigned shard = 0; shard < 2; ++shard) shards_.hear(shard);
    accounts_.reset();
    pool_ = std::make_unique<queues::BufferPool>(pool_bytes);
    store.path = folder_ / "accounts.db";
    Result<std::unique_ptr<AccountStore>> opened = AccountStore::open(store);
    ASSERT_TRUE(opened) << opened.error().message;
    accounts_ = std::move(*opened);
    keys_.reset();
    auto keys = KeyDirectory::open(key_options_);
    ASSERT_TRUE(keys) << keys.error().message;
    keys_ = std::move(*keys);
    control_ = std::make_unique<Control>(Control::Options{
        .domain = "example.org",
        .registration = registration,
        .hash_user = [](std::string_view user) { return hash(user); },
        .home_shard = [](std::uint64_t account) { return static_cast<unsigned>(account % 2); },
        .accounts = *accounts_,
        .keys = *keys_,
        .pool = *pool_,
        .shards = shards_.links()});
  }

  void turn() { control_->do_work(now_); }
  void pass(Duration duration) {
    now_.instant += duration;
    now_.wall += std::chrono::duration_cast<WallTime::duration>(duration);
  }

  static queues::PublicKeyBytes key(std::uint8_t number) {
    queues::PublicKeyBytes bytes{};
    bytes[0] = number;
    return bytes;
  }
  static ConnectionName session(std::uint16_t shard, std::uint32_t slot = 1) {
    return {.slot = slot, .shard = shard, .generation = 1};
  }
  // Registers through shard 1 and expects it to be accepted; what was heard is dropped.
  void registered(std::string_view user, std::uint8_t number) {
    shards_.register_device(session(1), {.user = user, .client = "t", .key = key(number)});
    turn();
    shards_.hear(0);
    const std::vector<Heard> heard = shards_.hear(1);
    ASSERT_FALSE(heard.empty());
    ASSERT_EQ(heard.back().command.kind, queues::CommandKind::registered);
  }

  ScratchFolder folder_;
  std::unique_ptr<queues::BufferPool> pool_;  // outlives the rings, which may hold buffers of it
  FakeShards shards_{2};
  std::unique_ptr<AccountStore> accounts_;
  KeyDirectory::Options key_options_{.path = folder_ / "prekeys.db"};
  std::unique_ptr<KeyDirectory> keys_;
  std::unique_ptr<Control> control_;
  Now now_{Instant{std::chrono::hours(1)}, WallTime{std::chrono::seconds(1'800'000'000)}};
};

}  // namespace godwit::control
