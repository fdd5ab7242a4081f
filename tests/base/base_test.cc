// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>

#include "base/clock.h"
#include "base/connection_name.h"
#include "base/random.h"
#include "base/result.h"

namespace godwit {
namespace {

// --- results and invariants

TEST(Result, CarriesAValueOrAnErrorWithItsSentence) {
  const Result<int> value = 3;
  EXPECT_EQ(value.value_or(0), 3);
  const Result<int> error = fail(ErrorCode::full, "no space");
  ASSERT_FALSE(error.has_value());
  EXPECT_EQ(error.error().code, ErrorCode::full);
  EXPECT_EQ(error.error().message, "no space");
  const Result<void> passed_on = std::unexpected(error.error());
  EXPECT_EQ(passed_on.error().message, "no space");
}

TEST(Check, BrokenInvariantEndsTheProcessAndSaysWhere) {
  int evaluated = 0;
  GODWIT_CHECK(++evaluated == 1);
  EXPECT_EQ(evaluated, 1);
  EXPECT_DEATH(GODWIT_CHECK(evaluated == 2),
               "broken invariant at .*base_test.cc:[0-9]+: evaluated == 2");
}

TEST(Check, IsOneStatement) {
  bool other = false;
  if (false)
    GODWIT_CHECK(false);
  else
    other = true;
  EXPECT_TRUE(other);
}

// --- clocks

TEST(Clock, MonotonicNeverGoesBack) {
  Instant last = monotonic_now();
  for (int i = 0; i < 10'000; ++i) {
    const Instant now = monotonic_now();
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_LT(last, never);
}

TEST(Clock, WallTimeIsUnixTimeInMilliseconds) {
  const auto before = std::chrono::system_clock::now();
  const Now now = read_clocks();
  const auto after = std::chrono::system_clock::now();
  EXPECT_LE(now.wall, after);
  EXPECT_GT(now.wall, before - std::chrono::milliseconds(1));
  EXPECT_LE(now.instant, monotonic_now());
  EXPECT_EQ(WallTime{std::chrono::milliseconds(1'800'000'000'000)}.time_since_epoch().count(),
            1'800'000'000'000);
}

// --- randomness

TEST(SeededRandom, SameSeedSameNumbers) {
  SeededRandom one(7);
  SeededRandom two(7);
  SeededRandom other(8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t number = one.next_u64();
    ASSERT_EQ(number, two.next_u64());
    differs = differs || number != other.next_u64();
  }
  EXPECT_TRUE(differs);
}

// The first numbers of SplitMix64 from 0, so that a seed replays on every machine and version.
TEST(SeededRandom, IsSplitMix64) {
  SeededRandom random(0);
  EXPECT_EQ(random.next_u64(), 0xe220a8397b1dcdafu);
  EXPECT_EQ(random.next_u64(), 0x6e789e6aa1b965f4u);
  EXPECT_EQ(random.next_u64(), 0x06c45d188009454fu);
}

TEST(SeededRandom, FillsAnyLengthAndNothingMore) {
  for (std::size_t size = 0; size <= 17; ++size) {
    std::vector<std::uint8_t> bytes(size + 1, 0xaa);
    SeededRandom(3).fill(MutableBytes(bytes).first(size));
    EXPECT_EQ(bytes.back(), 0xaa);
    std::vector<std::uint8_t> longer(24);
    SeededRandom(3).fill(longer);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end() - 1, longer.begin()));
  }
}

TEST(RandomSource, BelowStaysBelowAndReachesAll) {
  SeededRandom random(5);
  for (const std::uint64_t bound : {1ull, 2ull, 3ull, 7ull, 10ull}) {
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) {
      const std::uint64_t number = random.below(bound);
      ASSERT_LT(number, bound);
      seen.insert(number);
    }
    EXPECT_EQ(seen.size(), bound);
  }
  const std::uint64_t large = (std::uint64_t{1} << 63) + 1;
  for (int i = 0; i < 1000; ++i) ASSERT_LT(random.below(large), large);
  EXPECT_LT(random.below(UINT64_MAX), UINT64_MAX);
  EXPECT_DEATH(random.below(0), "broken invariant");
}

// Gives what the test put in.
class Scripted final : public RandomSource {
 public:
  explicit Scripted(std::vector<std::uint64_t> values) : values_(std::move(values)) {}
  void fill(MutableBytes out) override {
    GODWIT_CHECK(next_ < values_.size() && out.size() == 8);
    std::memcpy(out.data(), &values_[next_++], 8);
  }
  std::size_t taken() const { return next_; }

 private:
  std::vector<std::uint64_t> values_;
  std::size_t next_ = 0;
};

// 2^64 is 1 more than a multiple of 3, and 4 more than one of 6: so many values are drawn again.
TEST(RandomSource, BelowDrawsTheTailAgain) {
  Scripted of_three({0, 1});
  EXPECT_EQ(of_three.below(3), 1u);
  EXPECT_EQ(of_three.taken(), 2u);
  Scripted of_six({3, 4});
  EXPECT_EQ(of_six.below(6), 4u);
  EXPECT_EQ(of_six.taken(), 2u);
  Scripted of_eight({0});
  EXPECT_EQ(of_eight.below(8), 0u) << "a power of two has no tail";
}

TEST(SystemRandom, FillsAndDoesNotRepeat) {
  SystemRandom random;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 100; ++i) seen.insert(random.next_u64());
  EXPECT_EQ(seen.size(), 100u);
  // Over what one system call gives without interruption.
  std::vector<std::uint8_t> bytes(1 << 20);
  random.fill(bytes);
  EXPECT_FALSE(std::ranges::all_of(Bytes(bytes).last(64), [](auto byte) { return byte == 0; }));
  random.fill({});
}

// --- connection names

TEST(ConnectionName, GenerationZeroNamesNothing) {
  EXPECT_FALSE(ConnectionName{}.valid());
  EXPECT_FALSE((ConnectionName{.slot = 3, .shard = 1}).valid());
  EXPECT_TRUE((ConnectionName{.generation = 1}).valid());
}

TEST(ConnectionName, EachPartTellsApart) {
  const ConnectionName name{.slot = 3, .shard = 1, .generation = 9};
  EXPECT_EQ(name, (ConnectionName{3, 1, 9}));
  EXPECT_NE(name, (ConnectionName{4, 1, 9}));
  EXPECT_NE(name, (ConnectionName{3, 2, 9}));
  EXPECT_NE(name, (ConnectionName{3, 1, 10}));
  EXPECT_LT(name, (ConnectionName{3, 1, 10}));
}

}  // namespace
}  // namespace godwit
