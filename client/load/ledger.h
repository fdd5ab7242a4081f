// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

// The messages of one sender, from the moment each was due until it is settled and has arrived.
// Ids go up by one. What the gateway promises is held here: what it accepted arrives, once, in
// order.
//
// A message is *unsent* until it left on the present connection; a lost connection makes everything
// unsent again that was neither accepted nor refused, and so does a refusal that only says that one
// before it was refused. An arrival for the second time is a fault unless its sender sent it, or
// one after it, twice. Not thread safe.

namespace godwit::client::load {

enum class Arrival : std::uint8_t {
  fresh,
  again,        // sent twice, arrived twice: the recipient drops it, as clients do
  from_before,  // of an earlier run
  twice,        // arrived twice and was sent once; this and those below are faults
  never_sent,
  out_of_order,  // one that is not refused has not arrived, and now cannot
  was_refused,   // arrived, although the sender was told that it would not
};
const char* to_text(Arrival arrival);

class SenderLedger {
 public:
  // Ids from here on; lower ones belong to earlier runs. Before anything else.
  void begin(std::uint64_t first_id) {
    begin_ = front_ = first_id;
    arrived_upto_ = first_id - 1;
  }

  void add(Instant due) { ring_push({.due = due}); }

  bool has_unsent() const { return unsent_ < size_; }
  // Of the first that is to leave. REQUIRES: has_unsent().
  std::uint64_t next_unsent() const { return front_ + unsent_; }
  // The same one left under this number; true when it had left before.
  bool sent(std::uint32_t number);
  void disconnected();

  // Everything up to this stanza number is settled; calls `accepted(due)` for each that was not
  // before. Numbers go up with ids.
  template <typename Accepted>
  void settle(std::uint64_t upto, Accepted&& accepted) {
    for (; cursor_ < size_; ++cursor_) {
      Entry& entry = at(cursor_);
      if (entry.refused || entry.accepted) continue;
      if (entry.number == 0 || entry.number > upto) break;
      entry.accepted = true;
      ++accepted_;
      if (!entry.arrived) ++missing_;
      accepted(entry.due);
    }
    drop_done();
  }
  // For good; false when there is no such message.
  bool refuse(std::uint64_t id);
  // To be sent again, with the same id; false as above.
  bool send_again(std::uint64_t id);

  struct Came {
    Arrival arrival{};
    Instant due{};
  };
  Came arrive(std::uint64_t id);

  std::uint64_t created() const { return front_ + size_ - begin_; }
  std::uint64_t accepted() const { return accepted_; }
  std::uint64_t refused() const { return refused_; }
  // Accepted, and not arrived.
  std::uint64_t missing() const { return missing_; }
  // Neither accepted nor refused; with those that are unsent.
  std::uint64_t undecided() const { return created() - accepted_ - refused_; }
  // Not done in one way or the other.
  std::uint64_t open() const { return size_; }
  std::uint64_t unsent() const { return size_ - unsent_; }
  // Leaves out what was due and never left.
  void forget_unsent();

 private:
  struct Entry {
    Instant due{};
    std::uint32_t number = 0;  // of the present session; 0: unsent
    bool was_sent = false;
    bool accepted = false;
    bool arrived = false;
    bool refused = false;
  };
  Entry& at(std::size_t index) { return ring_[(head_ + index) & (ring_.size() - 1)]; }
  void ring_push(const Entry& entry);
  void drop_done();
  Entry* find(std::uint64_t id) {
    return id < front_ || id - front_ >= size_ ? nullptr : &at(id - front_);
  }

  std::vector<Entry> ring_;  // a power of two, or empty
  std::size_t head_ = 0;
  std::size_t size_ = 0;
  std::size_t unsent_ = 0;  // all before this have a number, or are done
  std::size_t cursor_ = 0;  // all before this are accepted or refused
  std::uint64_t begin_ = 1;
  std::uint64_t front_ = 1;         // the id at head_
  std::uint64_t arrived_upto_ = 0;  // the highest id that has arrived
  std::uint64_t resent_upto_ = 0;   // the highest id that left more than once
  std::uint64_t accepted_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t missing_ = 0;
};

}  // namespace godwit::client::load
