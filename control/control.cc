// SPDX-License-Identifier: Apache-2.0
#include "control/control.h"

#include <algorithm>
#include <array>

#include "control/blocking.h"
#include "crypto/signal/device_tag.h"

namespace godwit::control {
namespace {

using queues::Command;
using queues::CommandKind;

// Commands taken from one ring in one turn.
constexpr std::size_t ring_budget = 256;
// Commands that may wait for memory before nothing more is taken.
constexpr std::size_t inbox_max = 4096;
constexpr Duration retry_delay = std::chrono::milliseconds(5);

std::vector<queues::Outbox<Command>*> outboxes_of(const std::vector<Control::ShardLink>& shards) {
  std::vector<queues::Outbox<Command>*> outboxes;
  for (const Control::ShardLink& link : shards) outboxes.push_back(link.to_shard);
  return outboxes;
}

}  // namespace

Control::Control(Options options)
    : options_(std::move(options)),
      queries_({.shards = outboxes_of(options_.shards),
                .pool = options_.pool,
                .timeout = options_.query_timeout}),
      keys_({.domain = options_.domain,
             .accounts = options_.accounts,
             .directory = options_.keys,
             .pool = options_.pool,
             .counters = counters_,
             .hash_user = options_.hash_user,
             .home_shard = options_.home_shard,
             .announce = [this](const std::string& user) { announce(user); },
             .post = [this](unsigned shard, const Command& command) { post(shard, command); }}) {
  counters_.set(ControlMetric::accounts, options_.accounts.account_count());
}

Control::~Control() {
  for (Received& received : inbox_) received.command.take_buffer();
  for (Command& command : registrations_) command.take_buffer();
}

std::size_t Control::do_work(Now now) {
  std::size_t done = take_in();
  done += register_waiting(now);
  while (!inbox_.empty() && handle_first(now) == Outcome::done) {
  }
  done += tend_keys(now);
  done += announce_again();
  done += queries_.expire(now);
  for (const ShardLink& link : options_.shards) link.to_shard->flush();
  return done;
}

Instant Control::next_deadline(Now now) const {
  Instant next = queries_.next_deadline();
  bool waiting = keys_.notices_waiting() || !inbox_.empty() || !unannounced_.empty() ||
                 !unannounced_removals_.empty();
  for (const ShardLink& link : options_.shards) waiting = waiting || link.to_shard->waiting() > 0;
  if (waiting) next = std::min(next, now.instant + retry_delay);
  return next;
}

bool Control::idle() const {
  if (inbox_.size() >= inbox_max || pressed()) return true;
  return std::ranges::all_of(
      options_.shards, [](const ShardLink& link) { return link.from_shard->consumer_empty(); });
}

bool Control::pressed() const {
  return std::ranges::any_of(options_.shards,
                             [](const ShardLink& link) { return link.to_shard->pressed(); });
}

std::size_t Control::take_in() {
  if (inbox_.size() >= inbox_max || pressed()) return 0;
  std::size_t taken = 0;
  for (unsigned shard = 0; shard < options_.shards.size(); ++shard) {
    taken += options_.shards[shard].from_shard->drain(ring_budget, [&](const Command& command) {
      if (command.kind == CommandKind::register_) {
        registrations_.push_back(command);
      } else {
        inbox_.push_back({shard, command});
      }
    });
  }
  return taken;
}

Control::Outcome Control::handle_first(Now now) {
  Received& first = inbox_.front();
  switch (first.command.kind) {
    case CommandKind::account_lookup:
      return look_up_first();
    case CommandKind::admin_row:
    case CommandKind::admin_end:
      queries_.take(first.shard, first.command);
      break;
    case CommandKind::server_iq:
      if (answer_server_iq(first.command, now) == Outcome::no_memory) return Outcome::no_memory;
      first.command.take_buffer();
      break;
    default:
      GODWIT_CHECK(!"a command that is not for control");
  }
  inbox_.pop_front();
  return Outcome::done;
}

// The first command and all look-ups that follow it, up to something that may write. Several share
// a read transaction of each database; for one alone that would only be two statements more.
Control::Outcome Control::look_up_first() {
  const bool several = inbox_.size() > 1;
  const Reading accounts = several ? options_.accounts.read_together() : Reading{};
  const Reading keys = several ? options_.keys.read_together() : Reading{};
  while (!inbox_.empty() && inbox_.front().command.kind == CommandKind::account_lookup) {
    Command& command = inbox_.front().command;
    if (look_up(command) == Outcome::no_memory) return Outcome::no_memory;
    command.take_buffer();
    inbox_.pop_front();
  }
  return Outcome::done;
}

// The room is there: take_in() stops long before an outbox is full.
void Control::post(unsigned shard, Command command) {
  GODWIT_CHECK(shard < options_.shards.size());
  GODWIT_CHECK(options_.shards[shard].to_shard->try_post(command));
}

Control::Outcome Control::look_up(const Command& command) {
  const std::string_view user = as_text({command.buffer->data(), command.buffer->size});
  const Result<std::optional<Account>> account = options_.accounts.find(user);
  note_store(!account);
  Command answer{
      .kind = CommandKind::account_missing, .account = command.account, .id = command.id};
  if (!account) {
    answer.detail = static_cast<std::uint8_t>(protocol::Condition::internal_server_error);
  } else if (*account) {
    queues::Buffer record = queues::encode(options_.pool, record_of(**account));
    if (!record) return Outcome::no_memory;
    answer.kind = CommandKind::account_found;
    answer.buffer = record.release();
  }
  counters_.add(ControlMetric::account_lookups);
  post(options_.home_shard(command.account), answer);
  return Outcome::done;
}

Control::Outcome Control::answer_server_iq(const Command& command, Now now) {
  const queues::ServerIq iq =
      queues::decode_server_iq({command.buffer->data(), command.buffer->size});
  if (KeyService::is_for(iq, options_.domain)) {
    if (!keys_.ask(iq, command, now.wall)) return Outcome::no_memory;
    counters_.add(ControlMetric::server_iqs);
    return Outcome::done;
  }
  std::array<std::uint8_t, protocol::control_stanza_size_max> stanza;
  // Reserved first: nothing may be changed that cannot be answered.
  queues::Buffer reply = options_.pool.allocate(stanza.size());
  if (!reply) return Outcome::no_memory;
  const BlockingAnswer answer =
      answer_blocking({.iq = iq, .number = command.number, .domain = options_.domain},
                      options_.accounts, reply.writable());
  reply.resize(answer.size);
  if (answer.changed) announce(std::string(iq.user));
  counters_.add(ControlMetric::server_iqs);
  post(command.session.shard, {.kind = CommandKind::server_iq_reply,
                               .number = command.number,
                               .session = command.session,
                               .buffer = reply.release()});
  return Outcome::done;
}

// A record without the key directory's part is better than none.
queues::AccountRecord Control::record_of(const Account& account) const {
  queues::AccountRecord record{
      .account_id = account.id, .status = account.status, .user = account.user};
  for (const Device& device : account.devices) {
    record.devices.push_back({.id = device.id, .key = device.key});
  }
  const auto listed = options_.keys.devices(account.id);
  record.tags_known = listed.has_value();
  for (std::size_t i = 0; listed && i < listed->size(); ++i) {
    const KeyDirectory::Device& keys = (*listed)[i];
    const auto found =
        std::ranges::find(record.devices, keys.device, &queues::AccountRecord::Device::id);
    if (found == record.devices.end()) continue;
    found->tag = crypto::signal::device_tag(keys.device, keys.identity);
  }
  for (const std::string& user : account.blocks) record.blocks.push_back(options_.hash_user(user));
  return record;
}

std::size_t Control::tend_keys(Now now) {
  constexpr std::size_t notices_a_turn = 64;
  std::size_t done = keys_.finish();
  if (!pressed()) done += keys_.send_notices(notices_a_turn);
  if (now.instant >= tidy_at_) {
    // A full batch means that there are more. What fails is tried again within the hour.
    const Result<int> forgotten = options_.keys.forget_old_contacts(now.wall);
    const bool more = forgotten && *forgotten == KeyDirectory::contacts_forgotten_max;
    tidy_at_ = now.instant + (more ? Duration(std::chrono::seconds(1)) : std::chrono::hours(1));
  }
  return done;
}

void Control::announce(const std::string& user) {
  if (try_announce(user) == Outcome::no_memory) unannounced_.insert(user);
}

Control::Outcome Control::try_announce(const std::string& user) {
  const Result<std::optional<Account>> account = options_.accounts.find(user);
  note_store(!account);
  // While the database cannot be read the change waits as it does for memory.
  if (!account) return Outcome::no_memory;
  if (!*account) return Outcome::done;
  queues::Buffer record = queues::encode(options_.pool, record_of(**account));
  if (!record) return Outcome::no_memory;
  const std::uint64_t hash = options_.hash_user(user);
  post(options_.home_shard(hash),
       {.kind = CommandKind::account_changed, .account = hash, .buffer = record.release()});
  return Outcome::done;
}

void Control::announce_removal(const std::string& user, std::uint64_t account_id) {
  counters_.set(ControlMetric::accounts, options_.accounts.account_count());
  unannounced_.erase(user);
  // What stays after a failure is nobody's: account ids never come back.
  if (!options_.keys.forget_account(account_id)) {
    counters_.set(ControlMetric::key_store_failing, 1);
  }
  if (try_announce_removal(user, account_id) == Outcome::no_memory) {
    unannounced_removals_.emplace_back(user, account_id);
  }
}

Control::Outcome Control::try_announce_removal(const std::string& user, std::uint64_t account_id) {
  queues::Buffer text = options_.pool.copy(as_bytes(user));
  if (!text) return Outcome::no_memory;
  const std::uint64_t hash = options_.hash_user(user);
  post(options_.home_shard(hash), {.kind = CommandKind::account_removed,
                                   .account = hash,
                                   .id = account_id,
                                   .buffer = text.release()});
  return Outcome::done;
}

std::size_t Control::announce_again() {
  std::size_t done = 0;
  while (!unannounced_removals_.empty()) {
    const auto& [user, account_id] = unannounced_removals_.front();
    if (try_announce_removal(user, account_id) == Outcome::no_memory) return done;
    unannounced_removals_.pop_front();
    ++done;
  }
  while (!unannounced_.empty()) {
    if (try_announce(*unannounced_.begin()) == Outcome::no_memory) return done;
    unannounced_.erase(unannounced_.begin());
    ++done;
  }
  return done;
}

}  // namespace godwit::control
