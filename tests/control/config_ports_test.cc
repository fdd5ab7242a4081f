// SPDX-License-Identifier: Apache-2.0
// Several devices of our own: how they are written down, and a line for each way in which they do
// not go together.
#include <gtest/gtest.h>

#include <algorithm>

#include "control/config.h"

namespace godwit::control {
namespace {

constexpr std::string_view two_ports = R"(
[server]
listen = "0.0.0.0:5210"
[io]
backend = "dpdk"
memory_mb = 256
[[io.port]]
device = "0000:03:00.0"
addresses = "192.0.2.10/24, 2001:db8::10/64"
gateway = "192.0.2.1, fe80::1"
[[io.port]]
device = "net_tap0,iface=gw0"
addresses = "10.0.0.10/24"
routes = "10.8.0.0/16 via 10.0.0.1"
mtu = 9000
vlan = 7
)";

Config two() {
  return parse_config(two_ports, "x.toml").value();
}

// The problems of a text or of a configuration, joined.
std::string joined(const ConfigProblems& problems) {
  std::string all;
  for (const std::string& problem : problems) all += (all.empty() ? "" : "\n") + problem;
  return all;
}
std::string problems_of(const std::string& text) {
  const auto config = parse_config(text, "x.toml");
  return config ? "" : joined(config.error());
}

TEST(ConfigPorts, EachHasItsKeys) {
  const Config config = two();
  EXPECT_EQ(config.io.memory_mb, 256u);
  ASSERT_EQ(config.io.ports.size(), 2u);
  EXPECT_EQ(config.io.ports[0], (Config::Port{.device = "0000:03:00.0",
                                              .addresses = "192.0.2.10/24, 2001:db8::10/64",
                                              .gateway = "192.0.2.1, fe80::1"}));
  EXPECT_EQ(config.io.ports[1], (Config::Port{.device = "net_tap0,iface=gw0",
                                              .addresses = "10.0.0.10/24",
                                              .routes = "10.8.0.0/16 via 10.0.0.1",
                                              .mtu = 9000,
                                              .vlan = 7}));
  EXPECT_EQ(joined(check_config(config)), "");
}

TEST(ConfigPorts, OneInAListIsAsOneInTheSection) {
  const auto listed = parse_config("[[io.port]]\ndevice = \"net_tap0,iface=x\"\nmtu = 1400\n", "x");
  const auto alone = parse_config("[io]\ndevice = \"net_tap0,iface=x\"\nmtu = 1400\n", "x");
  ASSERT_TRUE(listed && alone);
  EXPECT_EQ(*listed, *alone);
}

TEST(ConfigPorts, WhatIsPrintedIsReadBack) {
  const Config config = two();
  const auto again = parse_config(render_config(config), "x.toml");
  ASSERT_TRUE(again) << joined(again.error());
  EXPECT_EQ(*again, config);
}

TEST(ConfigPorts, OneToFour) {
  const auto text = [](int count) {
    std::string all = "[io]\nbackend = \"dpdk\"\n[server]\nlisten = \"0.0.0.0:1\"\n";
    for (int i = 0; i < count; ++i) {
      const std::string number = std::to_string(i);
      all += "[[io.port]]\ndevice = \"net_tap" + number + ",iface=gw" + number +
             "\"\naddresses = \"10.0." + number + ".1/24\"\n";
    }
    return all;
  };
  for (const int count : {1, 4}) {
    const auto config = parse_config(text(count), "x.toml");
    ASSERT_TRUE(config) << joined(config.error());
    EXPECT_EQ(config->io.ports.size(), static_cast<std::size_t>(count));
    EXPECT_EQ(joined(check_config(*config)), "");
  }
  EXPECT_EQ(problems_of(text(5)), "x.toml:17: [[io.port]]: 5 devices; 4 are the most");
  Config flags = parse_config(text(4), "x.toml").value();
  flags.io.ports.push_back({.device = "net_tap9,iface=gw9", .addresses = "10.0.9.1/24"});
  EXPECT_EQ(joined(check_config(flags)), "[[io.port]]: 5 devices; 4 are the most");
}

TEST(ConfigPorts, TheListIsAList) {
  for (const char* wrong : {"port = 1", "port = []", "port = [1]", "port = [{}, 1]", "port = {}"}) {
    EXPECT_EQ(problems_of("[io]\n" + std::string(wrong) + "\n"),
              "x.toml:2: 'port' in [io] must be a list of sections: each device is an [[io.port]]")
        << wrong;
  }
}

TEST(ConfigPorts, MistakesInOneAreNamed) {
  const auto with = [](const char* line) {
    return problems_of("[[io.port]]\n[[io.port]]\n" + std::string(line) + "\n");
  };
  EXPECT_EQ(with("mtu = 1279"), "x.toml:3: [[io.port]] mtu = 1279: 1280 to 9216 is allowed");
  EXPECT_EQ(with("mtu = 1280"), "");
  EXPECT_EQ(with("mtu = 9216"), "");
  EXPECT_EQ(with("mtu = 9217"), "x.toml:3: [[io.port]] mtu = 9217: 1280 to 9216 is allowed");
  EXPECT_EQ(with("vlan = \"7\""),
            "x.toml:3: [[io.port]] vlan must be a whole number, 0 to 4094, not a string");
  EXPECT_NE(with("addresses = \"192.0.2.1\"").find("ADDRESS/BITS"), std::string::npos);
  EXPECT_EQ(with("memory_mb = 64"),
            "x.toml:3: unknown key 'memory_mb' in [[io.port]]; there are addresses, device, "
            "gateway, mtu, routes, segmentation, vlan");
}

TEST(ConfigPorts, TheSectionAndTheListAreNotBothUsed) {
  EXPECT_EQ(problems_of("[io]\nmtu = 1400\n[[io.port]]\n"),
            "x.toml:2: [io] mtu: where there are [[io.port]], it belongs into one");
}

class ConfigPortsTogether : public ::testing::Test {
 protected:
  std::string problem() const { return joined(check_config(config)); }
  Config config = two();
};

TEST_F(ConfigPortsTogether, EachNeedsADeviceAndAnAddress) {
  config.io.ports[1].device = "";
  EXPECT_EQ(problem(), "[[io.port]] 2: device = \"\": the backend \"dpdk\" needs one");
  config = two();
  config.io.ports[0].addresses = "";
  EXPECT_EQ(problem(), "[[io.port]] 1: addresses = \"\": the backend \"dpdk\" needs one at least");
}

TEST_F(ConfigPortsTogether, ADeviceIsOnePort) {
  for (const char* same : {"0000:03:00.0", "03:00.0"}) {
    config.io.ports[1].device = same;
    EXPECT_EQ(problem(), "[[io.port]] 2: device = \"" + std::string(same) +
                             "\": [[io.port]] 1 has that device");
  }
  config.io.ports[1].device = "0000:03:00.1";
  EXPECT_EQ(problem(), "");
  config.io.ports[0].device = "net_tap0,iface=a";
  config.io.ports[1].device = "net_tap0,iface=b";
  EXPECT_EQ(problem(),
            "[[io.port]] 2: device = \"net_tap0,iface=b\": [[io.port]] 1 has that device");
  config.io.ports[1].device = "net_tap1,iface=b";
  EXPECT_EQ(problem(), "");
}

TEST_F(ConfigPortsTogether, AnAddressIsOnOnePort) {
  config.io.ports[1].addresses = "10.0.0.10/24, 192.0.2.10/24";
  EXPECT_EQ(problem(),
            "[[io.port]] 2: addresses = \"10.0.0.10/24, 192.0.2.10/24\": [[io.port]] 1 has "
            "192.0.2.10 too; an address is on one port");
}

TEST_F(ConfigPortsTogether, NetworksDoNotOverlap) {
  for (const char* within : {"192.0.2.200/24", "192.0.2.200/32", "192.0.0.1/16"}) {
    config.io.ports[1].addresses = "10.0.0.10/24, " + std::string(within);
    const std::string address(within, std::string_view(within).find('/'));
    EXPECT_EQ(problem(), "[[io.port]] 2: addresses = \"10.0.0.10/24, " + std::string(within) +
                             "\": the network of " + address +
                             " overlaps that of 192.0.2.10 of [[io.port]] 1; each port has "
                             "networks of its own");
  }
  config.io.ports[1].addresses = "10.0.0.10/24, 192.0.3.1/24";
  EXPECT_EQ(problem(), "") << "the network beside it";
  config.io.ports[1].addresses = "10.0.0.10/24, 10.0.0.11/24";
  EXPECT_EQ(problem(), "") << "two addresses of one network on one port";
}

TEST_F(ConfigPortsTogether, AGatewayIsOnItsOwnPortsNetwork) {
  config.io.ports[1].gateway = "192.0.2.1";
  EXPECT_EQ(problem(),
            "[[io.port]] 2: gateway = \"192.0.2.1\": a gateway is in the network of one of the "
            "addresses of its port");
  config.io.ports[1].gateway = "10.0.0.1";
  EXPECT_EQ(problem(), "") << "each may have one";
  config.io.ports[1].routes = "172.16.0.0/12 via 192.0.2.1";
  EXPECT_EQ(problem(),
            "[[io.port]] 2: routes = \"172.16.0.0/12 via 192.0.2.1\": a gateway is in the network "
            "of one of the addresses of its port");
}

TEST_F(ConfigPortsTogether, AnAddressOfAnyIsListenedAt) {
  for (const char* host : {"192.0.2.10", "10.0.0.10", "[2001:db8::10]", "[::]"}) {
    config.server.listen = std::string(host) + ":5210";
    EXPECT_EQ(problem(), "") << host;
  }
  config.server.listen = "10.0.0.11:5210";
  EXPECT_EQ(problem(),
            "[server] listen = \"10.0.0.11:5210\": with the backend \"dpdk\" it is one of the "
            "addresses of an [[io.port]], 0.0.0.0 or [::]");
}

TEST_F(ConfigPortsTogether, AllThatIsWrongIsSaid) {
  config.io.ports[0].device = "";
  config.io.ports[1].gateway = "192.0.2.1";
  config.server.listen = "10.0.0.11:5210";
  EXPECT_EQ(check_config(config).size(), 3u);
}

TEST(ConfigPorts, AnotherDeviceTakesARestart) {
  const Config config = two();
  EXPECT_TRUE(restart_needed(config, config).empty());
  Config wanted = config;
  wanted.io.ports[1].mtu = 1500;
  EXPECT_EQ(restart_needed(config, wanted), std::vector<std::string>{"io.port 2.mtu"});
  wanted = config;
  wanted.io.ports.push_back({.device = "net_tap2,iface=c", .addresses = "10.2.0.1/24"});
  const auto more = restart_needed(config, wanted);
  EXPECT_EQ(more.size(), 7u);
  EXPECT_TRUE(std::ranges::all_of(
      more, [](const std::string& key) { return key.starts_with("io.port 3."); }));
  EXPECT_EQ(restart_needed(wanted, config), more) << "one fewer";
}

}  // namespace
}  // namespace godwit::control
