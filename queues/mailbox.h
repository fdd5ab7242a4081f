// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/connection_name.h"
#include "queues/buffer.h"
#include "queues/command.h"
#include "queues/records.h"
#include "queues/slab.h"

// The mailboxes of one home: for each device, in order, what it has not acknowledged, as far as
// that is in memory.
//
// A *record* is one accepted message, shared by the *entries* of all devices it goes to. An entry
// is
//   fresh    only in memory, its sender holds it too
//   posting  given to storage, no answer yet
//   stored   durable
// and, beside that, in flight to the connected device or not.
//
// Invariants of a mailbox, which together give "in order":
//   - entries are linked by rising sequence; `cursor` is the first one not in flight;
//   - puts are posted in order: behind a fresh entry there is no posting and no stored one that was
//   appended
//     here; so storage never holds a later message of a pair while an earlier one is at risk;
//   - `store().next` is a lower bound of the stored sequences that are not in memory, 0 when there
//   are none;
//     nothing at or above it may be delivered before it is loaded.
// Not thread safe: a home's thread only.

namespace godwit::queues {

struct MessageRecord {
  Buffer buffer;                 // Envelope + body
  ConnectionName origin{};       // the session to settle; invalid once settled
  std::uint32_t number = 0;      // its stanza number
  std::uint16_t references = 0;  // entries
  std::uint16_t unsafe = 0;      // entries neither acknowledged nor stored
  std::uint16_t sender_device = 0;
  std::uint64_t sender = 0;
  std::uint64_t id = 0;
  std::uint32_t accepted_s = 0;
};

enum class EntryState : std::uint8_t { fresh, posting, stored };

struct MailboxEntry {
  std::uint64_t sequence = 0;
  Instant appended{};  // of those that were accepted here, not loaded
  std::uint32_t previous = 0;
  std::uint32_t next = 0;
  std::uint32_t record = 0;
  EntryState state = EntryState::fresh;
  bool in_flight = false;
  bool timed = false;  // `appended` is set
};
static_assert(sizeof(MailboxEntry) <= 32);

// What storage holds of a mailbox. Most mailboxes are read before anything of theirs is stored, so
// this is apart.
struct MailboxStore {
  std::uint64_t next = 0;
  std::uint64_t dropped = 0;  // lowest one dropped from memory while a load was running, 0: none
  std::uint64_t bytes = 0;
  std::uint32_t count = 0;  // stored and not acknowledged, in memory or not
  bool loading = false;
  bool load_discarded = false;  // part of the running load was dropped: keep `next`
  bool erase_due = false;       // storage is still to be told of what is acknowledged

  bool empty() const {
    return next == 0 && dropped == 0 && bytes == 0 && count == 0 && !loading && !load_discarded &&
           !erase_due;
  }
};

// Of a device's static key, which is itself not kept: a login shows it, and is compared. Who would
// pass for the device must find a key pair whose public key has this digest, in 2^128 tries.
using KeyDigest = std::array<std::uint8_t, 16>;

struct Mailbox {
  ConnectionName session{};
  std::uint64_t next_sequence = 0;  // to assign
  std::uint64_t acknowledged = 0;   // everything up to here is gone
  std::uint64_t backlog_upto =
      0;  // backlog_end is due once `delivered` or the mailbox is past it; 0: sent
  std::unique_ptr<MailboxStore> held;  // see store()
  std::uint32_t generation = 0;
  std::uint32_t account = 0;  // index in the home's accounts
  std::uint32_t sibling = 0;  // the next device of this account, 0: none
  std::uint32_t head = 0;
  std::uint32_t tail = 0;
  std::uint32_t cursor = 0;
  std::uint32_t count = 0;     // entries in memory
  std::uint32_t unstored = 0;  // of those, fresh or posting
  std::uint32_t in_flight_bytes = 0;
  std::uint32_t memory_bytes = 0;
  std::uint32_t login_ms = 0;  // of the session: when its front had the login, monotonic, wraps
  std::uint32_t tag = 0;       // of the device's identity, 0: it has published no keys
  std::uint16_t device = 0;
  std::uint16_t window = 0;
  std::uint16_t in_flight = 0;   // at most the largest window granted
  bool summarized = false;       // storage has said what it holds
  bool timer_scheduled = false;  // in the home's wheel, for persist_after or a retry
  KeyDigest key{};               // of the device; last, because only a login reads it

  bool connected() const { return session.valid(); }
  const MailboxStore& store() const {
    static constexpr MailboxStore nothing{};
    return held ? *held : nothing;
  }
  MailboxStore& change_store() {
    if (!held) held = std::make_unique<MailboxStore>();
    return *held;
  }
  // To be called when something of it has become 0.
  void forget_empty_store() {
    if (held && held->empty()) held.reset();
  }
};
static_assert(sizeof(Mailbox) <= 112, "an idle device pays this");

class MailboxSet {
 public:
  class Siblings;

  MailboxName create(std::uint32_t account, std::uint16_t device, std::uint64_t next_sequence);
  // Drops every entry. Records whose last entry goes are dropped with their buffer.
  void destroy(MailboxName name);
  // nullptr when the name is stale.
  Mailbox* find(MailboxName name) {
    if (name.generation == 0 || name.index == 0 || name.index >= mailboxes_.end()) return nullptr;
    Mailbox& mailbox = mailboxes_[name.index];
    return mailbox.generation == name.generation ? &mailbox : nullptr;
  }
  Mailbox& at(std::uint32_t index) { return mailboxes_[index]; }
  const Mailbox& at(std::uint32_t index) const { return mailboxes_[index]; }
  MailboxName name_of(std::uint32_t index) const { return {index, mailboxes_[index].generation}; }
  // The indices from `first` on along `sibling`; the one at hand may be destroyed.
  Siblings siblings(std::uint32_t first) const;
  std::uint32_t end() const { return mailboxes_.end(); }

  std::uint32_t create_record(MessageRecord&& record) {
    const std::uint32_t index = records_.allocate();
    records_[index] = std::move(record);
    return index;
  }
  MessageRecord& record(std::uint32_t index) { return records_[index]; }
  MailboxEntry& entry(std::uint32_t index) { return entries_[index]; }

  // Appends a fresh entry with the next sequence, and returns its index. Counts it as unsafe in the
  // record.
  std::uint32_t append(Mailbox& mailbox, std::uint32_t record);
  // Puts a stored entry in its place by sequence; 0 when that sequence is there already.
  std::uint32_t insert_loaded(Mailbox& mailbox, std::uint64_t sequence, std::uint32_t record);
  // The entry with this sequence, 0 when it is not in memory.
  std::uint32_t find_entry(const Mailbox& mailbox, std::uint64_t sequence) const;
  // Unlinks and frees; adjusts the counts. The caller has settled or refused the record's sender as
  // needed.
  void remove(Mailbox& mailbox, std::uint32_t entry);
  // A device came or went: nothing is in flight any more.
  void reset_flight(Mailbox& mailbox);
  // Storage has answered for a posting entry.
  void set_stored(Mailbox& mailbox, std::uint32_t entry);
  void set_in_flight(Mailbox& mailbox, std::uint32_t entry);

  std::size_t entries_used() const { return entries_.used(); }
  std::size_t mailboxes_used() const { return mailboxes_.used(); }
  std::size_t mailboxes_memory_bytes() const { return mailboxes_.memory_bytes(); }
  std::size_t entries_memory_bytes() const { return entries_.memory_bytes(); }
  std::size_t records_memory_bytes() const { return records_.memory_bytes(); }

 private:
  void link_after(Mailbox& mailbox, std::uint32_t entry, std::uint32_t previous);
  std::uint32_t footprint(std::uint32_t record) const {
    return static_cast<std::uint32_t>(records_[record].buffer.footprint());
  }

  Slab<Mailbox, 256> mailboxes_;
  Slab<MailboxEntry> entries_;
  Slab<MessageRecord, 512> records_;
  std::uint32_t next_generation_ = 1;
};

class MailboxSet::Siblings {
 public:
  class Iterator {
   public:
    Iterator(const MailboxSet& set, std::uint32_t index) : set_(set), index_(index) {
      look_ahead();
    }
    std::uint32_t operator*() const { return index_; }
    Iterator& operator++() {
      index_ = next_;
      look_ahead();
      return *this;
    }
    bool operator==(std::default_sentinel_t) const { return index_ == 0; }

   private:
    void look_ahead() { next_ = index_ == 0 ? 0 : set_.mailboxes_[index_].sibling; }

    const MailboxSet& set_;
    std::uint32_t index_;
    std::uint32_t next_ = 0;
  };

  Siblings(const MailboxSet& set, std::uint32_t first) : set_(set), first_(first) {}
  Iterator begin() const { return {set_, first_}; }
  std::default_sentinel_t end() const { return {}; }

 private:
  const MailboxSet& set_;
  std::uint32_t first_;
};

inline MailboxSet::Siblings MailboxSet::siblings(std::uint32_t first) const {
  return {*this, first};
}

}  // namespace godwit::queues
