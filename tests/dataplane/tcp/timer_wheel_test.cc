// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/random.h"

namespace godwit::dataplane::tcp {
namespace {

struct EntryAt {
  std::vector<TimerEntry>* entries;
  TimerEntry& operator()(std::uint32_t index) const { return (*entries)[index]; }
};
using Wheel = TimerWheel<EntryAt>;

struct Fixture : testing::Test {
  std::vector<TimerEntry> entries = std::vector<TimerEntry>(4096);
  Wheel wheel{EntryAt{&entries}};
  std::vector<std::uint32_t> fired;

  void advance(Instant now) {
    wheel.advance(now, [&](std::uint32_t index) { fired.push_back(index); });
  }
};
using TimerWheelTest = Fixture;

Instant at(Duration since_start) {
  return Instant{since_start};
}

TEST_F(TimerWheelTest, FiresNotBeforeItIsDueAndAtMostATickLate) {
  using std::chrono::microseconds;
  for (const Duration due : {Duration{1}, Duration{Wheel::tick}, Duration{microseconds(20'000)},
                             Duration{std::chrono::minutes(3)}, Duration{std::chrono::hours(30)}}) {
    fired.clear();
    const Instant start = at(Duration{});
    Wheel fresh{EntryAt{&entries}};
    fresh.advance(start, [](std::uint32_t) {});
    fresh.arm(7, start + due);
    std::size_t count = 0;
    const auto fire = [&](std::uint32_t) { ++count; };
    fresh.advance(start + due - Duration{1}, fire);
    EXPECT_EQ(count, 0u) << due.count();
    fresh.advance(start + due + Wheel::tick, fire);
    EXPECT_EQ(count, 1u) << due.count();
    EXPECT_EQ(fresh.size(), 0u);
  }
}

TEST_F(TimerWheelTest, NothingArmedHasNoDeadline) {
  EXPECT_EQ(wheel.next_deadline(), never);
  wheel.arm(1, at(std::chrono::seconds(1)));
  EXPECT_NE(wheel.next_deadline(), never);
  wheel.disarm(1);
  EXPECT_EQ(wheel.next_deadline(), never);
  EXPECT_FALSE(entries[1].armed());
}

TEST_F(TimerWheelTest, AnEarlierTimeMovesItALaterOneDoesNot) {
  wheel.arm(1, at(std::chrono::seconds(10)));
  wheel.arm(1, at(std::chrono::seconds(20)));
  EXPECT_EQ(wheel.size(), 1u);
  wheel.arm(1, at(std::chrono::seconds(5)));
  EXPECT_EQ(wheel.size(), 1u);
  advance(at(std::chrono::seconds(6)));
  EXPECT_EQ(fired, std::vector<std::uint32_t>{1});
}

TEST_F(TimerWheelTest, WhatFiresMayArmAndDisarmOthersOfTheSameTick) {
  wheel.arm(1, at(std::chrono::seconds(1)));
  wheel.arm(2, at(std::chrono::seconds(1)));
  wheel.arm(3, at(std::chrono::seconds(1)));
  std::vector<std::uint32_t> order;
  wheel.advance(at(std::chrono::seconds(2)), [&](std::uint32_t index) {
    order.push_back(index);
    if (order.size() > 1) return;
    for (const std::uint32_t other : {1u, 2u, 3u}) wheel.disarm(other);
    wheel.arm(4, at(std::chrono::seconds(1)));  // past: the next tick
  });
  EXPECT_EQ(order.size(), 2u);
  EXPECT_EQ(order.back(), 4u);
}

TEST_F(TimerWheelTest, WaitsLongerThanTheSpanComeEarlyAndAreArmedAgainByTheirOwner) {
  const Instant due = at(std::chrono::hours(200));
  wheel.arm(1, due);
  Instant now{};
  std::size_t fired_count = 0;
  while (wheel.size() > 0) {
    now = wheel.next_deadline();
    wheel.advance(now, [&](std::uint32_t index) {
      ++fired_count;
      if (now < due) wheel.arm(index, due);
    });
  }
  EXPECT_GE(now, due);
  EXPECT_LE(now, due + 2 * Wheel::tick);
  EXPECT_EQ(fired_count, 3u);
}

// Against a sorted map, with jumps from a tick to a day.
TEST_F(TimerWheelTest, KeepsEveryDeadlineInARandomRun) {
  SeededRandom random(42);
  std::map<std::uint32_t, Instant> expected;
  Instant now = at(std::chrono::hours(1000));
  wheel.advance(now, [](std::uint32_t) {});
  for (int step = 0; step < 3000; ++step) {
    const auto index = static_cast<std::uint32_t>(1 + random.below(entries.size() - 1));
    const Duration wait{static_cast<std::int64_t>(random.below(1ULL << random.below(48)))};
    if (random.below(4) == 0) {
      wheel.disarm(index);
      expected.erase(index);
    } else if (const auto old = expected.find(index); old == expected.end()) {
      wheel.arm(index, now + wait);
      expected[index] = now + wait;
    }
    if (random.below(3) != 0) continue;
    now += Duration{static_cast<std::int64_t>(random.below(1ULL << random.below(44)))};
    wheel.advance(now, [&](std::uint32_t one) {
      ASSERT_TRUE(expected.contains(one));
      EXPECT_LE(expected[one], now);
      expected.erase(one);
    });
    for (const auto& [one, due] : expected) EXPECT_GT(due + Wheel::tick, now) << one;
    EXPECT_EQ(wheel.size(), expected.size());
  }
}

}  // namespace
}  // namespace godwit::dataplane::tcp
