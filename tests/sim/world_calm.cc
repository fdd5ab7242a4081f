// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/sim/world.h"

// The parts of a run in which nothing goes wrong: the beginning and the end.

namespace godwit::sim {

// One turn of everybody; true when somebody did something.
bool World::round() {
  std::size_t done = 0;
  for (const auto& device : devices_) done += device->step(now_);
  for (const auto& liar : liars_) done += liar->step(now_) > 1;
  for (std::size_t i = 0; i < gateway_->shard_count(); ++i) done += gateway_->turn_shard(i, now_);
  for (std::size_t i = 0; i < gateway_->storage_count(); ++i) {
    done += gateway_->turn_storage(i, now_);
  }
  done += gateway_->turn_control(now_);
  return done > 0;
}

template <typename Done>
void World::settle(const std::string& what, Done&& done) {
  constexpr auto patience = std::chrono::minutes(20);
  constexpr int rounds_max = 200'000;
  const Instant end = now_.instant + patience;
  for (int rounds = 0; !failed() && !done(); ++rounds) {
    if (now_.instant > end || rounds > rounds_max) {
      return trace_.fail(what + " never: " + matters());
    }
    if (round()) {
      pass(std::chrono::microseconds(100));
      continue;
    }
    Instant next = gateway_->next_deadline(now_);
    for (const auto& device : devices_) next = std::min(next, device->deadline());
    const Duration wait = std::clamp<Duration>(next - now_.instant, std::chrono::milliseconds(1),
                                               std::chrono::milliseconds(500));
    pass(wait);
  }
}

std::string World::matters() const {
  std::string text = ledger_.open_matters();
  if (text.empty()) text = leftovers_on_disk();
  if (text.empty()) text = gateway_->above_floor();
  for (const auto& device : devices_) text += "; " + device->describe();
  return text;
}

// The first device of each account, then the others, by invites that control gave out.
void World::register_devices() {
  for (unsigned account = 0; account < plan_.accounts + plan_.liars; ++account) {
    const bool lies = account >= plan_.accounts;
    const std::string user = (lies ? "liar" : "user") + std::to_string(account);
    const std::uint64_t count = lies ? 1 : 1 + random_.below(plan_.devices_per_account_max);
    for (std::uint64_t i = 0; i < count && !failed(); ++i) {
      std::string invite;
      if (i > 0) {
        const auto made = accounts_->create_invite({.user = user}, random_, now_.wall);
        GODWIT_CHECK(made.has_value());
        invite = made->code;
      }
      const auto number = static_cast<std::uint16_t>(100 + devices_.size() + liars_.size());
      const std::string home = scratch_ + "/" + std::to_string(number);
      devices_.push_back(std::make_unique<SimDevice>(
          SimDevice::Options{.home = home,
                             .user = user,
                             .domain = plan_.settings.domain,
                             .invite = invite,
                             .network = network_,
                             .ledger = ledger_,
                             .trace = trace_,
                             .number = number,
                             .seed = random_.next_u64(),
                             .send_queue_max = plan_.device_send_queue_max}));
      devices_.back()->start();
      settle("a device is registered", [&] { return devices_.back()->has_session(); });
    }
    learn_accounts();
    if (lies && !failed()) make_liar();
  }
}

// Takes over the account that a device that keeps the rules has made.
void World::make_liar() {
  const std::unique_ptr<SimDevice> device = std::move(devices_.back());
  devices_.pop_back();
  auto [jid, key] = device->give_away_identity();
  std::vector<std::string> users;
  for (const auto& other : devices_) users.push_back(other->user());
  liars_.push_back(std::make_unique<Liar>(
      Liar::Options{.domain = plan_.settings.domain,
                    .users = std::move(users),
                    .network = network_,
                    .trace = trace_,
                    .node_key = site_->node_key.public_key,
                    .number = static_cast<std::uint16_t>(200 + liars_.size()),
                    .seed = random_.next_u64()},
      std::move(jid), std::move(key)));
}

std::string World::leftovers_on_disk() const {
  std::string found;
  disk_.for_each([&](const SimDisk::Owner& owner, const SimDisk::Mailbox& mailbox) {
    for (const auto& device : devices_) {
      const Ledger::Device& known = ledger_.device(device->ledger_index());
      if (known.account_id != owner.first || known.device != owner.second) continue;
      found = std::to_string(mailbox.size()) + " messages are stored for " + known.jid +
              ", which has acknowledged them";
    }
  });
  return found;
}

// Everything open is settled, everybody hears once more from everybody, and nothing stays stored.
void World::come_to_rest() {
  settle("what was sent is settled and shown", [&] { return ledger_.open_matters().empty(); });
  // What failed before the faults stopped is tried again within a second, and a refusal meanwhile
  // is right.
  everybody_writes_to_everybody();
  const Instant end = now_.instant + std::chrono::seconds(2);
  settle("time passes", [&] { return now_.instant > end; });
  const std::size_t refused = ledger_.refused_count();
  everybody_writes_to_everybody();
  if (ledger_.refused_count() > refused) trace_.fail("a message is refused in calm");
  settle("the disk holds nothing that was acknowledged",
         [&] { return leftovers_on_disk().empty(); });
}

void World::everybody_writes_to_everybody() {
  for (const auto& from : devices_) {
    for (const auto& to : devices_) {
      if (failed()) return;
      from->send(to->user(), ledger_.device(to->ledger_index()).device, {100});
    }
    settle("what is sent in calm is settled and shown",
           [&] { return ledger_.open_matters().empty(); });
  }
}

// One device alone writes to all: what it sends is safe on the disk, and nothing of it stays in
// memory, because nobody is there.
void World::check_absence() {
  if (failed()) return;
  for (std::size_t i = 1; i < devices_.size(); ++i) devices_[i]->close();
  settle("the others are gone",
         [&] { return gateway_->sum(queues::ShardMetric::connections_open) <= 1; });
  if (failed()) return;
  for (std::size_t i = 1; i < devices_.size(); ++i) {
    if (devices_[i]->user() == devices_[0]->user()) continue;
    devices_[0]->send(devices_[i]->user(), ledger_.device(devices_[i]->ledger_index()).device,
                      {50});
  }
  settle("messages to those who are away are settled", [&] { return devices_[0]->outbox_empty(); });
  settle("messages to those who are away leave memory",
         [&] { return gateway_->sum(queues::ShardMetric::messages_in_memory) == 0; });
  for (std::size_t i = 1; i < devices_.size(); ++i) {
    devices_[i]->kill();
    devices_[i]->start();
  }
  settle("what waited is shown", [&] { return ledger_.open_matters().empty(); });
  settle("what waited leaves the disk", [&] { return leftovers_on_disk().empty(); });
}

void World::check_floor() {
  if (failed()) return;
  for (const auto& device : devices_) device->close();
  settle("memory is at its floor", [&] { return gateway_->above_floor().empty(); });
}

}  // namespace godwit::sim
