// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/world.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace godwit::sim {

Outcome run(std::uint64_t seed, const std::string& scratch, bool verbose) {
  const std::string folder = scratch + "/" + std::to_string(seed);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  std::filesystem::create_directory(folder);
  Outcome outcome;
  {
    World world(seed, folder, verbose);
    outcome = world.live();
  }
  std::filesystem::remove_all(folder, ignored);
  return outcome;
}

World::World(std::uint64_t seed, const std::string& scratch, bool verbose)
    : random_(seed),
      plan_(Plan::draw(random_)),
      scratch_(scratch),
      trace_(verbose),
      disk_(random_.next_u64(), trace_),
      ledger_(disk_, trace_) {
  auto opened = control::AccountStore::open({.path = ":memory:"});
  GODWIT_CHECK(opened.has_value());
  ::unlink(":memory:");  // the store makes the file; to SQLite the name means none
  accounts_ = std::move(*opened);
  auto keys = control::KeyDirectory::open({.path = ":memory:"});
  GODWIT_CHECK(keys.has_value());
  keys_ = std::move(*keys);
  site_ = std::make_unique<SimGateway::Site>(
      SimGateway::Site{.settings = plan_.settings,
                       .node_key = crypto::KeyPair::generate(random_),
                       .certificate = {},
                       .hash_key = {},
                       .network = network_,
                       .disk = disk_,
                       .accounts = *accounts_,
                       .keys = *keys_});
  random_.fill(site_->hash_key.key.writable());
  site_->certificate = crypto::encode(crypto::sign_certificate(
      crypto::OperatorKey::generate(random_), site_->node_key.public_key, plan_.settings.domain,
      WallTime{}, now_.wall + std::chrono::years(10)));
  network_.set_transfer_hook(
      [this](const dataplane::io::MemoryNetwork::Transfer& moving) { return transfer(moving); });
}

World::~World() = default;

Outcome World::live() {
  trace_.note(plan_.describe());
  start_gateway();
  register_devices();
  faults_ = true;
  for (; step_ < plan_.steps && !failed(); ++step_) step();
  stop_faults();
  come_to_rest();
  check_absence();
  check_floor();
  return {.failure = trace_.failure(),
          .digest = trace_.digest(),
          .events = trace_.events(),
          .sent = ledger_.sent_count(),
          .accepted = ledger_.accepted_count(),
          .refused = ledger_.refused_count(),
          .shown = ledger_.shown_count(),
          .crashes = crashes_};
}

// Each life has another number of shards and storage threads, and a later epoch.
void World::start_gateway() {
  SimGateway::Options options = plan_.gateway;
  options.shards = static_cast<std::uint16_t>(1 + random_.below(plan_.shards_max));
  options.storage_threads =
      static_cast<std::uint16_t>(1 + random_.below(plan_.storage_threads_max));
  options.seed = random_.next_u64();
  options.start_epoch = epoch_;
  epoch_ += static_cast<std::uint32_t>(1 + random_.below(3));
  gateway_ = std::make_unique<SimGateway>(*site_, options, now_);
  trace_.note("gateway starts with " + std::to_string(options.shards) + " shards, " +
              std::to_string(options.storage_threads) + " storage threads, epoch " +
              std::to_string(options.start_epoch));
}

void World::crash_gateway(const char* why) {
  trace_.note(std::string("gateway dies: ") + why);
  ++crashes_;
  gateway_.reset();
  disk_.crash();
  gateway_back_at_ = step_ + static_cast<unsigned>(random_.below(60));
}

void World::pass(Duration time) {
  now_.instant += time;
  now_.wall = WallTime{std::chrono::seconds(2'000'000'000)} +
              std::chrono::floor<WallTime::duration>(now_.instant.time_since_epoch());
  trace_.seconds = std::chrono::duration<double>(now_.instant.time_since_epoch()).count();
}

// The account ids, which control gave out.
void World::learn_accounts() {
  for (const auto& device : devices_) {
    Ledger::Device& known = ledger_.device(device->ledger_index());
    if (known.account_id != 0) continue;
    const auto account = accounts_->find(device->user());
    GODWIT_CHECK(account.has_value());
    if (*account) known.account_id = (*account)->id;
  }
}

}  // namespace godwit::sim
