// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/io/conformance_worlds.h"

// The rules of dataplane/io/stream.h, the same for every backend and for io_uring without each of
// the features it can do without. Limits are tested at, below and above.

namespace godwit::dataplane::io {

INSTANTIATE_TEST_SUITE_P(Streams, Conformance, ::testing::ValuesIn(worlds()), world_name);

TEST_P(Conformance, BothEndsOpenAndBytesGoBothWays) {
  start();
  server_handler.when_bytes = [&](ConnectionName name, Bytes bytes) {
    EXPECT_EQ(server->send(name, std::array{bytes, as_bytes("!")}), bytes.size() + 1);
  };
  const auto [near, far] = pair();
  EXPECT_TRUE(at_client(near).connected);
  EXPECT_FALSE(at_server(far).connected);
  EXPECT_EQ(send(*client, near, "hello"), 5u);
  EXPECT_TRUE(until([&] { return at_client(near).received == "hello!"; }));
  EXPECT_EQ(server->open_connections(), 1u);
  EXPECT_EQ(near.shard, 2);
  EXPECT_EQ(far.shard, 1);
}

TEST_P(Conformance, PeersHaveAnAddress) {
  start();
  const auto [near, far] = pair();
  EXPECT_EQ(client->peer_address(near),
            std::string(world.server_address) + ":" + std::to_string(endpoint.port));
  const std::string peer = server->peer_address(far);
  const auto ip = parse_ip_address(peer.substr(0, peer.rfind(':')));
  EXPECT_TRUE(ip && parse_ip_prefix(world.network)->contains(*ip)) << peer;
}

TEST_P(Conformance, WhoWasAcceptedIsKnownInOnOpen) {
  start();
  std::vector<IpAddress> seen;
  server_handler.when_open = [&](ConnectionName name) {
    seen.push_back(server->peer_ip(name));
    EXPECT_FALSE(server->peer_ip({name.slot, name.shard, 0}).known());
  };
  for (std::size_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(client->connect(endpoint).has_value());
  }
  ASSERT_TRUE(until([&] { return seen.size() == 40; }));
  const IpPrefix network = *parse_ip_prefix(world.network);
  for (const IpAddress& address : seen) EXPECT_TRUE(network.contains(address));
}

TEST_P(Conformance, WhoListensAgainAcceptsAgain) {
  start();
  pair();
  for (int round = 0; round < 3; ++round) {
    server->stop_listening();
    turns(3);
    const auto bound = server->listen({.host = world.server_address, .port = 0});
    ASSERT_TRUE(bound.has_value()) << bound.error().message;
    endpoint.port = *bound;
    for (int i = 0; i < 20; ++i) pair();
  }
}

TEST_P(Conformance, TheUserValueComesWithEveryEvent) {
  start();
  const auto [near, far] = pair();
  send(*client, near, "a");
  ASSERT_TRUE(until([&] { return at_server(far).received == "a"; }));
  EXPECT_EQ(at_server(far).user, 0u);
  server->set_user(far, 0x1234567890abcdef);
  send(*client, near, "b");
  ASSERT_TRUE(until([&] { return at_server(far).received == "ab"; }));
  EXPECT_EQ(at_server(far).user, 0x1234567890abcdef);
  client->close(near, CloseMode::graceful);
  ASSERT_TRUE(until([&] { return at_server(far).closes == 1; }));
  EXPECT_EQ(at_server(far).user, 0x1234567890abcdef);
}

TEST_P(Conformance, MegabytesArriveInOrderBothWays) {
  start();
  const auto [near, far] = pair();
  const std::string up = pattern(8 << 20, 1);
  const std::string down = pattern(8 << 20, 2);
  std::size_t up_sent = 0;
  std::size_t down_sent = 0;
  const auto pump = [&](auto& backend, ConnectionName name, const std::string& text,
                        std::size_t& sent) {
    while (sent < text.size()) {
      const std::size_t part = std::min<std::size_t>(text.size() - sent, 50'000 + sent % 977);
      if (send(backend, name, std::string_view(text).substr(sent, part)) == 0) break;
      sent += part;
    }
  };
  client_handler.when_writable = [&](auto name) { pump(*client, name, up, up_sent); };
  server_handler.when_writable = [&](auto name) { pump(*server, name, down, down_sent); };
  pump(*client, near, up, up_sent);
  pump(*server, far, down, down_sent);
  EXPECT_LT(up_sent, up.size());
  ASSERT_TRUE(until([&] {
    return at_server(far).received.size() >= up.size() &&
           at_client(near).received.size() >= down.size();
  }));
  EXPECT_TRUE(at_server(far).received == up);
  EXPECT_TRUE(at_client(near).received == down);
}

TEST_P(Conformance, ConnectToNobodyFails) {
  start();
  server->stop_listening();
  turns(5);
  const auto name = client->connect(endpoint);
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(send(*client, *name, "too early"), 0u);
  ASSERT_TRUE(until([&] { return at_client(*name).closes == 1; }));
  EXPECT_EQ(at_client(*name).opens, 0);
  EXPECT_EQ(at_client(*name).reason, CloseReason::failed);
  EXPECT_EQ(client->open_connections(), 0u);
}

TEST_P(Conformance, StopListeningKeepsWhatIsOpenAndMayListenAgain) {
  start();
  const auto [near, far] = pair();
  server->stop_listening();
  turns(5);
  send(*client, near, "still here");
  EXPECT_TRUE(until([&] { return at_server(far).received == "still here"; }));
  const auto again = server->listen(endpoint);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(*again, endpoint.port);
  EXPECT_FALSE(server->listen(endpoint).has_value());
  const auto [near2, far2] = pair();
  EXPECT_NE(near, near2);
  EXPECT_NE(far, far2);
}

TEST_P(Conformance, AGracefulCloseDeliversTheQueueFirst) {
  start();
  const auto [near, far] = pair();
  const std::string text = pattern(900'000);
  ASSERT_EQ(send(*server, far, text), text.size());
  server->close(far, CloseMode::graceful);
  EXPECT_EQ(send(*server, far, "too late"), 0u);
  ASSERT_TRUE(until([&] { return at_client(near).closes && at_server(far).closes; }));
  EXPECT_TRUE(at_client(near).received == text);
  EXPECT_EQ(at_client(near).reason, CloseReason::peer_closed);
  EXPECT_EQ(at_server(far).reason, CloseReason::local);
}

TEST_P(Conformance, NothingIsReportedOfAConnectionClosedByUs) {
  start();
  const auto [near, far] = pair();
  server->close(far, CloseMode::graceful);
  send(*client, near, "unheard");
  ASSERT_TRUE(until([&] { return at_client(near).closes && at_server(far).closes; }));
  EXPECT_EQ(at_server(far).received, "");
  EXPECT_EQ(at_client(near).reason, CloseReason::peer_closed);
}

TEST_P(Conformance, WhatWasSentBeforeAPeersCloseIsHeard) {
  start();
  const auto [near, far] = pair();
  const std::string text = pattern(700'000);
  send(*client, near, text);
  client->close(near, CloseMode::graceful);
  ASSERT_TRUE(until([&] { return at_client(near).closes && at_server(far).closes; }));
  EXPECT_TRUE(at_server(far).received == text);
  EXPECT_EQ(at_server(far).reason, CloseReason::peer_closed);
  EXPECT_EQ(at_client(near).reason, CloseReason::local);
}

TEST_P(Conformance, APeersCloseLetsTheQueueLeave) {
  start();
  const auto [near, far] = pair();
  ASSERT_GT(send(*server, far, pattern(1 << 20)), 0u);
  client->close(near, CloseMode::graceful);
  ASSERT_TRUE(until([&] { return at_server(far).closes && at_client(near).closes; }));
  EXPECT_EQ(at_server(far).reason, CloseReason::peer_closed);
  EXPECT_EQ(at_client(near).reason, CloseReason::local);
}

TEST_P(Conformance, BothMayCloseAtOnce) {
  start();
  const auto [near, far] = pair();
  client->close(near, CloseMode::graceful);
  server->close(far, CloseMode::graceful);
  ASSERT_TRUE(until([&] { return at_server(far).closes && at_client(near).closes; }));
  EXPECT_EQ(server->open_connections(), 0u);
  EXPECT_EQ(client->open_connections(), 0u);
}

TEST_P(Conformance, AnAbortIsAReset) {
  start();
  // By the connecting side and by the accepting one.
  const auto [near, far] = pair();
  client->close(near, CloseMode::abort);
  ASSERT_TRUE(until([&] { return at_server(far).closes && at_client(near).closes; }));
  EXPECT_EQ(at_server(far).reason, CloseReason::reset);
  EXPECT_EQ(at_client(near).reason, CloseReason::local);
  const auto [near2, far2] = pair();
  server->close(far2, CloseMode::abort);
  ASSERT_TRUE(until([&] { return at_server(far2).closes && at_client(near2).closes; }));
  EXPECT_EQ(at_client(near2).reason, CloseReason::reset);
  EXPECT_EQ(at_server(far2).reason, CloseReason::local);
}

TEST_P(Conformance, AResetInTheMiddleOfASendEndsItOnce) {
  start();
  const auto [near, far] = pair();
  client->pause_receive(near);
  server_handler.when_writable = [&](auto name) { send(*server, name, pattern(300'000)); };
  while (send(*server, far, pattern(300'000)) > 0) continue;
  turns(50);
  client->close(near, CloseMode::abort);
  ASSERT_TRUE(until([&] { return at_server(far).closes && at_client(near).closes; }));
  EXPECT_EQ(at_server(far).reason, CloseReason::reset);
  EXPECT_EQ(server->open_connections(), 0u);
}

TEST_P(Conformance, TheSendQueueHoldsItsLimitAndNoMore) {
  start({.send_queue_max = 10'000});
  const auto [near, far] = pair();
  EXPECT_EQ(send(*server, far, pattern(10'001)), 0u);
  EXPECT_EQ(send(*server, far, pattern(9'999)), 9'999u);
  const std::string two = "xy";
  EXPECT_EQ(send(*server, far, two), 0u);
  EXPECT_EQ(send(*server, far, "z"), 1u);
  EXPECT_EQ(send(*server, far, "z"), 0u);
  ASSERT_TRUE(until([&] { return at_server(far).writables == 1; }));
  ASSERT_TRUE(until([&] { return at_client(near).received.size() == 10'000; }));
  EXPECT_TRUE(at_client(near).received == pattern(9'999) + "z");
  turns(20);
  EXPECT_EQ(at_server(far).writables, 1);
}

TEST_P(Conformance, ASlowReaderStopsTheSenderAndLosesNothing) {
  start();
  const auto [near, far] = pair();
  client->pause_receive(near);
  std::string sent;
  const auto fill = [&](ConnectionName name) {
    const std::string part = pattern(100'000, static_cast<std::uint32_t>(sent.size()) + 1);
    while (sent.size() < (std::size_t{40} << 20) && send(*server, name, part) > 0) sent += part;
  };
  server_handler.when_writable = fill;
  fill(far);
  std::size_t before = 0;
  do {
    before = sent.size();
    turns(100);
  } while (sent.size() > before);
  ASSERT_LT(sent.size(), std::size_t{40} << 20)
      << "a reader that does not read has to stop the sender";
  EXPECT_EQ(at_client(near).received, "");
  server_handler.when_writable = [](auto) {};
  client->resume_receive(near);
  ASSERT_TRUE(until([&] { return at_client(near).received.size() >= sent.size(); }));
  EXPECT_TRUE(at_client(near).received == sent);
  EXPECT_GT(at_server(far).writables, 0);
}

TEST_P(Conformance, TheSendPoolIsSharedAndItsReturnIsTold) {
  constexpr std::size_t pool = 400'000;
  start({.send_queue_max = 100'000, .send_pool_bytes = pool});
  std::vector<std::pair<ConnectionName, ConnectionName>> pairs;
  for (int i = 0; i < 6; ++i) pairs.push_back(pair());
  std::size_t taken = 0;
  int refusals = 0;
  std::map<ConnectionName, std::size_t> sent;
  for (const auto& [near, far] : pairs) {
    const std::size_t part = send(*server, far, pattern(90'000));
    refusals += part == 0;
    taken += sent[near] = part;
  }
  EXPECT_LE(taken, pool);
  EXPECT_GE(taken, pool / 2);
  EXPECT_GT(refusals, 0);
  for (const auto& [near, far] : pairs) {
    ASSERT_TRUE(until([&] { return at_client(near).received.size() == sent[near]; }));
    if (sent[near] > 0) continue;
    EXPECT_TRUE(until([&] { return at_server(far).writables == 1; }));
    EXPECT_EQ(send(*server, far, pattern(90'000)), 90'000u);
    EXPECT_TRUE(until([&] { return at_client(near).received == pattern(90'000); }));
  }
}

TEST_P(Conformance, PauseStopsBytesAndResumeLosesNone) {
  start();
  const auto [near, far] = pair();
  std::string sent;
  for (int round = 0; round < 30; ++round) {
    server->pause_receive(far);
    turns(1);
    const std::size_t before = at_server(far).received.size();
    const std::string part = pattern(20'000, static_cast<std::uint32_t>(round));
    ASSERT_GT(send(*client, near, part), 0u);
    sent += part;
    turns(round % 5);
    EXPECT_EQ(at_server(far).received.size(), before);
    server->resume_receive(far);
    if (round % 3 == 0) turns(3);
  }
  ASSERT_TRUE(until([&] { return at_server(far).received.size() >= sent.size(); }));
  EXPECT_TRUE(at_server(far).received == sent);
}

TEST_P(Conformance, APeersCloseWaitsBehindThePause) {
  start();
  const auto [near, far] = pair();
  server->pause_receive(far);
  turns(2);
  send(*client, near, "last words");
  client->close(near, CloseMode::graceful);
  turns(30);
  EXPECT_EQ(at_server(far).closes, 0);
  server->resume_receive(far);
  ASSERT_TRUE(until([&] { return at_server(far).closes == 1; }));
  EXPECT_EQ(at_server(far).received, "last words");
  EXPECT_EQ(at_server(far).reason, CloseReason::peer_closed);
}

TEST_P(Conformance, APausedConnectionMayBeClosed) {
  start();
  for (const CloseMode mode : {CloseMode::graceful, CloseMode::abort}) {
    const auto [near, far] = pair();
    server->pause_receive(far);
    send(*client, near, pattern(50'000));
    turns(5);
    server->close(far, mode);
    ASSERT_TRUE(until([&] { return at_client(near).closes && at_server(far).closes; }));
    EXPECT_EQ(at_server(far).reason, CloseReason::local);
  }
}

TEST_P(Conformance, ALingeringCloseEnds) {
  start({.linger = std::chrono::seconds(5)});
  const auto [near, far] = pair();
  client->pause_receive(near);  // so it never sees the FIN
  turns(3);
  server->close(far, CloseMode::graceful);
  turns(10);
  world.skip(std::chrono::milliseconds(4'500));
  turns(5);
  EXPECT_EQ(at_server(far).closes, 0);
  world.skip(std::chrono::seconds(1));
  ASSERT_TRUE(until([&] { return at_server(far).closes == 1; }));
  EXPECT_EQ(at_server(far).reason, CloseReason::local);
  EXPECT_EQ(server->open_connections(), 0u);
}

}  // namespace godwit::dataplane::io
