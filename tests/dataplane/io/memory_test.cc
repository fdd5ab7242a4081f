// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/memory/memory_backend.h"

#include "base/random.h"
#include "tests/dataplane/io/conformance_world.h"

// What only the network in memory has: links that are held, reset or dribble under a seed, and runs
// that repeat.

namespace godwit::dataplane::io {
namespace {

class MemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_handler.may_be_called = client_handler.may_be_called = true;
    ASSERT_EQ(*server.listen(endpoint), endpoint.port);
    const auto name = client.connect(endpoint);
    ASSERT_TRUE(name.has_value());
    near = *name;
    turns(4);
    ASSERT_EQ(server_handler.opened.size(), 1u);
    far = server_handler.opened.front();
  }
  void turns(int count) {
    for (int i = 0; i < count; ++i) {
      now.instant += std::chrono::milliseconds(1);
      server.poll(now, 100, now.instant, server_handler);
      client.poll(now, 100, now.instant, client_handler);
    }
  }
  static std::size_t send(MemoryBackend& backend, ConnectionName name, std::string_view text) {
    return backend.send(name, std::array{as_bytes(text)});
  }

  MemoryNetwork network{{.window = 1000}};
  MemoryBackend server{network, {.shard = 1}};
  MemoryBackend client{network, {.shard = 2}};
  Recorder server_handler;
  Recorder client_handler;
  Endpoint endpoint{.host = "10.0.0.1", .port = 5210};
  ConnectionName near;
  ConnectionName far;
  Now now;
};

TEST_F(MemoryTest, AQuietNetworkHasNoWork) {
  EXPECT_FALSE(server.has_work());
  EXPECT_FALSE(client.has_work());
  EXPECT_EQ(server.next_deadline(), never);
  client.wake();
  EXPECT_TRUE(client.has_work());
  turns(1);
  EXPECT_FALSE(client.has_work());
  send(client, near, "x");
  EXPECT_TRUE(client.has_work());
  server.close(far, CloseMode::graceful);
  EXPECT_EQ(server.next_deadline(), now.instant + std::chrono::seconds(5));
}

TEST_F(MemoryTest, AHeldLinkMovesNothingUntilReleased) {
  const std::uint64_t link = client.link(near);
  ASSERT_NE(link, 0u);
  EXPECT_EQ(link, server.link(far));
  network.hold(link);
  send(client, near, "held");
  client.close(near, CloseMode::graceful);
  turns(10);
  EXPECT_EQ(server_handler.peers[far].received, "");
  EXPECT_EQ(server_handler.peers[far].closes, 0);
  EXPECT_FALSE(client.has_work());
  network.release(link);
  turns(5);
  EXPECT_EQ(server_handler.peers[far].received, "held");
  EXPECT_EQ(server_handler.peers[far].reason, CloseReason::peer_closed);
  EXPECT_EQ(client_handler.peers[near].reason, CloseReason::local);
}

TEST_F(MemoryTest, AResetLinkEndsBothEnds) {
  send(client, near, "lost");
  network.reset(client.link(near));
  turns(3);
  EXPECT_EQ(server_handler.peers[far].closes, 1);
  EXPECT_EQ(client_handler.peers[near].closes, 1);
  EXPECT_EQ(server_handler.peers[far].reason, CloseReason::reset);
  EXPECT_EQ(client_handler.peers[near].reason, CloseReason::reset);
  EXPECT_EQ(client.send_pool_in_use(), 0u);
  network.reset(12'345);  // no such link
}

TEST_F(MemoryTest, TheWindowBoundsWhatIsUnderWay) {
  server.pause_receive(far);
  ASSERT_EQ(send(client, near, pattern(5000)), 5000u);
  turns(20);
  EXPECT_EQ(client.send_pool_in_use(), 4000u);
  server.resume_receive(far);
  turns(20);
  EXPECT_EQ(client.send_pool_in_use(), 0u);
  EXPECT_TRUE(server_handler.peers[far].received == pattern(5000));
}

TEST_F(MemoryTest, ADyingBackendResetsItsPeers) {
  auto third = std::make_unique<MemoryBackend>(network, MemoryBackend::Options{.shard = 3});
  Recorder third_handler;
  third_handler.may_be_called = true;
  const auto name = third->connect(endpoint);
  third->poll(now, 10, now.instant, third_handler);
  turns(2);
  ASSERT_EQ(server_handler.opened.size(), 2u);
  third.reset();
  turns(2);
  EXPECT_EQ(server_handler.peers[server_handler.opened[1]].reason, CloseReason::reset);
  EXPECT_EQ(server_handler.peers[server_handler.opened[1]].closes, 1);
  EXPECT_TRUE(name.has_value());
}

TEST_F(MemoryTest, ShardsTakeConnectionsInTurn) {
  MemoryBackend second{network, {.shard = 7}};
  Recorder handler;
  handler.may_be_called = true;
  ASSERT_TRUE(second.listen(endpoint).has_value());
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(client.connect(endpoint).has_value());
  turns(3);
  second.poll(now, 100, now.instant, handler);
  EXPECT_EQ(handler.opened.size(), 3u);
  EXPECT_EQ(server_handler.opened.size(), 4u);
}

// Moves a seed's choice of bytes, often none; the record of what arrived when.
std::vector<std::size_t> dribble(std::uint64_t seed, std::string& received) {
  SeededRandom random(seed);
  MemoryNetwork network;
  network.set_transfer_hook([&](const MemoryNetwork::Transfer& transfer) {
    return random.below(transfer.available + 3) / 3;
  });
  MemoryBackend server(network, {.shard = 1});
  MemoryBackend client(network, {.shard = 2});
  Recorder server_handler;
  Recorder client_handler;
  server_handler.may_be_called = client_handler.may_be_called = true;
  std::vector<std::size_t> sizes;
  server_handler.when_bytes = [&](auto, Bytes bytes) { sizes.push_back(bytes.size()); };
  const auto port = server.listen({.host = "10.0.0.1", .port = 0});
  const auto name = client.connect({.host = "10.0.0.1", .port = *port});
  Now now;
  bool sent = false;
  for (int i = 0; i < 10'000 && (client.has_work() || server.has_work()); ++i) {
    client.poll(now, 100, now.instant, client_handler);
    server.poll(now, 100, now.instant, server_handler);
    if (!sent) {
      const std::string text = pattern(20'000);
      sent = client.send(*name, std::array{as_bytes(text)}) > 0;
      client.close(*name, CloseMode::graceful);
    }
  }
  EXPECT_EQ(server.open_connections() + client.open_connections(), 0u);
  received = server_handler.peers[server_handler.opened.front()].received;
  return sizes;
}

TEST(MemoryDribble, RepeatsUnderOneSeedAndLosesNothingUnderAny) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    std::string first;
    std::string second;
    const auto sizes = dribble(seed, first);
    EXPECT_EQ(sizes, dribble(seed, second));
    EXPECT_GT(sizes.size(), 5u);
    EXPECT_TRUE(first == pattern(20'000)) << seed;
    EXPECT_EQ(first, second);
  }
}

}  // namespace
}  // namespace godwit::dataplane::io
