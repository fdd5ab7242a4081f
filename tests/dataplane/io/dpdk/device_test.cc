// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <vector>

#include "dataplane/io/dpdk/device_queue.h"
#include "dataplane/tcp/wire/ip.h"
#include "dataplane/tcp/wire/tcp_header.h"
#include "tests/dataplane/io/dpdk/over_taps.h"

// A device and its queues over a tap, with the kernel at the other end.

namespace godwit::dataplane::io::dpdk {

namespace {

std::vector<std::uint8_t> frame_of(std::uint8_t fill, std::size_t size) {
  std::vector<std::uint8_t> frame(size, fill);
  constexpr std::uint8_t head[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
                                   0,    0,    0,    0,    1,    0x88, 0xb5};
  std::ranges::copy(head, frame.begin());  // to all, from a made-up host, for experiments
  return frame;
}

class Device : public OverTaps {
 protected:
  void open(const std::string& interface, std::uint16_t shards = 1) {
    ASSERT_NO_FATAL_FAILURE(open_tap(interface, {.device = {}, .shards = shards}));
    raw_ = kernel_->raw_socket();
    ASSERT_GE(raw_, 0);
    SeededRandom random(1);
    steering_ =
        std::make_unique<Steering>(Steering::Options{.shards = shards, .by_hash = true}, random);
    for (std::uint16_t shard = 0; shard < shards; ++shard) {
      queues_.push_back(std::make_unique<DeviceQueue>(*device_, shard, steering_.get()));
      queues_.back()->attach();
    }
  }
  void TearDown() override {
    if (raw_ >= 0) ::close(raw_);
    queues_.clear();
  }

  void queue_frame(DeviceQueue& queue, const std::vector<std::uint8_t>& frame) {
    const MutableBytes room = queue.frame(frame.size());
    ASSERT_EQ(room.size(), frame.size());
    std::ranges::copy(frame, room.begin());
    queue.send({});
  }
  // The next frame of the experiment's type that the kernel hears; empty after two seconds.
  std::vector<std::uint8_t> at_kernel() {
    std::vector<std::uint8_t> frame(2048);
    for (int tries = 0; tries < 200; ++tries) {
      const ssize_t got = ::recv(raw_, frame.data(), frame.size(), 0);
      if (got > 14 && frame[12] == 0x88 && frame[13] == 0xb5) {
        frame.resize(static_cast<std::size_t>(got));
        return frame;
      }
      if (got < 0) ::usleep(10'000);
    }
    return {};
  }
  std::vector<std::uint8_t> at_queue(DeviceQueue& queue) {
    std::vector<std::uint8_t> found;
    for (int tries = 0; tries < 200 && found.empty(); ++tries) {
      queue.receive(1, [&](std::span<const tcp::FrameIn> frames) {
        for (const auto& [frame, hints] : frames) {
          if (frame[12] == 0x88 && frame[13] == 0xb5) found.assign(frame.begin(), frame.end());
        }
      });
      if (found.empty()) ::usleep(10'000);
    }
    return found;
  }

  std::unique_ptr<Steering> steering_;
  std::vector<std::unique_ptr<DeviceQueue>> queues_;
  int raw_ = -1;
};

TEST_F(Device, FramesGoBothWays) {
  open("gwt0");
  const auto out = frame_of(0x11, 100);
  queue_frame(*queues_[0], out);
  EXPECT_TRUE(queues_[0]->unsent());
  queues_[0]->flush();
  EXPECT_FALSE(queues_[0]->unsent());
  EXPECT_EQ(at_kernel(), out);
  const auto in = frame_of(0x22, 1514);
  ASSERT_EQ(::send(raw_, in.data(), in.size(), 0), static_cast<ssize_t>(in.size()));
  EXPECT_EQ(at_queue(*queues_[0]), in);
  EXPECT_EQ(queues_[0]->counters().tx_packets, 1u);
  EXPECT_EQ(queues_[0]->counters().tx_bytes, 100u);
  EXPECT_GE(queues_[0]->counters().rx_packets, 1u);
  EXPECT_TRUE(device_->link().up);
  EXPECT_FALSE(device_->statistics().empty());
  EXPECT_NE(device_->describe().find("net_tap"), std::string::npos);
}

TEST_F(Device, MoreThanABurstIsSentInOrder) {
  open("gwt1");
  constexpr int count = 3 * EthernetDevice::burst_max + 1;
  for (int i = 0; i < count; ++i) {
    queue_frame(*queues_[0], frame_of(static_cast<std::uint8_t>(i), 64));
  }
  queues_[0]->flush();
  for (int i = 0; i < count; ++i) {
    const auto frame = at_kernel();
    ASSERT_EQ(frame.size(), 64u);
    EXPECT_EQ(frame[20], i);
  }
  EXPECT_EQ(queues_[0]->counters().tx_packets, static_cast<std::uint64_t>(count));
  EXPECT_EQ(queues_[0]->counters().tx_dropped, 0u);
}

TEST_F(Device, TheInterruptRingsForAPacket) {
  open("gwt2");
  if (queues_[0]->interrupt_descriptor() < 0) GTEST_SKIP() << "this driver has none";
  while (queues_[0]->receive(32, [](std::span<const tcp::FrameIn>) {}) > 0) {
  }
  ASSERT_TRUE(queues_[0]->arm());
  const auto in = frame_of(0x33, 60);
  ASSERT_EQ(::send(raw_, in.data(), in.size(), 0), static_cast<ssize_t>(in.size()));
  pollfd ready{.fd = queues_[0]->interrupt_descriptor(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&ready, 1, 2000), 1);
  queues_[0]->disarm();
  EXPECT_EQ(at_queue(*queues_[0]), in);
}

// What is sent while there is no link waits, keeps nobody awake, and leaves when there is one
// again.
TEST_F(Device, WhatADeviceWithoutALinkHoldsBackKeepsNobodyAwake) {
  auto opened = EthernetDevice::open({.device = "net_tap7,iface=gwt7"});
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  DeviceQueue queue(**opened, 0);
  queue.attach();
  KernelInterface kernel("gwt7");
  ASSERT_TRUE(kernel.down());
  for (int i = 0; i < EthernetDevice::burst_max + 1; ++i) queue_frame(queue, frame_of(0x44, 60));
  EXPECT_EQ(queue.counters().tx_dropped, 1u) << "the one that did not fit";
  EXPECT_TRUE(queue.unsent());
  for (int i = 0; i < 2000; ++i) queue.flush();
  EXPECT_FALSE(queue.unsent());
  EXPECT_EQ(queue.counters().tx_packets, 0u);
  ASSERT_TRUE(kernel.up());
  queue.flush();
  EXPECT_EQ(queue.counters().tx_packets, std::uint64_t{EthernetDevice::burst_max});
  queue_frame(queue, frame_of(0x44, 60));
  EXPECT_TRUE(queue.unsent()) << "it is tried at once again";
}

TEST_F(Device, AFrameLargerThanABufferFindsNoRoom) {
  open("gwt3");
  EXPECT_TRUE(queues_[0]->frame(20'000).empty());
  EXPECT_EQ(queues_[0]->counters().no_buffers, 1u);
  EXPECT_EQ(queues_[0]->frame(1518).size(), 1518u);
}

// A SYN to 192.0.2.2, port 5210, from a port.
std::vector<std::uint8_t> syn_from(std::uint16_t port) {
  std::vector<std::uint8_t> frame = frame_of(0, 54);
  frame[12] = 0x08;
  frame[13] = 0x00;
  const MutableBytes all(frame);
  const tcp::IpOut packet{.source = IpAddress::v4({192, 0, 2, 1}),
                          .destination = IpAddress::v4({192, 0, 2, 2}),
                          .protocol = tcp::Protocol::tcp,
                          .payload_size = 20};
  tcp::write_ip(all.subspan(14), packet);
  const tcp::SegmentOut segment{.flow = {.local = packet.source,
                                         .remote = packet.destination,
                                         .local_port = port,
                                         .remote_port = 5210},
                                .flags = tcp::Flags::syn};
  tcp::write_tcp(all.subspan(34), segment, tcp::ChecksumBy::us);
  return frame;
}

TEST_F(Device, PacketsReachTheShardOfTheirConnection) {
  open("gwt4", 2);
  int woken = 0;
  for (std::uint16_t shard : {0, 1}) steering_->set_waker(shard, [&] { ++woken; });
  constexpr std::uint16_t count = 40;
  std::array<int, 2> expected{};
  for (std::uint16_t port = 1000; port < 1000 + count; ++port) {
    const auto frame = syn_from(port);
    ASSERT_EQ(::send(raw_, frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
    ++expected[steering_->owner_of({.local = IpAddress::v4({192, 0, 2, 2}),
                                    .remote = IpAddress::v4({192, 0, 2, 1}),
                                    .local_port = 5210,
                                    .remote_port = port})];
  }
  EXPECT_GT(expected[0], 0);
  EXPECT_GT(expected[1], 0);
  std::array<int, 2> got{};
  for (int tries = 0; tries < 200 && got != expected; ++tries) {
    for (std::size_t shard : {0, 1}) {
      queues_[shard]->receive(256, [&](std::span<const tcp::FrameIn> frames) {
        for (const auto& [frame, hints] : frames) {
          if (frame.size() == 54 && frame[12] == 8) ++got[shard];
        }
      });
    }
    if (got != expected) ::usleep(10'000);
  }
  EXPECT_EQ(got, expected);
  const std::uint64_t steered = queues_[0]->counters().steered + queues_[1]->counters().steered;
  EXPECT_EQ(woken > 0, steered > 0);
}

TEST_F(Device, APacketLargerThanItCarriesIsAnErrorWithTheLargest) {
  const auto over = EthernetDevice::open({.device = "net_tap5,iface=gwt5", .mtu = 1505});
  ASSERT_FALSE(over.has_value());
  EXPECT_EQ(over.error().code, ErrorCode::invalid);
  EXPECT_NE(over.error().message.find("to 1504 bytes, not of 1505"), std::string::npos)
      << over.error().message;
}

TEST_F(Device, ATapHasQueuesForFourShardsAndTheOthersShare) {
  const auto device =
      EthernetDevice::open({.device = "net_tap6,iface=gwt6", .shards = 5, .mtu = 1504});
  ASSERT_TRUE(device.has_value()) << device.error().message;
  EXPECT_EQ((*device)->rx_queues(), 4);
  EXPECT_EQ((*device)->tx_queues(), 4);
  EXPECT_FALSE((*device)->hardware_steering());
}

TEST_F(Device, WhatTheEnvironmentDoesNotHaveIsNotFound) {
  const auto missing = EthernetDevice::open({.device = "net_tap9,iface=none"});
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
}

}  // namespace

}  // namespace godwit::dataplane::io::dpdk

int main(int argc, char** argv) {
  using godwit::dataplane::io::dpdk::OverTaps;
  return OverTaps::run(argc, argv, {.interfaces = "gwt", .taps = 8});
}
