// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dataplane/io/memory/memory_backend.h"
#include "dataplane/io/uring/uring_backend.h"
#include "tests/dataplane/io/conformance_limits.h"
#include "tests/dataplane/io/packet_world.h"
#include "tests/dataplane/io/real_time.h"
#include "tests/dataplane/io/uring_options.h"

// Two backends, a server's and a client's, of one kind or one over DPDK and the other the kernel's,
// with a handler each that writes down what it is told and fails the test when a rule of
// dataplane/io/stream.h is broken in any test: events for a name that is not open, two ends of one
// name, an event from inside a down call.

namespace godwit::dataplane::io {

struct Recorder {
  struct Peer {
    std::string received;
    std::uint64_t user = 0;  // as last seen
    int opens = 0;
    int writables = 0;
    int closes = 0;
    bool connected = false;
    CloseReason reason{};
  };

  std::map<ConnectionName, Peer> peers;
  std::vector<ConnectionName> opened;
  std::function<void(ConnectionName)> when_open = [](auto) {};
  std::function<void(ConnectionName, Bytes)> when_bytes = [](auto, auto) {};
  std::function<void(ConnectionName)> when_writable = [](auto) {};
  std::function<void(ConnectionName)> when_closed = [](auto) {};
  bool may_be_called = false;  // inside poll()
  bool keep_bytes = true;

  void on_open(ConnectionName name, bool connected) {
    Peer& peer = told(name);
    EXPECT_EQ(peer.opens++, 0);
    EXPECT_TRUE(name.valid());
    peer.connected = connected;
    opened.push_back(name);
    when_open(name);
  }
  void on_bytes(ConnectionName name, std::uint64_t user, MutableBytes lease) {
    Peer& peer = told(name);
    EXPECT_EQ(peer.opens, 1);
    EXPECT_FALSE(lease.empty());
    peer.user = user;
    const std::vector<std::uint8_t> copy(lease.begin(), lease.end());
    std::ranges::fill(lease, 0xee);  // the lease is ours to overwrite
    if (keep_bytes) peer.received.append(as_text(copy));
    when_bytes(name, copy);
  }
  void on_writable(ConnectionName name, std::uint64_t user) {
    Peer& peer = told(name);
    peer.user = user;
    ++peer.writables;
    when_writable(name);
  }
  void on_closed(ConnectionName name, std::uint64_t user, CloseReason reason) {
    Peer& peer = told(name);
    peer.user = user;
    peer.reason = reason;
    ++peer.closes;
    when_closed(name);
  }

  std::size_t closed() const {
    std::size_t count = 0;
    for (const auto& [name, peer] : peers) count += peer.closes > 0;
    return count;
  }

 private:
  Peer& told(ConnectionName name) {
    EXPECT_TRUE(may_be_called) << "a down call called the handler";
    Peer& peer = peers[name];
    EXPECT_EQ(peer.closes, 0) << "an event after on_closed";
    return peer;
  }
};

class MemoryWorld {
 public:
  using Backend = MemoryBackend;
  static constexpr bool is_virtual = true;  // nothing happens but in a turn
  static constexpr const char* server_address = "127.0.0.1";
  static constexpr const char* network = "127.0.0.0/8";

  std::unique_ptr<Backend> make(std::uint16_t shard, const Limits& limits) {
    return std::make_unique<Backend>(
        network_, Backend::Options{.shard = shard,
                                   .connections_max = limits.connections_max,
                                   .send_queue_max = limits.send_queue_max,
                                   .send_pool_bytes = limits.send_pool_bytes,
                                   .receive_buffer_size = limits.receive_buffer_size,
                                   .linger = limits.linger});
  }
  Now now() {
    now_ += std::chrono::milliseconds(1);
    return {now_, {}};
  }
  void skip(Duration time) { now_ += time; }

 private:
  MemoryNetwork network_;
  Instant now_{std::chrono::hours(1)};
};

// The kernel's loopback, without one of the kernel's features in each of these.
struct AllFeatures {
  static void limit(uring::RingOptions&) {}
};
struct NoDeferredTaskWork {
  static void limit(uring::RingOptions& options) { options.allow_defer_taskrun = false; }
};
struct NoDirectDescriptors {
  static void limit(uring::RingOptions& options) { options.allow_direct_descriptors = false; }
};
struct NoMultishotReceive {
  static void limit(uring::RingOptions& options) { options.allow_multishot_receive = false; }
};
struct PlainRing {
  static void limit(uring::RingOptions& options) {
    options.allow_task_flags = false;
    options.allow_direct_descriptors = false;
    options.allow_multishot_receive = false;
  }
};

template <typename Features>
class UringWorld : public RealTime {
 public:
  using Backend = UringBackend;
  static constexpr bool is_virtual = false;
  static constexpr const char* server_address = "127.0.0.1";
  static constexpr const char* network = "127.0.0.0/8";

  std::unique_ptr<Backend> make(std::uint16_t shard, const Limits& limits) {
    UringBackend::Options options = uring_options(shard, limits);
    Features::limit(options.ring);
    return std::make_unique<Backend>(options);
  }
};

// Both ends of one kind: shard 1 is the server, shard 2 the client.
template <typename World>
class Alike : public World {
 public:
  using Server = typename World::Backend;
  using Client = typename World::Backend;
  static constexpr std::size_t events_over_budget = 1;

  static const char* missing() { return nullptr; }
  std::unique_ptr<Server> make_server(const Limits& limits) { return this->make(1, limits); }
  std::unique_ptr<Client> make_client(const Limits& limits) { return this->make(2, limits); }
};

template <typename World>
class TwoBackends : public ::testing::Test {
 protected:
  explicit TwoBackends(World which = World()) : world(std::move(which)) {}

  void SetUp() override {
    if (const char* missing = world.missing()) GTEST_SKIP() << missing;
  }
  void start(const Limits& server_limits = {}, const Limits& client_limits = {}) {
    server = world.make_server(server_limits);
    client = world.make_client(client_limits);
    const auto bound = server->listen({.host = world.server_address, .port = 0});
    ASSERT_TRUE(bound.has_value()) << bound.error().message;
    ASSERT_NE(*bound, 0);
    endpoint = {.host = world.server_address, .port = *bound};
  }
  void turn() {
    const Now now = world.now();
    server_handler.may_be_called = true;
    std::size_t events = server->poll(now, 256, now.instant, server_handler);
    server_handler.may_be_called = false;
    client_handler.may_be_called = true;
    events += client->poll(now, 256, now.instant, client_handler);
    client_handler.may_be_called = false;
    if (events == 0 && !world.is_virtual) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  // False when it has not come true after very many turns.
  bool until(const std::function<bool()>& condition) {
    const Instant end = monotonic_now() + std::chrono::seconds(10);
    for (int turns = 0; monotonic_now() < end && turns < 2'000'000; ++turns) {
      if (condition()) return true;
      turn();
    }
    return condition();
  }
  void turns(int count) {
    for (int i = 0; i < count; ++i) turn();
  }
  // A connection open at both ends: {client's name, server's name}.
  std::pair<ConnectionName, ConnectionName> pair() {
    const std::size_t before = server_handler.opened.size();
    const auto name = client->connect(endpoint);
    EXPECT_TRUE(name.has_value());
    EXPECT_TRUE(until([&] {
      return server_handler.opened.size() > before && client_handler.peers[*name].opens == 1;
    }));
    return {*name, server_handler.opened.back()};
  }
  template <typename Backend>
  static std::size_t send(Backend& backend, ConnectionName name, std::string_view text) {
    const Bytes chunks[] = {as_bytes(text)};
    return backend.send(name, chunks);
  }
  Recorder::Peer& at_server(ConnectionName name) { return server_handler.peers[name]; }
  Recorder::Peer& at_client(ConnectionName name) { return client_handler.peers[name]; }

  World world;
  Recorder server_handler;
  Recorder client_handler;
  std::unique_ptr<typename World::Server> server;
  std::unique_ptr<typename World::Client> client;
  Endpoint endpoint;
};

// Bytes that tell a missing, doubled or moved part.
inline std::string pattern(std::size_t size, std::uint32_t seed = 1) {
  std::string text(size, '\0');
  for (char& c : text) {
    seed = seed * 1664525 + 1013904223;
    c = static_cast<char>(seed >> 24);
  }
  return text;
}

}  // namespace godwit::dataplane::io
