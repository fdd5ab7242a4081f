// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/tcp_header.h"

#include <gtest/gtest.h>

#include "dataplane/tcp/wire/checksum.h"
#include "tests/dataplane/tcp/wire/packets.h"

namespace godwit::dataplane::tcp {
namespace {

using testing::ip;
using testing::Packet;

const Flow flow_v4{ip("192.0.2.1"), ip("198.51.100.2"), 5000, 80};
const Flow flow_v6{ip("2001:db8::1"), ip("2001:db8::2"), 5000, 80};

Options parse_hex(std::string_view hex, bool is_syn = true) {
  return parse_tcp_options(from_hex(hex).value(), is_syn);
}

TEST(TcpHeader, WrittenAndRead) {
  const Packet one = {1, 2, 3};
  const Packet two = {4, 5};
  const Bytes pieces[] = {one, two};
  for (const Flow& flow : {flow_v4, flow_v6}) {
    SegmentOut out{flow, 100, 200, 300, Flags::ack | Flags::psh | Flags::ece, Ecn::capable_0};
    out.options.timestamps = Timestamps{7, 8};
    out.payload = pieces;
    Packet packet = testing::tcp_packet(out);
    const auto in = parse_tcp(*testing::parse_ip(packet), false);
    ASSERT_TRUE(in);
    EXPECT_EQ(in->flow, (Flow{flow.remote, flow.local, 80, 5000}));
    EXPECT_EQ(in->seq, 100u);
    EXPECT_EQ(in->ack, 200u);
    EXPECT_EQ(in->window, 300);
    EXPECT_EQ(in->flags, out.flags);
    EXPECT_EQ(in->ecn, Ecn::capable_0);
    EXPECT_EQ(in->options.timestamps->value, 7u);
    EXPECT_EQ(in->options.timestamps->echo, 8u);
    EXPECT_TRUE(std::ranges::equal(in->payload, Packet{1, 2, 3, 4, 5}));
  }
}

TEST(TcpHeader, ChecksumIsLookedAtUnlessThePortDid) {
  Packet packet = testing::tcp_packet({flow_v6, 1, 0, 0, Flags::syn});
  packet.back() ^= 1;
  EXPECT_EQ(parse_tcp(*testing::parse_ip(packet), false).error(), Drop::bad_tcp_checksum);
  EXPECT_TRUE(parse_tcp(*testing::parse_ip(packet), true));
}

TEST(TcpHeader, PortCompletesTheChecksum) {
  const SegmentOut segment{flow_v4, 1, 0, 0, Flags::syn};
  Packet bytes(tcp_size(segment));
  write_tcp(bytes, segment, ChecksumBy::port);
  Checksum rest;  // what such a port does: sum over the segment as it is
  rest.add(bytes);
  const std::uint16_t completed = rest.finish();
  Packet ours(bytes.size());
  write_tcp(ours, segment, ChecksumBy::us);
  EXPECT_EQ(completed, ours[16] << 8 | ours[17]);
}

TEST(TcpHeader, LengthsThatCannotBe) {
  Packet packet = testing::tcp_packet({flow_v4, 1, 0, 0, Flags::syn});
  IpPacket parsed = *testing::parse_ip(packet);
  const MutableBytes whole = parsed.payload;
  parsed.payload = whole.first(19);
  EXPECT_EQ(parse_tcp(parsed, true).error(), Drop::bad_tcp_header);
  parsed.payload = whole.first(20);
  EXPECT_TRUE(parse_tcp(parsed, true));
  whole[12] = 4 << 4;
  EXPECT_EQ(parse_tcp(parsed, true).error(), Drop::bad_tcp_header);
  whole[12] = 6 << 4;
  EXPECT_EQ(parse_tcp(parsed, true).error(), Drop::bad_tcp_header);
}

TEST(TcpHeader, PortZeroIsNobody) {
  for (const bool local : {true, false}) {
    Flow flow = flow_v4;
    (local ? flow.local_port : flow.remote_port) = 0;
    Packet packet = testing::tcp_packet({flow, 1, 0, 0, Flags::syn});
    EXPECT_EQ(parse_tcp(*testing::parse_ip(packet), false).error(), Drop::bad_tcp_header);
  }
}

TEST(TcpOptions, OfASyn) {
  const Options options = parse_hex(
      "020405b4"
      "0402"
      "080a00000001"
      "00000002"
      "01"
      "030307");
  EXPECT_EQ(options.mss, 1460);
  EXPECT_TRUE(options.sack_permitted);
  EXPECT_EQ(options.timestamps->value, 1u);
  EXPECT_EQ(options.timestamps->echo, 2u);
  EXPECT_EQ(options.window_scale, 7);
}

TEST(TcpOptions, SynsOwnMeanNothingLater) {
  const Options options = parse_hex(
      "020405b4"
      "0402"
      "030307",
      false);
  EXPECT_FALSE(options.mss || options.sack_permitted || options.window_scale);
}

TEST(TcpOptions, SackBlocks) {
  const std::string block = "0000000100000002";
  for (std::size_t count = 1; count <= sack_blocks_max; ++count) {
    std::string hex = to_hex(Packet{5, static_cast<std::uint8_t>(2 + 8 * count)});
    for (std::size_t i = 0; i < count; ++i) hex += block;
    const Options options = parse_hex(hex, false);
    ASSERT_EQ(options.sack_count, count);
    EXPECT_EQ(options.sack_blocks().back().end, 2u);
  }
  EXPECT_EQ(parse_hex("0502", false).sack_count, 0);
  EXPECT_EQ(parse_hex("0509"
                      "00000001000000",
                      false)
                .sack_count,
            0);
  EXPECT_EQ(parse_hex("050a" + block, true).sack_count, 0);
}

// RFC 9293, 3.1: unknown options are skipped; lengths that cannot be end the options.
TEST(TcpOptions, UnknownAreSkippedAndMalformedEndThem) {
  EXPECT_EQ(parse_hex("1c0400ff"
                      "020405b4")
                .mss,
            1460);
  EXPECT_EQ(parse_hex("fe02"
                      "020405b4")
                .mss,
            1460);
  EXPECT_FALSE(parse_hex("1c00"
                         "020405b4")
                   .mss);
  EXPECT_FALSE(parse_hex("1c01"
                         "020405b4")
                   .mss);
  EXPECT_FALSE(parse_hex("1cff"
                         "020405b4")
                   .mss);
  EXPECT_FALSE(parse_hex("00"
                         "020405b4")
                   .mss);
  EXPECT_FALSE(parse_hex("02").mss);
  EXPECT_FALSE(parse_hex("0204").mss);
  EXPECT_FALSE(parse_hex("020405").mss);
  EXPECT_EQ(parse_hex("030307"
                      "0205"
                      "000000"
                      "080a")
                .window_scale,
            7);
}

TEST(TcpOptions, WrongLengthMeansNothing) {
  EXPECT_FALSE(parse_hex("0203"
                         "05")
                   .mss);
  EXPECT_FALSE(parse_hex("0304"
                         "0707")
                   .window_scale);
  EXPECT_FALSE(parse_hex("0403"
                         "00")
                   .sack_permitted);
  EXPECT_FALSE(parse_hex("0809"
                         "00000000000000")
                   .timestamps);
  EXPECT_EQ(parse_hex("0809"
                      "00000000000000"
                      "020405b4")
                .mss,
            1460);
}

std::string written(const Options& options) {
  Packet bytes(tcp_options_size(options));
  write_tcp_options(bytes, options);
  return to_hex(bytes);
}

TEST(TcpOptions, OrderAndPadding) {
  Options options;
  EXPECT_EQ(written(options), "");
  options.mss = 1460;
  EXPECT_EQ(written(options), "020405b4");
  options.sack_permitted = true;
  options.window_scale = 7;
  EXPECT_EQ(written(options),
            "020405b4"
            "01010402"
            "01030307");
  options.timestamps = Timestamps{1, 2};
  EXPECT_EQ(written(options),
            "020405b4"
            "0402"
            "080a0000000100000002"
            "01030307");
  Options later;
  later.timestamps = Timestamps{1, 2};
  EXPECT_EQ(written(later),
            "0101"
            "080a0000000100000002");
}

TEST(TcpOptions, AsManyBlocksAsFit) {
  Options options;
  options.sack_count = 4;
  for (std::uint32_t i = 0; i < 4; ++i) options.sack[i] = {10 * i, 10 * i + 5};
  EXPECT_EQ(tcp_options_size(options), 36u);
  options.timestamps = Timestamps{1, 2};
  EXPECT_EQ(tcp_options_size(options), 40u);  // three blocks beside timestamps (RFC 2018, 3)
  const Options read = parse_tcp_options(from_hex(written(options)).value(), false);
  EXPECT_EQ(read.sack_count, 3);
  EXPECT_EQ(read.sack[2].begin, 20u);
}

}  // namespace
}  // namespace godwit::dataplane::tcp
