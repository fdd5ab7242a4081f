// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <ranges>
#include <utility>
#include <vector>

#include "crypto/hash.h"
#include "dataplane/home.h"

// Accounts of a home: loaded when first named (record from control, then a summary from storage),
// kept while anything of theirs is in memory, evicted when idle. Commands for an account wait, in
// order, until it is ready.

namespace godwit::dataplane {

using protocol::Condition;
using protocol::StreamCondition;
using queues::Command;
using queues::CommandKind;
using queues::Mailbox;
using queues::MailboxName;
using queues::ShardMetric;

namespace {

queues::KeyDigest digest_of(const queues::PublicKeyBytes& key) {
  const crypto::Digest whole = crypto::hash(crypto::NoiseHash::sha256, {key});
  queues::KeyDigest digest;
  std::copy_n(whole.data(), digest.size(), digest.data());
  return digest;
}

}  // namespace

void Home::route(const Command& command, std::string_view user, Now now) {
  // Before parking, so that nothing slips in behind a refusal while the account loads.
  if (command.kind == CommandKind::message &&
      refusals_.blocks(command.session, command.account, command.confirmed)) {
    return refuse(command, Condition::follows_refused);
  }
  std::uint32_t index = find_account(command.account);
  if (index == 0) index = load_account(command.account, user);
  if (index == 0) {
    return turn_away(command, Condition::resource_constraint, StreamCondition::resource_constraint);
  }
  Account& account = accounts_[index];
  if (account.user.view() != user) {  // two names, one keyed 64-bit hash
    return turn_away(command, Condition::internal_server_error,
                     StreamCondition::internal_server_error);
  }
  if (account.store_unknown) ask_storage_again(index, now);
  if (account.load != Load::ready) return park(index, command);
  switch (command.kind) {
    case CommandKind::attach:
      return attach(index, command, now);
    case CommandKind::relay:
      return relay(index, command);
    case CommandKind::admin_query:
      return purge(index, command);
    default:
      return accept(index, command, now);
  }
}

void Home::turn_away(const Command& command, Condition condition,
                     StreamCondition stream_condition) {
  switch (command.kind) {
    case CommandKind::attach:
      return refuse_attach(command, stream_condition);
    case CommandKind::admin_query:
      queues::Buffer::adopt(command.buffer);
      return end_query(command.id, 0);
    default:
      return refuse(command, condition);
  }
}

void Home::park(std::uint32_t index, const Command& command) {
  Account& account = accounts_[index];
  if (!account.parked) account.parked = std::make_unique<std::deque<Command>>();
  if (account.parked->size() >= settings_.parked_per_account_max ||
      parked_ >= settings_.parked_max) {
    return turn_away(command, Condition::resource_constraint, StreamCondition::resource_constraint);
  }
  account.parked->push_back(command);
  ++parked_;
}

// 0 when there is no memory to ask control with.
std::uint32_t Home::load_account(std::uint64_t hash, std::string_view user) {
  if (accounts_.used() >= settings_.idle_accounts_max) evict_idle();
  const std::uint32_t index = accounts_.allocate();
  Account& account = accounts_[index];
  account.hash = hash;
  account.user = CompactText(user);
  account.generation = next_generation_;
  next_generation_ = next_generation_ == UINT32_MAX ? 1 : next_generation_ + 1;
  index_.insert(hash, index);
  if (start_lookup(index)) return index;
  forget_account(index);
  return 0;
}

std::uint64_t Home::token_of(std::uint32_t index) const {
  return std::uint64_t{accounts_[index].generation} << 32 | index;
}

std::uint32_t Home::account_by_token(std::uint64_t token) {
  const auto index = static_cast<std::uint32_t>(token);
  if (index == 0 || index >= accounts_.end()) return 0;
  return accounts_[index].generation == token >> 32 ? index : 0;
}

// False, and nothing changed, when there is no memory for the question. Control's ring holds more
// than the accounts that may be loading at once.
bool Home::start_lookup(std::uint32_t index) {
  Account& account = accounts_[index];
  queues::Buffer user = options_.pool.copy(as_bytes(account.user.view()));
  if (!user) return false;
  account.load = Load::record;
  port_.answer(options_.control, {.kind = CommandKind::account_lookup,
                                  .account = account.hash,
                                  .id = token_of(index),
                                  .buffer = user.release()});
  return true;
}

void Home::on_account_found(Command command, Now now) {
  const queues::Buffer buffer = command.take_buffer();
  const std::uint32_t index = account_by_token(command.id);
  if (index == 0 || accounts_[index].load != Load::record) return;
  Account& account = accounts_[index];
  apply_record(index, queues::decode_account_record(buffer.bytes()));
  account.load = Load::store;
  if (!request_summary(index)) store_not_known(index, now);
}

bool Home::request_summary(std::uint32_t index) {
  const Account& account = accounts_[index];
  return post_store(account.hash, {.kind = queues::StoreRequestKind::summarize,
                                   .account_id = account.account_id,
                                   .mailbox = {index, account.generation}});
}

void Home::on_account_missing(Command command, Now now) {
  command.take_buffer();
  const std::uint32_t index = account_by_token(command.id);
  if (index == 0 || accounts_[index].load != Load::record) return;
  if (accounts_[index].account_id != 0) return keep_account(index, now);
  if (command.detail != 0) {  // control could not look
    return fail_loading(index, static_cast<Condition>(command.detail),
                        StreamCondition::internal_server_error);
  }
  fail_loading(index, Condition::item_not_found, StreamCondition::not_authorized);
}

// Control could not look again for a device that this home does not know. What is here stays as it
// is; the device may ask again.
void Home::keep_account(std::uint32_t index, Now now) {
  Account& account = accounts_[index];
  account.load = Load::ready;
  account.refreshed = false;
  const auto parked = std::move(account.parked);
  if (!parked) return;
  parked_ -= parked->size();
  const std::string user(account.user.view());
  for (const Command& command : *parked) {
    if (command.kind == CommandKind::attach) {
      const Bytes bytes{command.buffer->data(), command.buffer->size};
      if (find_device(accounts_[index], queues::decode_attach_request(bytes).device) == 0) {
        refuse_attach(command, StreamCondition::internal_server_error);
        continue;
      }
    }
    route(command, user, now);
  }
}

// Devices keep their mailboxes; new ones start empty; those gone lose theirs.
void Home::apply_record(std::uint32_t index, const queues::AccountRecord& record) {
  Account& account = accounts_[index];
  account.account_id = record.account_id;
  account.status = record.status;
  account.tags_known = record.tags_known;
  account.blocks.assign(record.blocks);
  std::vector<std::uint32_t> kept;  // in the record's order
  for (const auto& known : record.devices) {
    std::uint32_t i = find_device(account, known.id);
    if (i == 0) i = mailboxes_.create(index, known.id, sequence_floor_ + 1).index;
    mailboxes_.at(i).key = digest_of(known.key);
    mailboxes_.at(i).tag = known.tag;
    kept.push_back(i);
  }
  for (const std::uint32_t i : devices_of(account)) {
    if (std::ranges::find(kept, i) == kept.end()) drop_device(i);
  }
  account.first_mailbox = 0;
  for (const std::uint32_t i : kept | std::views::reverse) {
    mailboxes_.at(i).sibling = std::exchange(account.first_mailbox, i);
  }
}

// A device that its account has no longer.
void Home::drop_device(std::uint32_t index) {
  Mailbox& mailbox = mailboxes_.at(index);
  const Account& account = account_of(mailbox);
  if (mailbox.connected()) kick(mailbox, StreamCondition::not_authorized);
  while (mailbox.head != 0) refuse_entry(mailbox, mailbox.head, Condition::item_not_found);
  post_store(account.hash, {.kind = queues::StoreRequestKind::purge,
                            .device = mailbox.device,
                            .account_id = account.account_id});
  destroy_mailbox(index);
}

void Home::on_summary(const queues::StoreReply& reply, Now now) {
  const std::uint32_t index =
      account_by_token(std::uint64_t{reply.mailbox.generation} << 32 | reply.mailbox.index);
  if (index == 0 || accounts_[index].load != Load::store) return;
  if (reply.kind == queues::StoreReplyKind::summary_failed) {
    counters_.set(ShardMetric::store_failing, 1);
    return store_not_known(index, now);
  }
  if (reply.kind == queues::StoreReplyKind::summary_end) {
    accounts_[index].store_unknown = false;
    retries_.erase(index);
    return become_ready(index, now);
  }
  const std::uint32_t device = find_device(accounts_[index], reply.device);
  if (device == 0) return;
  Mailbox& mailbox = mailboxes_.at(device);
  if (mailbox.summarized)
    return;  // loaded again for a new device; this one's numbers are newer here
  queues::MailboxStore& store = mailbox.change_store();
  store.next = reply.sequence;
  store.count = static_cast<std::uint32_t>(reply.count);
  store.bytes = reply.bytes;
  mailbox.acknowledged = reply.sequence - 1;
  mailbox.next_sequence = std::max(mailbox.next_sequence, reply.high + 1);
  // It came while storage could not be read, so it does not know of these: it shall come again.
  if (mailbox.connected()) kick(mailbox, StreamCondition::internal_server_error);
}

void Home::store_not_known(std::uint32_t index, Now now) {
  accounts_[index].store_unknown = true;
  const Instant retry_at = now.instant + settings_.storage_retry;
  retries_[index] = retry_at;
  // A device that is here waits for what is stored, and nobody else may ever come.
  for (const std::uint32_t device : devices_of(accounts_[index])) {
    schedule(mailboxes_.name_of(device), mailboxes_.at(device), retry_at);
  }
  become_ready(index, now);
}

// REQUIRES: its account says store_unknown.
void Home::ask_storage_again(std::uint32_t index, Now now) {
  Account& account = accounts_[index];
  if (account.load != Load::ready) return;
  Instant& retry_at = retries_.at(index);
  if (now.instant < retry_at) return;
  retry_at = now.instant + settings_.storage_retry;
  if (request_summary(index)) account.load = Load::store;
}

void Home::become_ready(std::uint32_t index, Now now) {
  accounts_[index].load = Load::ready;
  for (const std::uint32_t device : devices_of(accounts_[index])) {
    Mailbox& mailbox = mailboxes_.at(device);
    mailbox.summarized = mailbox.summarized || !accounts_[index].store_unknown;
  }
  const auto parked = std::move(accounts_[index].parked);
  if (!parked) return;
  parked_ -= parked->size();
  // Handling one may send the account back to loading (attach of an unknown device); the rest then
  // parks again.
  const std::string user(accounts_[index].user.view());
  for (const Command& command : *parked) route(command, user, now);
}

void Home::fail_loading(std::uint32_t index, Condition condition,
                        StreamCondition stream_condition) {
  const auto parked = std::move(accounts_[index].parked);
  forget_account(index);
  if (!parked) return;
  parked_ -= parked->size();
  for (const Command& command : *parked) turn_away(command, condition, stream_condition);
}

void Home::forget_account(std::uint32_t index) {
  Account& account = accounts_[index];
  for (const std::uint32_t device : devices_of(account)) destroy_mailbox(device);
  index_.erase(account.hash, index);
  retries_.erase(index);
  accounts_.release(index);
}

// A mailbox made later must not assign a sequence that one of this start has used: a device may
// still name it.
void Home::destroy_mailbox(std::uint32_t index) {
  sequence_floor_ = std::max(sequence_floor_, mailboxes_.at(index).next_sequence - 1);
  mailboxes_.destroy(mailboxes_.name_of(index));
}

bool Home::is_idle(const Account& account) {
  if (account.load != Load::ready || account.sessions > 0) return false;
  for (const std::uint32_t device : devices_of(account)) {
    const Mailbox& mailbox = mailboxes_.at(device);
    if (mailbox.count > 0 || mailbox.store().loading || mailbox.store().erase_due) return false;
  }
  return true;
}

// The clock's hand moves over a bounded number of accounts and forgets those that have nothing
// here.
void Home::evict_idle() {
  constexpr int steps = 8;
  for (int i = 0; i < steps && accounts_.end() > 1; ++i) {
    if (++evict_hand_ >= accounts_.end()) evict_hand_ = 1;
    Account& account = accounts_[evict_hand_];
    if (account.generation != 0 && is_idle(account)) forget_account(evict_hand_);
  }
}

void Home::on_account_changed(Command command, Now) {
  const queues::Buffer buffer = command.take_buffer();
  const std::uint32_t index = find_account(command.account);
  // While the record is on its way the answer to the lookup may be older than this: ask again.
  if (index == 0) return;
  Account& account = accounts_[index];
  const queues::AccountRecord record = queues::decode_account_record(buffer.bytes());
  if (record.user != account.user.view()) return;
  if (account.load == Load::record) return;  // control answers lookups after it has sent changes
  apply_record(index, record);
  if (account.status != queues::AccountStatus::suspended) return;
  for (const std::uint32_t device : devices_of(account)) {
    Mailbox& mailbox = mailboxes_.at(device);
    if (mailbox.connected()) kick(mailbox, StreamCondition::account_suspended);
  }
}

void Home::on_account_removed(Command command, Now) {
  const queues::Buffer buffer = command.take_buffer();
  const std::uint32_t index = find_account(command.account);
  if (index == 0) {  // not in memory: what is stored for it goes all the same
    post_store(command.account,
               {.kind = queues::StoreRequestKind::purge, .account_id = command.id});
    return;
  }
  if (accounts_[index].user.view() != as_text(buffer.bytes())) return;
  Account& account = accounts_[index];
  for (const std::uint32_t device : devices_of(account)) {
    Mailbox& mailbox = mailboxes_.at(device);
    if (mailbox.connected()) kick(mailbox, StreamCondition::account_removed);
    while (mailbox.head != 0) refuse_entry(mailbox, mailbox.head, Condition::item_not_found);
  }
  if (account.account_id != 0) {
    post_store(account.hash,
               {.kind = queues::StoreRequestKind::purge, .account_id = account.account_id});
  }
  fail_loading(index, Condition::item_not_found, StreamCondition::account_removed);
}

std::uint32_t Home::find_device(const Account& account, std::uint16_t id) const {
  for (const std::uint32_t device : devices_of(account)) {
    if (mailboxes_.at(device).device == id) return device;
  }
  return 0;
}

void Home::attach(std::uint32_t index, Command command, Now now) {
  Account& account = accounts_[index];
  const Bytes bytes{command.buffer->data(), command.buffer->size};
  const queues::AttachRequest request = queues::decode_attach_request(bytes);
  const std::uint32_t device = find_device(account, request.device);
  if (device == 0 && !account.refreshed) {
    // Registered since the record was read? Control knows; ask once before refusing.
    if (!start_lookup(index)) return refuse_attach(command, StreamCondition::resource_constraint);
    account.refreshed = true;
    return park(index, command);
  }
  account.refreshed = false;
  if (account.status == queues::AccountStatus::suspended) {
    return refuse_attach(command, StreamCondition::account_suspended);
  }
  if (device == 0 || mailboxes_.at(device).key != digest_of(request.key)) {
    return refuse_attach(command, StreamCondition::not_authorized);
  }
  const MailboxName name = mailboxes_.name_of(device);
  Mailbox& mailbox = mailboxes_.at(device);
  if (mailbox.connected()) {
    // Rings of two fronts keep no order between them: the earlier login may come later, and then
    // its client has left it for the connection that is here.
    const std::uint32_t earlier_ms = mailbox.login_ms - command.number;
    if (earlier_ms != 0 && earlier_ms <= login_overtaking_max_ms) {
      return refuse_attach(command, StreamCondition::conflict);
    }
    kick(mailbox, StreamCondition::conflict);
    counters_.add(ShardMetric::sessions_replaced);
  }
  ++account.sessions;
  mailbox.session = command.session;
  mailbox.login_ms = command.number;
  mailbox.window = static_cast<std::uint16_t>(request.window);
  mailboxes_.reset_flight(mailbox);
  // A number above all that was ever assigned comes from another life of this server: it says
  // nothing here.
  if (request.last_sequence < mailbox.next_sequence) acknowledge(mailbox, request.last_sequence);
  command.take_buffer();

  mailbox.backlog_upto = mailbox.next_sequence - 1;
  Command reply{.kind = CommandKind::attached, .session = command.session, .account = account.hash};
  reply.set_mailbox(name);
  reply.sequence = mailbox.acknowledged;
  reply.sender = std::uint64_t{mailbox.store().count} + mailbox.unstored;
  to_front(reply);
  pump(name, mailbox, now);
}

void Home::refuse_attach(const Command& command, StreamCondition condition) {
  Command copy = command;
  copy.take_buffer();
  to_front({.kind = CommandKind::attach_refused,
            .detail = static_cast<std::uint8_t>(condition),
            .session = command.session});
}

// Ends the session here at once; the front closes the connection when it hears of it.
void Home::kick(Mailbox& mailbox, StreamCondition condition) {
  to_front({.kind = CommandKind::kick,
            .detail = static_cast<std::uint8_t>(condition),
            .session = mailbox.session});
  mailbox.session = {};
  mailbox.backlog_upto = 0;
  mailboxes_.reset_flight(mailbox);
  --account_of(mailbox).sessions;
}

// What is not safe yet goes to storage now, and what is stored leaves memory.
void Home::detach(MailboxName name, ConnectionName session, Now now) {
  Mailbox* mailbox = mailboxes_.find(name);
  if (mailbox == nullptr || mailbox->session != session) return;
  mailbox->session = {};
  mailbox->backlog_upto = 0;
  mailboxes_.reset_flight(*mailbox);
  --account_of(*mailbox).sessions;
  std::uint32_t next = 0;
  for (std::uint32_t i = mailbox->head; i != 0; i = next) {
    next = mailboxes_.entry(i).next;
    if (mailboxes_.entry(i).state == queues::EntryState::stored) drop_stored(*mailbox, i);
  }
  persist(name, *mailbox, now, true);
}

}  // namespace godwit::dataplane
