// SPDX-License-Identifier: Apache-2.0
#include "control/socket_server.h"

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace godwit::control {

Result<std::unique_ptr<SocketServer>> SocketServer::create(Poller& poller, FileDescriptor listener,
                                                           const Options& options,
                                                           OnInput on_input) {
  std::unique_ptr<SocketServer> server(
      new SocketServer(poller, std::move(listener), options, std::move(on_input)));
  Result<void> watched =
      poller.watch(server->listener_.get(), EPOLLIN,
                   [raw = server.get()](std::uint32_t, Now now) { raw->accept_waiting(now); });
  if (!watched) return std::unexpected(watched.error());
  poller.add(*server);
  return server;
}

SocketServer::~SocketServer() {
  poller_.remove(*this);
  for (auto& [number, connection] : connections_) poller_.forget(connection.fd.get());
  poller_.forget(listener_.get());
}

void SocketServer::accept_waiting(Now now) {
  for (;;) {
    FileDescriptor fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) return;
    if (connections_.size() < options_.connections_max) add(std::move(fd), now);
  }
}

void SocketServer::add(FileDescriptor fd, Now now) {
  const std::uint64_t number = next_number_++;
  const Result<void> watched = poller_.watch(
      fd.get(), EPOLLIN,
      [this, number](std::uint32_t events, Now then) { on_ready(number, events, then); });
  if (!watched) return;
  connections_.emplace(number, Connection{.fd = std::move(fd), .active = now.instant});
}

void SocketServer::on_ready(std::uint64_t number, std::uint32_t events, Now now) {
  Connection& connection = connections_.at(number);
  connection.active = now.instant;
  if ((events & EPOLLOUT) != 0) write_some(connection);
  if ((events & (EPOLLIN | EPOLLHUP)) != 0) read_some(connection);
  if (!connection.held) offer(number, now);
  // Both directions are shut: what was asked is carried out, but nobody is there for the answer.
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) connection.broken = true;
  settle(number);
}

void SocketServer::read_some(Connection& connection) {
  char chunk[16384];
  while (connection.input.size() < options_.input_max && !connection.ended) {
    const std::size_t room = std::min(sizeof chunk, options_.input_max - connection.input.size());
    const ssize_t got = ::read(connection.fd.get(), chunk, room);
    if (got > 0) {
      connection.input.append(chunk, static_cast<std::size_t>(got));
    } else if (got == 0) {
      connection.ended = true;
    } else if (errno != EINTR) {
      if (errno != EAGAIN) connection.broken = true;
      return;
    }
  }
}

void SocketServer::write_some(Connection& connection) {
  std::size_t sent = 0;
  while (sent < connection.output.size()) {
    const ssize_t count = ::send(connection.fd.get(), connection.output.data() + sent,
                                 connection.output.size() - sent, MSG_NOSIGNAL);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      if (errno != EAGAIN) connection.broken = true;
      break;
    }
  }
  connection.output.erase(0, sent);
}

void SocketServer::offer(std::uint64_t number, Now now) {
  Connection& connection = connections_.at(number);
  if (connection.input.empty() || connection.closing || connection.broken) return;
  on_input_(number, connection.input, connection.input.size() >= options_.input_max, now);
}

void SocketServer::settle(std::uint64_t number) {
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  const bool all_sent = connection.output.empty();
  const bool finished = connection.closing || (connection.ended && !connection.held);
  if (connection.broken || (finished && all_sent)) {
    poller_.forget(connection.fd.get());
    connections_.erase(found);
    return;
  }
  std::uint32_t events = 0;
  if (!all_sent) events |= EPOLLOUT;
  if (all_sent && !connection.ended && connection.input.size() < options_.input_max)
    events |= EPOLLIN;
  poller_.change(connection.fd.get(), events);
}

void SocketServer::send(std::uint64_t number, std::string_view bytes, Then then) {
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  if (connection.output.size() + bytes.size() > options_.output_max) {
    connection.broken = true;
    return;
  }
  connection.output.append(bytes);
  if (then == Then::close) connection.closing = true;
  write_some(connection);
}

void SocketServer::hold(std::uint64_t number) {
  if (const auto found = connections_.find(number); found != connections_.end())
    found->second.held = true;
}

void SocketServer::release(std::uint64_t number) {
  if (const auto found = connections_.find(number); found != connections_.end()) {
    found->second.held = false;
    released_.push_back(number);
  }
}

Instant SocketServer::next_deadline() const {
  if (!released_.empty()) return Instant::min();
  Instant next = never;
  for (const auto& [number, connection] : connections_) {
    if (!connection.held) next = std::min(next, connection.active + options_.idle_timeout);
  }
  return next;
}

void SocketServer::expire(Now now) {
  for (const std::uint64_t number : std::exchange(released_, {})) {
    const auto found = connections_.find(number);
    if (found == connections_.end()) continue;
    found->second.active = now.instant;
    offer(number, now);
    settle(number);
  }
  for (auto current = connections_.begin(); current != connections_.end();) {
    const auto next = std::next(current);
    const Connection& connection = current->second;
    if (!connection.held && connection.active + options_.idle_timeout <= now.instant) {
      poller_.forget(connection.fd.get());
      connections_.erase(current);
    }
    current = next;
  }
}

Result<FileDescriptor> listen_tcp(const std::string& host, std::uint16_t port) {
  const std::string name = host + ":" + std::to_string(port);
  sockaddr_in6 six{.sin6_family = AF_INET6, .sin6_port = htons(port)};
  sockaddr_in four{.sin_family = AF_INET, .sin_port = htons(port)};
  const bool is_six = ::inet_pton(AF_INET6, host.c_str(), &six.sin6_addr) == 1;
  if (!is_six && ::inet_pton(AF_INET, host.c_str(), &four.sin_addr) != 1) {
    return fail(ErrorCode::invalid, "'" + host + "' is no IPv4 or IPv6 address");
  }
  FileDescriptor fd(
      ::socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return file_error("make a socket for", name, errno);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto* address =
      is_six ? reinterpret_cast<const sockaddr*>(&six) : reinterpret_cast<const sockaddr*>(&four);
  if (::bind(fd.get(), address, is_six ? sizeof six : sizeof four) != 0 ||
      ::listen(fd.get(), 64) != 0) {
    return file_error("listen on", name, errno);
  }
  return fd;
}

std::uint16_t bound_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  // The port is at the same place for both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace godwit::control
