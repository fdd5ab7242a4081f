// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "dataplane/io/dpdk/eal.h"
#include "dataplane/io/dpdk/ethernet_device.h"
#include "tests/dataplane/io/dpdk/own_network.h"

// Tests of what DPDK does with a tap, whose other end the kernel has, in a network of the process's
// own. DPDK starts once a process, so all of its tests share one environment; a tap is made with
// that and ends with its device: one for each test. Where there is no root, no tap or no DPDK, they
// are skipped.

namespace godwit::dataplane::io::dpdk {

class OverTaps : public testing::Test {
 public:
  struct Environment {
    std::string interfaces;  // the name of each, before its number
    unsigned taps = 1;
    unsigned memory_mb = 96;
  };
  // For main().
  static int run(int argc, char** argv, const Environment& wanted) {
    testing::InitGoogleTest(&argc, argv);
    if (!enter_own_network()) {
      std::fprintf(stderr, "no network of its own: not root, or no /dev/net/tun\n");
      return RUN_ALL_TESTS();
    }
    EalOptions options{.devices = {}, .memory_mb = wanted.memory_mb};
    for (unsigned tap = 0; tap < wanted.taps; ++tap) {
      options.devices.push_back(device_of(wanted.interfaces + std::to_string(tap)));
    }
    const auto started = Eal::start(options);
    if (!started) {
      std::fprintf(stderr, "%s\n", started.error().message.c_str());
      return 1;
    }
    started_ = true;
    return RUN_ALL_TESTS();
  }
  // The device whose other end has that name; its number is the tap's.
  static std::string device_of(const std::string& interface) {
    const std::size_t digits = interface.find_first_of("0123456789");
    return "net_tap" + interface.substr(digits) + ",iface=" + interface;
  }

 protected:
  void SetUp() override {
    if (!started_) GTEST_SKIP() << "no root, no tap or no DPDK here";
  }
  // `options` but for the device.
  void open_tap(const std::string& interface, DeviceOptions options = {}) {
    options.device = device_of(interface);
    auto opened = EthernetDevice::open(options);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    device_ = std::move(*opened);
    kernel_ = std::make_unique<KernelInterface>(interface);
    ASSERT_TRUE(kernel_->up());
  }

  std::unique_ptr<EthernetDevice> device_;
  std::unique_ptr<KernelInterface> kernel_;

 private:
  static inline bool started_ = false;
};

}  // namespace godwit::dataplane::io::dpdk
