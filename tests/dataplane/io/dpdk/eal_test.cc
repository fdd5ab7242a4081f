// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk/eal.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

// What is said of devices that cannot be used, read off a made-up /sys.

namespace godwit::dataplane::io::dpdk {

namespace fs = std::filesystem;

class Machine : public testing::Test {
 protected:
  Machine() {
    std::string form = (fs::temp_directory_path() / "godwit-sys-XXXXXX").string();
    root_ = ::mkdtemp(form.data());
  }
  ~Machine() override { fs::remove_all(root_); }

  void device(const std::string& address, const std::string& driver) {
    const fs::path folder = root_ / "bus/pci/devices" / address;
    fs::create_directories(folder);
    if (driver.empty()) return;
    fs::create_directories(root_ / "bus/pci/drivers" / driver);
    fs::create_directory_symlink("../../drivers/" + driver, folder / "driver");
  }
  void hugepages(const std::string& name, int free) {
    const fs::path folder = root_ / "kernel/mm/hugepages" / name;
    fs::create_directories(folder);
    std::ofstream(folder / "free_hugepages") << free << "\n";
  }
  std::string sys() const { return root_.string(); }

  fs::path root_;
};

TEST(Devices, APciAddressIsToldFromAVirtualDevice) {
  for (const char* address : {"0000:03:00.0", "03:00.1", "00ab:FF:1f.7"}) {
    EXPECT_TRUE(is_pci_address(address)) << address;
  }
  for (const char* other : {"", "net_tap0,iface=gw0", "net_tap0", "3:00.0", "0000:03:00:0",
                            "0000:03:00.", "000:03:00.0", "03:00.0 ", "xx:00.0"}) {
    EXPECT_FALSE(is_pci_address(other)) << other;
  }
}

TEST_F(Machine, ADeviceThatIsNotThereIsNamedWithWhatLists) {
  const std::string said = pci_obstacle("03:00.0", sys());
  EXPECT_NE(said.find("no PCI device 0000:03:00.0"), std::string::npos) << said;
  EXPECT_NE(said.find("dpdk-devbind.py"), std::string::npos) << said;
}

TEST_F(Machine, ADeviceOfTheKernelIsToBeBound) {
  device("0000:03:00.0", "ixgbe");
  const std::string said = pci_obstacle("0000:03:00.0", sys());
  EXPECT_NE(said.find("kernel's ixgbe"), std::string::npos) << said;
  EXPECT_NE(said.find("--bind=vfio-pci 0000:03:00.0"), std::string::npos) << said;
}

TEST_F(Machine, ADeviceWithoutADriverIsToBeBound) {
  device("0000:03:00.0", "");
  EXPECT_NE(pci_obstacle("03:00.0", sys()).find("has no driver"), std::string::npos);
}

TEST_F(Machine, ADeviceThatIsBoundOrSharedMayBeUsed) {
  device("0000:03:00.0", "vfio-pci");
  device("0000:03:00.1", "uio_pci_generic");
  device("0000:04:00.0", "mlx5_core");
  for (const char* address : {"0000:03:00.0", "03:00.1", "0000:04:00.0"}) {
    EXPECT_EQ(pci_obstacle(address, sys()), "") << address;
  }
}

TEST_F(Machine, FreeHugepagesOfAllSizesAreAddedUp) {
  EXPECT_EQ(free_hugepage_bytes(sys()), 0u);
  hugepages("hugepages-2048kB", 3);
  EXPECT_EQ(free_hugepage_bytes(sys()), 3u * 2048 * 1024);
  hugepages("hugepages-1048576kB", 1);
  EXPECT_EQ(free_hugepage_bytes(sys()), 3u * 2048 * 1024 + (1u << 30));
}

TEST_F(Machine, FoldersOfProcessesThatAreNoMoreAreRemoved) {
  const pid_t gone = ::fork();
  if (gone == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(gone, nullptr, 0), gone);
  const std::string dead = std::to_string(gone);
  for (const std::string& name :
       {"godwit-" + dead, "godwit-" + std::to_string(::getpid()), std::string("godwit-1"),
        "other-" + dead, "godwit-" + dead + "x", std::string("godwit-"),
        std::string("godwit-99999999999999999999"), "godwit--" + dead}) {
    fs::create_directories(root_ / "run" / name);
  }
  std::ofstream(root_ / "run" / ("godwit-" + dead) / "dpdk_telemetry.v2") << "a socket";
  remove_stale_folders((root_ / "run").string());
  EXPECT_FALSE(fs::exists(root_ / "run" / ("godwit-" + dead)));
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ / "run"), fs::directory_iterator{}), 7);
  remove_stale_folders((root_ / "nowhere").string());
}

TEST(VirtualDevices, AnInterfaceIsNamedInAtMostFifteenCharacters) {
  constexpr std::uint64_t all = ~std::uint64_t{0};
  const auto refused = [](const std::string& device) {
    return virtual_device_obstacle(device, all).find("names no interface") != std::string::npos;
  };
  for (const char* device : {"net_tap0", "net_tap0,ifce=gw0", "net_tap0,iface=", "net_af_packet0",
                             "net_af_xdp1,busy_budget=0", "net_tap0,iface=,mac=fixed"}) {
    EXPECT_TRUE(refused(device)) << device;
  }
  EXPECT_FALSE(refused("net_tap0,iface=" + std::string(14, 'x')));
  EXPECT_FALSE(refused("net_tap0,iface=" + std::string(15, 'x') + ",mac=fixed"));
  EXPECT_TRUE(refused("net_tap0,iface=" + std::string(16, 'x')));
  EXPECT_EQ(virtual_device_obstacle("net_af_packet0,qpairs=2,iface=lo", all), "");
  EXPECT_EQ(virtual_device_obstacle("net_memif0,role=client", 0), "");
}

TEST(VirtualDevices, AnInterfaceThatIsNotThereIsNamed) {
  for (const char* device : {"net_af_packet0,iface=none0", "net_af_xdp0,iface=none0"}) {
    EXPECT_NE(virtual_device_obstacle(device, ~std::uint64_t{0}).find("no interface none0"),
              std::string::npos);
  }
}

TEST(VirtualDevices, WhatAProcessMayNotDoIsNamed) {
  constexpr std::uint64_t net_admin = 1u << 12;
  constexpr std::uint64_t net_raw = 1u << 13;
  const auto wants = [](const char* device, std::uint64_t has, const char* wanted) {
    return virtual_device_obstacle(device, has).find(wanted) != std::string::npos;
  };
  EXPECT_TRUE(wants("net_af_packet0,iface=lo", ~net_raw, "CAP_NET_RAW"));
  EXPECT_FALSE(wants("net_af_packet0,iface=lo", net_raw, "CAP_NET_RAW"));
  EXPECT_TRUE(wants("net_af_xdp0,iface=lo", ~net_admin, "CAP_NET_ADMIN"));
  EXPECT_FALSE(wants("net_af_xdp0,iface=lo", net_admin, "CAP_NET_ADMIN"));
  if (::access("/dev/net/tun", F_OK) != 0) {
    EXPECT_TRUE(wants("net_tap0,iface=gw0", ~std::uint64_t{0}, "modprobe tun"));
  } else {
    EXPECT_TRUE(wants("net_tap0,iface=gw0", ~net_admin, "CAP_NET_ADMIN"));
    EXPECT_FALSE(wants("net_tap0,iface=gw0", net_admin, "CAP_NET_ADMIN"));
  }
}

TEST(Devices, NoneOrOneThatCannotBeIsAnError) {
  const auto none = Eal::start({.devices = {}});
  ASSERT_FALSE(none.has_value());
  EXPECT_NE(none.error().message.find("--vdev"), std::string::npos);
  const auto blank = Eal::start({.devices = {"net_tap0, iface=x"}});
  ASSERT_FALSE(blank.has_value());
  EXPECT_EQ(blank.error().code, ErrorCode::invalid);
}

TEST(Devices, AnUnknownDriverIsNamed) {
  const auto started = Eal::start({.devices = {"net_bogus0"}, .memory_mb = 16, .hugepages = false});
  ASSERT_FALSE(started.has_value());
  EXPECT_NE(started.error().message.find("net_bogus0"), std::string::npos)
      << started.error().message;
  EXPECT_EQ(started.error().message.find('\n'), std::string::npos);
  EXPECT_FALSE(fs::exists("/var/run/dpdk/godwit-" + std::to_string(::getpid())));
}

}  // namespace godwit::dataplane::io::dpdk
