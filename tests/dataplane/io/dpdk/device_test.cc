// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <vector>

#include "dataplane/io/dpdk/device_queue.h"
#include "dataplane/io/dpdk/eal.h"
#include "tests/dataplane/io/dpdk/own_network.h"

// A device and its queues over a tap in a network of the test's own, with the kernel at the other
// end. DPDK starts once a process, so all tests here share one environment of three taps.

namespace godwit::dataplane::io::dpdk {

namespace {

Eal* eal = nullptr;

std::vector<std::uint8_t> frame_of(std::uint8_t fill, std::size_t size) {
  std::vector<std::uint8_t> frame(size, fill);
  constexpr std::uint8_t head[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
                                   0,    0,    0,    0,    1,    0x88, 0xb5};
  std::ranges::copy(head, frame.begin());  // to all, from a made-up host, for experiments
  return frame;
}

class Device : public testing::Test {
 protected:
  void SetUp() override {
    if (eal == nullptr) GTEST_SKIP() << "no root, no tap or no DPDK here";
  }

  void open(const std::string& device, const std::string& interface, std::uint16_t shards = 1) {
    auto opened = EthernetDevice::open({.device = device, .shards = shards});
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    device_ = std::move(*opened);
    kernel_ = std::make_unique<KernelInterface>(interface);
    ASSERT_TRUE(kernel_->up());
    raw_ = kernel_->raw_socket();
    ASSERT_GE(raw_, 0);
    for (std::uint16_t shard = 0; shard < shards; ++shard) {
      queues_.push_back(std::make_unique<DeviceQueue>(*device_, shard));
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
    queue.send(frame.size(), {});
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
      queue.receive(1, [&](MutableBytes frame, RxFacts) {
        if (frame[12] == 0x88 && frame[13] == 0xb5) found.assign(frame.begin(), frame.end());
      });
      if (found.empty()) ::usleep(10'000);
    }
    return found;
  }

  std::unique_ptr<EthernetDevice> device_;
  std::unique_ptr<KernelInterface> kernel_;
  std::vector<std::unique_ptr<DeviceQueue>> queues_;
  int raw_ = -1;
};

TEST_F(Device, FramesGoBothWays) {
  open("net_tap0,iface=gwt0", "gwt0");
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
  open("net_tap1,iface=gwt1", "gwt1");
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
  open("net_tap2,iface=gwt2", "gwt2");
  if (queues_[0]->interrupt_descriptor() < 0) GTEST_SKIP() << "this driver has none";
  while (queues_[0]->receive(32, [](MutableBytes, RxFacts) {}) > 0) {
  }
  ASSERT_TRUE(queues_[0]->arm());
  const auto in = frame_of(0x33, 60);
  ASSERT_EQ(::send(raw_, in.data(), in.size(), 0), static_cast<ssize_t>(in.size()));
  pollfd ready{.fd = queues_[0]->interrupt_descriptor(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&ready, 1, 2000), 1);
  queues_[0]->disarm();
  EXPECT_EQ(at_queue(*queues_[0]), in);
}

TEST_F(Device, AFrameLargerThanABufferFindsNoRoom) {
  open("net_tap3,iface=gwt3", "gwt3");
  EXPECT_TRUE(queues_[0]->frame(20'000).empty());
  EXPECT_EQ(queues_[0]->counters().no_buffers, 1u);
  EXPECT_EQ(queues_[0]->frame(1518).size(), 1518u);
}

TEST_F(Device, WhatTheEnvironmentDoesNotHaveIsNotFound) {
  const auto missing = EthernetDevice::open({.device = "net_tap9,iface=none"});
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
}

}  // namespace

}  // namespace godwit::dataplane::io::dpdk

int main(int argc, char** argv) {
  namespace dpdk = godwit::dataplane::io::dpdk;
  testing::InitGoogleTest(&argc, argv);
  if (!dpdk::enter_own_network()) {
    std::fprintf(stderr, "no network of its own: not root, or no /dev/net/tun\n");
    return RUN_ALL_TESTS();
  }
  auto started = dpdk::Eal::start({.devices = {"net_tap0,iface=gwt0", "net_tap1,iface=gwt1",
                                               "net_tap2,iface=gwt2", "net_tap3,iface=gwt3"},
                                   .memory_mb = 64});
  if (!started) {
    std::fprintf(stderr, "%s\n", started.error().message.c_str());
    return 1;
  }
  dpdk::eal = &*started;
  return RUN_ALL_TESTS();
}
