// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>

#include <memory>
#include <string>
#include <utility>

#include "dataplane/io/dpdk/dpdk_backend.h"
#include "dataplane/io/dpdk/eal.h"
#include "dataplane/io/uring/uring_backend.h"
#include "tests/dataplane/io/conformance_limits.h"
#include "tests/dataplane/io/dpdk/own_network.h"
#include "tests/dataplane/io/real_time.h"
#include "tests/dataplane/io/uring_options.h"

// Our own TCP over a real DPDK port, with the kernel's TCP at the other end: a tap in a network of
// this process's own, in real time. The kernel's end is driven through io_uring, which keeps the
// same rules, so what is held is one stack against the other.

namespace godwit::dataplane::io {

// The one port of the process, as DPDK starts once: made by the test's main(), before any test.
// Each test has a stack of its own on it; what is left of the last one's connections is answered
// with resets, as any host that has started anew does.
class TapPort {
 public:
  static constexpr const char* stack_address = "192.0.2.1";
  static constexpr const char* kernel_address = "192.0.2.2";

  static TapPort& only() {
    static TapPort port;
    return port;
  }
  // Why there is no port; empty when there is.
  const std::string& missing() const { return missing_; }
  // Enters a network of its own, so the caller has no other sockets yet. False with a reason
  // beneath in missing().
  bool open() {
    missing_ = open_all();
    return missing_.empty();
  }
  void close() {
    device_.reset();
    eal_.reset();
  }

  std::unique_ptr<DpdkBackend> backend(std::uint16_t shard, const Limits& limits) {
    DpdkBackend::Options options{.shard = shard, .stack = {}, .description = "a tap"};
    options.stack.network.mac = device_->mac();
    options.stack.network.addresses = {*parse_ip_prefix(std::string(stack_address) + "/24")};
    options.stack.tcp.connections_max = limits.connections_max;
    options.stack.tcp.send_queue_max = limits.send_queue_max;
    options.stack.tcp.buffer_bytes = limits.send_pool_bytes;
    options.stack.tcp.linger = limits.linger;
    auto backend = std::make_unique<DpdkBackend>(
        options, std::make_unique<dpdk::DeviceQueue>(*device_, 0), random_);
    meet(*backend);
    return backend;
  }

 private:
  std::string open_all() {
    if (!dpdk::enter_own_network() || !dpdk::KernelInterface("lo").up()) {
      return "no network of its own: not root, or no /dev/net/tun";
    }
    const std::string name = "net_tap0,iface=gwc0";
    auto eal = dpdk::Eal::start({.devices = {name}, .memory_mb = 64});
    if (!eal) return eal.error().message;
    eal_ = std::make_unique<dpdk::Eal>(std::move(*eal));
    auto device = dpdk::EthernetDevice::open({.device = name});
    if (!device) return device.error().message;
    device_ = std::move(*device);
    dpdk::KernelInterface kernel("gwc0");
    if (!kernel.up() || !kernel.address(kernel_address)) return "gwc0 takes no address";
    return {};
  }

  // Has the kernel ask for a connection that is refused: then both know each other's hardware
  // address, and what the last test left on the wire has been seen. Else packets of a test would
  // be lost behind the question, and cost it the second after which a SYN is repeated.
  static void meet(DpdkBackend& backend) {
    const int caller = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in nobody{};
    nobody.sin_family = AF_INET;
    nobody.sin_port = htons(9);
    ::inet_pton(AF_INET, stack_address, &nobody.sin_addr);
    ::connect(caller, reinterpret_cast<const sockaddr*>(&nobody), sizeof nobody);
    NullHandler nothing;
    pollfd refused{.fd = caller, .events = POLLOUT, .revents = 0};
    for (int tries = 0; tries < 3000 && ::poll(&refused, 1, 1) == 0; ++tries) {
      const Now now = read_clocks();
      backend.poll(now, 256, now.instant, nothing);
    }
    ::close(caller);
  }

  std::string missing_ = "not opened";
  SystemRandom random_;
  std::unique_ptr<dpdk::Eal> eal_;
  std::unique_ptr<dpdk::EthernetDevice> device_;
};

class TapWorld : public RealTime {
 public:
  static constexpr bool is_virtual = false;
  static constexpr const char* network = "192.0.2.0/24";

  static const char* missing() {
    const std::string& reason = TapPort::only().missing();
    return reason.empty() ? nullptr : reason.c_str();
  }
};

// Our stack listens, the kernel connects.
class TapServerWorld : public TapWorld {
 public:
  using Server = DpdkBackend;
  using Client = UringBackend;
  static constexpr const char* server_address = TapPort::stack_address;
  // A device gives whole bursts.
  static constexpr std::size_t events_over_budget = dpdk::EthernetDevice::burst_max;

  std::unique_ptr<Server> make_server(const Limits& limits) {
    return TapPort::only().backend(1, limits);
  }
  std::unique_ptr<Client> make_client(const Limits& limits) {
    return std::make_unique<UringBackend>(uring_options(2, limits));
  }
};

// The kernel listens, our stack connects.
class TapClientWorld : public TapWorld {
 public:
  using Server = UringBackend;
  using Client = DpdkBackend;
  static constexpr const char* server_address = TapPort::kernel_address;
  static constexpr std::size_t events_over_budget = 1;

  std::unique_ptr<Server> make_server(const Limits& limits) {
    return std::make_unique<UringBackend>(uring_options(1, limits));
  }
  std::unique_ptr<Client> make_client(const Limits& limits) {
    return TapPort::only().backend(2, limits);
  }
};

}  // namespace godwit::dataplane::io
