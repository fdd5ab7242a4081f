// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>

// A network of this process alone: it begins with a loopback that is down, and ends with the
// process. Needs root, and a kernel with tun/tap for what is put into it.

namespace godwit::dataplane::io::dpdk {

inline bool enter_own_network() {
  return ::unshare(CLONE_NEWNET) == 0 && ::access("/dev/net/tun", R_OK | W_OK) == 0;
}

// An interface of the kernel's, by name.
class KernelInterface {
 public:
  explicit KernelInterface(std::string name)
      : name_(std::move(name)), control_(::socket(AF_INET, SOCK_DGRAM, 0)) {}
  ~KernelInterface() { ::close(control_); }
  KernelInterface(const KernelInterface&) = delete;
  KernelInterface& operator=(const KernelInterface&) = delete;

  bool up() { return set_up(true); }
  bool down() { return set_up(false); }
  // An IPv4 address with a network of 24 bits.
  bool address(const std::string& literal) {
    return set(SIOCSIFADDR, literal) && set(SIOCSIFNETMASK, "255.255.255.0");
  }
  // A socket that hears and sends whole frames; the caller closes it.
  int raw_socket() {
    const int raw = ::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(name_.c_str()));
    if (::bind(raw, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return raw;
    ::close(raw);
    return -1;
  }

 private:
  ifreq named() const {
    ifreq request{};
    std::strncpy(request.ifr_name, name_.c_str(), IFNAMSIZ - 1);
    return request;
  }
  bool set_up(bool up) {
    ifreq request = named();
    if (::ioctl(control_, SIOCGIFFLAGS, &request) != 0) return false;
    request.ifr_flags =
        static_cast<short>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    return ::ioctl(control_, SIOCSIFFLAGS, &request) == 0;
  }
  bool set(unsigned long what, const std::string& literal) {
    ifreq request = named();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, literal.c_str(), &address.sin_addr);
    std::memcpy(&request.ifr_addr, &address, sizeof address);
    return ::ioctl(control_, what, &request) == 0;
  }

  const std::string name_;
  const int control_;
};

}  // namespace godwit::dataplane::io::dpdk
