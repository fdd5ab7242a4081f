// SPDX-License-Identifier: Apache-2.0
#include "tests/packetdrill/interface.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/packetdrill/sockets.h"

// The table's functions: the object is found behind the first argument, errors go to errno.

namespace {

using godwit::Bytes;
using godwit::packetdrill::MachineSettings;
using godwit::packetdrill::Sockets;

Sockets& of(void* userdata) {
  return *static_cast<Sockets*>(userdata);
}

template <typename Number>
Number result(Number value) {
  if (value >= 0) return value;
  errno = static_cast<int>(-value);
  return -1;
}

template <typename Pointer>
std::span<const iovec> pieces(Pointer list, std::size_t count) {
  return {list, count};
}

iovec one_piece(const void* buffer, std::size_t size) {
  return {const_cast<void*>(buffer), size};
}

ssize_t receive(void* u, int fd, void* buffer, size_t size, int flags) {
  const iovec piece = one_piece(buffer, size);
  return result(of(u).receive(fd, {&piece, 1}, flags));
}

ssize_t send(void* u, int fd, const void* buffer, size_t size, int flags) {
  const iovec piece = one_piece(buffer, size);
  return result(of(u).send(fd, {&piece, 1}, flags));
}

int call_fcntl(void* u, int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  const long argument = va_arg(arguments, long);
  va_end(arguments);
  return result(of(u).fcntl(fd, command, argument));
}

int call_ioctl(void* u, int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  return result(of(u).ioctl(fd, request, argument));
}

ssize_t receive_message(void* u, int fd, msghdr* message, int flags) {
  return result(of(u).receive_message(fd, *message, flags));
}

// The settings of "ipv4,local=192.0.2.7". What is not understood ends the process: a test that runs
// with other settings than its own tells nothing.
MachineSettings parse(std::string_view flags) {
  MachineSettings settings{*godwit::parse_ip_address("192.168.0.1"),
                           *godwit::parse_ip_address("fd3d:fa7b:d17d::1")};
  std::string_view local;
  while (!flags.empty()) {
    const std::string_view flag = flags.substr(0, flags.find(','));
    flags.remove_prefix(std::min(flag.size() + 1, flags.size()));
    if (flag.starts_with("local=")) {
      local = flag.substr(6);
    } else if (flag == "ecn") {
      settings.ask_for_ecn = true;
    } else if (flag != "ipv4" && flag != "ipv4-mapped-ipv6" && flag != "ipv6" && !flag.empty()) {
      std::fprintf(stderr, "godwit: the flags are ipv4 or ipv6, ecn and local=ADDRESS\n");
      std::abort();
    }
  }
  if (local.empty()) return settings;
  const auto address = godwit::parse_ip_address(local);
  if (!address) {
    std::fprintf(stderr, "godwit: local=ADDRESS needs an address\n");
    std::abort();
  }
  (address->is_v4() ? settings.local_v4 : settings.local_v6) = *address;
  return settings;
}

void fill_sockets(packetdrill_interface& table) {
  table.socket = [](void* u, int domain, int type, int protocol) {
    return result(of(u).socket(domain, type, protocol));
  };
  table.bind = [](void* u, int fd, const sockaddr* address, socklen_t size) {
    return result(of(u).bind(fd, address, size));
  };
  table.listen = [](void* u, int fd, int backlog) { return result(of(u).listen(fd, backlog)); };
  table.accept = [](void* u, int fd, sockaddr* address, socklen_t* size) {
    return result(of(u).accept(fd, address, size));
  };
  table.connect = [](void* u, int fd, const sockaddr* address, socklen_t size) {
    return result(of(u).connect(fd, address, size));
  };
  table.fcntl = call_fcntl;
  table.ioctl = call_ioctl;
  table.close = [](void* u, int fd) { return result(of(u).close(fd)); };
  table.shutdown = [](void* u, int fd, int how) { return result(of(u).shutdown(fd, how)); };
  table.getsockopt = [](void* u, int fd, int level, int name, void* value, socklen_t* size) {
    return result(of(u).getsockopt(fd, level, name, value, size));
  };
  table.setsockopt = [](void* u, int fd, int level, int name, const void* value, socklen_t size) {
    return result(of(u).setsockopt(fd, level, name, value, size));
  };
}

void fill_data(packetdrill_interface& table) {
  table.read = [](void* u, int fd, void* buffer, size_t size) {
    return receive(u, fd, buffer, size, 0);
  };
  table.readv = [](void* u, int fd, const iovec* list, int count) {
    return result(of(u).receive(fd, pieces(list, static_cast<std::size_t>(count)), 0));
  };
  table.recv = receive;
  table.recvfrom = [](void* u, int fd, void* buffer, size_t size, int flags, sockaddr*,
                      socklen_t*) { return receive(u, fd, buffer, size, flags); };
  table.recvmsg = receive_message;
  table.write = [](void* u, int fd, const void* buffer, size_t size) {
    return send(u, fd, buffer, size, 0);
  };
  table.writev = [](void* u, int fd, const iovec* list, int count) {
    return result(of(u).send(fd, pieces(list, static_cast<std::size_t>(count)), 0));
  };
  table.send = send;
  table.sendto = [](void* u, int fd, const void* buffer, size_t size, int flags, const sockaddr*,
                    socklen_t) { return send(u, fd, buffer, size, flags); };
  table.sendmsg = [](void* u, int fd, const msghdr* message, int flags) {
    return result(of(u).send(fd, pieces(message->msg_iov, message->msg_iovlen), flags));
  };
  table.pipe = [](void* u, int fds[2]) { return result(of(u).pipe(fds)); };
  table.splice = [](void* u, int in, loff_t*, int out, loff_t*, size_t size, unsigned flags) {
    return static_cast<int>(result(of(u).splice(in, out, size, flags)));
  };
}

void fill_waiting(packetdrill_interface& table) {
  table.poll = [](void* u, pollfd* fds, nfds_t count, int timeout_ms) {
    return result(of(u).poll({fds, count}, timeout_ms));
  };
  table.epoll_create = [](void* u, int size) { return result(of(u).epoll_create(size)); };
  table.epoll_ctl = [](void* u, int epoll, int operation, int fd, epoll_event* event) {
    return result(of(u).epoll_ctl(epoll, operation, fd, event));
  };
  table.epoll_wait = [](void* u, int epoll, epoll_event* events, int count, int timeout_ms) {
    const std::span<epoll_event> room(events, static_cast<std::size_t>(std::max(count, 0)));
    return result(of(u).epoll_wait(epoll, room, timeout_ms));
  };
  table.netdev_send = [](void* u, const void* buffer, size_t count) {
    return result(of(u).netdev_send(Bytes(static_cast<const std::uint8_t*>(buffer), count)));
  };
  table.netdev_receive = [](void* u, void* buffer, size_t* count, long long* time_us) {
    return result(of(u).netdev_receive(buffer, count, time_us));
  };
  table.usleep = [](void* u, useconds_t us) {
    of(u).sleep(std::chrono::microseconds(us));
    return 0;
  };
  table.gettimeofday = [](void* u, timeval* time, struct timezone*) {
    *time = of(u).time();
    return 0;
  };
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void packetdrill_interface_init(
    const char* flags, packetdrill_interface* interface) {
  interface->userdata = new Sockets(parse(flags == nullptr ? "" : flags));
  interface->free = [](void* u) { delete static_cast<Sockets*>(u); };
  fill_sockets(*interface);
  fill_data(*interface);
  fill_waiting(*interface);
}
