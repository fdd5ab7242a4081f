// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dataplane/tcp/wire/segmentation.h"
#include "tests/dataplane/tcp/lone_stack.h"

// Several segments leave as one where the port cuts them (TSO): what may, what may not, and that
// what comes back is of single segments all the same. They are of 1000 bytes, named by the place of
// their first byte in the stream.

namespace godwit::dataplane::tcp {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t mss = 1000;
constexpr std::uint32_t headers = 40;

// What left: from where, how many bytes, of which each segment has so many, and the flags.
struct Left {
  std::uint32_t at = 0;
  std::uint32_t size = 0;
  std::uint32_t each = 0;
  std::uint8_t flags = Flags::ack;

  friend bool operator==(const Left&, const Left&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Left& left) {
    return out << left.at << "+" << left.size << "/" << left.each << " "
               << static_cast<int>(left.flags);
  }
};
constexpr std::uint8_t pushed = Flags::ack | Flags::psh;

struct Sink {
  std::vector<Left> data;
  std::vector<std::uint8_t> bytes;
  std::uint32_t first = 0;
  std::uint32_t last_seq = 0;
  std::size_t acks = 0;
  std::optional<std::uint16_t> syn_mss;
  Options options;

  void transmit(const SegmentOut& segment) {
    last_seq = segment.seq;
    options = segment.options;
    if ((segment.flags & Flags::syn) != 0) syn_mss = segment.options.mss;
    const auto size = static_cast<std::uint32_t>(payload_size(segment));
    const bool fin = (segment.flags & Flags::fin) != 0;
    if (size == 0 && !fin) {
      ++acks;
      return;
    }
    data.push_back({segment.seq - first, size, segment.segment_size, segment.flags});
    for (const Bytes piece : segment.payload) bytes.insert(bytes.end(), piece.begin(), piece.end());
  }
};

class Segments : public testing::Test {
 protected:
  struct Wanted {
    std::uint16_t window = 60000;
    bool sack = true;
    bool ecn = false;
    bool timestamps = false;
    std::uint16_t mss = 1000;
    bool v6 = false;
  };
  void open(const Wanted& wanted) {
    tcp = std::make_unique<Tcp>(settings, 1, random, sink);
    ASSERT_TRUE(tcp->listen({}, 5222));
    Flow flow = LoneStack::flow(1);
    if (wanted.v6) {
      flow.local = TwoStacks::flow_v6().local;
      flow.remote = TwoStacks::flow_v6().remote;
    }
    peer = {flow};
    peer.window = wanted.window;
    if (wanted.timestamps) peer.timestamps = Timestamps{1, 0};
    SegmentIn syn = from_peer(Flags::syn);
    if (wanted.ecn) syn.flags |= Flags::ece | Flags::cwr;
    syn.options.mss = wanted.mss;
    syn.options.sack_permitted = wanted.sack;
    in(syn);
    ++peer.seq;
    sink.first = peer.ack = sink.last_seq + 1;
    if (wanted.timestamps) peer.timestamps->echo = sink.options.timestamps->value;
    now += milliseconds(100);
    in(from_peer(Flags::ack));
    ASSERT_EQ(log.opened.size(), 1u);
  }
  SegmentIn from_peer(std::uint8_t flags) const {
    SegmentIn made;
    made.flow = peer.flow;
    made.seq = peer.seq;
    made.ack = peer.ack;
    made.window = peer.window;
    made.flags = flags;
    made.options.timestamps = peer.timestamps;
    return made;
  }
  void in(const SegmentIn& segment) {
    tcp->on_segment(segment, now, log);
    tcp->flush(now, log);
    EXPECT_EQ(tcp->first_broken_invariant(), "");
  }
  void ack(std::uint32_t to, std::optional<SequenceRange> block = {}, std::uint8_t flags = 0) {
    peer.ack = sink.first + to;
    SegmentIn segment = from_peer(Flags::ack | flags);
    if (block) {
      segment.options.sack_count = 1;
      segment.options.sack[0] = {sink.first + block->begin, sink.first + block->end};
    }
    in(segment);
  }
  void queue(std::size_t bytes) {
    std::string text(bytes, ' ');
    for (char& each : text) each = static_cast<char>(stream_byte(1, queued_++));
    const Bytes piece = as_bytes(text);
    ASSERT_EQ(tcp->send(log.opened[0], {&piece, 1}), bytes);
  }
  void send(std::size_t bytes) {
    queue(bytes);
    flush();
  }
  void flush() {
    tcp->flush(now, log);
    EXPECT_EQ(tcp->first_broken_invariant(), "");
  }
  void wait(Duration duration) {
    const Instant end = now + duration;
    while (std::max(tcp->next_deadline(), now) <= end) {
      now = std::max(tcp->next_deadline(), now);
      tcp->expire(now, log);
      flush();
    }
    now = end;
  }
  std::vector<Left> out() { return std::exchange(sink.data, {}); }
  ConnectionInfo info() { return *tcp->info(log.opened[0]); }

  SeededRandom random{1};
  Settings settings{.segmentation = {.v4 = uncut_bytes_max, .v6 = uncut_bytes_max}};
  Sink sink;
  EventLog log;
  Instant now{std::chrono::seconds(1000)};
  std::unique_ptr<Tcp> tcp;
  Peer peer;

 private:
  std::uint64_t queued_ = 0;
};

TEST_F(Segments, WhatTheCongestionWindowAllowsLeavesAsOne) {
  open({});
  send(100'000);
  EXPECT_EQ(out(), (std::vector<Left>{{0, 10 * mss, mss}}));
  EXPECT_EQ(info().unacked, 10u) << "a record for each";
  ack(4 * mss);
  EXPECT_EQ(out(), (std::vector<Left>{{10 * mss, 8 * mss, mss}})) << "slow start";
  EXPECT_EQ(tcp->counters().uncut_out, 2u);
  for (std::size_t i = 0; i < sink.bytes.size(); ++i) {
    ASSERT_EQ(sink.bytes[i], stream_byte(1, i)) << i;
  }
}

TEST_F(Segments, CountsEachOneOfThem) {
  open({});
  const std::uint64_t before = tcp->counters().segments_out;
  send(3 * mss + 1);
  EXPECT_EQ(tcp->counters().segments_out - before, 4u);
  EXPECT_EQ(tcp->counters().uncut_out, 1u);
}

TEST_F(Segments, ThePeersWindowIsNeverPassed) {
  open({.window = 4500});
  send(100'000);
  EXPECT_EQ(out(), (std::vector<Left>{{0, 4 * mss, mss}}));
  ack(mss);
  EXPECT_EQ(out(), (std::vector<Left>{{4 * mss, mss, 0}}));
}

TEST_F(Segments, OneThatIsAloneIsNoneToCut) {
  open({});
  send(mss);
  send(mss - 1);
  EXPECT_EQ(out(), (std::vector<Left>{{0, mss, 0, pushed}, {mss, mss - 1, 0, pushed}}));
  EXPECT_EQ(tcp->counters().uncut_out, 0u);
}

TEST_F(Segments, AByteMoreThanOneLeavesWithIt) {
  open({});
  send(mss + 1);
  EXPECT_EQ(out(), (std::vector<Left>{{0, mss + 1, mss, pushed}}));
  EXPECT_EQ(info().unacked, 2u);
}

TEST_F(Segments, ThePortsLargestPacketIsKept) {
  for (const std::uint32_t most :
       {headers + 2 * mss - 1, headers + 2 * mss, headers + 3 * mss - 1, headers + 3 * mss}) {
    SCOPED_TRACE(most);
    settings.segmentation.v4 = most;
    log = {};
    open({});
    out();
    send(6 * mss);
    const std::uint32_t each = (most - headers) / mss;
    const auto left = out();
    EXPECT_EQ(left.size(), 6 / each);
    EXPECT_EQ(left.front(), (Left{0, each * mss, each == 1 ? 0 : mss}));
    EXPECT_EQ(left.back().flags, pushed);
  }
}

TEST_F(Segments, AreNeverMoreThanADriversListHolds) {
  settings.initial_window_segments = 100;
  open({.mss = 300});
  ASSERT_GT(info().congestion_window, (uncut_segments_max + 1) * 300);
  send(60'000);
  const auto left = out();
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(left[0], (Left{0, uncut_segments_max * 300, 300}));
}

TEST_F(Segments, RecordsOfWhatIsInFlightAreBounded) {
  settings.in_flight_segments_max = 7;
  open({});
  send(100'000);
  EXPECT_EQ(out(), (std::vector<Left>{{0, 7 * mss, mss}}));
  ack(2 * mss);
  EXPECT_EQ(out(), (std::vector<Left>{{7 * mss, 2 * mss, mss}}));
  EXPECT_EQ(info().unacked, 7u);
}

TEST_F(Segments, OnlyTheFamilyThatThePortCuts) {
  settings.segmentation.v6 = 0;
  open({.v6 = true});
  send(3 * mss);
  EXPECT_EQ(out().size(), 3u);
  settings.segmentation = {.v6 = uncut_bytes_max};
  log = {};
  open({.v6 = true});
  send(3 * mss);
  EXPECT_EQ(out().back(), (Left{0, 3 * mss, mss, pushed}));
}

TEST_F(Segments, AreNoLargerThanThePortMakes) {
  settings.segmentation.packet_max = 1500 - 14;
  open({.timestamps = true, .mss = 1460});
  EXPECT_EQ(info().mss, 1460 - 14 - 12);
  EXPECT_EQ(sink.syn_mss, 1460) << "the peer's may be larger";
  log = {};
  open({.timestamps = true, .mss = 1440, .v6 = true});
  EXPECT_EQ(info().mss, 1440 - 14 - 12);
  settings.segmentation.v6 = 0;
  log = {};
  open({.timestamps = true, .mss = 1440, .v6 = true});
  EXPECT_EQ(info().mss, 1440 - 12) << "this family is not cut";
}

TEST_F(Segments, WhatLiesInTooManyPiecesLeavesInFullOnes) {
  open({.window = 65535});
  // Each write behind the first takes a block of its own of 2 KB at least; 16 pieces are 32 KB.
  ack(0);
  for (std::uint32_t acked = 0; info().congestion_window < 50 * mss; ack(acked)) {
    send(info().congestion_window);
    for (const Left& left : out()) acked += left.size;
  }
  out();
  const std::size_t before = sink.bytes.size();
  for (int i = 0; i < 480; ++i) queue(100);
  flush();
  std::uint32_t total = 0;
  for (const Left& left : out()) {
    EXPECT_TRUE(left.flags == pushed || left.size % mss == 0) << left;
    total += left.size;
  }
  EXPECT_EQ(total, 48'000u);
  EXPECT_GT(sink.bytes.size(), before);
  for (std::size_t i = 0; i < sink.bytes.size(); ++i) {
    ASSERT_EQ(sink.bytes[i], stream_byte(1, i)) << i;
  }
}

TEST_F(Segments, FinLeavesWithTheLast) {
  open({});
  queue(2 * mss + 500);
  tcp->close(log.opened[0], io::CloseMode::graceful);
  flush();
  const std::uint8_t last = pushed | Flags::fin;
  EXPECT_EQ(out(), (std::vector<Left>{{0, 2 * mss + 500, mss, last}}));
}

TEST_F(Segments, TheEndWaitsForNagleAndTheCork) {
  Tuning tuning{settings};
  tuning.cork = true;
  open({});
  tcp->tune(log.opened[0], tuning);
  send(2 * mss + 500);
  EXPECT_EQ(out(), (std::vector<Left>{{0, 2 * mss, mss}}));
  tuning.cork = false;
  tcp->tune(log.opened[0], tuning);
  flush();
  out();
  log = {};
  open({});
  tuning.nagle = true;
  tcp->tune(log.opened[0], tuning);
  send(500);
  send(2 * mss + 100);
  EXPECT_EQ(out(), (std::vector<Left>{{0, 500, 0, pushed}, {500, 2 * mss, mss}}));
}

TEST_F(Segments, TheEndIsAloneWhereItHasBlocksToTell) {
  open({});
  SegmentIn hole = from_peer(Flags::ack);
  hole.seq += 100;
  std::string text = "beyond a hole";
  hole.payload = {reinterpret_cast<std::uint8_t*>(text.data()), text.size()};
  in(hole);
  send(2 * mss + 500);
  EXPECT_EQ(out(), (std::vector<Left>{{0, 2 * mss, mss}, {2 * mss, 500, 0, pushed}}));
  EXPECT_EQ(sink.options.sack_count, 1);
}

TEST_F(Segments, CwrIsForOneAlone) {
  open({.ecn = true});
  send(100'000);
  EXPECT_EQ(out().size(), 1u);
  ack(10 * mss, {}, Flags::ece);
  const auto left = out();
  ASSERT_GE(left.size(), 2u);
  EXPECT_EQ(left[0], (Left{10 * mss, mss, 0, Flags::ack | Flags::cwr}));
  EXPECT_EQ(left[1].flags, Flags::ack);
  EXPECT_EQ(left[1].each, mss);
}

TEST_F(Segments, ABlockOfAPartIsTheSegmentsInIt) {
  open({});
  send(10 * mss);
  out();
  // The first was lost, and the fifth and sixth.
  now += milliseconds(100);
  ack(0, SequenceRange{mss, 4 * mss});
  EXPECT_EQ(out().front(), (Left{0, mss, 0}));
  EXPECT_EQ(info().sacked, 3u);
  ack(0, SequenceRange{6 * mss, 10 * mss});
  EXPECT_EQ(info().sacked, 7u);
  wait(milliseconds(30));
  ack(4 * mss);
  for (const Left& left : out()) {
    EXPECT_EQ(left.size, mss);
    EXPECT_EQ(left.each, 0u);
    EXPECT_TRUE(left.at == 4 * mss || left.at == 5 * mss) << left;
  }
  ack(10 * mss);
  EXPECT_EQ(info().unacked, 0u);
}

TEST_F(Segments, ABlockWithinASegmentSplitsItsRecord) {
  open({});
  send(4 * mss);
  out();
  now += milliseconds(100);
  ack(0, SequenceRange{1500, 2500});
  EXPECT_EQ(info().sacked, 2u);
  EXPECT_EQ(info().unacked, 6u);
  ack(1200);
  EXPECT_EQ(info().unacked, 5u);
  ack(4 * mss);
  EXPECT_EQ(info().queued, 0u);
}

TEST_F(Segments, WhatIsSentAgainIsSentOneByOne) {
  open({});
  send(5 * mss);
  out();
  wait(std::chrono::seconds(2));
  EXPECT_GE(tcp->counters().timeouts, 1u);
  for (const Left& left : out()) EXPECT_EQ(left.each, 0u);
  out();
  ack(mss);
  const auto left = out();
  ASSERT_FALSE(left.empty());
  for (const Left& each : left) EXPECT_EQ(each.size, mss);
}

TEST_F(Segments, ASmallerPathMakesThemSmaller) {
  open({.mss = 1460});
  send(14'600);
  EXPECT_EQ(out(), (std::vector<Left>{{0, 14'600, 1460, pushed}}));
  const std::uint32_t seq = sink.first + 1460;
  tcp->on_icmp({IcmpError::Kind::too_big, peer.flow, seq, 1040}, now, log);
  flush();
  for (const Left& left : out()) EXPECT_LE(left.size, mss);
  EXPECT_EQ(info().mss, mss);
  ack(14'600);
  send(4 * mss);
  EXPECT_EQ(out().back(), (Left{14'600, 4 * mss, mss, pushed}));
}

TEST_F(Segments, OneThatComesLargerThanWasToldIsTakenAndAcknowledgedAtOnce) {
  open({});
  std::string text(20'000, 'x');
  SegmentIn large = from_peer(Flags::ack);
  large.payload = {reinterpret_cast<std::uint8_t*>(text.data()), text.size()};
  sink.acks = 0;
  in(large);
  EXPECT_EQ(log.bytes.size(), 20'000u);
  EXPECT_EQ(sink.acks, 1u);
  EXPECT_EQ(info().received, 20'000u);
}

TEST_F(Segments, ARoundTripIsMeasuredOfThem) {
  open({});
  const Duration before = info().rtt;
  send(10 * mss);
  now += milliseconds(500);
  ack(10 * mss);
  EXPECT_GT(info().rtt, before);
  EXPECT_LE(info().rtt_least, milliseconds(100));
}

}  // namespace
}  // namespace godwit::dataplane::tcp
