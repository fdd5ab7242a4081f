// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <vector>

#include "queues/sqlite_store.h"

// What a storage thread can keep: groups of messages for many offline devices, each group durable
// before it is reported. In the current folder, whose disk is what is measured.

namespace godwit::queues {
namespace {

constexpr std::uint64_t accounts = 10'000;

void store_group_commit(benchmark::State& state) {
  std::array<char, 32> name{"store-bench-XXXXXX"};
  const std::string folder = ::mkdtemp(name.data());
  auto store = SqliteStore::open({.path = folder + "/0.db"});
  GODWIT_CHECK(store.has_value());
  const std::array<std::uint8_t, 150> body{};
  std::vector<MessageStore::Operation> group(static_cast<std::size_t>(state.range(0)));
  std::uint64_t sequence = 0;
  for (auto _ : state) {
    for (MessageStore::Operation& operation : group) {
      ++sequence;
      operation = {.kind = MessageStore::Operation::Kind::put,
                   .put = {.account_id = 1 + sequence * 7919 % accounts,
                           .device = 1,
                           .sequence = sequence,
                           .accepted_s = 1,
                           .expires_s = UINT32_MAX,
                           .bytes = body}};
    }
    GODWIT_CHECK((*store)->apply(group).has_value());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(sequence));
  store->reset();
  std::filesystem::remove_all(folder);
}
BENCHMARK(store_group_commit)->Arg(1)->Arg(64)->Arg(512)->Arg(4096)->UseRealTime();

}  // namespace
}  // namespace godwit::queues
