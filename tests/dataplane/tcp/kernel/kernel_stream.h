// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/ip_address.h"
#include "tests/dataplane/tcp/two_stacks.h"

// The kernel's side: addresses, sockets, and a stream over one of them that names its bytes'
// places and checks what it gets. Nothing here blocks.

namespace godwit::dataplane::tcp {

// Gives an interface an address that may be used at once, without the second that duplicate
// detection takes.
inline bool add_kernel_address(const std::string& interface, const IpAddress& address,
                               std::uint8_t bits) {
  struct {
    nlmsghdr header{};
    ifaddrmsg message{};
    std::uint8_t attributes[RTA_SPACE(16)]{};
  } request;
  const std::size_t size = address.is_v4() ? 4 : 16;
  request.header.nlmsg_len =
      static_cast<std::uint32_t>(NLMSG_LENGTH(sizeof request.message) + RTA_LENGTH(size));
  request.header.nlmsg_type = RTM_NEWADDR;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
  request.message.ifa_family = address.is_v4() ? AF_INET : AF_INET6;
  request.message.ifa_prefixlen = bits;
  request.message.ifa_flags = IFA_F_NODAD | IFA_F_PERMANENT;
  request.message.ifa_index = ::if_nametoindex(interface.c_str());
  rtattr attribute{.rta_len = static_cast<std::uint16_t>(RTA_LENGTH(size)), .rta_type = IFA_LOCAL};
  std::memcpy(request.attributes, &attribute, sizeof attribute);
  std::memcpy(request.attributes + RTA_LENGTH(0), address.bytes.data() + 16 - size, size);
  const int netlink = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  struct {
    nlmsghdr header;
    nlmsgerr error;
    std::uint8_t rest[256];
  } answer{};
  const bool asked =
      ::send(netlink, &request, request.header.nlmsg_len, 0) > 0 &&
      ::recv(netlink, &answer, sizeof answer, 0) >= static_cast<ssize_t>(NLMSG_LENGTH(4));
  ::close(netlink);
  return asked && answer.header.nlmsg_type == NLMSG_ERROR && answer.error.error == 0;
}

struct SocketAddress {
  SocketAddress() = default;
  SocketAddress(const IpAddress& address, std::uint16_t port) {
    if (address.is_v4()) {
      auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
      v4.sin_family = AF_INET;
      v4.sin_port = htons(port);
      std::memcpy(&v4.sin_addr, address.bytes.data() + 12, 4);
      size = sizeof v4;
    } else {
      auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
      v6.sin6_family = AF_INET6;
      v6.sin6_port = htons(port);
      std::memcpy(&v6.sin6_addr, address.bytes.data(), 16);
      size = sizeof v6;
    }
  }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  std::uint16_t port() const {  // the same place in both families
    return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  }

  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
};

// What the bytes of one direction of a connection are made from, known to both sides.
struct StreamSeeds {
  StreamSeeds(std::uint16_t kernel_port, bool v4)
      : from_kernel(kernel_port * 4ULL + (v4 ? 2 : 0)), from_stack(from_kernel + 1) {}
  std::uint64_t from_kernel;
  std::uint64_t from_stack;
};

class KernelStream {
 public:
  // Takes the socket. `to_send` bytes, then its half is closed.
  KernelStream(int socket, bool v4, std::uint64_t to_send)
      : socket_(socket), to_send_(to_send), seeds_(port_of(socket), v4) {}
  ~KernelStream() { close(); }
  KernelStream(const KernelStream&) = delete;
  KernelStream& operator=(const KernelStream&) = delete;

  // Sends and takes what can be now.
  void step() {
    if (socket_ < 0) return;
    while (error_ == 0 && sent_ < to_send_ && send_some()) {
    }
    if (error_ == 0 && sent_ == to_send_ && !shut_ && ::shutdown(socket_, SHUT_WR) == 0) {
      shut_ = true;
    }
    while (error_ == 0 && !ended_ && receive_some()) {
    }
    if (error_ != 0 || (shut_ && ended_)) close();
  }

  int socket() const { return socket_; }
  bool wants_to_send() const { return sent_ < to_send_; }
  bool done() const { return socket_ < 0; }
  bool ended() const { return ended_; }  // the peer's FIN came
  int error() const { return error_; }   // errno
  std::uint64_t received() const { return received_; }
  std::uint64_t wrong_bytes() const { return wrong_bytes_; }

 private:
  static std::uint16_t port_of(int socket) {
    SocketAddress name;
    ::getsockname(socket, name.get(), &name.size);
    return name.port();
  }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  // False when it would block, which a connection that is being made does too.
  bool proceed(ssize_t result) {
    if (result >= 0) return true;
    if (errno != EAGAIN && errno != ENOTCONN && errno != EINPROGRESS) error_ = errno;
    return false;
  }
  bool send_some() {
    std::uint8_t chunk[4096];
    const std::size_t size = std::min<std::uint64_t>(sizeof chunk, to_send_ - sent_);
    for (std::size_t i = 0; i < size; ++i) chunk[i] = stream_byte(seeds_.from_kernel, sent_ + i);
    const ssize_t taken = ::send(socket_, chunk, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (!proceed(taken)) return false;
    sent_ += static_cast<std::uint64_t>(taken);
    return true;
  }
  bool receive_some() {
    std::uint8_t chunk[16384];
    const ssize_t got = ::recv(socket_, chunk, sizeof chunk, MSG_DONTWAIT);
    if (!proceed(got)) return false;
    for (ssize_t i = 0; i < got; ++i) {
      if (chunk[i] != stream_byte(seeds_.from_stack, received_++)) ++wrong_bytes_;
    }
    ended_ = got == 0;
    return !ended_;
  }

  int socket_;
  const std::uint64_t to_send_;
  const StreamSeeds seeds_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t wrong_bytes_ = 0;
  int error_ = 0;
  bool shut_ = false;
  bool ended_ = false;
};

}  // namespace godwit::dataplane::tcp
