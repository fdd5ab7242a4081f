// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "dataplane/home.h"

// Between mailboxes and storage. Puts of a mailbox are posted in order, so what is stored of it is
// never behind something that is not.

namespace godwit::dataplane {

using protocol::Condition;
using queues::EntryState;
using queues::Mailbox;
using queues::MailboxEntry;
using queues::MailboxName;
using queues::ShardMetric;
using queues::StoreReply;
using queues::StoreRequest;
using queues::StoreRequestKind;

bool Home::post_store(std::uint64_t account_hash, StoreRequest request) {
  const std::uint32_t file = queues::store_file_of(account_hash);
  request.file = static_cast<std::uint8_t>(file);
  return options_.storage[file % options_.storage.size()]->try_post(request);
}

// What is fresh stands behind all that is not, but for the moments in which the answers to a failed
// commit come in: a message more for a mailbox with thousands under way costs what the first did.
std::uint32_t Home::first_fresh(const Mailbox& mailbox) {
  if (files_[queues::store_file_of(account_of(mailbox).hash)].failing) return mailbox.head;
  std::uint32_t first = 0;
  for (std::uint32_t i = mailbox.tail; i != 0 && mailboxes_.entry(i).state == EntryState::fresh;
       i = mailboxes_.entry(i).previous) {
    first = i;
  }
  return first;
}

// Gives storage the fresh entries that have waited for persist_after, or all of them.
void Home::persist(MailboxName name, Mailbox& mailbox, Now now, bool all) {
  for (std::uint32_t i = first_fresh(mailbox); i != 0; i = mailboxes_.entry(i).next) {
    const MailboxEntry& entry = mailboxes_.entry(i);
    if (entry.state != EntryState::fresh) continue;
    const Instant due = entry.appended + settings_.persist_after;
    if (!all && due > now.instant) return schedule(name, mailbox, due);
    if (!post_put(name, mailbox, i, now)) {
      return schedule(name, mailbox, now.instant + room_retry);
    }
  }
}

bool Home::post_put(MailboxName name, Mailbox& mailbox, std::uint32_t index, Now) {
  MailboxEntry& entry = mailboxes_.entry(index);
  const queues::MessageRecord& record = mailboxes_.record(entry.record);
  const std::uint32_t number = queues::store_file_of(account_of(mailbox).hash);
  File& file = files_[number];
  if (file.failing && !resume(number)) return false;
  StoreRequest request{
      .kind = StoreRequestKind::put,
      .device = mailbox.device,
      .account_id = account_of(mailbox).account_id,
      .sequence = entry.sequence,
      .mailbox = name,
      .accepted_s = record.accepted_s,
      .expires_s = record.accepted_s + static_cast<std::uint32_t>(settings_.time_to_live.count())};
  request.buffer = record.buffer.share().release();
  if (!post_store(account_of(mailbox).hash, request)) {
    queues::Buffer::adopt(request.buffer);
    return false;
  }
  entry.state = EntryState::posting;
  ++file.outstanding;
  counters_.add(ShardMetric::store_puts);
  return true;
}

void Home::schedule(MailboxName name, Mailbox& mailbox, Instant due) {
  if (mailbox.timer_scheduled) return;
  mailbox.timer_scheduled = true;
  wheel_.schedule(due, {name});
}

void Home::on_timer(MailboxName name, Now now) {
  Mailbox* mailbox = mailboxes_.find(name);
  if (mailbox == nullptr) return;
  mailbox->timer_scheduled = false;
  if (account_of(*mailbox).store_unknown) {
    ask_storage_again(mailbox->account, now);
    schedule(name, *mailbox, now.instant + settings_.storage_retry);
  }
  persist(name, *mailbox, now, !mailbox->connected());
  pump(name, *mailbox, now);
}

void Home::on_committed(const StoreReply& reply, Now now) {
  counters_.set(ShardMetric::store_failing, 0);
  file_answered(reply.file);
  Mailbox* mailbox = mailboxes_.find(reply.mailbox);
  if (mailbox == nullptr) return;
  const std::uint32_t index = mailboxes_.find_entry(*mailbox, reply.sequence);
  if (index == 0) return;  // acknowledged meanwhile: its erase follows the put
  mailboxes_.set_stored(*mailbox, index);
  make_safe(mailboxes_.entry(index));
  // Memory is for what is on its way: the rest is loaded again when its turn comes.
  if (!mailboxes_.entry(index).in_flight) drop_stored(*mailbox, index);
  pump(reply.mailbox, *mailbox, now);
}

// From memory only; the next load then begins with it.
void Home::drop_stored(Mailbox& mailbox, std::uint32_t index) {
  const std::uint64_t sequence = mailboxes_.entry(index).sequence;
  queues::MailboxStore& store = mailbox.change_store();
  store.next = store.next == 0 ? sequence : std::min(store.next, sequence);
  if (store.loading && (store.dropped == 0 || sequence < store.dropped)) {
    store.dropped = sequence;
  }
  mailboxes_.remove(mailbox, index);
}

// Storage refuses all puts of this home to the file from the failed one on until it is told to go
// on, so at this point everything posted behind it fails too. A connected device may still
// acknowledge: its entries become fresh and are tried again. Nobody can acknowledge for an absent
// one: its senders are told.
void Home::on_failed(const StoreReply& reply, Now now) {
  counters_.add(ShardMetric::store_puts_failed);
  counters_.set(ShardMetric::store_failing, 1);
  files_[reply.file].failing = true;
  file_answered(reply.file);
  Mailbox* mailbox = mailboxes_.find(reply.mailbox);
  if (mailbox == nullptr) return;
  const std::uint32_t index = mailboxes_.find_entry(*mailbox, reply.sequence);
  if (index == 0) return;
  mailboxes_.entry(index).state = EntryState::fresh;
  if (mailbox->connected()) {
    return schedule(reply.mailbox, *mailbox, now.instant + settings_.storage_retry);
  }
  refuse_from(*mailbox, index);
}

// A refused message and all behind it that is not stored: were one of those kept, the refused one
// could come again behind it. Those still posting fail too, but by then the device may have come,
// and they would be kept for it.
void Home::refuse_from(Mailbox& mailbox, std::uint32_t index) {
  bool first = true;
  while (index != 0) {
    const std::uint32_t next = mailboxes_.entry(index).next;
    if (mailboxes_.entry(index).state != EntryState::stored) {
      refuse_entry(mailbox, index,
                   first ? Condition::resource_constraint : Condition::follows_refused);
      first = false;
    }
    index = next;
  }
}

void Home::file_answered(std::uint32_t number) {
  File& file = files_[number];
  GODWIT_CHECK(file.outstanding > 0);
  --file.outstanding;
  if (file.failing) resume(number);
}

// False while puts posted before the failure are unanswered, or when the request finds no room.
bool Home::resume(std::uint32_t number) {
  File& file = files_[number];
  if (file.outstanding > 0) return false;
  const StoreRequest request{.kind = StoreRequestKind::resume,
                             .file = static_cast<std::uint8_t>(number)};
  file.failing = !options_.storage[number % options_.storage.size()]->try_post(request);
  return !file.failing;
}

void Home::on_loaded(StoreReply reply, Now now) {
  queues::Buffer buffer = queues::Buffer::adopt(std::exchange(reply.buffer, nullptr));
  Mailbox* mailbox = mailboxes_.find(reply.mailbox);
  if (mailbox == nullptr || reply.sequence <= mailbox->acknowledged) return;
  queues::MailboxStore& store = mailbox->change_store();
  // Behind what was dropped since the load was asked for, because its device went: when that has
  // come back meanwhile, it must get the dropped ones first.
  const bool behind_dropped = store.dropped != 0 && reply.sequence > store.dropped;
  if (!mailbox->connected() || store.load_discarded || behind_dropped) {
    store.load_discarded = true;
    return;
  }
  if (mailboxes_.find_entry(*mailbox, reply.sequence) != 0) return;
  const std::uint32_t record =
      mailboxes_.create_record({.buffer = std::move(buffer), .accepted_s = reply.accepted_s});
  mailboxes_.insert_loaded(*mailbox, reply.sequence, record);
  store.next = reply.sequence + 1;
  pump(reply.mailbox, *mailbox, now);
}

void Home::on_load_end(const StoreReply& reply, Now now) {
  Mailbox* mailbox = mailboxes_.find(reply.mailbox);
  if (mailbox == nullptr) return;
  queues::MailboxStore& store = mailbox->change_store();
  store.loading = false;
  if (reply.kind == queues::StoreReplyKind::load_failed) {
    counters_.set(ShardMetric::store_failing, 1);
    return schedule(reply.mailbox, *mailbox, now.instant + settings_.storage_retry);
  }
  if (!store.load_discarded) store.next = reply.sequence;
  const std::uint64_t dropped = std::exchange(store.dropped, 0);
  if (dropped != 0 && (store.next == 0 || dropped < store.next)) store.next = dropped;
  if (store.next == 0) recount_stored(*mailbox);
  mailbox->forget_empty_store();
  pump(reply.mailbox, *mailbox, now);
}

// All that is stored is in memory, so it can be counted: what was acknowledged without having been
// loaded still stands in the numbers.
void Home::recount_stored(Mailbox& mailbox) {
  queues::MailboxStore& store = mailbox.change_store();
  store.count = 0;
  store.bytes = 0;
  for (std::uint32_t i = mailbox.head; i != 0; i = mailboxes_.entry(i).next) {
    if (mailboxes_.entry(i).state != EntryState::stored) continue;
    ++store.count;
    store.bytes += mailboxes_.record(mailboxes_.entry(i).record).buffer.bytes().size();
  }
}

void Home::erase_acknowledged(MailboxName name, Mailbox& mailbox, Now now) {
  if (!post_store(account_of(mailbox).hash, {.kind = StoreRequestKind::erase,
                                             .device = mailbox.device,
                                             .account_id = account_of(mailbox).account_id,
                                             .sequence = mailbox.acknowledged,
                                             .mailbox = name})) {
    return schedule(name, mailbox, now.instant + room_retry);
  }
  mailbox.change_store().erase_due = false;
  mailbox.forget_empty_store();
}

}  // namespace godwit::dataplane
