// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/sim/world.h"

// The part of a run in which things go wrong.

namespace godwit::sim {

namespace {

constexpr Duration microsecond = std::chrono::microseconds(1);

}  // namespace

void World::step() {
  if (chance(plan_.pass_time)) pass(microsecond * static_cast<std::int64_t>(random_.below(8000)));
  if (chance(plan_.pass_long)) {
    pass(std::chrono::milliseconds(static_cast<std::int64_t>(random_.below(4000))));
  }
  std::erase_if(stalled_, [&](const Pause& pause) { return pause.until <= step_; });
  for (const auto& [link, until] : held_) {
    if (until <= step_) network_.release(link);
  }
  std::erase_if(held_, [&](const auto& entry) { return entry.second <= step_; });
  if (!gateway_ && step_ >= gateway_back_at_) start_gateway();
  maybe_hurt_clients();
  if (gateway_) maybe_hurt_gateway();
  if (chance(plan_.send) && ledger_.sent_count() < plan_.messages_max) send_something();
  turn_somebody();
  if (gateway_ && disk_.take_crash()) crash_gateway("in a commit");
  if (step_ % 64 != 0 || failed() || !gateway_) return;
  if (const std::string broken = gateway_->broken_limit(); !broken.empty()) trace_.fail(broken);
}

void World::turn_somebody() {
  const std::size_t clients = devices_.size() + liars_.size();
  const std::size_t shards = gateway_ ? gateway_->shard_count() : 0;
  const std::size_t storage = gateway_ ? gateway_->storage_count() : 0;
  // Shards twice as often: every way leads through them.
  const std::size_t parts = clients + 2 * shards + storage + (gateway_ ? 1 : 0);
  const std::size_t part = random_.below(parts);
  if (std::ranges::find(stalled_, part, &Pause::part) != stalled_.end()) return;
  if (part < devices_.size()) {
    devices_[part]->step(now_);
  } else if (part < clients) {
    liars_[part - devices_.size()]->step(now_);
  } else if (part < clients + 2 * shards) {
    gateway_->turn_shard((part - clients) % shards, now_);
  } else if (part < clients + 2 * shards + storage) {
    gateway_->turn_storage(part - clients - 2 * shards, now_);
  } else {
    gateway_->turn_control(now_);
  }
}

void World::send_something() {
  SimDevice& from = some_device();
  const SimDevice& to = some_device();
  if (!from.running()) return;
  std::vector<std::size_t> sizes;
  for (std::uint64_t count = 1 + random_.below(plan_.burst_max); count > 0; --count) {
    sizes.push_back(random_.below(plan_.payload_max));
  }
  const bool to_one = random_.below(4) == 0;
  const std::uint16_t device = to_one ? ledger_.device(to.ledger_index()).device : 0;
  from.send(to.user(), device, sizes);
}

void World::maybe_hurt_clients() {
  if (chance(plan_.cut)) network_.reset(some_device().link());
  if (chance(plan_.hold)) {
    const std::uint64_t link = some_device().link();
    network_.hold(link);
    held_.emplace_back(link, step_ + static_cast<unsigned>(random_.below(400)));
  }
  if (chance(plan_.kill_device)) {
    SimDevice& device = some_device();
    trace_.note("killed: " + device.describe());
    device.kill();
  }
  if (chance(plan_.stall_device)) {
    stalled_.push_back(
        {random_.below(devices_.size()), step_ + static_cast<unsigned>(random_.below(500))});
  }
  if (random_.below(30) == 0) {
    SimDevice& device = some_device();
    if (!device.running()) device.start();
  }
}

void World::maybe_hurt_gateway() {
  if (chance(plan_.crash)) return crash_gateway("between two steps");
  if (chance(plan_.crash_in_commit)) disk_.crash_at_next_commit(random_.below(2) == 0);
  if (chance(plan_.disk)) change_disk();
  if (chance(plan_.kick)) {
    const std::string& jid = ledger_.device(some_device().ledger_index()).jid;
    (void)gateway_->kick(jid, now_);
  }
  if (chance(plan_.stall_gateway)) {
    const std::size_t first = devices_.size() + liars_.size();
    const std::size_t parts = 2 * gateway_->shard_count() + gateway_->storage_count() + 1;
    stalled_.push_back(
        {first + random_.below(parts), step_ + static_cast<unsigned>(random_.below(200))});
  }
}

void World::change_disk() {
  const auto file = static_cast<unsigned>(random_.below(queues::store_file_count));
  SimDisk::Faults faults;
  if (random_.below(3) != 0) {
    faults.full = random_.below(3) == 0;
    faults.commits = random_.below(3) == 0;
    faults.tears = random_.below(2) == 0;
    faults.loads = random_.below(3) == 0;
    faults.opens = random_.below(6) == 0;
  }
  disk_.set_faults(file, faults);
  // Often all of them at once: the files share a disk.
  if (random_.below(2) == 0) {
    for (unsigned other = 0; other < queues::store_file_count; ++other) {
      disk_.set_faults(other, faults);
    }
  }
}

void World::stop_faults() {
  faults_ = false;
  stalled_.clear();
  for (const auto& [link, until] : held_) network_.release(link);
  held_.clear();
  for (unsigned file = 0; file < queues::store_file_count; ++file) disk_.set_faults(file, {});
  disk_.forget_crash();
  if (gateway_ && random_.below(2) == 0) crash_gateway("for the last time");
  if (!gateway_) start_gateway();
  for (const auto& liar : liars_) liar->leave();
  for (const auto& device : devices_) {
    if (!device->running()) device->start();
  }
}

std::size_t World::transfer(const dataplane::io::MemoryNetwork::Transfer& transfer) {
  if (!faults_ || !plan_.partial) return transfer.available;
  switch (random_.below(4)) {
    case 0:
      return 0;
    case 1:
      return 1 + random_.below(transfer.available);
    default:
      return transfer.available;
  }
}

}  // namespace godwit::sim
