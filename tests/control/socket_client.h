// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "control/files.h"
#include "control/poller.h"

// A blocking client with a time limit, and a poller that runs on a thread of its own, for tests of
// the servers.

namespace godwit::control {

class SocketClient {
 public:
  static SocketClient to_path(const std::string& path) {
    sockaddr_un address{.sun_family = AF_UNIX};
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return SocketClient(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  static SocketClient to_port(std::uint16_t port) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return SocketClient(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }

  bool connected() const { return connected_; }
  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void end_sending() { ::shutdown(fd_.get(), SHUT_WR); }
  // Up to and without the next newline; what there was when the other side closes or the time limit
  // passes.
  std::string read_line() {
    std::string line;
    char c = 0;
    while (::read(fd_.get(), &c, 1) == 1 && c != '\n') line.push_back(c);
    return line;
  }
  // Everything until the other side closes.
  std::string read_all() {
    std::string all;
    char chunk[4096];
    ssize_t got = 0;
    while ((got = ::read(fd_.get(), chunk, sizeof chunk)) > 0)
      all.append(chunk, static_cast<std::size_t>(got));
    ended_ = got == 0;
    return all;
  }
  // After read_all(): the other side closed, rather than the time limit passing.
  bool ended() const { return ended_; }

 private:
  SocketClient(int family, const sockaddr* address, socklen_t size)
      : fd_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    connected_ = ::connect(fd_.get(), address, size) == 0;
  }

  FileDescriptor fd_;
  bool connected_ = false;
  bool ended_ = false;
};

// Polls until destroyed. What is on the poller must be made before and destroyed after.
class PollerThread {
 public:
  explicit PollerThread(Poller& poller) : poller_(poller) {
    thread_ = std::thread([this] {
      while (!stop_.load(std::memory_order_acquire)) {
        const Now now = read_clocks();
        poller_.poll(now, now.instant + std::chrono::milliseconds(100), read_clocks);
      }
    });
  }
  ~PollerThread() {
    stop_.store(true, std::memory_order_release);
    poller_.wake();
    thread_.join();
  }

 private:
  Poller& poller_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace godwit::control
