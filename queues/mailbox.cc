// SPDX-License-Identifier: Apache-2.0
#include "queues/mailbox.h"

namespace godwit::queues {

MailboxName MailboxSet::create(std::uint32_t account, std::uint16_t device,
                               std::uint64_t next_sequence) {
  const std::uint32_t index = mailboxes_.allocate();
  Mailbox& mailbox = mailboxes_[index];
  mailbox.generation = next_generation_;
  next_generation_ = next_generation_ == UINT32_MAX ? 1 : next_generation_ + 1;
  mailbox.account = account;
  mailbox.device = device;
  mailbox.next_sequence = next_sequence;
  mailbox.acknowledged = next_sequence - 1;
  return {index, mailbox.generation};
}

void MailboxSet::destroy(MailboxName name) {
  Mailbox* mailbox = find(name);
  GODWIT_CHECK(mailbox != nullptr);
  while (mailbox->head != 0) remove(*mailbox, mailbox->head);
  mailboxes_.release(name.index);
}

std::uint32_t MailboxSet::append(Mailbox& mailbox, std::uint32_t record) {
  const std::uint32_t index = entries_.allocate();
  MailboxEntry& entry = entries_[index];
  entry.sequence = mailbox.next_sequence++;
  entry.record = record;
  ++records_[record].references;
  ++records_[record].unsafe;
  ++mailbox.unstored;
  link_after(mailbox, index, mailbox.tail);
  if (mailbox.cursor == 0) mailbox.cursor = index;
  return index;
}

std::uint32_t MailboxSet::insert_loaded(Mailbox& mailbox, std::uint64_t sequence,
                                        std::uint32_t record) {
  std::uint32_t after = mailbox.tail;
  while (after != 0 && entries_[after].sequence > sequence) after = entries_[after].previous;
  if (after != 0 && entries_[after].sequence == sequence) return 0;
  const std::uint32_t index = entries_.allocate();
  MailboxEntry& entry = entries_[index];
  entry.sequence = sequence;
  entry.record = record;
  entry.state = EntryState::stored;
  ++records_[record].references;
  link_after(mailbox, index, after);
  if (mailbox.cursor == 0 || entries_[mailbox.cursor].sequence > sequence) mailbox.cursor = index;
  return index;
}

std::uint32_t MailboxSet::find_entry(const Mailbox& mailbox, std::uint64_t sequence) const {
  // Answers of storage come in order, so the entry is nearly always near the head.
  for (std::uint32_t i = mailbox.head; i != 0; i = entries_[i].next) {
    if (entries_[i].sequence == sequence) return i;
    if (entries_[i].sequence > sequence) break;
  }
  return 0;
}

void MailboxSet::remove(Mailbox& mailbox, std::uint32_t index) {
  MailboxEntry& entry = entries_[index];
  const std::uint32_t size = footprint(entry.record);
  if (entry.in_flight) {
    --mailbox.in_flight;
    mailbox.in_flight_bytes -= size;
  }
  if (mailbox.cursor == index) mailbox.cursor = entry.next;
  (entry.previous != 0 ? entries_[entry.previous].next : mailbox.head) = entry.next;
  (entry.next != 0 ? entries_[entry.next].previous : mailbox.tail) = entry.previous;
  --mailbox.count;
  if (entry.state != EntryState::stored) --mailbox.unstored;
  mailbox.memory_bytes -= size;
  MessageRecord& record = records_[entry.record];
  if (--record.references == 0) records_.release(entry.record);
  entries_.release(index);
}

void MailboxSet::reset_flight(Mailbox& mailbox) {
  for (std::uint32_t i = mailbox.head; i != 0; i = entries_[i].next) entries_[i].in_flight = false;
  mailbox.cursor = mailbox.head;
  mailbox.in_flight = 0;
  mailbox.in_flight_bytes = 0;
}

void MailboxSet::set_stored(Mailbox& mailbox, std::uint32_t index) {
  MailboxEntry& entry = entries_[index];
  GODWIT_CHECK(entry.state == EntryState::posting);
  entry.state = EntryState::stored;
  --mailbox.unstored;
  MailboxStore& store = mailbox.change_store();
  ++store.count;
  store.bytes += records_[entry.record].buffer.bytes().size();
}

void MailboxSet::set_in_flight(Mailbox& mailbox, std::uint32_t index) {
  MailboxEntry& entry = entries_[index];
  GODWIT_CHECK(mailbox.cursor == index && !entry.in_flight);
  entry.in_flight = true;
  ++mailbox.in_flight;
  mailbox.in_flight_bytes += footprint(entry.record);
  mailbox.cursor = entry.next;
}

void MailboxSet::link_after(Mailbox& mailbox, std::uint32_t index, std::uint32_t previous) {
  MailboxEntry& entry = entries_[index];
  entry.previous = previous;
  entry.next = previous != 0 ? entries_[previous].next : mailbox.head;
  (previous != 0 ? entries_[previous].next : mailbox.head) = index;
  (entry.next != 0 ? entries_[entry.next].previous : mailbox.tail) = index;
  ++mailbox.count;
  mailbox.memory_bytes += footprint(entry.record);
}

}  // namespace godwit::queues
