// SPDX-License-Identifier: Apache-2.0
#include "bench/hostile/greedy.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <vector>

namespace godwit::bench {

namespace {

class Greedy {
 public:
  Greedy(const GreedyOptions& options, std::size_t index, RandomSource& random)
      : payload_(100),
        client_({.account = options.accounts[index],
                 .partner = options.accounts[index ^ 1].user,
                 .domain = "localhost",
                 .backlog = options.greed == Greed::fetches,
                 .payload = payload_},
                random) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    good_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    put_out();
    while (good_ && !client_.reached_goal()) early_ += take_in();
  }
  ~Greedy() { ::close(socket_); }
  Greedy(const Greedy&) = delete;
  Greedy& operator=(const Greedy&) = delete;

  // Messages that came with the answer to its login.
  unsigned early() const { return early_; }
  bool good() const { return good_; }
  int socket() const { return socket_; }
  bool settled() const { return client_.settled(); }
  void send(unsigned messages) {
    client_.write_frame(messages);
    put_out();
  }
  // Waits for what comes; returns the messages in it, all acknowledged.
  unsigned take_in() {
    const ssize_t got = ::recv(socket_, bytes_.data(), bytes_.size(), 0);
    good_ = good_ && got > 0;
    if (!good_) return 0;
    const auto messages =
        client_.on_bytes(MutableBytes(bytes_).first(static_cast<std::size_t>(got)));
    if (!messages) {
      std::fprintf(stderr, "greedy: %s\n", messages.error().message.c_str());
      good_ = false;
      return 0;
    }
    if (client_.ack_due()) client_.write_frame(0);
    put_out();
    return *messages;
  }

 private:
  void put_out() {
    auto& bytes = client_.output();
    for (std::size_t at = 0; good_ && at < bytes.size();) {
      const ssize_t sent = ::send(socket_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      good_ = sent > 0;
      at += static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
    }
    bytes.clear();
  }

  std::vector<std::uint8_t> payload_;
  LoadClient client_;
  std::array<std::uint8_t, 65'536> bytes_;
  int socket_ = -1;
  unsigned early_ = 0;
  bool good_ = false;
};

}  // namespace

void run_greedy(const GreedyOptions& options, RandomSource& random,
                std::atomic<std::uint64_t>& count) {
  constexpr unsigned batch = 256;  // of 1 024 a client may have under way
  std::unique_ptr<Greedy> reader;
  const bool reads = options.greed == Greed::sends;
  if (options.greed != Greed::fills) reader = std::make_unique<Greedy>(options, 1, random);
  if (options.greed == Greed::fetches) {
    count.fetch_add(reader->early(), std::memory_order_relaxed);
    while (reader->good()) count.fetch_add(reader->take_in(), std::memory_order_relaxed);
    return;
  }
  Greedy sender(options, 0, random);
  for (std::uint64_t sent = 0; sent < options.messages && sender.good(); sent += batch) {
    sender.send(batch);
    while (sender.good() && !sender.settled()) {
      std::array<pollfd, 2> wait{pollfd{sender.socket(), POLLIN, 0},
                                 pollfd{reads ? reader->socket() : -1, POLLIN, 0}};
      ::poll(wait.data(), wait.size(), -1);
      if (wait[0].revents != 0) sender.take_in();
      if (wait[1].revents != 0) reader->take_in();
    }
    count.fetch_add(batch, std::memory_order_relaxed);
  }
  while (sender.good()) sender.take_in();
}

}  // namespace godwit::bench
