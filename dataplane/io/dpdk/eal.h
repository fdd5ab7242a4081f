// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

// DPDK's environment: hugepages or plain memory, the devices, nothing of the cores, which stay
// ours. DPDK has one a process, and a process may start it once; so has whoever makes an Eal.
//
// Thread safety: start() and the destructor on one thread, before every shard and after the last.

namespace godwit::dataplane::io::dpdk {

struct EalOptions {
  // "net_tap0,iface=gw0" for a virtual device, "0000:03:00.0" for one on the PCI bus.
  std::vector<std::string> devices;
  std::uint32_t memory_mb = 128;
  bool hugepages = true;  // when enough are free; plain memory else
};

class Eal {
 public:
  // Errors: one line that says what is missing and how to mend it. invalid for devices that cannot
  // be, io for what the machine lacks.
  static Result<Eal> start(const EalOptions& options);
  Eal(Eal&& other) noexcept;
  Eal& operator=(Eal&&) = delete;
  ~Eal();

  // The memory used, for the log.
  const std::string& describe() const { return description_; }
  // What DPDK wrote while it started, of devices that it did not make; mostly empty.
  const std::string& complaints() const { return complaints_; }

 private:
  Eal(std::string description, std::string complaints)
      : description_(std::move(description)), complaints_(std::move(complaints)) {}
  std::string description_;
  std::string complaints_;
  bool started_ = true;
};

// A PCI address, with its domain or without: "0000:03:00.0", "03:00.0".
bool is_pci_address(const std::string& device);

// Why a PCI device cannot be used by DPDK; empty when it can. `sysfs` is the folder that is
// /sys on a machine.
std::string pci_obstacle(const std::string& address, const std::string& sysfs);

// Why a virtual device that is an end of an interface of the kernel's cannot be made by a process
// with these capabilities (a bit each, as CapEff in /proc/self/status); empty when it may be, and
// for drivers without such an end.
std::string virtual_device_obstacle(const std::string& device, std::uint64_t capabilities);

// Removes the folders "godwit-PID" in `folder` of processes that are no more: one that is killed
// leaves its own behind.
void remove_stale_folders(const std::string& folder);

// Bytes in hugepages of any size that nobody has, as `sysfs` tells.
std::uint64_t free_hugepage_bytes(const std::string& sysfs);

}  // namespace godwit::dataplane::io::dpdk
