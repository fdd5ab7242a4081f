// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "dataplane/home.h"

// From mailboxes to connected devices, in order, within the window the client granted.

namespace godwit::dataplane {

using queues::Command;
using queues::CommandKind;
using queues::Mailbox;
using queues::MailboxEntry;
using queues::MailboxName;
using queues::MessageRecord;
using queues::ShardMetric;

void Home::pump(MailboxName name, Mailbox& mailbox, Now now) {
  if (mailbox.store().erase_due) erase_acknowledged(name, mailbox, now);
  if (!mailbox.connected()) return;
  while (mailbox.in_flight < mailbox.window &&
         mailbox.in_flight_bytes < settings_.in_flight_bytes_max) {
    const std::uint32_t next = mailbox.cursor;
    const std::uint64_t store_next = mailbox.store().next;
    const bool must_load =
        store_next != 0 && (next == 0 || mailboxes_.entry(next).sequence >= store_next);
    if (must_load) {
      if (request_load(name, mailbox)) return;
      return schedule(name, mailbox, now.instant + room_retry);
    }
    if (next == 0) break;
    // The front's ring is under pressure: look again shortly rather than fill it.
    if (!deliver(mailbox, next, now)) {
      return schedule(name, mailbox, now.instant + std::chrono::milliseconds(5));
    }
  }
  if (mailbox.backlog_upto != 0) end_backlog(mailbox);
}

bool Home::deliver(Mailbox& mailbox, std::uint32_t index, Now now) {
  if (port_.pressed(mailbox.session.shard)) return false;
  const MailboxEntry& entry = mailboxes_.entry(index);
  const MessageRecord& record = mailboxes_.record(entry.record);
  const auto now_s = static_cast<std::uint32_t>(
      std::chrono::floor<std::chrono::seconds>(now.wall).time_since_epoch().count());
  const bool measured = entry.timed && entry.state != queues::EntryState::stored;
  const auto accepted_at =
      measured ? static_cast<std::uint64_t>(entry.appended.time_since_epoch().count()) : 0;
  const Command command{.kind = CommandKind::deliver,
                        .number = now_s > record.accepted_s ? now_s - record.accepted_s : 0,
                        .session = mailbox.session,
                        .sequence = entry.sequence,
                        .sender = accepted_at,
                        .buffer = record.buffer.share().release()};
  if (!to_front(command)) return false;
  mailboxes_.set_in_flight(mailbox, index);
  return true;
}

// Due once nothing that waited at login is left undelivered. REQUIRES: it is not sent yet.
void Home::end_backlog(Mailbox& mailbox) {
  const bool in_memory =
      mailbox.cursor != 0 && mailboxes_.entry(mailbox.cursor).sequence <= mailbox.backlog_upto;
  const bool in_store = mailbox.store().next != 0 && mailbox.store().next <= mailbox.backlog_upto;
  if (in_memory || in_store) return;
  mailbox.backlog_upto = 0;
  to_front({.kind = CommandKind::backlog_end, .session = mailbox.session});
}

// False when the request finds no room.
bool Home::request_load(MailboxName name, Mailbox& mailbox) {
  queues::MailboxStore& store = mailbox.change_store();
  if (store.loading) return true;
  const auto room = static_cast<std::uint32_t>(mailbox.window - mailbox.in_flight);
  const bool posted = post_store(account_of(mailbox).hash,
                                 {.kind = queues::StoreRequestKind::load,
                                  .device = mailbox.device,
                                  .limit = std::max<std::uint32_t>(room, 1),
                                  .account_id = account_of(mailbox).account_id,
                                  .sequence = std::max(store.next - 1, mailbox.acknowledged),
                                  .mailbox = name,
                                  .limit_bytes = settings_.in_flight_bytes_max});
  store.loading = posted;
  store.load_discarded = false;
  counters_.add(ShardMetric::store_loads);
  return posted;
}

}  // namespace godwit::dataplane
