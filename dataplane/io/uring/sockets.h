// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "base/result.h"
#include "dataplane/io/stream.h"

// The few plain socket calls io/uring makes, none of them per message. No state.

namespace godwit::dataplane::io::uring {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Errors: invalid when the host is no IPv4 or IPv6 literal.
Result<SocketAddress> socket_address(const Endpoint& endpoint);
// A blocking TCP socket without delay (a non-blocking one would make io_uring give up where it
// should wait).
Result<int> open_socket(const Endpoint& endpoint, const SocketAddress& address);

// Has the socket connect from this address; the port is chosen when it does. Errors: invalid for
// what is no address, io for one that this machine does not have.
Result<void> bind_source(int descriptor, const std::string& host);

struct Listener {
  int descriptor = -1;
  std::uint16_t port = 0;
};
// Listens with SO_REUSEPORT; what it accepts inherits TCP_NODELAY.
Result<Listener> open_listener(const Endpoint& endpoint);
// The address alone; all zeros for another family than IPv4 and IPv6.
IpAddress ip_of(const sockaddr_in6& any_family);
// "host:port" of the other side, empty when there is none.
std::string peer_of(int descriptor);
// Has the next close of this descriptor send RST.
void reset_on_close(int descriptor);

}  // namespace godwit::dataplane::io::uring
