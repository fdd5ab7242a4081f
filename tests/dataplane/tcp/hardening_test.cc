// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/dataplane/tcp/lone_stack.h"

// What strangers and hostile peers may try: every answer and every table is bounded, and good
// clients go on.

namespace godwit::dataplane::tcp {
namespace {

using io::CloseMode;
using io::CloseReason;
using std::chrono::milliseconds;
using std::chrono::seconds;

// SYNs of addresses that never answer.
void flood(LoneStack& world, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    Peer stranger{LoneStack::flow(static_cast<std::uint16_t>(1024 + i % 60'000),
                                  static_cast<std::uint8_t>(100 + i / 60'000))};
    stranger.seq = i * 77;
    world.in(stranger, Flags::syn);
  }
}

TEST(SynFlood, FillsTheCacheAndNothingElse) {
  Settings settings;
  settings.syn_cache_max = 100;
  LoneStack world(settings);
  flood(world, 5'000);
  EXPECT_EQ(world.tcp.half_open(), 100u);
  EXPECT_EQ(world.tcp.counters().cookies_sent, 4'900u);
  EXPECT_EQ(world.tcp.control_blocks(), 0u);
  EXPECT_TRUE(world.log.opened.empty());
  world.wait(seconds(64));
  EXPECT_EQ(world.tcp.half_open(), 0u);
  EXPECT_EQ(world.tcp.next_deadline(), never);
}

TEST(SynFlood, AGoodClientOpensByCookieWithItsOptions) {
  Settings settings;
  settings.syn_cache_max = 100;
  LoneStack world(settings);
  flood(world, 200);
  Options options{.mss = 1400, .window_scale = 5, .sack_permitted = true};
  options.timestamps = Timestamps{5000, 0};
  Peer peer = world.open(7, options);
  EXPECT_EQ(world.tcp.counters().cookies_accepted, 1u);
  const auto info = world.tcp.info(world.name());
  ASSERT_TRUE(info);
  EXPECT_TRUE(info->sack && info->scaling && info->timestamps);
  EXPECT_EQ(info->mss, 1400 - 12);
  EXPECT_EQ(info->send_window, 60'000u << 5);
  world.in(peer, Flags::ack, "hello");
  EXPECT_EQ(world.log.bytes, "hello");
}

TEST(SynFlood, WithoutCookiesSynsAreDropped) {
  Settings settings;
  settings.syn_cache_max = 10;
  settings.syn_cookies = false;
  LoneStack world(settings);
  flood(world, 30);
  EXPECT_EQ(world.tcp.half_open(), 10u);
  EXPECT_EQ(world.tcp.counters().syn_dropped, 20u);
}

TEST(SynFlood, ForgedCookiesOpenNothing) {
  Settings settings;
  settings.syn_cache_max = 1;
  LoneStack world(settings);
  flood(world, 2);
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    Peer stranger{LoneStack::flow(9)};
    stranger.seq = i;
    stranger.ack = i * 2'654'435'761u;
    world.in(stranger, Flags::ack);
  }
  EXPECT_EQ(world.tcp.counters().cookies_wrong, 20'000u);
  EXPECT_TRUE(world.log.opened.empty());
  // Answers to them are limited.
  EXPECT_LE(world.tcp.counters().resets_out, 1'500u);
  EXPECT_GT(world.tcp.counters().resets_limited, 18'000u);
}

TEST(Scan, SegmentsToNowhereGetALimitedNumberOfResets) {  // RFC 9293, 3.10.7.1
  LoneStack world;
  for (std::uint16_t port = 1; port <= 5000; ++port) {
    Peer stranger{LoneStack::flow(9)};
    stranger.flow.local_port = port;
    if (port != 5222) world.in(stranger, Flags::syn);
  }
  EXPECT_GE(world.tcp.counters().resets_out, 500u);
  EXPECT_LE(world.tcp.counters().resets_out, 1'500u);
  EXPECT_EQ(world.tcp.half_open(), 0u);
}

TEST(Scan, NonsenseGetsNoAnswer) {
  LoneStack world;
  Peer stranger{LoneStack::flow(9)};
  for (const std::uint8_t flags : {0, Flags::syn | Flags::fin, Flags::syn | Flags::rst,
                                   Flags::fin | Flags::psh | Flags::urg, Flags::rst | Flags::ack}) {
    world.in(stranger, flags);
  }
  EXPECT_TRUE(world.out().empty());
}

TEST(Blind, OnlyTheExactNumberResets) {  // RFC 5961, 3.2
  LoneStack world;
  Peer peer = world.open(1);
  world.out();
  SegmentIn reset = world.segment(peer, Flags::rst);
  const std::uint32_t exact = peer.seq;
  reset.seq = exact - 1;
  world.in(reset);
  reset.seq = exact + 70'000;
  world.in(reset);
  EXPECT_TRUE(world.out().empty());
  reset.seq = exact + 1;
  world.in(reset);
  const auto challenge = world.out();
  ASSERT_EQ(challenge.size(), 1u);
  EXPECT_EQ(challenge[0].segment.flags, Flags::ack);
  EXPECT_EQ(challenge[0].segment.ack, exact);
  EXPECT_TRUE(world.log.closed.empty());
  reset.seq = exact;
  world.in(reset);
  EXPECT_EQ(world.log.closed.size(), 1u);
}

TEST(Blind, ASynIsChallengedWhateverItsNumber) {  // RFC 5961, 4.2
  LoneStack world;
  Peer peer = world.open(1);
  for (const std::uint32_t offset : {0u, 1u, 1'000'000'000u}) {
    world.out();
    SegmentIn syn = world.segment(peer, Flags::syn);
    syn.seq = peer.seq + offset;
    world.in(syn);
    const auto challenge = world.out();
    ASSERT_EQ(challenge.size(), 1u) << offset;
    EXPECT_EQ(challenge[0].segment.flags, Flags::ack);
  }
  EXPECT_TRUE(world.log.closed.empty());
}

TEST(Blind, DataNeedsAnAcknowledgementThatCanBe) {  // RFC 5961, 5.2
  LoneStack world;
  Peer peer = world.open(1);
  std::string payload = "injected";
  SegmentIn data = world.segment(peer, Flags::ack);
  data.payload = {reinterpret_cast<std::uint8_t*>(payload.data()), payload.size()};
  data.ack = peer.ack + 1;  // never sent
  world.in(data);
  data.ack = peer.ack - 60'001;  // older than the largest window
  world.in(data);
  EXPECT_TRUE(world.log.bytes.empty());
  EXPECT_EQ(world.tcp.counters().dropped_bad_ack, 2u);
  data.ack = peer.ack - 60'000;
  world.in(data);
  EXPECT_EQ(world.log.bytes, "injected");
}

TEST(Blind, ChallengesAreLimitedForEachConnectionAndComeBack) {  // RFC 5961, 7
  LoneStack world;
  Peer peer = world.open(1);
  world.wait(seconds(10));
  world.out();
  const auto challenges = [&](int count) {
    for (int i = 0; i < count; ++i) world.in(world.segment(peer, Flags::syn));
    return world.out().size();
  };
  EXPECT_EQ(challenges(9), 9u);
  EXPECT_EQ(challenges(1), 1u);
  EXPECT_EQ(challenges(50), 0u);
  world.wait(seconds(5));
  EXPECT_EQ(challenges(50), 10u);
}

TEST(Blind, ChallengesAreLimitedForAllConnections) {
  Settings settings;
  settings.challenge_acks_per_second = 20;
  LoneStack world(settings);
  std::vector<Peer> peers;
  for (std::uint16_t port = 1; port <= 10; ++port) peers.push_back(world.open(port));
  world.out();
  for (Peer& peer : peers) {
    for (int i = 0; i < 10; ++i) world.in(world.segment(peer, Flags::syn));
  }
  const std::size_t answers = world.out().size();
  EXPECT_GE(answers, 10u);
  EXPECT_LE(answers, 30u);
}

TEST(OutOfOrder, BytesOfAllConnectionsTogetherAreBounded) {
  Settings settings;
  settings.reassembly_bytes = 64 * 1024;
  LoneStack world(settings);
  Options options{.mss = 1460, .sack_permitted = true};
  std::vector<Peer> hoarders;
  for (std::uint16_t port = 1; port <= 8; ++port) {
    Peer peer = world.open(port, options);
    peer.seq += 1000;  // never sends these
    for (int i = 0; i < 20; ++i) world.in(peer, Flags::ack, std::string(1400, 'x'));
  }
  EXPECT_GT(world.tcp.counters().out_of_order_discarded, 0u);
  world.tcp.flush(world.now, world.log);
  EXPECT_LE(world.tcp.buffers_in_use(), 64u * 1024);
  // A good client's reordered bytes are held all the same.
  Peer good = world.open(100, options);
  const std::uint32_t start = good.seq;
  good.seq = start + 5;
  world.in(good, Flags::ack, "world");
  good.seq = start;
  world.in(good, Flags::ack, "hello");
  EXPECT_EQ(world.log.bytes, "helloworld");
}

TEST(OutOfOrder, PiecesOfOneConnectionAreBounded) {
  Settings settings;
  settings.held_ranges_max = 16;
  LoneStack world(settings);
  Peer peer = world.open(1, {.mss = 1460, .sack_permitted = true});
  const std::uint32_t start = peer.seq;
  for (std::uint32_t i = 0; i < 100; ++i) {
    peer.seq = start + 1 + 2 * i;
    world.in(peer, Flags::ack, "x");
  }
  EXPECT_EQ(world.tcp.counters().out_of_order_held, 16u);
  EXPECT_EQ(world.tcp.counters().dropped_out_of_order, 84u);
}

TEST(Paused, HoldsItsWindowAndLessWhileMemoryIsShort) {
  for (const bool memory_short : {false, true}) {
    Settings settings;
    settings.buffer_bytes = 512 * 1024;
    settings.paused_bytes_short = 16'000;
    LoneStack world(settings);
    world.open(1, {.mss = 1460});
    const std::size_t others = memory_short ? 300'000 : 100'000;
    EXPECT_EQ(world.send(world.name(), std::string(others, 'x')), others);
    Peer peer = world.open(2, {.mss = 1460});
    world.tcp.pause_receive(world.name());
    std::size_t taken = 0;
    for (int i = 0; i < 40; ++i) {
      world.in(peer, Flags::ack, std::string(1000, 'y'));
      const std::size_t held = world.tcp.info(world.name())->held;
      if (held == taken) peer.seq -= 1000;
      taken = held;
    }
    EXPECT_EQ(taken, memory_short ? 16'000u : 40'000u);
    world.tcp.resume_receive(world.name());
    world.flush();
    EXPECT_EQ(world.log.bytes.size(), taken);
    world.in(peer, Flags::ack, std::string(1000, 'y'));
    EXPECT_EQ(world.log.bytes.size(), taken + 1000);
    EXPECT_EQ(world.tcp.receivers(), 0u);
  }
}

TEST(TimeWaitLimits, TheOldestMakesRoom) {
  Settings settings;
  settings.time_wait_max = 3;
  LoneStack world(settings);
  for (std::uint16_t port = 1; port <= 5; ++port) {
    Peer peer = world.open(port);
    world.tcp.close(world.name(), CloseMode::graceful);
    world.flush();
    peer.ack += 1;
    world.in(peer, Flags::ack | Flags::fin);
  }
  EXPECT_EQ(world.tcp.time_waits(), 3u);
  EXPECT_EQ(world.tcp.counters().time_wait_evicted, 2u);
}

TEST(TimeWaitLimits, ANewerSynBeginsAnewAnOldOneIsAnswered) {  // RFC 6191; 9293, 3.6.1
  LoneStack world;
  Options options{.mss = 1460};
  options.timestamps = Timestamps{1000, 0};
  Peer peer = world.open(1, options);
  world.tcp.close(world.name(), CloseMode::graceful);
  world.flush();
  peer.ack += 1;
  world.in(peer, Flags::ack | Flags::fin);
  ASSERT_EQ(world.tcp.time_waits(), 1u);
  world.out();
  SegmentIn syn = world.segment(peer, Flags::syn);
  syn.options = options;
  world.in(syn);  // the same timestamp
  ASSERT_EQ(world.out().size(), 1u);
  EXPECT_EQ(world.tcp.time_waits(), 1u);
  syn.seq = 5;  // whatever the number
  syn.options.timestamps->value += 1;
  world.in(syn);
  const auto answer = world.out();
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].segment.flags, Flags::syn | Flags::ack);
  EXPECT_TRUE(after(answer[0].segment.seq, peer.ack));
  EXPECT_EQ(world.tcp.time_waits(), 0u);
}

TEST(Orphans, AreBoundedByNumber) {
  Settings settings;
  settings.orphans_max = 3;
  LoneStack world(settings);
  for (std::uint16_t port = 1; port <= 5; ++port) {
    world.open(port);
    world.tcp.close(world.name(), CloseMode::graceful);
    world.flush();
  }
  world.wait(settings.linger + milliseconds(10));
  EXPECT_EQ(world.log.closed.size(), 5u);
  EXPECT_EQ(world.tcp.orphans(), 3u);
  EXPECT_EQ(world.tcp.counters().orphans_dropped, 2u);
}

TEST(TinySegments, ThePeersMssHasAFloor) {
  for (const auto& [told, used] : std::vector<std::pair<std::uint16_t, std::uint16_t>>{
           {1, 216}, {215, 216}, {216, 216}, {217, 217}, {1460, 1460}, {9000, 1460}}) {
    LoneStack world;
    world.open(1, {.mss = told});
    EXPECT_EQ(world.tcp.info(world.name())->mss, used) << told;
  }
}

TEST(TinySegments, ASackForEachByteSplitsNoMoreThanTheLimit) {
  Settings settings;
  settings.in_flight_segments_max = 64;
  LoneStack world(settings);
  Peer peer = world.open(1, {.mss = 1460, .sack_permitted = true});
  world.send(world.name(), std::string(14'600, 'x'));
  world.flush();
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    SegmentIn sack = world.segment(peer, Flags::ack);
    sack.options.sack_count = 1;
    sack.options.sack[0] = {peer.ack + 1 + 2 * i, peer.ack + 2 + 2 * i};
    world.in(sack);
  }
  peer.ack += 14'600;
  world.in(peer, Flags::ack);
  EXPECT_EQ(world.tcp.senders(), 0u);
}

TEST(Icmp, TooBigCountsOnlyForWhatIsInFlight) {  // RFC 5927, 7; RFC 1191
  LoneStack world;
  Peer peer = world.open(1, {.mss = 1460, .sack_permitted = true});
  const ConnectionName name = world.name();
  const auto too_big = [&](std::uint32_t seq, std::uint32_t mtu) {
    world.tcp.on_icmp({IcmpError::Kind::too_big, peer.flow, seq, mtu}, world.now, world.log);
    world.flush();
    return world.tcp.info(name)->mss;
  };
  EXPECT_EQ(too_big(peer.ack, 1000), 1460);  // nothing is in flight
  world.send(name, std::string(2920, 'x'));
  world.flush();
  EXPECT_EQ(too_big(peer.ack - 1, 1000), 1460);
  EXPECT_EQ(too_big(peer.ack + 2920, 1000), 1460);
  EXPECT_EQ(too_big(peer.ack, 1500), 1460);  // no news
  world.out();
  EXPECT_EQ(too_big(peer.ack, 1000), 960);
  std::uint32_t again = 0;
  for (const Carried& carried : world.out()) {
    EXPECT_LE(carried.bytes.size(), 960u);
    again += static_cast<std::uint32_t>(carried.bytes.size());
  }
  EXPECT_EQ(again, 2920u);
  EXPECT_EQ(too_big(peer.ack, 100), 512);  // not below the floor
  EXPECT_EQ(too_big(peer.ack, 0), 512);
}

TEST(Icmp, AHardErrorEndsOnlyWhatIsNotOpen) {  // RFC 5927, 5.2
  LoneStack world;
  Peer peer = world.open(1);
  world.send(world.name(), "x");
  world.flush();
  const auto hard = IcmpError::Kind::unreachable_hard;
  world.tcp.on_icmp({hard, peer.flow, peer.ack, 0}, world.now, world.log);
  EXPECT_TRUE(world.log.closed.empty());
  ASSERT_TRUE(world.tcp.connect(LoneStack::flow(443)));
  world.flush();
  const SegmentIn syn = world.out().back().segment;
  world.tcp.on_icmp({hard, syn.flow, syn.seq + 1, 0}, world.now, world.log);
  world.tcp.on_icmp({IcmpError::Kind::unreachable_soft, syn.flow, syn.seq, 0}, world.now,
                    world.log);
  EXPECT_TRUE(world.log.closed.empty());
  world.tcp.on_icmp({hard, syn.flow, syn.seq, 0}, world.now, world.log);
  ASSERT_EQ(world.log.closed.size(), 1u);
  EXPECT_EQ(world.log.closed[0].reason, CloseReason::failed);
}

}  // namespace
}  // namespace godwit::dataplane::tcp
