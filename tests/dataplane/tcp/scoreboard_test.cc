// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/scoreboard.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace godwit::dataplane::tcp {
namespace {

constexpr std::uint32_t start = 0xffffff00;  // so that numbers wrap

struct Fixture : testing::Test {
  SentSegments pool;
  Scoreboard board;

  void add(std::uint32_t count, std::uint32_t size = 100) {
    for (std::uint32_t i = 0; i < count; ++i) {
      SentSegment segment;
      segment.begin = next;
      segment.end = next += size;
      board.add(pool, segment);
    }
  }
  std::uint32_t sack(std::uint32_t from, std::uint32_t to, std::uint32_t count_max = 1000) {
    return board.sack(pool, {start + from, start + to}, count_max, [](const SentSegment&) {});
  }
  std::uint32_t acknowledge(std::uint32_t to) {
    return board.acknowledge(pool, start + to, [](const SentSegment&) {});
  }
  std::uint32_t next = start;
};
using ScoreboardTest = Fixture;

TEST_F(ScoreboardTest, ThePipeIsWhatIsNeitherDeliveredNorLost) {
  add(10);
  EXPECT_EQ(board.pipe(), 1000u);
  EXPECT_EQ(sack(300, 500), 200u);
  EXPECT_EQ(board.pipe(), 800u);
  board.mark_lost(pool, board.head());
  EXPECT_EQ(board.pipe(), 700u);
  board.sent_again(pool, board.head(), Instant{});
  EXPECT_EQ(board.pipe(), 800u);
  EXPECT_EQ(acknowledge(400), 300u);  // of which 100 had been delivered
  EXPECT_EQ(board.pipe(), 500u);
  EXPECT_EQ(board.sacked(), 100u);
}

TEST_F(ScoreboardTest, ABlockTwiceCountsOnce) {
  add(4);
  EXPECT_EQ(sack(100, 300), 200u);
  EXPECT_EQ(sack(100, 300), 0u);
  EXPECT_EQ(sack(0, 400), 200u);
  EXPECT_EQ(board.sacked_count(), 4u);
}

TEST_F(ScoreboardTest, PartsOfSegmentsSplitThem) {
  add(2);
  EXPECT_EQ(sack(50, 150), 100u);
  EXPECT_EQ(board.count(), 4u);
  EXPECT_EQ(board.pipe(), 100u);
  EXPECT_EQ(acknowledge(25), 25u);
  EXPECT_EQ(board.count(), 4u);
  EXPECT_EQ(acknowledge(200), 75u);
  EXPECT_TRUE(board.empty());
  EXPECT_EQ(pool.used(), 0u);
}

TEST_F(ScoreboardTest, NoSplitsOverTheLimit) {
  add(2);
  EXPECT_EQ(sack(50, 150, 2), 0u);
  EXPECT_EQ(board.count(), 2u);
  EXPECT_EQ(sack(50, 150, 3), 50u);
  EXPECT_EQ(board.count(), 3u);
}

TEST_F(ScoreboardTest, LostOnesComeInOrder) {
  add(5);
  std::vector<std::uint32_t> records;
  for (std::uint32_t i = board.head(); i != 0; i = pool[i].next) records.push_back(i);
  board.mark_lost(pool, records[3]);
  board.mark_lost(pool, records[1]);
  EXPECT_EQ(board.first_lost(pool), records[1]);
  board.sent_again(pool, records[1], Instant{});
  EXPECT_EQ(board.first_lost(pool), records[3]);
  board.sent_again(pool, records[3], Instant{});
  EXPECT_EQ(board.first_lost(pool), 0u);
  board.mark_lost(pool, records[1]);  // once more
  EXPECT_EQ(board.first_lost(pool), records[1]);
  EXPECT_EQ(acknowledge(200), 200u);
  EXPECT_EQ(board.first_lost(pool), 0u);
  EXPECT_EQ(board.lost(), 0u);
}

TEST_F(ScoreboardTest, AfterATimeoutAllIsLostButWhatWasDelivered) {
  add(4);
  sack(200, 300);
  board.mark_all_lost(pool, false);
  EXPECT_EQ(board.lost(), 300u);
  EXPECT_EQ(board.pipe(), 0u);
  board.mark_all_lost(pool, true);
  EXPECT_EQ(board.lost(), 400u);
  EXPECT_EQ(board.sacked_count(), 0u);
}

// The sums against a plain array of bytes.
TEST_F(ScoreboardTest, SumsHoldInARandomRun) {
  SeededRandom random(7);
  for (int run = 0; run < 50; ++run) {
    next = start;
    add(20);
    std::vector<bool> sacked(2000);
    std::uint32_t una = 0;
    for (int step = 0; step < 40; ++step) {
      const auto from = static_cast<std::uint32_t>(random.below(2000));
      const auto to = static_cast<std::uint32_t>(from + 1 + random.below(2000 - from));
      if (random.below(5) == 0) {
        acknowledge(from);
        una = std::max(una, from);
      } else if (random.below(3) == 0) {
        if (board.head() != 0) board.mark_lost(pool, board.head());
      } else if (from >= una) {
        sack(from, to);
        for (std::uint32_t i = from; i < to; ++i) sacked[i] = true;
      }
      std::uint32_t expected = 0;
      for (std::uint32_t i = una; i < 2000; ++i) expected += sacked[i] ? 1 : 0;
      ASSERT_EQ(board.sacked(), expected);
      std::uint32_t lost = 0;
      std::uint32_t count = 0;
      for (std::uint32_t i = board.head(); i != 0; i = pool[i].next) {
        if (pool[i].status == SentSegment::Status::lost) lost += pool[i].size();
        ++count;
      }
      ASSERT_EQ(board.lost(), lost);
      ASSERT_EQ(board.count(), count);
      ASSERT_EQ(board.pipe(), 2000 - una - expected - lost);
    }
    board.clear(pool);
    ASSERT_EQ(pool.used(), 0u);
  }
}

}  // namespace
}  // namespace godwit::dataplane::tcp
