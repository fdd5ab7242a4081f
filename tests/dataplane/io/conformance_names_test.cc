// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/io/conformance_worlds.h"

// The second half of the rules: names, numbers of connections, scarce buffers, calls from within
// callbacks.

namespace godwit::dataplane::io {

template <typename World>
class Naming : public Conformance<World> {};

TYPED_TEST_SUITE(Naming, Worlds);

TYPED_TEST(Naming, AStaleNameDoesNothing) {
  this->start();
  const auto [near, far] = this->pair();
  this->client->close(near, CloseMode::abort);
  ASSERT_TRUE(
      this->until([&] { return this->at_client(near).closes && this->at_server(far).closes; }));
  const auto [near2, far2] = this->pair();
  EXPECT_NE(near, near2);
  EXPECT_NE(far, far2);
  EXPECT_EQ(near.slot, near2.slot) << "the slot is used again, which is what the generation is for";
  const ConnectionName names[] = {far, ConnectionName{}, ConnectionName{1'000'000, 1, 1},
                                  ConnectionName{far2.slot, 7, far2.generation}};
  for (const ConnectionName stale : names) {
    EXPECT_EQ(this->send(*this->server, stale, "lost"), 0u);
    this->server->set_user(stale, 99);
    this->server->pause_receive(stale);
    this->server->close(stale, CloseMode::abort);
    this->server->resume_receive(stale);
    EXPECT_EQ(this->server->peer_address(stale), "");
  }
  this->send(*this->client, near2, "fine");
  EXPECT_TRUE(this->until([&] { return this->at_server(far2).received == "fine"; }));
  EXPECT_EQ(this->at_server(far2).user, 0u);
  EXPECT_EQ(this->at_client(near2).received, "");
}

TYPED_TEST(Naming, ASlotUsedManyTimesNeverRepeatsItsName) {
  this->start();
  for (int i = 0; i < 200; ++i) {
    const auto [near, far] = this->pair();
    this->send(*this->client, near, "x");
    this->client->close(near, i % 2 == 0 ? CloseMode::abort : CloseMode::graceful);
    ASSERT_TRUE(
        this->until([&] { return this->at_client(near).closes && this->at_server(far).closes; }));
  }
  EXPECT_EQ(this->server_handler.peers.size(), 200u);
  EXPECT_EQ(this->client_handler.peers.size(), 200u);
  EXPECT_EQ(this->server->open_connections(), 0u);
}

TYPED_TEST(Naming, TheConnectionLimitHolds) {
  this->start({.connections_max = 4});
  std::vector<ConnectionName> names;
  for (int i = 0; i < 4; ++i) names.push_back(this->pair().first);
  for (int i = 0; i < 3; ++i) {
    const auto extra = this->client->connect(this->endpoint);
    ASSERT_TRUE(extra.has_value());
    ASSERT_TRUE(this->until([&] { return this->at_client(*extra).closes == 1; }));
  }
  EXPECT_EQ(this->server->open_connections(), 4u);
  EXPECT_EQ(this->server_handler.opened.size(), 4u);
  EXPECT_EQ(this->server->refused_connections(), 3u);
  this->client->close(names[0], CloseMode::graceful);
  ASSERT_TRUE(this->until([&] { return this->server->open_connections() == 3; }));
  this->pair();
  EXPECT_EQ(this->server->open_connections(), 4u);
}

TYPED_TEST(Naming, ConnectKeepsTheLimitToo) {
  this->start({}, {.connections_max = 2});
  this->pair();
  this->pair();
  const auto third = this->client->connect(this->endpoint);
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error().code, ErrorCode::limit);
}

TYPED_TEST(Naming, AStormOfConnectionsIsAccepted) {
  this->start();
  constexpr std::size_t count = 500;
  this->server_handler.when_bytes = [&](ConnectionName name, Bytes bytes) {
    this->server->send(name, std::array{bytes});
  };
  this->client_handler.when_open = [&](ConnectionName name) {
    this->send(*this->client, name, "ping");
  };
  std::vector<ConnectionName> names;
  for (std::size_t i = 0; i < count; ++i) {
    const auto name = this->client->connect(this->endpoint);
    ASSERT_TRUE(name.has_value()) << name.error().message;
    names.push_back(*name);
  }
  ASSERT_TRUE(this->until([&] {
    return std::ranges::all_of(names,
                               [&](auto name) { return this->at_client(name).received == "ping"; });
  }));
  EXPECT_EQ(this->server->open_connections(), count);
  for (const auto name : names) this->client->close(name, CloseMode::graceful);
  ASSERT_TRUE(this->until([&] { return this->server_handler.closed() == count; }));
  ASSERT_TRUE(this->until([&] { return this->client->open_connections() == 0; }));
  EXPECT_EQ(this->server->open_connections(), 0u);
}

TYPED_TEST(Naming, FewReceiveBuffersServeManyConnections) {
  this->start({.receive_buffers = 4, .receive_buffer_size = 256});
  std::vector<std::pair<ConnectionName, ConnectionName>> pairs;
  for (int i = 0; i < 20; ++i) pairs.push_back(this->pair());
  for (std::uint32_t i = 0; i < pairs.size(); ++i) {
    ASSERT_GT(this->send(*this->client, pairs[i].first, pattern(64'000, i)), 0u);
  }
  for (std::uint32_t i = 0; i < pairs.size(); ++i) {
    auto& peer = this->at_server(pairs[i].second);
    ASSERT_TRUE(this->until([&] { return peer.received.size() == 64'000; }))
        << peer.received.size();
    EXPECT_TRUE(peer.received == pattern(64'000, i));
  }
}

TYPED_TEST(Naming, PausedConnectionsDoNotStarveTheOthers) {
  this->start({.receive_buffers = 4, .receive_buffer_size = 256});
  std::vector<std::pair<ConnectionName, ConnectionName>> pairs;
  for (int i = 0; i < 12; ++i) pairs.push_back(this->pair());
  for (std::size_t i = 1; i < pairs.size(); ++i) {
    this->server->pause_receive(pairs[i].second);
    this->send(*this->client, pairs[i].first, pattern(10'000));
  }
  this->turns(10);
  this->send(*this->client, pairs[0].first, pattern(10'000));
  EXPECT_TRUE(
      this->until([&] { return this->at_server(pairs[0].second).received == pattern(10'000); }));
  for (std::size_t i = 1; i < pairs.size(); ++i) {
    this->server->resume_receive(pairs[i].second);
    EXPECT_TRUE(
        this->until([&] { return this->at_server(pairs[i].second).received == pattern(10'000); }));
  }
}

TYPED_TEST(Naming, IdleConnectionsAreHeardAgain) {
  this->start();
  std::vector<std::pair<ConnectionName, ConnectionName>> pairs;
  for (int i = 0; i < 10; ++i) pairs.push_back(this->pair());
  for (int round = 0; round < 4; ++round) {
    for (const auto& [near, far] : pairs) this->send(*this->client, near, "abc");
    for (const auto& [near, far] : pairs) {
      const std::size_t size = 3 * static_cast<std::size_t>(round + 1);
      ASSERT_TRUE(this->until([&] { return this->at_server(far).received.size() == size; }));
    }
    for (int i = 0; i < 6; ++i) {
      this->world.skip(std::chrono::seconds(4));
      this->turns(3);
    }
  }
  // Closed by either side while idle.
  this->client->close(pairs[0].first, CloseMode::graceful);
  this->client->close(pairs[1].first, CloseMode::abort);
  this->server->close(pairs[2].second, CloseMode::graceful);
  this->server->close(pairs[3].second, CloseMode::abort);
  ASSERT_TRUE(this->until([&] { return this->server_handler.closed() == 4; }));
  ASSERT_TRUE(this->until([&] { return this->client_handler.closed() == 4; }));
  EXPECT_EQ(this->at_server(pairs[0].second).reason, CloseReason::peer_closed);
  EXPECT_EQ(this->at_server(pairs[1].second).reason, CloseReason::reset);
  EXPECT_EQ(this->at_client(pairs[2].first).reason, CloseReason::peer_closed);
  EXPECT_EQ(this->at_client(pairs[3].first).reason, CloseReason::reset);
}

TYPED_TEST(Naming, EveryDownCallMayComeFromACallback) {
  this->start();
  this->server_handler.when_open = [&](ConnectionName name) {
    EXPECT_EQ(this->send(*this->server, name, "welcome"), 7u);
    EXPECT_NE(this->server->peer_address(name), "");
  };
  this->server_handler.when_bytes = [&](ConnectionName name, Bytes bytes) {
    const std::string text(as_text(bytes));
    this->server->pause_receive(name);
    this->server->resume_receive(name);
    EXPECT_EQ(this->send(*this->server, name, text), text.size());
    if (text == "bye") this->server->close(name, CloseMode::graceful);
    if (text == "out") this->server->close(name, CloseMode::abort);
    EXPECT_EQ(this->send(*this->server, name, "?"), text == "bye" || text == "out" ? 0u : 1u);
  };
  ConnectionName next;
  this->client_handler.when_closed = [&](ConnectionName name) {
    this->client->close(name, CloseMode::abort);
    EXPECT_EQ(this->send(*this->client, name, "stale"), 0u);
    const auto connected = this->client->connect(this->endpoint);
    ASSERT_TRUE(connected.has_value());
    EXPECT_NE(*connected, name);
    next = *connected;
  };
  auto [near, far] = this->pair();
  for (const std::string text : {"bye", "out", "bye"}) {
    ASSERT_TRUE(this->until([&] { return this->at_client(near).received == "welcome"; }));
    this->send(*this->client, near, "hi");
    ASSERT_TRUE(this->until([&] { return this->at_client(near).received == "welcomehi?"; }));
    this->send(*this->client, near, text);
    ASSERT_TRUE(this->until([&] { return this->at_client(near).closes == 1; }));
    EXPECT_EQ(this->at_client(near).received, text == "bye" ? "welcomehi?bye" : "welcomehi?");
    EXPECT_EQ(this->at_client(near).reason,
              text == "bye" ? CloseReason::peer_closed : CloseReason::reset);
    ASSERT_TRUE(this->until([&] { return this->at_client(next).opens == 1; }));
    near = next;
  }
}

TYPED_TEST(Naming, AConnectionMayBeClosedFromItsFirstEvent) {
  this->start();
  this->server_handler.when_open = [&](ConnectionName name) {
    this->server->close(name, name.generation % 2 == 0 ? CloseMode::abort : CloseMode::graceful);
  };
  for (int i = 0; i < 10; ++i) {
    const auto name = this->client->connect(this->endpoint);
    ASSERT_TRUE(name.has_value());
    ASSERT_TRUE(this->until([&] { return this->at_client(*name).closes == 1; }));
  }
  ASSERT_TRUE(this->until([&] { return this->server->open_connections() == 0; }));
  EXPECT_EQ(this->server_handler.closed(), this->server_handler.opened.size());
}

TYPED_TEST(Naming, ACloseWhileConnectingEndsOnce) {
  this->start();
  for (const CloseMode mode : {CloseMode::graceful, CloseMode::abort}) {
    const auto name = this->client->connect(this->endpoint);
    ASSERT_TRUE(name.has_value());
    this->client->close(*name, mode);
    ASSERT_TRUE(this->until([&] { return this->at_client(*name).closes == 1; }));
    EXPECT_EQ(this->at_client(*name).reason, CloseReason::local);
  }
  EXPECT_TRUE(this->until([&] { return this->server->open_connections() == 0; }));
}

TYPED_TEST(Naming, PollKeepsItsBudget) {
  this->start();
  std::vector<std::pair<ConnectionName, ConnectionName>> pairs;
  for (int i = 0; i < 40; ++i) pairs.push_back(this->pair());
  for (const auto& [near, far] : pairs) this->send(*this->client, near, "x");
  this->turns(0);
  const Now now = this->world.now();
  this->client_handler.may_be_called = true;
  for (int i = 0; i < 10; ++i) this->client->poll(now, 256, now.instant, this->client_handler);
  this->server_handler.may_be_called = true;
  EXPECT_LE(this->server->poll(now, 8, now.instant, this->server_handler),
            8 + TypeParam::events_over_budget);
  for (const auto& [near, far] : pairs) {
    EXPECT_TRUE(this->until([&] { return this->at_server(far).received == "x"; }));
  }
}

}  // namespace godwit::dataplane::io
