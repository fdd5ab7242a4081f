// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/uring/sockets.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace godwit::dataplane::io::uring {

namespace {

std::unexpected<Error> socket_error(const std::string& what, const Endpoint& endpoint, int error) {
  return fail(ErrorCode::io, what + " " + endpoint.host + ":" + std::to_string(endpoint.port) +
                                 ": " + std::strerror(error));
}

}  // namespace

Result<SocketAddress> socket_address(const Endpoint& endpoint) {
  SocketAddress address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, endpoint.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    address.size = sizeof *v4;
  } else if (::inet_pton(AF_INET6, endpoint.host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    address.size = sizeof *v6;
  } else {
    return fail(ErrorCode::invalid, endpoint.host + " is not an IPv4 or IPv6 address");
  }
  return address;
}

Result<int> open_socket(const Endpoint& endpoint, const SocketAddress& address) {
  const int descriptor = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return socket_error("no socket for", endpoint, errno);
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return descriptor;
}

Result<void> bind_source(int descriptor, const std::string& host) {
  const Endpoint source{.host = host, .port = 0};
  const auto address = socket_address(source);
  if (!address) return std::unexpected(address.error());
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  if (::bind(descriptor, address->get(), address->size) == 0) return {};
  return socket_error("cannot connect from", source, errno);
}

Result<Listener> open_listener(const Endpoint& endpoint) {
  auto address = socket_address(endpoint);
  if (!address) return std::unexpected(address.error());
  const auto opened = open_socket(endpoint, *address);
  if (!opened) return std::unexpected(opened.error());
  const int on = 1;
  ::setsockopt(*opened, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(*opened, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (::bind(*opened, address->get(), address->size) != 0 || ::listen(*opened, 4096) != 0) {
    const int error = errno;
    ::close(*opened);
    return socket_error("cannot listen on", endpoint, error);
  }
  ::getsockname(*opened, reinterpret_cast<sockaddr*>(&address->storage), &address->size);
  // The port is at the same place in both kinds of address.
  return Listener{*opened,
                  ntohs(reinterpret_cast<const sockaddr_in*>(&address->storage)->sin_port)};
}

IpAddress ip_of(const sockaddr_in6& any_family) {
  IpAddress address;
  if (any_family.sin6_family == AF_INET6) {
    std::memcpy(address.bytes.data(), &any_family.sin6_addr, address.bytes.size());
  } else if (any_family.sin6_family == AF_INET) {
    // What was written is a sockaddr_in, which is smaller.
    sockaddr_in v4;
    std::memcpy(&v4, &any_family, sizeof v4);
    std::array<std::uint8_t, 4> four;
    std::memcpy(four.data(), &v4.sin_addr, four.size());
    address = IpAddress::v4(four);
  }
  return address;
}

std::string peer_of(int descriptor) {
  SocketAddress address;
  address.size = sizeof address.storage;
  if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address.storage), &address.size) !=
      0) {
    return "";
  }
  char text[INET6_ADDRSTRLEN] = "";
  const bool is_v4 = address.storage.ss_family == AF_INET;
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
  const void* host = is_v4 ? static_cast<const void*>(&v4->sin_addr) : &v6->sin6_addr;
  ::inet_ntop(address.storage.ss_family, host, text, sizeof text);
  const std::string port = std::to_string(ntohs(is_v4 ? v4->sin_port : v6->sin6_port));
  return is_v4 ? std::string(text) + ":" + port : "[" + std::string(text) + "]:" + port;
}

void reset_on_close(int descriptor) {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

}  // namespace godwit::dataplane::io::uring
