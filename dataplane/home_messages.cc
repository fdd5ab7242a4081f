// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "dataplane/home.h"

// Messages into mailboxes and out of them: the acknowledgement rule (design promises 1 to 3).

namespace godwit::dataplane {

using protocol::Condition;
using queues::Command;
using queues::CommandKind;
using queues::EntryState;
using queues::Mailbox;
using queues::MailboxName;
using queues::MessageRecord;
using queues::ShardMetric;

void Home::accept(std::uint32_t index, const Command& command, Now now) {
  Account& account = accounts_[index];
  const queues::Envelope envelope =
      queues::read_envelope(Bytes{command.buffer->data(), command.buffer->size});
  if (std::ranges::find(account.blocks, command.sender) != account.blocks.end()) {
    return refuse(command,
                  Condition::service_unavailable);  // XEP-0191, 3.3: says no more than that
  }
  if (account.status == queues::AccountStatus::suspended) {
    return refuse(command, Condition::service_unavailable);
  }
  if (account.first_mailbox == 0 ||
      (envelope.to_device != 0 && find_device(account, envelope.to_device) == 0)) {
    if (account.first_mailbox != 0 && drop_for_gone(account, command)) return;
    return refuse(command, Condition::item_not_found);
  }
  if (account.store_unknown) return refuse(command, Condition::resource_constraint);
  // Before what is seen again is settled: its sender may not have heard.
  if (is_for_others(account, command)) tell_of_devices(account, command);
  if (envelope.ephemeral) return drop_ephemeral(index, command);
  Seen* const seen = find_seen(account, command.sender, command.sender_device);
  if (seen != nullptr && command.id <= seen->id) return answer_duplicate(account, command);
  const std::size_t bytes = command.buffer->capacity + sizeof(queues::BufferBlock);
  if (!check_limits(account, envelope.to_device, bytes)) {
    return refuse(command, Condition::resource_constraint);
  }
  remember_seen(account, seen, command);

  const std::uint16_t to_device = envelope.to_device;
  const auto accepted_s = static_cast<std::uint32_t>(
      std::chrono::floor<std::chrono::seconds>(now.wall).time_since_epoch().count());
  const std::uint32_t record =
      mailboxes_.create_record({.buffer = queues::Buffer::adopt(command.buffer),
                                .origin = command.session,
                                .number = command.number,
                                .sender_device = command.sender_device,
                                .sender = command.sender,
                                .id = command.id,
                                .accepted_s = accepted_s});
  ++unsafe_;
  // Entries first, all of them, so that an answer to one finds the others counted.
  for (const std::uint32_t device : devices_of(account)) {
    Mailbox& mailbox = mailboxes_.at(device);
    if (to_device != 0 && mailbox.device != to_device) continue;
    queues::MailboxEntry& entry = mailboxes_.entry(mailboxes_.append(mailbox, record));
    entry.appended = now.instant;
    entry.timed = true;
    counters_.record(queues::ShardHistogram::mailbox_messages,
                     std::uint64_t{mailbox.store().count} + mailbox.unstored);
  }
  if (settings_.ack_after == AckAfter::memory) {
    settle(command.session, command.number);
    mailboxes_.record(record).origin = {};
  }
  for (const std::uint32_t device : devices_of(account)) {
    Mailbox& mailbox = mailboxes_.at(device);
    if (to_device != 0 && mailbox.device != to_device) continue;
    const MailboxName name = mailboxes_.name_of(device);
    if (mailbox.connected()) {
      schedule(name, mailbox, now.instant + settings_.persist_after);
      pump(name, mailbox, now);
    } else {
      persist(name, mailbox, now, true);
    }
  }
}

bool Home::check_limits(const Account& account, std::uint16_t to_device, std::size_t bytes) {
  if (mailboxes_.entries_used() >= settings_.entries_in_memory_max) return false;
  std::uint64_t account_messages = 0;
  for (const std::uint32_t device : devices_of(account)) {
    const Mailbox& mailbox = mailboxes_.at(device);
    const std::uint64_t messages = std::uint64_t{mailbox.store().count} + mailbox.unstored;
    account_messages += messages;
    if (to_device != 0 && mailbox.device != to_device) continue;
    if (messages >= settings_.mailbox_messages_max ||
        mailbox.store().bytes + mailbox.memory_bytes + bytes > settings_.mailbox_bytes_max) {
      return false;
    }
  }
  return account_messages < settings_.account_messages_max;
}

// A re-sent message changes nothing; its sender hears of it when the first one is safe.
void Home::answer_duplicate(const Account& account, const Command& command) {
  counters_.add(ShardMetric::messages_duplicate);
  queues::Buffer::adopt(command.buffer);
  for (const std::uint32_t device : devices_of(account)) {
    const Mailbox& mailbox = mailboxes_.at(device);
    for (std::uint32_t i = mailbox.head; i != 0; i = mailboxes_.entry(i).next) {
      MessageRecord& record = mailboxes_.record(mailboxes_.entry(i).record);
      if (record.id != command.id || record.sender != command.sender ||
          record.sender_device != command.sender_device || record.unsafe == 0) {
        continue;
      }
      if (settings_.ack_after == AckAfter::memory) break;
      // Twice in one session: the acknowledgement is cumulative, so the first one holds this one
      // back.
      if (record.origin == command.session) break;
      record.origin = command.session;
      record.number = command.number;
      return;
    }
  }
  settle(command.session, command.number);
}

Home::Seen* Home::find_seen(Account& account, std::uint64_t sender, std::uint16_t device) {
  for (std::size_t i = 0; i < account.seen.size(); ++i) {
    Seen& seen = account.seen[i];
    if (seen.sender != sender || seen.device != device) continue;
    if (i == 0) return &seen;
    // Moves towards the front, so that lively senders are found at once.
    std::swap(seen, account.seen[i / 2]);
    return &account.seen[i / 2];
  }
  return nullptr;
}

// `seen` is what find_seen found.
void Home::remember_seen(Account& account, Seen* seen, const Command& command) {
  if (seen != nullptr) {
    seen->id = command.id;
    return;
  }
  const Seen fresh{command.sender, command.id, command.sender_device};
  if (account.seen.size() < settings_.senders_per_account_max) {
    account.seen.push_back(fresh);
  } else {
    account.seen.back() = fresh;  // the quietest; a receiver drops what is then repeated
  }
}

// pump() follows.
void Home::acknowledge(Mailbox& mailbox, std::uint64_t upto) {
  upto = std::min(upto, mailbox.next_sequence - 1);
  if (upto <= mailbox.acknowledged) return;
  bool erase = mailbox.store().next != 0 && mailbox.store().next <= upto;
  while (mailbox.head != 0 && mailboxes_.entry(mailbox.head).sequence <= upto) {
    erase = erase || mailboxes_.entry(mailbox.head).state != EntryState::fresh;
    drop_acknowledged(mailbox, mailbox.head);
  }
  mailbox.acknowledged = upto;
  mailbox.forget_empty_store();
  if (!erase) return;
  queues::MailboxStore& store = mailbox.change_store();
  store.erase_due = true;  // pump() sends it
  if (store.next != 0 && store.next <= upto)
    store.next = upto + 1;  // a lower bound; the next load tells
}

void Home::drop_acknowledged(Mailbox& mailbox, std::uint32_t index) {
  queues::MailboxEntry& entry = mailboxes_.entry(index);
  MessageRecord& record = mailboxes_.record(entry.record);
  if (entry.state == EntryState::stored) {
    queues::MailboxStore& store = mailbox.change_store();
    if (store.count > 0) --store.count;
    store.bytes -= std::min<std::uint64_t>(store.bytes, record.buffer.bytes().size());
  } else {
    make_safe(entry);
  }
  counters_.add(ShardMetric::messages_acknowledged);
  record_age(queues::ShardHistogram::acknowledgement, entry);
  mailboxes_.remove(mailbox, index);
}

void Home::record_age(queues::ShardHistogram histogram, const queues::MailboxEntry& entry) {
  if (!entry.timed) return;
  counters_.record(histogram, static_cast<std::uint64_t>((now_ - entry.appended).count()));
}

// One more of the record's entries is acknowledged or stored; the last one settles its sender.
void Home::make_safe(const queues::MailboxEntry& entry) {
  MessageRecord& record = mailboxes_.record(entry.record);
  if (--record.unsafe > 0) return;
  --unsafe_;
  record_age(queues::ShardHistogram::settlement, entry);
  if (record.origin.valid()) settle(record.origin, record.number);
  record.origin = {};
}

void Home::settle(ConnectionName session, std::uint32_t number) {
  port_.answer(session.shard, {.kind = CommandKind::settled, .number = number, .session = session});
}

void Home::refuse(const Command& command, Condition condition) {
  queues::Buffer::adopt(command.buffer);
  const bool is_message = command.kind == CommandKind::message;
  const auto kind = is_message ? static_cast<std::uint16_t>(protocol::StanzaType::message)
                               : static_cast<std::uint16_t>(command.detail);
  port_.answer(command.session.shard, {.kind = CommandKind::refused,
                                       .detail = static_cast<std::uint8_t>(condition),
                                       .device = kind,
                                       .number = command.number,
                                       .session = command.session,
                                       .id = command.id});
  if (!is_message) return;
  if (const auto closed = refusals_.add(command.session, command.account, command.number)) {
    to_front({.kind = CommandKind::kick,
              .detail = static_cast<std::uint8_t>(protocol::StreamCondition::resource_constraint),
              .session = *closed});
  }
}

// An accepted message that cannot be kept after all. Its sender is told once, whatever the number
// of devices; it may send the same id again in a new session, so what was seen of it is taken back.
void Home::refuse_entry(Mailbox& mailbox, std::uint32_t index, Condition condition) {
  queues::MailboxEntry& entry = mailboxes_.entry(index);
  MessageRecord& record = mailboxes_.record(entry.record);
  if (entry.state == EntryState::stored) {
    mailboxes_.remove(mailbox, index);
    return;
  }
  Account& account = account_of(mailbox);
  if (Seen* seen = find_seen(account, record.sender, record.sender_device)) {
    seen->id = std::min(seen->id, record.id - 1);
  }
  if (record.origin.valid()) {
    const Command refused{.kind = CommandKind::message,
                          .number = record.number,
                          .session = record.origin,
                          .account = account.hash,
                          .id = record.id};
    refuse(refused, condition);
    record.origin = {};
  }
  if (--record.unsafe == 0) --unsafe_;
  mailboxes_.remove(mailbox, index);
}

// Presence and iq go to whoever is connected and are never kept.
void Home::relay(std::uint32_t index, const Command& command) {
  Account& account = accounts_[index];
  const queues::Envelope envelope =
      queues::read_envelope(Bytes{command.buffer->data(), command.buffer->size});
  const bool is_iq = command.detail == static_cast<std::uint8_t>(protocol::StanzaType::iq);
  const bool blocked = std::ranges::find(account.blocks, command.sender) != account.blocks.end();
  bool delivered = false;
  if (!blocked && !(is_iq && envelope.to_device == 0)) {
    for (const std::uint32_t device : devices_of(account)) {
      const Mailbox& mailbox = mailboxes_.at(device);
      if (!mailbox.connected()) continue;
      if (envelope.to_device != 0 && mailbox.device != envelope.to_device) continue;
      if (port_.pressed(mailbox.session.shard)) continue;
      queues::Buffer shared = queues::Buffer::share(command.buffer);
      delivered = to_front({.kind = CommandKind::relayed,
                            .session = mailbox.session,
                            .buffer = shared.release()}) ||
                  delivered;
    }
  }
  const auto type = static_cast<protocol::IqType>(envelope.message_type);
  const bool is_request = type == protocol::IqType::get || type == protocol::IqType::set;
  // RFC 6120, 8.2.3: a request always has an answer. Everything else is dropped without one.
  if (!delivered && is_iq && is_request) return refuse(command, Condition::service_unavailable);
  queues::Buffer::adopt(command.buffer);
  settle(command.session, command.number);
}

// XEP-0334 no-store: to the devices connected now, outside their mailboxes, and forgotten.
void Home::drop_ephemeral(std::uint32_t index, const Command& command) {
  const queues::Envelope envelope =
      queues::read_envelope(Bytes{command.buffer->data(), command.buffer->size});
  bool delivered = false;
  for (const std::uint32_t device : devices_of(accounts_[index])) {
    const Mailbox& mailbox = mailboxes_.at(device);
    if (!mailbox.connected() || port_.pressed(mailbox.session.shard)) continue;
    if (envelope.to_device != 0 && mailbox.device != envelope.to_device) continue;
    queues::Buffer shared = queues::Buffer::share(command.buffer);
    delivered = to_front({.kind = CommandKind::deliver,
                          .detail = 1,
                          .session = mailbox.session,
                          .buffer = shared.release()}) ||
                delivered;
  }
  if (!delivered) counters_.add(ShardMetric::messages_dropped_ephemeral);
  queues::Buffer::adopt(command.buffer);
  settle(command.session, command.number);
}

}  // namespace godwit::dataplane
