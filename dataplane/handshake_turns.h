// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "base/clock.h"

// When a shard answers handshakes, each of which costs a hundred times what a message does.
//
// A turn that has something to do for a session leaves them to the next: a message goes from turn
// to turn, from front to home and to the other front, and then leaves with the poll that follows.
// But those who log in are not to wait for ever: after fifteen such turns in a row, or half a
// millisecond, there is one for them.
//
// While sessions talk, a turn that answered some is followed by a rest of a third of its length. So
// whoever floods a shard gets three quarters of its core and not all of it: a thread that never
// sleeps has used up its claim to run at once when the kernel has something else for that core, or
// is stopped for a while each second where its priority is real-time, and every session waits with
// it. Where no session has said anything for a while nobody would, and there is no rest.
//
// Sans I/O, reads no clock. Not thread safe: one object a shard.

namespace godwit::dataplane {

class HandshakeTurns {
 public:
  static constexpr unsigned turns_passed_max = 15;
  static constexpr Duration patience = std::chrono::microseconds(500);
  // After what a session says, so long sessions talk.
  static constexpr Duration talk = std::chrono::milliseconds(100);
  // A longer turn is so for other reasons, and handshakes a small part of it: no rest.
  static constexpr Duration rested_turn_max = std::chrono::microseconds(750);

  // `now` is the end of the turn before this one, too.
  void begin(Instant now) {
    if (answered_) rest_until_ = now + rest_after(now - now_, now);
    answered_ = false;
    busy_ = false;
    now_ = now;
  }
  // This turn does something for a session.
  void session_served() { busy_ = true; }
  // A session said something.
  void session_spoke() {
    busy_ = true;
    spoke_ = now_;
  }
  // One waits where none did.
  void wait_begins() { wait_since_ = now_; }

  // Whether this turn answers some of those that wait. Called once a turn, and only if any wait.
  bool take() {
    if (rest_until_ > now_) return false;
    if (busy_ && passed_ < turns_passed_max && now_ - wait_since_ < patience) {
      ++passed_;
      return false;
    }
    passed_ = 0;
    wait_since_ = now_;
    answered_ = true;
    return true;
  }
  // When those that wait are to be looked at again; in the past for the next turn.
  Instant next() const { return std::max(rest_until_, now_); }

 private:
  Duration rest_after(Duration turn, Instant now) const {
    const bool rests = spoke_ + talk > now && turn <= rested_turn_max;
    return rests ? turn / 3 : Duration{0};
  }

  Instant now_{};
  Instant spoke_ = Instant{} - talk;
  Instant wait_since_{};
  Instant rest_until_{};
  unsigned passed_ = 0;
  bool busy_ = false;
  bool answered_ = false;
};

}  // namespace godwit::dataplane
