// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/dataplane/tcp/lone_stack.h"

// Loss, congestion and acknowledgement, rule by rule, with a peer made by hand. Segments are of
// 1000 bytes, and named by the place of their first byte in the stream.

namespace godwit::dataplane::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Starts = std::vector<std::uint32_t>;

constexpr Duration rtt = milliseconds(100);

class RecoveryTest : public testing::Test {
 protected:
  // A connection with a measured round trip of 100 ms and an initial window of ten segments.
  void open(bool sack, const Settings& settings = {}) {
    world = std::make_unique<LoneStack>(settings);
    peer = Peer{LoneStack::flow(1)};
    SegmentIn syn = world->segment(peer, Flags::syn);
    syn.options.mss = 1000;
    syn.options.sack_permitted = sack;
    world->in(syn);
    ++peer.seq;
    peer.ack = world->out().at(0).segment.seq + 1;
    world->wait(rtt);
    world->in(peer, Flags::ack);
    first = peer.ack;
    world->out();
  }
  void send(std::size_t segments) {
    ASSERT_EQ(world->send(world->name(), std::string(1000 * segments, 'x')), 1000 * segments);
    world->flush();
  }
  Starts sent() {
    Starts starts;
    for (const Carried& carried : world->out()) {
      if (!carried.bytes.empty()) starts.push_back(carried.segment.seq - first);
    }
    return starts;
  }
  void ack(std::uint32_t to,
           const std::vector<std::pair<std::uint32_t, std::uint32_t>>& blocks = {},
           std::uint8_t flags = Flags::ack) {
    peer.ack = first + to;
    SegmentIn segment = world->segment(peer, flags);
    for (const auto& [from, until] : blocks) {
      segment.options.sack[segment.options.sack_count++] = {first + from, first + until};
    }
    world->in(segment);
  }
  ConnectionInfo info() { return *world->tcp.info(world->name()); }
  const Counters& counters() { return world->tcp.counters(); }

  std::unique_ptr<LoneStack> world;
  Peer peer;
  std::uint32_t first = 0;
};

TEST_F(RecoveryTest, TheInitialWindowIsTenSegments) {  // RFC 6928, 2
  open(true);
  send(20);
  EXPECT_EQ(sent().size(), 10u);
  EXPECT_EQ(info().in_flight, 10'000u);
}

TEST_F(RecoveryTest, SlowStartSendsTwoForEachAcknowledged) {  // RFC 5681, 3.1
  open(true);
  send(30);
  sent();
  world->wait(rtt);
  sent();
  ack(2000);
  EXPECT_EQ(sent().size(), 4u);
}

TEST_F(RecoveryTest, ThreeSackedSegmentsMakeTheGapLost) {  // RFC 8985, 6.2; 6675, 5
  open(true);
  send(10);
  sent();
  world->wait(milliseconds(10));  // no reordering window has passed
  ack(0, {{1000, 2000}});
  ack(0, {{1000, 3000}});
  EXPECT_EQ(sent(), Starts{});
  ack(0, {{1000, 4000}});
  EXPECT_EQ(sent(), Starts{0});
  EXPECT_EQ(counters().fast_recoveries, 1u);
  EXPECT_EQ(info().slow_start_threshold, 7'000u);  // RFC 9438, 4.6
}

TEST_F(RecoveryTest, FewerAreGivenAQuarterOfTheRoundTrip) {  // RFC 8985, 6.2, step 5
  open(true);
  send(10);
  world->wait(rtt);
  sent();
  ack(0, {{1000, 2000}});
  EXPECT_EQ(sent(), Starts{});
  world->wait(milliseconds(23));
  EXPECT_EQ(sent(), Starts{});
  world->wait(milliseconds(4));
  EXPECT_EQ(sent(), Starts{0});
}

TEST_F(RecoveryTest, ALostRetransmissionIsFoundByTime) {  // RFC 8985, 3.4
  open(true);
  send(10);
  world->wait(rtt);
  sent();
  ack(0, {{1000, 5000}});
  EXPECT_EQ(sent(), Starts{0});
  world->wait(milliseconds(20));
  send(3);  // after the retransmission, and it arrives before
  const Starts later = sent();
  ASSERT_FALSE(later.empty());
  world->wait(rtt);
  sent();
  ack(0, {{1000, later.back() + 1000}});
  world->wait(milliseconds(30));
  const Starts again = sent();
  EXPECT_NE(std::ranges::find(again, 0u), again.end());
  EXPECT_EQ(counters().timeouts, 0u);
}

TEST_F(RecoveryTest, ProportionalRateReductionSendsSevenForTen) {  // RFC 6937, 3
  open(true);
  send(30);
  EXPECT_EQ(sent().size(), 10u);
  world->wait(rtt);
  sent();
  std::size_t count = 0;
  for (std::uint32_t until = 4000; until <= 10'000; until += 1000) {
    ack(0, {{1000, until}});
    count += sent().size();
  }
  // Nine were delivered: ceil(9 * 7 / 10), the retransmission among them.
  EXPECT_EQ(count, 7u);
  EXPECT_LE(info().in_flight, 7'000u);
  ack(10'000);
  EXPECT_LE(info().in_flight, 7'000u);
}

TEST_F(RecoveryTest, WithoutSackThreeDuplicatesRetransmit) {  // RFC 5681, 3.2
  open(false);
  send(10);
  sent();
  ack(0);
  ack(0);
  EXPECT_EQ(sent(), Starts{});
  ack(0);
  EXPECT_EQ(sent(), Starts{0});
  ack(0);
  EXPECT_EQ(counters().fast_recoveries, 1u);
}

TEST_F(RecoveryTest, APartialAcknowledgementNamesTheNextLoss) {  // RFC 6582, 3.2
  open(false);
  send(10);
  sent();
  for (int i = 0; i < 3; ++i) ack(0);
  EXPECT_EQ(sent(), Starts{0});
  ack(4000);
  EXPECT_EQ(sent(), Starts{4000});
  ack(10'000);
  EXPECT_EQ(sent(), Starts{});
  EXPECT_EQ(info().congestion_window, 7'000u);
  EXPECT_EQ(counters().fast_recoveries, 1u);
}

TEST_F(RecoveryTest, LimitedTransmitForTheFirstDuplicates) {  // RFC 3042
  open(false);
  send(15);
  EXPECT_EQ(sent().size(), 10u);
  ack(0);
  EXPECT_EQ(sent(), Starts{10'000});
  ack(0);
  EXPECT_EQ(sent(), Starts{11'000});
}

TEST_F(RecoveryTest, ADuplicateCarriesNoDataAndNoNewWindow) {  // RFC 5681, 2
  open(false);
  send(10);
  sent();
  for (int i = 0; i < 5; ++i) world->in(peer, Flags::ack, "data");
  for (int i = 0; i < 5; ++i) {
    peer.window = static_cast<std::uint16_t>(peer.window - 100);
    world->in(peer, Flags::ack);
  }
  EXPECT_EQ(counters().fast_recoveries, 0u);
}

TEST_F(RecoveryTest, TheTailIsProbedAfterTwoRoundTrips) {  // RFC 8985, 7.2
  open(true);
  send(4);
  sent();
  world->wait(2 * rtt - milliseconds(1));
  EXPECT_EQ(sent(), Starts{});
  world->wait(milliseconds(3));
  EXPECT_EQ(sent(), Starts{3000});
  EXPECT_EQ(counters().tail_probes, 1u);
  EXPECT_EQ(counters().timeouts, 0u);
  world->wait(rtt);
  ack(0, {{3000, 4000}});
  world->wait(rtt);
  EXPECT_FALSE(sent().empty());
  EXPECT_EQ(counters().timeouts, 0u);
}

TEST_F(RecoveryTest, ATimeoutSendsOneSegmentAndDoubles) {  // RFC 6298, 5.4-5.6
  open(false);
  send(5);
  sent();
  const Duration timeout = info().timeout;
  world->wait(timeout - milliseconds(1));
  EXPECT_EQ(sent(), Starts{});
  world->wait(milliseconds(2));
  EXPECT_EQ(sent(), Starts{0});
  EXPECT_EQ(info().congestion_window, 1000u);
  world->wait(2 * timeout - milliseconds(3));
  EXPECT_EQ(sent(), Starts{});
  world->wait(milliseconds(5));
  EXPECT_EQ(sent(), Starts{0});
  ack(1000);
  EXPECT_EQ(sent(), (Starts{1000, 2000}));  // slow start
}

TEST_F(RecoveryTest, ATimeoutThatWasOnlyADelayIsUndone) {  // RFC 3522, 4015
  for (const bool late : {true, false}) {
    world = std::make_unique<LoneStack>();
    Options options{.mss = 1012};
    options.timestamps = Timestamps{1, 0};
    peer = world->open(1, options);
    first = peer.ack;
    world->wait(rtt);
    send(10);
    const auto originals = world->out();
    ASSERT_EQ(originals.size(), 10u);
    world->wait(info().timeout + milliseconds(2));
    const auto again = world->out();
    ASSERT_EQ(again.size(), 1u);
    EXPECT_EQ(info().congestion_window, 1000u);
    const Carried& seen = late ? originals[0] : again[0];
    peer.timestamps->echo = seen.segment.options.timestamps->value;
    ack(1000);
    EXPECT_EQ(counters().timeouts_undone, late ? 1u : 0u);
    EXPECT_EQ(sent(), late ? Starts{} : (Starts{1000, 2000}));
    EXPECT_EQ(info().congestion_window, late ? 10'000u : 2'000u);
    ack(10'000);
    EXPECT_EQ(world->tcp.first_broken_invariant(), "");
    EXPECT_EQ(world->tcp.senders(), 0u);
  }
}

TEST_F(RecoveryTest, RenegedBlocksAreSentAgain) {  // RFC 2018, 8
  open(true);
  send(4);
  world->wait(rtt);
  sent();
  ack(0, {{0, 2000}});  // and yet 0 is not acknowledged
  world->wait(seconds(3));
  const Starts again = sent();
  EXPECT_NE(std::ranges::find(again, 0u), again.end());
}

TEST_F(RecoveryTest, EcnIsAgreedMarkedAndAnsweredOnce) {  // RFC 3168, 6.1
  world = std::make_unique<LoneStack>(Settings{});
  peer = Peer{LoneStack::flow(1)};
  SegmentIn syn = world->segment(peer, Flags::syn | Flags::ece | Flags::cwr);
  syn.options.mss = 1000;
  world->in(syn);
  ++peer.seq;
  const auto answer = world->out().at(0).segment;
  EXPECT_TRUE(answer.has(Flags::ece));
  EXPECT_FALSE(answer.has(Flags::cwr));
  peer.ack = first = answer.seq + 1;
  world->in(peer, Flags::ack);
  send(20);
  for (const Carried& carried : world->out()) EXPECT_EQ(carried.segment.ecn, Ecn::capable_0);
  ack(1000, {}, Flags::ack | Flags::ece);
  EXPECT_EQ(counters().ecn_reductions, 1u);
  ack(2000, {}, Flags::ack | Flags::ece);
  ack(9000, {}, Flags::ack | Flags::ece);
  EXPECT_EQ(counters().ecn_reductions, 1u);
  std::size_t told = 0;
  for (const Carried& carried : world->out()) told += carried.segment.has(Flags::cwr) ? 1 : 0;
  EXPECT_EQ(told, 1u);
  EXPECT_EQ(counters().retransmits, 0u);
}

TEST_F(RecoveryTest, AMarkIsEchoedUntilThePeerReduces) {  // RFC 3168, 6.1.3
  world = std::make_unique<LoneStack>(Settings{});
  peer = Peer{LoneStack::flow(1)};
  world->in(world->segment(peer, Flags::syn | Flags::ece | Flags::cwr));
  ++peer.seq;
  peer.ack = world->out().at(0).segment.seq + 1;
  world->in(peer, Flags::ack);
  std::string payload = "marked";
  const auto data = [&](std::uint8_t flags, Ecn ecn) {
    SegmentIn segment = world->segment(peer, flags);
    segment.ecn = ecn;
    segment.payload = {reinterpret_cast<std::uint8_t*>(payload.data()), payload.size()};
    peer.seq += segment.length();
    world->in(segment);
    return world->out().back().segment.has(Flags::ece);
  };
  EXPECT_FALSE(data(Flags::ack, Ecn::capable_0));
  EXPECT_TRUE(data(Flags::ack, Ecn::congested));
  EXPECT_TRUE(data(Flags::ack, Ecn::capable_0));
  EXPECT_FALSE(data(Flags::ack | Flags::cwr, Ecn::capable_0));
}

TEST_F(RecoveryTest, EverySecondFullSegmentIsAcknowledgedAndNoneWaitsLong) {  // RFC 9293, 3.8.6.3
  Settings settings;
  settings.quick_acks = 0;
  open(true, settings);
  world->in(peer, Flags::ack, std::string(1000, 'a'));
  EXPECT_TRUE(world->out().empty());
  world->in(peer, Flags::ack, std::string(1000, 'b'));
  ASSERT_EQ(world->out().size(), 1u);
  world->in(peer, Flags::ack, "small");
  world->wait(settings.delayed_ack - milliseconds(1));
  EXPECT_TRUE(world->out().empty());
  world->wait(milliseconds(2));
  const auto late = world->out();
  ASSERT_EQ(late.size(), 1u);
  EXPECT_EQ(late[0].segment.ack, peer.seq);
  world->in(peer, Flags::ack, "small");
  send(1);
  ASSERT_EQ(world->out().size(), 1u);  // it rides on the data
  world->wait(settings.delayed_ack);
  EXPECT_TRUE(world->out().empty());
}

TEST_F(RecoveryTest, AGapIsToldAtOnceWithItsBlocksAndADuplicateWithDsack) {  // RFC 2018, 2883
  Settings settings;
  settings.quick_acks = 0;
  open(true, settings);
  const std::uint32_t start = peer.seq;
  peer.seq = start + 100;
  world->in(peer, Flags::ack, std::string(50, 'b'));
  auto told = world->out();
  ASSERT_EQ(told.size(), 1u);
  ASSERT_EQ(told[0].segment.options.sack_count, 1u);
  EXPECT_EQ(told[0].segment.options.sack[0].begin - start, 100u);
  EXPECT_EQ(told[0].segment.options.sack[0].end - start, 150u);
  peer.seq = start + 100;
  world->in(peer, Flags::ack, std::string(50, 'b'));
  told = world->out();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].segment.options.sack_count, 2u);
  peer.seq = start;
  world->in(peer, Flags::ack, std::string(100, 'a'));
  told = world->out();
  ASSERT_EQ(told.size(), 1u);  // the gap is filled: at once
  EXPECT_EQ(told[0].segment.ack - start, 150u);
  EXPECT_EQ(told[0].segment.options.sack_count, 0u);
  peer.seq = start;
  world->in(peer, Flags::ack, std::string(100, 'a'));
  told = world->out();
  ASSERT_EQ(told.size(), 1u);
  ASSERT_EQ(told[0].segment.options.sack_count, 1u);
  EXPECT_EQ(told[0].segment.options.sack[0].begin - start, 0u);
  EXPECT_EQ(told[0].segment.options.sack[0].end - start, 100u);
}

TEST_F(RecoveryTest, BlocksLeaveNoSegmentLargerThanThePeerTakes) {  // RFC 6691
  open(true);
  const std::uint32_t start = peer.seq;
  for (const std::uint32_t gap : {100u, 300u, 500u, 700u}) {
    peer.seq = start + gap;
    world->in(peer, Flags::ack, std::string(50, 'b'));
  }
  world->out();
  for (const std::size_t size : {1000u, 990u, 988u, 980u, 900u}) {
    world->send(world->name(), std::string(size, 'x'));
    world->flush();
    const auto data = world->out();
    ASSERT_EQ(data.size(), 1u);
    const std::size_t count = data[0].segment.options.sack_count;
    EXPECT_LE(size + (count == 0 ? 0 : 4 + 8 * count), 1000u);
    EXPECT_EQ(count, size >= 990 ? 0u : size == 988 ? 1u : size == 980 ? 2u : 4u);
  }
}

TEST_F(RecoveryTest, NagleWaitsForTheAcknowledgement) {  // RFC 9293, 3.7.4
  open(true);
  Tuning tuning = world->tcp.tuning(world->name());
  tuning.nagle = true;
  world->tcp.tune(world->name(), tuning);
  world->send(world->name(), "first");
  world->flush();
  world->send(world->name(), "second");
  world->flush();
  world->send(world->name(), "third");
  world->flush();
  EXPECT_EQ(sent(), Starts{0});
  ack(5);
  EXPECT_EQ(sent(), Starts{5});
  tuning.nagle = false;
  world->tcp.tune(world->name(), tuning);
  world->send(world->name(), "fourth");
  world->flush();
  EXPECT_EQ(sent(), Starts{16});
}

TEST_F(RecoveryTest, AnIdleWindowIsNotKept) {  // RFC 5681, 4.1
  open(true);
  for (std::uint32_t round = 0; round < 3; ++round) {
    send(10 << round);
    sent();
    world->wait(rtt);
    ack(1000 * ((20u << round) - 10));
  }
  EXPECT_GT(info().congestion_window, 20'000u);
  world->wait(seconds(5));
  send(50);
  EXPECT_EQ(sent().size(), 10u);
}

}  // namespace
}  // namespace godwit::dataplane::tcp
