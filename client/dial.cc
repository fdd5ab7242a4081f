// SPDX-License-Identifier: Apache-2.0
#include "client/dial.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace godwit::client {

Result<ServerAddress> parse_server_address(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorCode::invalid,
                "'" + std::string(text) +
                    "' is no server address; give HOST:PORT, for example 127.0.0.1:5210");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return wrong();
  }
  std::uint32_t number = 0;
  const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool is_port =
      code == std::errc() && end == port.data() + port.size() && number >= 1 && number <= 65535;
  if (host.empty() || !is_port) return wrong();
  return ServerAddress{std::string(host), std::string(port)};
}

Result<int> dial(const ServerAddress& address, std::uint32_t attempt) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int code = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &list);
      code != 0) {
    return fail(ErrorCode::unavailable,
                "cannot find the host " + address.host + ": " + ::gai_strerror(code));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, ::freeaddrinfo);
  std::uint32_t count = 0;
  for (const addrinfo* info = list; info != nullptr; info = info->ai_next) ++count;
  const addrinfo* chosen = list;
  for (std::uint32_t i = attempt % count; i > 0; --i) chosen = chosen->ai_next;

  const int descriptor = ::socket(chosen->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int error = errno;
  if (descriptor >= 0) {
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(descriptor, chosen->ai_addr, chosen->ai_addrlen) == 0) return descriptor;
    error = errno;
    if (error == EINPROGRESS) return descriptor;
    ::close(descriptor);
  }
  return fail(ErrorCode::unavailable, "cannot reach " + address.host + ":" + address.port + ": " +
                                          std::strerror(error) + "; is godwitd running there?");
}

}  // namespace godwit::client
