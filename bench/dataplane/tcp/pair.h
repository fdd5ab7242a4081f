// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/random.h"
#include "bench/dataplane/tcp/wire.h"
#include "dataplane/tcp/stack.h"

// A server's stack and its clients' stack with a wire between them, in one thread and on virtual
// time. Only what the server does is measured: CPU time of the thread around its calls, with the
// direction apart. Not thread safe.

namespace godwit::bench {

namespace tcp = dataplane::tcp;

inline constexpr std::uint16_t server_port_first = 7000;
inline constexpr std::uint32_t server_ports = 40;  // so that one address has clients enough
// Two clocks are read a turn: at this many frames they are a few nanoseconds each.
inline constexpr std::size_t batch = 256;

struct ServerCost {
  double in_ns = 0;     // receive() of every frame, with the echo's send()
  double timer_ns = 0;  // expire()
  double out_ns = 0;    // flush()
  std::uint64_t frames_in = 0;
  std::uint64_t frames_out = 0;

  double total_ns() const { return in_ns + timer_ns + out_ns; }
  double in_each() const { return frames_in == 0 ? 0 : in_ns / static_cast<double>(frames_in); }
  double out_each() const { return frames_out == 0 ? 0 : out_ns / static_cast<double>(frames_out); }
};

// Sends back what it gets, and closes when its peer does.
struct EchoServer {
  tcp::Tcp* tcp = nullptr;
  std::uint64_t opened = 0;
  std::uint64_t closed = 0;

  void on_open(ConnectionName, bool) { ++opened; }
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    const Bytes bytes(lease);
    tcp->send(name, {&bytes, 1});
  }
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName, std::uint64_t, dataplane::io::CloseReason) { ++closed; }
};

struct Clients {
  tcp::Tcp* tcp = nullptr;
  bool close_at_once = false;
  std::uint64_t opened = 0;
  std::uint64_t closed = 0;
  std::uint64_t replies = 0;

  void on_open(ConnectionName name, bool) {
    ++opened;
    if (close_at_once) tcp->close(name, dataplane::io::CloseMode::graceful);
  }
  void on_bytes(ConnectionName, std::uint64_t, MutableBytes) { ++replies; }
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName, std::uint64_t, dataplane::io::CloseReason) { ++closed; }
};

class Pair {
 public:
  struct Options {
    std::uint32_t connections = 0;
    std::uint32_t syn_cache = 8192;
    bool close_at_once = false;
    bool offload = false;  // the port takes care of checksums
    bool v6 = false;
    std::uint32_t addresses = 1;  // of the server's IPv4; the last one is talked to
  };
  explicit Pair(const Options& options);

  // Opens all of them; the server's part of it counts in cost().
  void open_all();
  // One message on each of the `count` connections after the `first`, in an order that no
  // prefetcher knows, and the answers.
  void exchange(std::uint32_t first, std::uint32_t count, Bytes message);
  // A turn of the server with what lies on the wire, then one of the clients.
  void turn();
  // As if from the clients' side of the wire.
  MutableBytes foreign_frame(std::size_t size) { return to_server_.frame(size); }
  void send_foreign() { to_server_.send({}); }
  void skip(Duration time) { now_ += time; }

  static tcp::Flow flow_of(std::uint32_t index, bool v6);  // as the client sees it
  static tcp::MacAddress server_mac() { return {{2, 0, 0, 0, 0, 1}}; }
  static tcp::MacAddress client_mac() { return {{2, 0, 0, 0, 0, 2}}; }

  ServerCost take_cost() { return std::exchange(cost_, {}); }
  const tcp::Tcp& server() const { return server_.tcp(); }
  const EchoServer& server_events() const { return echo_; }
  const Clients& client_events() const { return clients_; }

 private:
  void client_turn();
  [[gnu::noinline]] void server_receive();
  [[gnu::noinline]] void server_flush();

  const Options options_;
  Wire to_server_;
  Wire to_client_;
  SeededRandom random_{1};
  tcp::Stack server_;
  tcp::Stack client_;
  EchoServer echo_;
  Clients clients_;
  std::vector<ConnectionName> names_;
  Instant now_{std::chrono::hours(1)};
  ServerCost cost_;
};

// Of either end.
tcp::StackSettings settings_of(const Pair::Options& options, bool server);

}  // namespace godwit::bench
