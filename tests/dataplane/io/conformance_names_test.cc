// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/io/conformance_worlds.h"

// The second half of the rules: names, numbers of connections, scarce buffers, calls from within
// callbacks.

namespace godwit::dataplane::io {

class Naming : public Conformance {};

INSTANTIATE_TEST_SUITE_P(Streams, Naming, ::testing::ValuesIn(worlds()), world_name);

TEST_P(Naming, AStaleNameDoesNothing) {
  start();
  const auto [near, far] = pair();
  client->close(near, CloseMode::abort);
  ASSERT_TRUE(until([&] { return at_client(near).closes && at_server(far).closes; }));
  const auto [near2, far2] = pair();
  EXPECT_NE(near, near2);
  EXPECT_NE(far, far2);
  EXPECT_EQ(near.slot, near2.slot) << "the slot is used again, which is what the generation is for";
  const ConnectionName names[] = {far, ConnectionName{}, ConnectionName{1'000'000, 1, 1},
                                  ConnectionName{far2.slot, 7, far2.generation}};
  for (const ConnectionName stale : names) {
    EXPECT_EQ(send(*server, stale, "lost"), 0u);
    server->set_user(stale, 99);
    server->pause_receive(stale);
    server->close(stale, CloseMode::abort);
    server->resume_receive(stale);
    EXPECT_EQ(server->peer_address(stale), "");
  }
  send(*client, near2, "fine");
  EXPECT_TRUE(until([&] { return at_server(far2).received == "fine"; }));
  EXPECT_EQ(at_server(far2).user, 0u);
  EXPECT_EQ(at_client(near2).received, "");
}

TEST_P(Naming, ASlotUsedManyTimesNeverRepeatsItsName) {
  start();
  for (int i = 0; i < 200; ++i) {
    const auto [near, far] = pair();
    send(*client, near, "x");
    client->close(near, i % 2 == 0 ? CloseMode::abort : CloseMode::graceful);
    ASSERT_TRUE(until([&] { return at_client(near).closes && at_server(far).closes; }));
  }
  EXPECT_EQ(server_handler.peers.size(), 200u);
  EXPECT_EQ(client_handler.peers.size(), 200u);
  EXPECT_EQ(server->open_connections(), 0u);
}

TEST_P(Naming, TheConnectionLimitHolds) {
  start({.connections_max = 4});
  std::vector<ConnectionName> names;
  for (int i = 0; i < 4; ++i) names.push_back(pair().first);
  for (int i = 0; i < 3; ++i) {
    const auto extra = client->connect(endpoint);
    ASSERT_TRUE(extra.has_value());
    ASSERT_TRUE(until([&] { return at_client(*extra).closes == 1; }));
  }
  EXPECT_EQ(server->open_connections(), 4u);
  EXPECT_EQ(server_handler.opened.size(), 4u);
  EXPECT_EQ(server->refused_connections(), 3u);
  client->close(names[0], CloseMode::graceful);
  ASSERT_TRUE(until([&] { return server->open_connections() == 3; }));
  pair();
  EXPECT_EQ(server->open_connections(), 4u);
}

TEST_P(Naming, ConnectKeepsTheLimitToo) {
  start({}, {.connections_max = 2});
  pair();
  pair();
  const auto third = client->connect(endpoint);
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error().code, ErrorCode::limit);
}

TEST_P(Naming, AStormOfConnectionsIsAccepted) {
  start();
  constexpr std::size_t count = 500;
  server_handler.when_bytes = [&](ConnectionName name, Bytes bytes) {
    server->send(name, std::array{bytes});
  };
  client_handler.when_open = [&](ConnectionName name) { send(*client, name, "ping"); };
  std::vector<ConnectionName> names;
  for (std::size_t i = 0; i < count; ++i) {
    const auto name = client->connect(endpoint);
    ASSERT_TRUE(name.has_value()) << name.error().message;
    names.push_back(*name);
  }
  ASSERT_TRUE(until([&] {
    return std::ranges::all_of(names,
                               [&](auto name) { return at_client(name).received == "ping"; });
  }));
  EXPECT_EQ(server->open_connections(), count);
  for (const auto name : names) client->close(name, CloseMode::graceful);
  ASSERT_TRUE(until([&] { return server_handler.closed() == count; }));
  ASSERT_TRUE(until([&] { return client->open_connections() == 0; }));
  EXPECT_EQ(server->open_connections(), 0u);
}

TEST_P(Naming, FewReceiveBuffersServeManyConnections) {
  start({.receive_buffers = 4, .receive_buffer_size = 256});
  std::vector<std::pair<ConnectionName, ConnectionName>> pairs;
  for (int i = 0; i < 20; ++i) pairs.push_back(pair());
  for (std::uint32_t i = 0; i < pairs.size(); ++i) {
    ASSERT_GT(send(*client, pairs[i].first, pattern(64'000, i)), 0u);
  }
  for (std::uint32_t i = 0; i < pairs.size(); ++i) {
    auto& peer = at_server(pairs[i].second);
    ASSERT_TRUE(until([&] { return peer.received.size() == 64'000; })) << peer.received.size();
    EXPECT_TRUE(peer.received == pattern(64'000, i));
  }
}

TEST_P(Naming, PausedConnectionsDoNotStarveTheOthers) {
  start({.receive_buffers = 4, .receive_buffer_size = 256});
  std::vector<std::pair<ConnectionName, ConnectionName>> pairs;
  for (int i = 0; i < 12; ++i) pairs.push_back(pair());
  for (std::size_t i = 1; i < pairs.size(); ++i) {
    server->pause_receive(pairs[i].second);
    send(*client, pairs[i].first, pattern(10'000));
  }
  turns(10);
  send(*client, pairs[0].first, pattern(10'000));
  EXPECT_TRUE(until([&] { return at_server(pairs[0].second).received == pattern(10'000); }));
  for (std::size_t i = 1; i < pairs.size(); ++i) {
    server->resume_receive(pairs[i].second);
    EXPECT_TRUE(until([&] { return at_server(pairs[i].second).received == pattern(10'000); }));
  }
}

TEST_P(Naming, IdleConnectionsAreHeardAgain) {
  start();
  std::vector<std::pair<ConnectionName, ConnectionName>> pairs;
  for (int i = 0; i < 10; ++i) pairs.push_back(pair());
  for (int round = 0; round < 4; ++round) {
    for (const auto& [near, far] : pairs) send(*client, near, "abc");
    for (const auto& [near, far] : pairs) {
      const std::size_t size = 3 * static_cast<std::size_t>(round + 1);
      ASSERT_TRUE(until([&] { return at_server(far).received.size() == size; }));
    }
    for (int i = 0; i < 6; ++i) {
      world.skip(std::chrono::seconds(4));
      turns(3);
    }
  }
  // Closed by either side while idle.
  client->close(pairs[0].first, CloseMode::graceful);
  client->close(pairs[1].first, CloseMode::abort);
  server->close(pairs[2].second, CloseMode::graceful);
  server->close(pairs[3].second, CloseMode::abort);
  ASSERT_TRUE(until([&] { return server_handler.closed() == 4; }));
  ASSERT_TRUE(until([&] { return client_handler.closed() == 4; }));
  EXPECT_EQ(at_server(pairs[0].second).reason, CloseReason::peer_closed);
  EXPECT_EQ(at_server(pairs[1].second).reason, CloseReason::reset);
  EXPECT_EQ(at_client(pairs[2].first).reason, CloseReason::peer_closed);
  EXPECT_EQ(at_client(pairs[3].first).reason, CloseReason::reset);
}

TEST_P(Naming, EveryDownCallMayComeFromACallback) {
  start();
  server_handler.when_open = [&](ConnectionName name) {
    EXPECT_EQ(send(*server, name, "welcome"), 7u);
    EXPECT_NE(server->peer_address(name), "");
  };
  server_handler.when_bytes = [&](ConnectionName name, Bytes bytes) {
    const std::string text(as_text(bytes));
    server->pause_receive(name);
    server->resume_receive(name);
    EXPECT_EQ(send(*server, name, text), text.size());
    if (text == "bye") server->close(name, CloseMode::graceful);
    if (text == "out") server->close(name, CloseMode::abort);
    EXPECT_EQ(send(*server, name, "?"), text == "bye" || text == "out" ? 0u : 1u);
  };
  ConnectionName next;
  client_handler.when_closed = [&](ConnectionName name) {
    client->close(name, CloseMode::abort);
    EXPECT_EQ(send(*client, name, "stale"), 0u);
    const auto connected = client->connect(endpoint);
    ASSERT_TRUE(connected.has_value());
    EXPECT_NE(*connected, name);
    next = *connected;
  };
  auto [near, far] = pair();
  for (const std::string text : {"bye", "out", "bye"}) {
    ASSERT_TRUE(until([&] { return at_client(near).received == "welcome"; }));
    send(*client, near, "hi");
    ASSERT_TRUE(until([&] { return at_client(near).received == "welcomehi?"; }));
    send(*client, near, text);
    ASSERT_TRUE(until([&] { return at_client(near).closes == 1; }));
    EXPECT_EQ(at_client(near).received, text == "bye" ? "welcomehi?bye" : "welcomehi?");
    EXPECT_EQ(at_client(near).reason,
              text == "bye" ? CloseReason::peer_closed : CloseReason::reset);
    ASSERT_TRUE(until([&] { return at_client(next).opens == 1; }));
    near = next;
  }
}

TEST_P(Naming, AConnectionMayBeClosedFromItsFirstEvent) {
  start();
  server_handler.when_open = [&](ConnectionName name) {
    server->close(name, name.generation % 2 == 0 ? CloseMode::abort : CloseMode::graceful);
  };
  for (int i = 0; i < 10; ++i) {
    const auto name = client->connect(endpoint);
    ASSERT_TRUE(name.has_value());
    ASSERT_TRUE(until([&] { return at_client(*name).closes == 1; }));
  }
  ASSERT_TRUE(until([&] { return server->open_connections() == 0; }));
  EXPECT_EQ(server_handler.closed(), server_handler.opened.size());
}

TEST_P(Naming, ACloseWhileConnectingEndsOnce) {
  start();
  for (const CloseMode mode : {CloseMode::graceful, CloseMode::abort}) {
    const auto name = client->connect(endpoint);
    ASSERT_TRUE(name.has_value());
    client->close(*name, mode);
    ASSERT_TRUE(until([&] { return at_client(*name).closes == 1; }));
    EXPECT_EQ(at_client(*name).reason, CloseReason::local);
  }
  EXPECT_TRUE(until([&] { return server->open_connections() == 0; }));
}

TEST_P(Naming, PollKeepsItsBudget) {
  start();
  std::vector<std::pair<ConnectionName, ConnectionName>> pairs;
  for (int i = 0; i < 40; ++i) pairs.push_back(pair());
  for (const auto& [near, far] : pairs) send(*client, near, "x");
  turns(0);
  const Now now = world.now();
  client_handler.may_be_called = true;
  for (int i = 0; i < 10; ++i) client->poll(now, 256, now.instant, client_handler);
  server_handler.may_be_called = true;
  EXPECT_LE(server->poll(now, 8, now.instant, server_handler), 8 + world.events_over_budget);
  for (const auto& [near, far] : pairs) {
    EXPECT_TRUE(until([&] { return at_server(far).received == "x"; }));
  }
}

}  // namespace godwit::dataplane::io
