// SPDX-License-Identifier: Apache-2.0
#include "apps/port_flags.h"

#include <gtest/gtest.h>

// Which device a flag is for.

namespace godwit::apps {

namespace {

using Port = control::Config::Port;

std::vector<Port> given(const std::string& line, std::vector<Port> ports = std::vector<Port>(1)) {
  CLI::App app;
  PortFlags flags;
  flags.add_to(app, "net_tap0,iface=gw0");
  app.parse(line);
  flags.apply_to(ports);
  return ports;
}

TEST(PortFlags, OfOneDeviceComeInAnyOrder) {
  const std::vector<Port> wanted{
      {.device = "net_tap0,iface=a", .addresses = "10.0.0.1/24", .gateway = "10.0.0.9"}};
  EXPECT_EQ(given("--vdev net_tap0,iface=a --address 10.0.0.1/24 --gateway 10.0.0.9"), wanted);
  EXPECT_EQ(given("--gateway 10.0.0.9 --address 10.0.0.1/24 --vdev net_tap0,iface=a"), wanted);
}

TEST(PortFlags, OfSeveralBelongToTheDeviceBefore) {
  EXPECT_EQ(
      given("--vdev net_tap0,iface=a --address 10.0.0.1/24 --pci 03:00.0 "
            "--gateway 10.1.0.9 --address 10.1.0.1/24 --vdev net_tap1,iface=b "
            "--address 10.2.0.1/24"),
      (std::vector<Port>{{.device = "net_tap0,iface=a", .addresses = "10.0.0.1/24"},
                         {.device = "03:00.0", .addresses = "10.1.0.1/24", .gateway = "10.1.0.9"},
                         {.device = "net_tap1,iface=b", .addresses = "10.2.0.1/24"}}));
}

TEST(PortFlags, AgainForADeviceTheyAddUp) {
  EXPECT_EQ(given("--pci 03:00.0 --address 10.0.0.1/24 --address 2001:db8::1/64 --gateway "
                  "10.0.0.9 --gateway fe80::1"),
            (std::vector<Port>{{.device = "03:00.0",
                                .addresses = "10.0.0.1/24, 2001:db8::1/64",
                                .gateway = "10.0.0.9, fe80::1"}}));
}

TEST(PortFlags, GoOverAFileDeviceByDevice) {
  const std::vector<Port> file{
      {.device = "03:00.0", .addresses = "10.0.0.1/24", .gateway = "10.0.0.9", .mtu = 9000},
      {.device = "03:00.1", .addresses = "10.1.0.1/24", .mtu = 1400}};
  EXPECT_EQ(given("", file), file);
  std::vector<Port> wanted = file;
  wanted[0].addresses = "10.0.0.2/24";
  EXPECT_EQ(given("--address 10.0.0.2/24", file), wanted) << "the first's, without a device flag";
  wanted = file;
  wanted[0].device = "04:00.0";
  wanted[1].device = "04:00.1";
  wanted[1].gateway = "10.1.0.9";
  EXPECT_EQ(given("--pci 04:00.0 --pci 04:00.1 --gateway 10.1.0.9", file), wanted);
  wanted.push_back({.device = "04:00.2"});
  EXPECT_EQ(given("--pci 04:00.0 --pci 04:00.1 --gateway 10.1.0.9 --pci 04:00.2", file), wanted);
}

TEST(PortFlags, OneNeedsItsValue) {
  EXPECT_THROW(given("--vdev"), CLI::ParseError);
}

}  // namespace

}  // namespace godwit::apps
