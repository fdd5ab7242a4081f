// SPDX-License-Identifier: Apache-2.0
#include "dataplane/handshake_turns.h"

#include <gtest/gtest.h>

// Which turns answer handshakes that wait, by how long turns are and whether sessions talk. A turn
// here is begin(), perhaps session_spoke(), and take().

namespace godwit::dataplane {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

class HandshakeTurnsTest : public testing::Test {
 protected:
  // How many it answers.
  std::size_t turn(bool busy = false) {
    turns.begin(now);
    if (busy) turns.session_spoke();
    return turns.take();
  }
  // How much of `time` goes to turns that answer one, when each of these takes `cost` and every
  // other one `idle`; a session speaks whenever nothing has been said for `silence`.
  double share(Duration time, Duration cost, Duration idle, Duration silence) {
    Duration answering{};
    Instant spoke = now;
    for (const Instant end = now + time; now < end;) {
      const bool speaks = now - spoke >= silence;
      if (speaks) spoke = now;
      const bool answers = turn(speaks);
      now += answers ? cost : idle;
      if (answers) answering += cost;
    }
    return static_cast<double>(answering.count()) / static_cast<double>(time.count());
  }

  Instant now{std::chrono::seconds(50)};
  HandshakeTurns turns;
};

TEST_F(HandshakeTurnsTest, WhereNobodyTalksEveryTurnAnswers) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(turn());
    EXPECT_LE(turns.next(), now);
    now += microseconds(200);
  }
}

// Where sessions wait for a turn to end it answers one; where nobody does, as many as cost less
// together.
TEST_F(HandshakeTurnsTest, SeveralAtOnceUnlessSessionsTalk) {
  EXPECT_EQ(turn(), HandshakeTurns::at_once);
  turns.begin(now);
  turns.session_spoke();
  EXPECT_EQ(turn(), 1u);
  now += HandshakeTurns::talk - Duration{1};
  EXPECT_EQ(turn(), 1u);
  now += Duration{1};
  EXPECT_EQ(turn(), HandshakeTurns::at_once);
}

TEST_F(HandshakeTurnsTest, SessionsGoFirstFifteenTurns) {
  ASSERT_TRUE(turn());
  turns.begin(now);
  turns.wait_begins();
  for (int round = 0; round < 2; ++round) {
    for (unsigned i = 0; i < HandshakeTurns::turns_passed_max; ++i) EXPECT_FALSE(turn(true)) << i;
    EXPECT_TRUE(turn(true));
  }
  EXPECT_TRUE(turn()) << "nothing for a session in this one";
}

// What a home does for a session counts like what the session says, but it is not talk.
TEST_F(HandshakeTurnsTest, WhoIsServedGoesFirstToo) {
  ASSERT_TRUE(turn());
  turns.begin(now);
  turns.session_served();
  EXPECT_FALSE(turns.take());
  ASSERT_TRUE(turn());
  now += microseconds(150);
  EXPECT_TRUE(turn()) << "no rest";
}

TEST_F(HandshakeTurnsTest, SessionsGoFirstForHalfAMillisecond) {
  for (const auto& [waits, answers] : {std::pair{HandshakeTurns::patience - Duration{1}, false},
                                       std::pair{HandshakeTurns::patience, true},
                                       std::pair{HandshakeTurns::patience + Duration{1}, true}}) {
    turns = {};
    turns.begin(now);
    turns.wait_begins();
    EXPECT_FALSE(turn(true));
    now += waits;
    EXPECT_EQ(turn(true) > 0, answers) << waits.count();
  }
}

TEST_F(HandshakeTurnsTest, WhileSessionsTalkARestOfAThirdFollows) {
  turns.begin(now);
  turns.session_spoke();
  ASSERT_TRUE(turn());
  now += microseconds(150);
  const Instant end = now + microseconds(50);
  EXPECT_FALSE(turn());
  EXPECT_EQ(turns.next(), end);
  now = end - Duration{1};
  EXPECT_FALSE(turn());
  now = end;
  EXPECT_TRUE(turn());
}

// Turns that find something to do, for strangers say, are no rest.
TEST_F(HandshakeTurnsTest, RestIsWhatTheShardHasNothingToDoIn) {
  turns.begin(now);
  turns.session_spoke();
  ASSERT_TRUE(turn());
  now += microseconds(150);
  for (int i = 0; i < 10; ++i, now += microseconds(100)) {
    EXPECT_FALSE(turn()) << i;
    turns.worked();
  }
  EXPECT_FALSE(turn());
  now += microseconds(49);
  EXPECT_FALSE(turn());
  now += microseconds(1);
  EXPECT_TRUE(turn());
}

TEST_F(HandshakeTurnsTest, AShardWithoutRestAnswersAfterFiveMilliseconds) {
  turns.begin(now);
  turns.session_spoke();
  ASSERT_TRUE(turn());
  now += microseconds(150);
  turns.begin(now);
  const Instant end = now + HandshakeTurns::rest_max;
  for (const auto& [at, answers] : {std::pair{end - microseconds(20), false},
                                    std::pair{end - Duration{1}, false}, std::pair{end, true}}) {
    turns.worked();
    now = at;
    EXPECT_EQ(turn() > 0, answers);
  }
}

TEST_F(HandshakeTurnsTest, ALongTurnIsNotTheirFault) {
  constexpr Duration most = HandshakeTurns::rested_turn_max;
  for (const Duration length : {most - Duration{3}, most, most + Duration{3}}) {
    turns = {};
    turns.begin(now);
    turns.session_spoke();
    ASSERT_TRUE(turn());
    now += length;
    turns.begin(now);
    EXPECT_EQ(turns.next() - now, length > most ? Duration{0} : length / 3);
  }
}

TEST_F(HandshakeTurnsTest, SessionsTalkForATenthOfASecondAfterAWord) {
  for (const auto& [silence, rests] :
       {std::pair{HandshakeTurns::talk - Duration{1}, true}, std::pair{HandshakeTurns::talk, false},
        std::pair{HandshakeTurns::talk + Duration{1}, false}}) {
    turns = {};
    turns.begin(now);
    turns.session_spoke();
    now += silence - microseconds(150);
    ASSERT_TRUE(turn());
    now += microseconds(150);
    EXPECT_EQ(turn() > 0, !rests) << silence.count();
  }
}

// The promise to whoever talks, and the one to those who log in.
TEST_F(HandshakeTurnsTest, HandshakesHaveThreeQuartersOfTheTimeWhileSessionsTalk) {
  const auto second = std::chrono::seconds(1);
  for (const Duration cost : {microseconds(60), microseconds(150), microseconds(300)}) {
    const double part = share(second, cost, microseconds(5), milliseconds(1));
    EXPECT_LE(part, 0.76) << cost.count();
    EXPECT_GE(part, 0.65) << cost.count();
  }
  now += second;
  EXPECT_GT(share(second, microseconds(150), microseconds(5), 2 * second), 0.99);
}

// Sessions that leave no turn without a word: the answered of a thousand turns, by their length.
TEST_F(HandshakeTurnsTest, NobodyWaitsForEver) {
  for (const auto& [length, least] :
       {std::pair{microseconds(1), 58}, std::pair{microseconds(10), 58},
        std::pair{microseconds(400), 500}, std::pair{microseconds(2000), 1000}}) {
    turns = {};
    int answered = 0;
    for (int i = 0; i < 1000; ++i, now += length) answered += turn(true);
    EXPECT_GE(answered, least) << length.count();
  }
}

}  // namespace
}  // namespace godwit::dataplane
