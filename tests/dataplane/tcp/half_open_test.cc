// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <vector>

#include "dataplane/tcp/answer_limits.h"
#include "dataplane/tcp/syn_cache.h"
#include "dataplane/tcp/syn_cookie.h"
#include "dataplane/tcp/time_wait.h"

// What stands for a connection before and after it: the SYN cache, cookies, TIME-WAIT.

namespace godwit::dataplane::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Flow flow(std::uint16_t port) {
  return {IpAddress::v4({10, 0, 0, 2}), IpAddress::v4({10, 0, 0, 1}), 5222, port};
}

HalfOpen half_open(std::uint16_t port) {
  HalfOpen record;
  record.flow = flow(port);
  record.irs = 0x12345678;
  record.mss = 1460;
  record.timestamps = record.sack = record.scaling = true;
  record.snd_scale = 7;
  return record;
}

TEST(SynCache, HoldsUpToItsLimit) {
  Settings settings;
  settings.syn_cache_max = 3;
  SynCache cache(settings);
  for (std::uint16_t port = 1; port <= 3; ++port) {
    EXPECT_FALSE(cache.full());
    cache.add(port, half_open(port), Instant{});
  }
  EXPECT_TRUE(cache.full());
  cache.remove(2, cache.find(2, flow(2)));
  EXPECT_FALSE(cache.full());
  EXPECT_EQ(cache.find(2, flow(2)), 0u);
  EXPECT_NE(cache.find(3, flow(3)), 0u);
  EXPECT_EQ(cache.find(3, flow(4)), 0u);  // the same place, another connection
}

TEST(SynCache, SendsAgainAfterOneTwoFourSecondsAndForgets) {
  Settings settings;
  settings.syn_retries = 3;
  SynCache cache(settings);
  const Instant start{seconds(50)};
  cache.add(1, half_open(1), start);
  std::vector<Instant> sent;
  std::optional<Instant> gone;
  for (Instant now = start; now < start + seconds(40); now = now + milliseconds(100)) {
    cache.expire(
        now, [&](const HalfOpen&) { sent.push_back(now); },
        [&](const Flow&) {
          gone = now;
          return std::uint64_t{1};
        });
  }
  EXPECT_EQ(sent,
            (std::vector<Instant>{start + seconds(1), start + seconds(3), start + seconds(7)}));
  EXPECT_EQ(gone, start + seconds(15));
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.next_deadline(), never);
}

TEST(SynCache, TheNextDeadlineIsTheEarliestOfAllRetries) {
  SynCache cache({});
  const auto nothing = [](const HalfOpen&) {};
  const auto place = [](const Flow& one) { return std::uint64_t{one.remote_port}; };
  cache.add(1, half_open(1), Instant{seconds(10)});
  cache.expire(Instant{seconds(11)}, nothing, place);  // waits two seconds now
  cache.add(2, half_open(2), Instant{milliseconds(11'500)});
  EXPECT_EQ(cache.next_deadline(), Instant{milliseconds(12'500)});
  cache.remove(2, cache.find(2, flow(2)));
  EXPECT_EQ(cache.next_deadline(), Instant{seconds(13)});
}

struct CookieTest : testing::Test {
  SeededRandom random{1};
  FlowHash hash{random};
  Instant now{seconds(64 * 1000 + 32)};

  SegmentIn ack_of(const HalfOpen& record, std::uint32_t cookie) {
    SegmentIn segment;
    segment.flow = record.flow;
    segment.seq = record.irs + 1;
    segment.ack = cookie + 1;
    segment.flags = Flags::ack;
    segment.window = 500;
    return segment;
  }
};

TEST_F(CookieTest, ComesBackWithTheMssRoundedDown) {
  for (const auto& [told, kept] :
       std::vector<std::pair<std::uint16_t, std::uint16_t>>{{100, 216},
                                                            {216, 216},
                                                            {535, 216},
                                                            {536, 536},
                                                            {1219, 536},
                                                            {1220, 1220},
                                                            {1459, 1440},
                                                            {1460, 1460},
                                                            {8960, 1460}}) {
    HalfOpen record = half_open(9);
    record.mss = told;
    const std::uint32_t cookie = cookie_of({hash, now}, record);
    const auto read = read_cookie({hash, now}, ack_of(record, cookie));
    ASSERT_TRUE(read) << told;
    EXPECT_EQ(read->mss, kept) << told;
    EXPECT_EQ(read->irs, record.irs);
    EXPECT_EQ(read->iss, cookie);
    EXPECT_FALSE(read->timestamps);
    EXPECT_FALSE(read->scaling);
  }
}

TEST_F(CookieTest, IsGoodForOneToTwoMinutes) {
  const HalfOpen record = half_open(9);
  const std::uint32_t cookie = cookie_of({hash, now}, record);
  const SegmentIn segment = ack_of(record, cookie);
  EXPECT_TRUE(read_cookie({hash, now + seconds(64)}, segment));
  EXPECT_TRUE(read_cookie({hash, now + seconds(95)}, segment));
  EXPECT_FALSE(read_cookie({hash, now + seconds(96)}, segment));
  EXPECT_FALSE(read_cookie({hash, now + seconds(256)}, segment));  // the clock's bits come again
}

TEST_F(CookieTest, AnotherConnectionOrNumberIsNone) {
  const HalfOpen record = half_open(9);
  const std::uint32_t cookie = cookie_of({hash, now}, record);
  SegmentIn segment = ack_of(record, cookie);
  segment.seq += 1;
  EXPECT_FALSE(read_cookie({hash, now}, segment));
  segment = ack_of(record, cookie);
  segment.flow.remote_port = 10;
  EXPECT_FALSE(read_cookie({hash, now}, segment));
  std::size_t right = 0;
  for (int i = 0; i < 100'000; ++i) {
    segment = ack_of(record, static_cast<std::uint32_t>(random.next_u64()));
    right += read_cookie({hash, now}, segment) ? 1 : 0;
  }
  EXPECT_LE(right, 1u);
}

TEST_F(CookieTest, OptionsComeBackInTheTimestamp) {
  for (unsigned bits = 0; bits < 8; ++bits) {
    HalfOpen record = half_open(9);
    record.sack = (bits & 1) != 0;
    record.ecn = (bits & 2) != 0;
    record.scaling = (bits & 4) != 0;
    record.snd_scale = record.scaling ? 14 : 0;
    for (const std::uint32_t clock : {0u, 63u, 64u, 0xffffffffu, 1'000'000u}) {
      const std::uint32_t stamp = cookie_timestamp(clock, record);
      EXPECT_LE(clock - stamp, 127u);  // not later than the clock, and hardly earlier
      SegmentIn segment = ack_of(record, cookie_of({hash, now}, record));
      segment.options.timestamps = Timestamps{4711, stamp};
      const auto read = read_cookie({hash, now}, segment);
      ASSERT_TRUE(read);
      EXPECT_TRUE(read->timestamps);
      EXPECT_EQ(read->ts_recent, 4711u);
      EXPECT_EQ(read->sack, record.sack);
      EXPECT_EQ(read->ecn, record.ecn);
      EXPECT_EQ(read->scaling, record.scaling);
      EXPECT_EQ(read->snd_scale, record.snd_scale);
    }
  }
}

TEST(FlowHashTest, SequenceNumbersFollowAClockAndNothingElse) {  // RFC 6528, 3
  SeededRandom random{1};
  const FlowHash hash(random);
  const Instant now{seconds(1)};
  EXPECT_EQ(hash.initial_sequence(flow(1), now + seconds(1)) - hash.initial_sequence(flow(1), now),
            250'000u);
  const FlowHash other(random);
  EXPECT_NE(hash.initial_sequence(flow(1), now), other.initial_sequence(flow(1), now));
  EXPECT_NE(hash.initial_sequence(flow(1), now), hash.initial_sequence(flow(2), now));
  EXPECT_EQ(hash.timestamp_offset(flow(1)), hash.timestamp_offset(flow(1)));
  EXPECT_NE(hash.timestamp_offset(flow(1)), hash.timestamp_offset(flow(2)));
}

TEST(TimeWait, WaitsAndIsForgotten) {
  TimeWaitTable table({});
  const auto place = [](const Flow& one) { return std::uint64_t{one.remote_port}; };
  table.add(1, Waiting{.flow = flow(1)}, Instant{seconds(100)});
  table.add(2, Waiting{.flow = flow(2)}, Instant{seconds(110)});
  table.restart(table.find(1, flow(1)), Instant{seconds(120)});
  EXPECT_EQ(table.next_deadline(), Instant{seconds(170)});
  table.expire(Instant{seconds(169)}, place);
  EXPECT_EQ(table.size(), 2u);
  table.expire(Instant{seconds(170)}, place);
  EXPECT_EQ(table.find(2, flow(2)), 0u);
  EXPECT_NE(table.find(1, flow(1)), 0u);
  table.expire(Instant{seconds(180)}, place);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.next_deadline(), never);
}

TEST(AnswerLimitTest, AboutAsManyAsAllowedInASecondAndNeverTheSameNumber) {
  SeededRandom random{1};
  AnswerLimit limit(1000);
  std::vector<std::size_t> taken;
  for (int second = 0; second < 20; ++second) {
    std::size_t count = 0;
    for (int i = 0; i < 5000; ++i) {
      count += limit.take(Instant{seconds(second)}, random) ? 1 : 0;
    }
    EXPECT_GE(count, 500u);
    EXPECT_LE(count, 1500u);
    taken.push_back(count);
  }
  std::ranges::sort(taken);
  EXPECT_GT(taken.back(), taken.front() + 300);
}

}  // namespace
}  // namespace godwit::dataplane::tcp
