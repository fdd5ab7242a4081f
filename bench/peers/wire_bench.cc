// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
// In this order: the kernel's tcp_info is the one with bytes and segments.
#include <linux/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "base/clock.h"
#include "bench/peers/peer_server.h"

// What two clients and their server put on the wire for a login, a message and a keep-alive: the
// payload of TCP as the clients see it, and segments in both directions as the kernel counts them
// (tcp_info). Since all goes through the two clients' connections, that is both legs of every
// message. The server runs already; `wire` beside this file starts it.
//
// wire_bench NAME,PROTOCOL,PORT,PID[,tls][,sm]: one JSON object, to standard output.

namespace {

using namespace godwit;
using namespace godwit::bench;

constexpr unsigned lone_messages = 60;
constexpr unsigned busy_messages = 2000;  // of each client
constexpr unsigned busy_window = 8;
constexpr unsigned pings = 10;
// Longer than the kernel delays an acknowledgement, and than a load's client delays its own.
constexpr auto quiet_time = std::chrono::milliseconds(60);
constexpr auto own_ack_delay = std::chrono::milliseconds(5);
constexpr auto patience = std::chrono::seconds(10);

struct Traffic {
  std::uint64_t bytes_out = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t segments_out = 0;
  std::uint64_t segments_in = 0;

  Traffic operator-(const Traffic& other) const {
    return {bytes_out - other.bytes_out, bytes_in - other.bytes_in,
            segments_out - other.segments_out, segments_in - other.segments_in};
  }
  Traffic operator+(const Traffic& other) const {
    return {bytes_out + other.bytes_out, bytes_in + other.bytes_in,
            segments_out + other.segments_out, segments_in + other.segments_in};
  }
};

// One client and its socket.
class End {
 public:
  explicit End(std::unique_ptr<TrafficClient> client) : client_(std::move(client)) {}
  ~End() {
    if (socket_ >= 0) ::close(socket_);
  }
  End(const End&) = delete;
  End& operator=(const End&) = delete;

  TrafficClient& client() { return *client_; }
  int socket() const { return socket_; }
  unsigned arrived() const { return arrived_; }

  Result<void> connect(std::uint16_t port) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      return fail(ErrorCode::io, "cannot connect");
    }
    return send();
  }

  Result<void> send() {
    auto& output = client_->output();
    if (output.empty()) return {};
    const ssize_t sent = ::send(socket_, output.data(), output.size(), MSG_NOSIGNAL);
    if (sent < 0 || std::cmp_not_equal(sent, output.size())) {
      return fail(ErrorCode::io, "a send failed");
    }
    bytes_out_ += output.size();
    output.clear();
    return {};
  }

  // What is there; what the client answers stays in its output.
  Result<void> receive() {
    std::array<std::uint8_t, 16384> bytes;
    const ssize_t size = ::recv(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return {};
    if (size <= 0) return fail(ErrorCode::io, "the server closed the connection");
    bytes_in_ += static_cast<std::uint64_t>(size);
    const auto got = client_->on_bytes(MutableBytes(bytes).first(static_cast<std::size_t>(size)));
    if (!got) return std::unexpected(got.error());
    arrived_ += *got;
    return {};
  }

  Traffic traffic() const {
    tcp_info info{};
    socklen_t size = sizeof info;
    ::getsockopt(socket_, IPPROTO_TCP, TCP_INFO, &info, &size);
    return {bytes_out_, bytes_in_, info.tcpi_segs_out, info.tcpi_segs_in};
  }

 private:
  std::unique_ptr<TrafficClient> client_;
  int socket_ = -1;
  std::uint64_t bytes_out_ = 0;
  std::uint64_t bytes_in_ = 0;
  unsigned arrived_ = 0;
};

class Pair {
 public:
  Pair(ClientFactory clients, std::uint16_t port)
      : clients_(std::move(clients)), ends_{End(clients_(0)), End(clients_(1))}, port_(port) {}

  Result<void> connect() {
    for (End& end : ends_) {
      if (auto done = end.connect(port_); !done) return done;
    }
    return until([this] { return ends_[0].client().ready() && ends_[1].client().ready(); });
  }

  Traffic traffic() const { return ends_[0].traffic() + ends_[1].traffic(); }

  // One message at a time, from each in turn, with silence between them: nothing can ride on
  // something else.
  Result<void> lone(unsigned messages) {
    for (unsigned i = 0; i < messages; ++i) {
      End& sender = ends_[i % 2];
      End& recipient = ends_[1 - i % 2];
      const unsigned before = recipient.arrived();
      sender.client().write(1);
      if (auto done = sender.send(); !done) return done;
      if (auto done = until([&] { return recipient.arrived() > before; }); !done) return done;
      if (auto done = settle(); !done) return done;
    }
    return {};
  }

  // Both send as messages arrive, a window of them at first; what is due leaves together.
  Result<void> busy(unsigned messages) {
    std::array<unsigned, 2> sent{};
    std::array<unsigned, 2> seen{ends_[0].arrived(), ends_[1].arrived()};
    const std::array<unsigned, 2> start = seen;
    const auto send = [&](std::size_t i, unsigned count) -> Result<void> {
      count = std::min(count, messages - sent[i]);
      sent[i] += count;
      if (count > 0) ends_[i].client().write(count);
      return ends_[i].send();
    };
    for (const std::size_t i : {0UL, 1UL}) {
      if (auto done = send(i, busy_window); !done) return done;
    }
    const Instant end = monotonic_now() + patience;
    while (seen[0] - start[0] < messages || seen[1] - start[1] < messages) {
      if (monotonic_now() > end) return fail(ErrorCode::unavailable, "messages do not arrive");
      if (auto done = turn(patience); !done) return done;
      for (const std::size_t i : {0UL, 1UL}) {
        const unsigned fresh = ends_[i].arrived() - seen[i];
        seen[i] += fresh;
        if (auto done = send(i, fresh); !done) return done;
      }
    }
    return settle();
  }

  Result<void> ping(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      for (End& end : ends_) {
        const unsigned before = end.client().pongs();
        end.client().ping();
        if (auto done = end.send(); !done) return done;
        if (auto done = until([&] { return end.client().pongs() > before; }); !done) return done;
      }
      if (auto done = settle(); !done) return done;
    }
    return {};
  }

  // Until nothing is due and the wire is quiet.
  Result<void> settle() {
    if (auto done = run_for(own_ack_delay); !done) return done;
    for (End& end : ends_) {
      if (end.client().ack_due()) end.client().write(0);
      if (auto done = end.send(); !done) return done;
    }
    if (auto done =
            until([this] { return ends_[0].client().settled() && ends_[1].client().settled(); });
        !done) {
      return done;
    }
    return run_for(quiet_time);
  }

 private:
  // Waits for bytes, and takes them. Answers stay where they are.
  Result<void> turn(Duration wait) {
    std::array<pollfd, 2> waiting{pollfd{ends_[0].socket(), POLLIN, 0},
                                  pollfd{ends_[1].socket(), POLLIN, 0}};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait);
    ::poll(waiting.data(), waiting.size(), static_cast<int>(ms.count()));
    for (const std::size_t i : {0UL, 1UL}) {
      if (waiting[i].revents == 0) continue;
      if (auto done = ends_[i].receive(); !done) return done;
    }
    return {};
  }
  Result<void> turn_and_answer(Duration wait) {
    if (auto done = turn(wait); !done) return done;
    for (End& end : ends_) {
      if (auto done = end.send(); !done) return done;
    }
    return {};
  }
  template <typename Condition>
  Result<void> until(Condition condition) {
    const Instant end = monotonic_now() + patience;
    while (!condition()) {
      if (monotonic_now() > end) return fail(ErrorCode::unavailable, "the server does not answer");
      if (auto done = turn_and_answer(std::chrono::milliseconds(100)); !done) return done;
    }
    return {};
  }
  Result<void> run_for(Duration time) {
    const Instant end = monotonic_now() + time;
    for (Instant now = monotonic_now(); now < end; now = monotonic_now()) {
      if (auto done = turn_and_answer(end - now); !done) return done;
    }
    return {};
  }

  const ClientFactory clients_;  // the ends refer to what it holds
  std::array<End, 2> ends_;
  std::uint16_t port_;
};

void print(const char* name, const Traffic& traffic, double count, const char* end) {
  std::printf(
      "\"%s\": {\"bytes_out\": %.2f, \"bytes_in\": %.2f, \"segments_out\": %.3f, "
      "\"segments_in\": %.3f}%s\n",
      name, static_cast<double>(traffic.bytes_out) / count,
      static_cast<double>(traffic.bytes_in) / count,
      static_cast<double>(traffic.segments_out) / count,
      static_cast<double>(traffic.segments_in) / count, end);
}

Result<void> run(const char* text) {
  const auto description = read_description(text);
  if (!description) return std::unexpected(description.error());
  auto server = PeerServer::create({.description = *description, .accounts = 2});
  if (!server) return std::unexpected(server.error());
  {  // Registration, where there is one, is not a login.
    Pair first((*server)->clients(), description->port);
    if (auto done = first.connect(); !done) return done;
    if (auto done = first.settle(); !done) return done;
  }
  ::usleep(500'000);
  Pair pair((*server)->clients(true), description->port);
  if (auto done = pair.connect(); !done) return done;
  if (auto done = pair.settle(); !done) return done;
  const Traffic login = pair.traffic();
  if (auto done = pair.lone(lone_messages); !done) return done;
  const Traffic lone = pair.traffic();
  if (auto done = pair.ping(pings); !done) return done;
  const Traffic pinged = pair.traffic();
  if (auto done = pair.busy(busy_messages); !done) return done;
  const Traffic busy = pair.traffic();
  std::printf("{\"name\": \"%s\",\n", description->name.c_str());
  print("login", login, 2, ",");
  print("lone_message", lone - login, lone_messages, ",");
  print("keep_alive", pinged - lone, 2.0 * pings, ",");
  print("busy_message", busy - pinged, 2.0 * busy_messages, "}");
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s NAME,PROTOCOL,PORT,PID[,tls][,sm]\n", argv[0]);
    return 2;
  }
  const auto done = run(argv[1]);
  if (done) return 0;
  std::fprintf(stderr, "bench_wire: %s\n", done.error().message.c_str());
  return 1;
}
