// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/uring/uring_backend.h"

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "tests/dataplane/io/conformance_world.h"

// What only the kernel's backend has: sleeping and waking, turning cold, running out of
// descriptors, and what a plain socket sees at the other end. Everything on loopback.

namespace godwit::dataplane::io {
namespace {

class UringTest : public TwoBackends<Alike<UringWorld<AllFeatures>>> {
 protected:
  // A plain blocking socket, connected to the server, whose name there is the second.
  std::pair<int, ConnectionName> raw_pair() {
    const std::size_t before = server_handler.opened.size();
    const int raw = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(raw, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const timeval limit{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(raw, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_TRUE(until([&] { return server_handler.opened.size() > before; }));
    return {raw, server_handler.opened.back()};
  }
  static std::unique_ptr<UringBackend> backend(const UringBackend::Options& options) {
    return std::make_unique<UringBackend>(options);
  }
};

TEST_F(UringTest, DescribesWhatItUsesAndWhatItDoesWithout) {
  start();
  EXPECT_TRUE(server->describe().starts_with("io_uring: "));
  UringWorld<PlainRing> plain;
  const auto without = plain.make(3, {});
  EXPECT_EQ(without->describe(), "");
  ASSERT_TRUE(without->start().has_value());
  EXPECT_NE(without->describe().find("plain task work, ordinary descriptors, single receives"),
            std::string::npos)
      << without->describe();
  UringWorld<NoDeferredTaskWork> cooperative;
  const auto second = cooperative.make(4, {});
  ASSERT_TRUE(second->start().has_value());
  EXPECT_EQ(second->describe().find("deferred"), std::string::npos);
}

TEST_F(UringTest, OptionsThatCannotBeAreRefused) {
  UringBackend::Options options{.send_queue_max = 1000, .send_pool_bytes = 4000};
  EXPECT_TRUE(backend(options)->start().has_value());
  options.send_pool_bytes = 3999;
  EXPECT_EQ(backend(options)->start().error().code, ErrorCode::invalid);
  for (const std::uint32_t buffers : {0u, 3u, 65'536u}) {
    UringBackend::Options bad;
    bad.ring.receive_buffers = buffers;
    EXPECT_EQ(backend(bad)->start().error().code, ErrorCode::invalid) << buffers;
  }
  UringBackend::Options most;
  most.ring.receive_buffers = 32'768;
  most.ring.receive_buffer_size = 64;
  EXPECT_TRUE(backend(most)->start().has_value());
}

TEST_F(UringTest, AHostThatIsNoAddressIsRefused) {
  start();
  const auto name = client->connect({.host = "localhost", .port = 1});
  ASSERT_FALSE(name.has_value());
  EXPECT_EQ(name.error().code, ErrorCode::invalid);
  EXPECT_EQ(client->listen({.host = "", .port = 0}).error().code, ErrorCode::invalid);
  EXPECT_EQ(client->open_connections(), 0u);
}

TEST_F(UringTest, Version6AddressesWork) {
  start();
  const auto bound = client->listen({.host = "::1", .port = 0});
  if (!bound) GTEST_SKIP() << "no IPv6 here: " << bound.error().message;
  IpAddress from;
  client_handler.when_open = [&](ConnectionName opened) { from = client->peer_ip(opened); };
  const auto name = server->connect({.host = "::1", .port = *bound});
  ASSERT_TRUE(name.has_value());
  ASSERT_TRUE(
      until([&] { return at_server(*name).opens == 1 && client_handler.opened.size() == 1; }));
  EXPECT_EQ(from, *parse_ip_address("::1"));
  EXPECT_EQ(server->peer_address(*name), "[::1]:" + std::to_string(*bound));
}

TEST_F(UringTest, ShardsShareAPort) {
  start();
  auto other = world.make(5, {});
  const auto bound = other->listen(endpoint);
  ASSERT_TRUE(bound.has_value()) << bound.error().message;
  Recorder handler;
  handler.may_be_called = true;
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(client->connect(endpoint).has_value());
  ASSERT_TRUE(until([&] {
    const Now now = world.now();
    other->poll(now, 64, now.instant, handler);
    return server_handler.opened.size() + handler.opened.size() == 64;
  }));
  EXPECT_FALSE(server_handler.opened.empty());
  EXPECT_FALSE(handler.opened.empty());
}

TEST_F(UringTest, APollSleepsUntilItsDeadlineAndNoLonger) {
  start();
  turns(5);
  Recorder handler;
  handler.may_be_called = true;
  const Now before = read_clocks();
  EXPECT_EQ(server->poll(before, 16, before.instant + std::chrono::milliseconds(50), handler), 0u);
  const Duration slept = monotonic_now() - before.instant;
  EXPECT_GE(slept, std::chrono::milliseconds(49));
  EXPECT_LT(slept, std::chrono::seconds(2));
}

TEST_F(UringTest, AnotherThreadWakesASleeper) {
  start();
  turns(5);
  Recorder handler;
  handler.may_be_called = true;
  for (int i = 0; i < 20; ++i) {
    std::thread waker([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      for (int n = 0; n < 3; ++n) server->wake();
    });
    const Now before = read_clocks();
    server->poll(before, 16, before.instant + std::chrono::seconds(5), handler);
    EXPECT_LT(monotonic_now() - before.instant, std::chrono::seconds(3));
    waker.join();
  }
  // One that came before the sleep counts as well.
  server->wake();
  const Now before = read_clocks();
  server->poll(before, 16, before.instant + std::chrono::seconds(5), handler);
  EXPECT_LT(monotonic_now() - before.instant, std::chrono::seconds(3));
}

TEST_F(UringTest, ConnectionsTurnColdAndHotAgain) {
  start({.cold_after = std::chrono::seconds(10)});
  std::vector<std::pair<ConnectionName, ConnectionName>> pairs;
  for (int i = 0; i < 5; ++i) pairs.push_back(pair());
  turns(3);
  EXPECT_EQ(server->hot_connections(), 5u);
  world.skip(std::chrono::seconds(9));
  turns(3);
  EXPECT_EQ(server->hot_connections(), 5u);
  world.skip(std::chrono::milliseconds(2'100));
  ASSERT_TRUE(until([&] { return server->cold_connections() == 5; }));
  EXPECT_EQ(server->hot_connections(), 0u);
  send(*client, pairs[2].first, "warm");
  ASSERT_TRUE(until([&] { return at_server(pairs[2].second).received == "warm"; }));
  EXPECT_EQ(server->hot_connections(), 1u);
  EXPECT_EQ(server->cold_connections(), 4u);
  // A cold one may be paused, resumed and closed as any.
  server->pause_receive(pairs[0].second);
  send(*client, pairs[0].first, "later");
  turns(5);
  EXPECT_EQ(at_server(pairs[0].second).received, "");
  server->resume_receive(pairs[0].second);
  EXPECT_TRUE(until([&] { return at_server(pairs[0].second).received == "later"; }));
  for (const auto& [near, far] : pairs) server->close(far, CloseMode::abort);
  ASSERT_TRUE(until([&] { return server->open_connections() == 0; }));
  EXPECT_EQ(server->hot_connections() + server->cold_connections(), 0u);
}

TEST_F(UringTest, AHalfClosingPeerStillGetsWhatWasQueued) {
  start();
  const auto [raw, name] = raw_pair();
  const std::string text = pattern(1'000'000);
  ASSERT_EQ(send(*server, name, text), text.size());
  ASSERT_EQ(::shutdown(raw, SHUT_WR), 0);
  std::string received;
  std::vector<char> buffer(65'536);
  bool ended = false;
  ASSERT_TRUE(until([&] {
    const ssize_t got = ::recv(raw, buffer.data(), buffer.size(), MSG_DONTWAIT);
    ended = ended || got == 0;
    if (got > 0) received.append(buffer.data(), static_cast<std::size_t>(got));
    return ended;
  }));
  EXPECT_TRUE(received == text);
  EXPECT_TRUE(until([&] { return at_server(name).closes == 1; }));
  EXPECT_EQ(at_server(name).reason, CloseReason::peer_closed);
  ::close(raw);
}

TEST_F(UringTest, AGracefulCloseIsAFinAndAnAbortAReset) {
  start();
  char byte = 0;
  const auto [first, first_name] = raw_pair();
  server->close(first_name, CloseMode::graceful);
  EXPECT_TRUE(until([&] { return ::recv(first, &byte, 1, MSG_DONTWAIT) == 0; }));
  EXPECT_EQ(at_server(first_name).closes, 0) << "the peer's FIN is awaited";
  ::close(first);
  EXPECT_TRUE(until([&] { return at_server(first_name).closes == 1; }));
  const auto [second, second_name] = raw_pair();
  server->close(second_name, CloseMode::abort);
  EXPECT_TRUE(until([&] { return at_server(second_name).closes == 1; }));
  EXPECT_TRUE(
      until([&] { return ::recv(second, &byte, 1, MSG_DONTWAIT) == -1 && errno == ECONNRESET; }));
  ::close(second);
}

TEST_F(UringTest, BytesBeforeAPeersCloseAreHeardThoughASendToItFails) {
  start();
  const auto [raw, name] = raw_pair();
  server->pause_receive(name);
  turns(3);
  ASSERT_EQ(::send(raw, "last", 4, 0), 4);
  ::close(raw);
  server->resume_receive(name);
  send(*server, name, "to nobody");
  ASSERT_TRUE(until([&] { return at_server(name).closes == 1; }));
  EXPECT_EQ(at_server(name).received, "last");
}

TEST_F(UringTest, ADestroyedBackendLeavesNoConnectionOpen) {
  start();
  const auto [raw, name] = raw_pair();
  const std::string text = pattern(1 << 20);
  ASSERT_EQ(send(*server, name, text), text.size());
  turns(2);
  server.reset();
  std::vector<char> buffer(65'536);
  ssize_t got = 0;
  do {
    got = ::recv(raw, buffer.data(), buffer.size(), 0);
  } while (got > 0 || (got < 0 && errno == EINTR));  // the ring that ends interrupts this thread
  EXPECT_TRUE(got == 0 || errno == ECONNRESET) << errno;
  ::close(raw);
}

TEST(UringLimits, RunningOutOfDescriptorsIsARefusalOrAWaitAndEnds) {
  // Without direct descriptors the rest wait in the backlog until descriptors come free.
  UringWorld<NoDirectDescriptors> world;
  auto server = world.make(1, {});
  const auto port = server->listen({.host = "127.0.0.1", .port = 0});
  ASSERT_TRUE(port.has_value());
  auto client = world.make(2, {});
  ASSERT_TRUE(client->start().has_value());
  std::vector<ConnectionName> names;
  for (int i = 0; i < 10; ++i) {
    const auto name = client->connect({.host = "127.0.0.1", .port = *port});
    ASSERT_TRUE(name.has_value());
    names.push_back(*name);
  }
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(0);
  ::close(next);
  const rlimit tight{.rlim_cur = static_cast<rlim_t>(next) + 3, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  Recorder at_server;
  at_server.may_be_called = true;
  std::size_t events = 0;
  for (int i = 0; i < 1000; ++i) {
    const Now now = world.now();
    events += server->poll(now, 64, now.instant, at_server);
  }
  EXPECT_EQ(at_server.opened.size(), 3u);
  EXPECT_LT(events, 50u) << "it must not try again and again";
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  world.skip(std::chrono::seconds(1));
  for (int i = 0; i < 1000 && at_server.opened.size() < 10; ++i) {
    const Now now = world.now();
    server->poll(now, 64, now.instant, at_server);
  }
  EXPECT_EQ(at_server.opened.size(), 10u);
}

TEST_F(UringTest, ConnectsFromTheAddressAskedFor) {
  start();
  IpAddress seen;
  server_handler.when_open = [&](ConnectionName name) { seen = server->peer_ip(name); };
  ASSERT_TRUE(client->connect(endpoint, "127.0.0.77").has_value());
  ASSERT_TRUE(until([&] { return seen.known(); }));
  EXPECT_EQ(to_text(seen), "127.0.0.77");
  EXPECT_EQ(client->connect(endpoint, "nowhere").error().code, ErrorCode::invalid);
  EXPECT_EQ(client->connect(endpoint, "192.0.2.1").error().code, ErrorCode::io);
  EXPECT_EQ(client->open_connections(), 1u) << "a refused source leaves nothing behind";
}

// What stands in the listener's backlog is no reason for a turn to take long.
TEST_F(UringTest, APollTakesFewOfManyNewConnections) {
  start();
  constexpr std::size_t crowd = 20;
  constexpr std::size_t most = 2;
  std::vector<int> sockets;
  for (std::size_t i = 0; i < crowd; ++i) {
    sockets.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(
        ::connect(sockets.back(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  const std::size_t before = server_handler.opened.size();
  for (std::size_t polls = 0; server_handler.opened.size() < before + crowd; ++polls) {
    ASSERT_LT(polls, 1000u);
    const std::size_t opened = server_handler.opened.size();
    const Now now = read_clocks();
    server_handler.may_be_called = true;
    server->poll(now, 512, now.instant, server_handler);
    server_handler.may_be_called = false;
    EXPECT_LE(server_handler.opened.size() - opened, most);
  }
  for (const int socket : sockets) ::close(socket);
}

}  // namespace
}  // namespace godwit::dataplane::io
