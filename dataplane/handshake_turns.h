// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/clock.h"

// When a shard answers handshakes, each of which costs a hundred times what a message does.
//
// A turn that has something to do for a session leaves them to the next: a message goes from turn
// to turn, from front to home and to the other front, and then leaves with the poll that follows.
// But those who log in are not to wait for ever: after fifteen such turns in a row, or half a
// millisecond, there is one for them.
//
// While sessions talk, a turn that answered some is followed by a rest, until the shard has had
// nothing to do for a third of that turn's length, or for five milliseconds at the most. So whoever
// floods a shard, with handshakes and all that comes with them, gets no whole core: a thread that
// never sleeps has used up its claim to run at once when the kernel has something else for that
// core, or is stopped for a while each second where its priority is real-time, and every session
// waits with it. Where no session has said anything for a while nobody would, and there is no rest.
//
// Sans I/O, reads no clock. Not thread safe: one object a shard.

namespace godwit::dataplane {

class HandshakeTurns {
 public:
  static constexpr unsigned turns_passed_max = 15;
  static constexpr Duration patience = std::chrono::microseconds(500);
  // While no session talks; while some do, one.
  static constexpr std::size_t at_once = 4;
  // After what a session says, so long sessions talk.
  static constexpr Duration talk = std::chrono::milliseconds(100);
  // A longer turn is so for other reasons, and handshakes a small part of it: no rest.
  static constexpr Duration rested_turn_max = std::chrono::microseconds(750);
  // However busy the shard is: 200 turns a second are left for those who log in.
  static constexpr Duration rest_max = std::chrono::milliseconds(5);

  // `now` is the end of the turn before this one, too.
  void begin(Instant now) {
    const Duration length = now - now_;
    if (answered_) {
      owed_ = rest_after(length, now);
      rest_end_ = now + rest_max;
    } else if (!worked_) {
      owed_ -= std::min(owed_, length);
    }
    answered_ = worked_ = busy_ = false;
    now_ = now;
  }
  // This turn found something to do; else it is rest, with the sleep that may follow.
  void worked() { worked_ = true; }
  // This turn does something for a session.
  void session_served() { busy_ = true; }
  // A session said something.
  void session_spoke() {
    busy_ = true;
    spoke_ = now_;
  }
  // One waits where none did.
  void wait_begins() { wait_since_ = now_; }

  // How many of those that wait this turn answers. Called once a turn, and only if any wait.
  std::size_t take() {
    if (owed_ > Duration{0} && rest_end_ > now_) return 0;
    if (busy_ && passed_ < turns_passed_max && now_ - wait_since_ < patience) {
      ++passed_;
      return 0;
    }
    passed_ = 0;
    wait_since_ = now_;
    answered_ = true;
    return most();
  }
  // How many a turn answers as things stand.
  std::size_t most() const { return sessions_talk(now_) ? 1 : at_once; }
  // When those that wait are to be looked at again, should nothing come until then; now for the
  // next turn.
  Instant next() const { return std::max(now_, std::min(now_ + owed_, rest_end_)); }

 private:
  bool sessions_talk(Instant now) const { return spoke_ + talk > now; }
  Duration rest_after(Duration turn, Instant now) const {
    const bool rests = sessions_talk(now) && turn <= rested_turn_max;
    return rests ? turn / 3 : Duration{0};
  }

  Instant now_{};
  Instant spoke_ = Instant{} - talk;
  Instant wait_since_{};
  Duration owed_{};  // of rest
  Instant rest_end_{};
  unsigned passed_ = 0;
  bool busy_ = false;
  bool worked_ = false;
  bool answered_ = false;
};

}  // namespace godwit::dataplane
