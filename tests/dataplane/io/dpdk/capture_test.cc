// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk/capture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "dataplane/tcp/wire/arp.h"
#include "dataplane/tcp/wire/ethernet.h"
#include "dataplane/tcp/wire/ip.h"
#include "dataplane/tcp/wire/tcp_header.h"

// What of a frame is kept: all of its headers and nothing of what they carry.

namespace godwit::dataplane::io::dpdk {

namespace {

constexpr std::string_view secret = "what two people say to each other";

struct Frame {
  std::vector<std::uint8_t> bytes;
  std::size_t headers = 0;
};

Frame frame_of(bool v4, std::optional<std::uint16_t> vlan, const tcp::Options& options) {
  const tcp::EthernetHeader link{.destination = tcp::broadcast_mac,
                                 .source = {{2, 0, 0, 0, 0, 1}},
                                 .vlan = vlan,
                                 .type = v4 ? tcp::EtherType::ipv4 : tcp::EtherType::ipv6};
  const Bytes payload[] = {as_bytes(secret)};
  tcp::SegmentOut segment{.flags = tcp::Flags::ack, .options = options, .payload = payload};
  segment.flow.local = *parse_ip_address(v4 ? "192.0.2.1" : "2001:db8::1");
  segment.flow.remote = *parse_ip_address(v4 ? "192.0.2.2" : "2001:db8::2");
  segment.flow.local_port = 5210;
  segment.flow.remote_port = 40000;
  const std::size_t before = link.size() + tcp::ip_header_size(v4);
  Frame frame{.bytes = std::vector<std::uint8_t>(before + tcp::tcp_size(segment)), .headers = 0};
  const MutableBytes all(frame.bytes);
  tcp::write_ethernet(all, link);
  tcp::write_ip(all.subspan(link.size()), {.source = segment.flow.local,
                                           .destination = segment.flow.remote,
                                           .protocol = tcp::Protocol::tcp,
                                           .payload_size = tcp::tcp_size(segment)});
  tcp::write_tcp(all.subspan(before), segment, tcp::ChecksumBy::us);
  frame.headers = frame.bytes.size() - secret.size();
  return frame;
}

tcp::Options all_options() {
  tcp::Options options{.timestamps = tcp::Timestamps{1, 2}};
  options.sack_count = 3;
  return options;
}

TEST(CapturedHeaders, OfTcpEndWhereItsPayloadBegins) {
  for (const bool v4 : {true, false}) {
    for (const auto vlan : {std::optional<std::uint16_t>(), std::optional<std::uint16_t>(7)}) {
      for (const tcp::Options& options : {tcp::Options{}, all_options()}) {
        Frame frame = frame_of(v4, vlan, options);
        EXPECT_EQ(header_bytes(frame.bytes), frame.headers);
        EXPECT_LE(frame.headers, CapturedFrame::kept_max);
      }
    }
  }
}

TEST(CapturedHeaders, OfSegmentsThatLieAreCutAtTheMost) {
  Frame frame = frame_of(false, 7, all_options());
  frame.bytes[18 + 40 + 12] = 0xf0;  // a header of 60 bytes, and the options are 40 of them
  EXPECT_EQ(header_bytes(frame.bytes), CapturedFrame::kept_max);
  for (std::size_t size = 0; size < frame.bytes.size(); ++size) {
    EXPECT_LE(header_bytes(MutableBytes(frame.bytes).first(size)), size);
  }
}

TEST(CapturedHeaders, OfAnythingElseAreFew) {
  std::vector<std::uint8_t> other(1000, 0xaa);
  EXPECT_LE(header_bytes(other), 14u + 36u);
  other[12] = 0x08;
  other[13] = 0x06;  // ARP, whole
  EXPECT_GE(header_bytes(other), 14u + tcp::arp_size);
  other[12] = 0x08;
  other[13] = 0x00;  // says that it is IPv4, and is not
  EXPECT_EQ(header_bytes(other), 14u + 20u);
}

TEST(Capturing, KeepsHeadersInOrderWhileItIsOn) {
  Capture capture;
  Frame frame = frame_of(true, std::nullopt, {});
  const Now now{.instant = Instant{},
                .wall = WallTime{std::chrono::milliseconds(1'700'000'000'123)}};
  capture.record(frame.bytes, now);
  EXPECT_EQ(capture.drain([](const CapturedFrame&) {}), 0u) << "it was off";
  capture.start();
  for (int i = 0; i < 3; ++i) {
    frame.bytes[0] = static_cast<std::uint8_t>(i);
    capture.record(frame.bytes, now);
  }
  capture.stop();
  capture.record(frame.bytes, now);
  std::uint8_t expected = 0;
  capture.drain([&](const CapturedFrame& captured) {
    EXPECT_EQ(captured.bytes[0], expected++);
    EXPECT_EQ(captured.size, frame.bytes.size());
    EXPECT_EQ(captured.kept, frame.headers);
    EXPECT_EQ(captured.unix_ns, 1'700'000'000'123'000'000u);
    EXPECT_TRUE(std::equal(frame.bytes.begin() + 1, frame.bytes.begin() + captured.kept,
                           captured.bytes.begin() + 1));
  });
  EXPECT_EQ(expected, 3);
  EXPECT_EQ(capture.lost(), 0u);
}

TEST(Capturing, OfAPacketThatTheDeviceCutsItHasTheHeadersAndKnowsTheSize) {
  Capture capture;
  capture.start();
  for (const bool v4 : {true, false}) {
    Frame frame = frame_of(v4, std::nullopt, all_options());
    capture.record(MutableBytes(frame.bytes).first(frame.headers), {}, {.beyond = 30'000});
    EXPECT_EQ(capture.drain([&](const CapturedFrame& captured) {
      EXPECT_EQ(captured.size, frame.headers + 30'000);
      EXPECT_EQ(captured.kept, frame.headers);
    }),
              1u);
  }
}

TEST(Capturing, WhatDoesNotFitIsCounted) {
  Capture capture;
  capture.start();
  Frame frame = frame_of(true, std::nullopt, {});
  for (std::size_t i = 0; i < Capture::ring_capacity + 5; ++i) capture.record(frame.bytes, {});
  EXPECT_EQ(capture.lost(), 5u);
  EXPECT_EQ(capture.drain([](const CapturedFrame&) {}), Capture::ring_capacity);
  capture.record(frame.bytes, {});
  EXPECT_EQ(capture.drain([](const CapturedFrame&) {}), 1u);
}

}  // namespace

}  // namespace godwit::dataplane::io::dpdk
