// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/io/conformance_worlds.h"

// The rules of dataplane/io/stream.h, the same for every backend and for io_uring without each of
// the features it can do without. Limits are tested at, below and above.

namespace godwit::dataplane::io {

TYPED_TEST_SUITE(Conformance, Worlds);

TYPED_TEST(Conformance, BothEndsOpenAndBytesGoBothWays) {
  this->start();
  this->server_handler.when_bytes = [&](ConnectionName name, Bytes bytes) {
    EXPECT_EQ(this->server->send(name, std::array{bytes, as_bytes("!")}), bytes.size() + 1);
  };
  const auto [near, far] = this->pair();
  EXPECT_TRUE(this->at_client(near).connected);
  EXPECT_FALSE(this->at_server(far).connected);
  EXPECT_EQ(this->send(*this->client, near, "hello"), 5u);
  EXPECT_TRUE(this->until([&] { return this->at_client(near).received == "hello!"; }));
  EXPECT_EQ(this->server->open_connections(), 1u);
  EXPECT_EQ(near.shard, 2);
  EXPECT_EQ(far.shard, 1);
}

TYPED_TEST(Conformance, PeersHaveAnAddress) {
  this->start();
  const auto [near, far] = this->pair();
  EXPECT_EQ(this->client->peer_address(near),
            std::string(this->server_address) + ":" + std::to_string(this->endpoint.port));
  const std::string peer = this->server->peer_address(far);
  const auto ip = parse_ip_address(peer.substr(0, peer.rfind(':')));
  EXPECT_TRUE(ip && parse_ip_prefix(TypeParam::network)->contains(*ip)) << peer;
}

TYPED_TEST(Conformance, WhoWasAcceptedIsKnownInOnOpen) {
  this->start();
  std::vector<IpAddress> seen;
  this->server_handler.when_open = [&](ConnectionName name) {
    seen.push_back(this->server->peer_ip(name));
    EXPECT_FALSE(this->server->peer_ip({name.slot, name.shard, 0}).known());
  };
  for (std::size_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(this->client->connect(this->endpoint).has_value());
  }
  ASSERT_TRUE(this->until([&] { return seen.size() == 40; }));
  const IpPrefix network = *parse_ip_prefix(TypeParam::network);
  for (const IpAddress& address : seen) EXPECT_TRUE(network.contains(address));
}

TYPED_TEST(Conformance, WhoListensAgainAcceptsAgain) {
  this->start();
  this->pair();
  for (int round = 0; round < 3; ++round) {
    this->server->stop_listening();
    this->turns(3);
    const auto bound = this->server->listen({.host = this->server_address, .port = 0});
    ASSERT_TRUE(bound.has_value()) << bound.error().message;
    this->endpoint.port = *bound;
    for (int i = 0; i < 20; ++i) this->pair();
  }
}

TYPED_TEST(Conformance, TheUserValueComesWithEveryEvent) {
  this->start();
  const auto [near, far] = this->pair();
  this->send(*this->client, near, "a");
  ASSERT_TRUE(this->until([&] { return this->at_server(far).received == "a"; }));
  EXPECT_EQ(this->at_server(far).user, 0u);
  this->server->set_user(far, 0x1234567890abcdef);
  this->send(*this->client, near, "b");
  ASSERT_TRUE(this->until([&] { return this->at_server(far).received == "ab"; }));
  EXPECT_EQ(this->at_server(far).user, 0x1234567890abcdef);
  this->client->close(near, CloseMode::graceful);
  ASSERT_TRUE(this->until([&] { return this->at_server(far).closes == 1; }));
  EXPECT_EQ(this->at_server(far).user, 0x1234567890abcdef);
}

TYPED_TEST(Conformance, MegabytesArriveInOrderBothWays) {
  this->start();
  const auto [near, far] = this->pair();
  const std::string up = pattern(8 << 20, 1);
  const std::string down = pattern(8 << 20, 2);
  std::size_t up_sent = 0;
  std::size_t down_sent = 0;
  const auto pump = [&](auto& backend, ConnectionName name, const std::string& text,
                        std::size_t& sent) {
    while (sent < text.size()) {
      const std::size_t part = std::min<std::size_t>(text.size() - sent, 50'000 + sent % 977);
      if (this->send(backend, name, std::string_view(text).substr(sent, part)) == 0) break;
      sent += part;
    }
  };
  this->client_handler.when_writable = [&](auto name) { pump(*this->client, name, up, up_sent); };
  this->server_handler.when_writable = [&](auto name) {
    pump(*this->server, name, down, down_sent);
  };
  pump(*this->client, near, up, up_sent);
  pump(*this->server, far, down, down_sent);
  EXPECT_LT(up_sent, up.size());
  ASSERT_TRUE(this->until([&] {
    return this->at_server(far).received.size() >= up.size() &&
           this->at_client(near).received.size() >= down.size();
  }));
  EXPECT_TRUE(this->at_server(far).received == up);
  EXPECT_TRUE(this->at_client(near).received == down);
}

TYPED_TEST(Conformance, ConnectToNobodyFails) {
  this->start();
  this->server->stop_listening();
  this->turns(5);
  const auto name = this->client->connect(this->endpoint);
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(this->send(*this->client, *name, "too early"), 0u);
  ASSERT_TRUE(this->until([&] { return this->at_client(*name).closes == 1; }));
  EXPECT_EQ(this->at_client(*name).opens, 0);
  EXPECT_EQ(this->at_client(*name).reason, CloseReason::failed);
  EXPECT_EQ(this->client->open_connections(), 0u);
}

TYPED_TEST(Conformance, StopListeningKeepsWhatIsOpenAndMayListenAgain) {
  this->start();
  const auto [near, far] = this->pair();
  this->server->stop_listening();
  this->turns(5);
  this->send(*this->client, near, "still here");
  EXPECT_TRUE(this->until([&] { return this->at_server(far).received == "still here"; }));
  const auto again = this->server->listen(this->endpoint);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(*again, this->endpoint.port);
  EXPECT_FALSE(this->server->listen(this->endpoint).has_value());
  const auto [near2, far2] = this->pair();
  EXPECT_NE(near, near2);
  EXPECT_NE(far, far2);
}

TYPED_TEST(Conformance, AGracefulCloseDeliversTheQueueFirst) {
  this->start();
  const auto [near, far] = this->pair();
  const std::string text = pattern(900'000);
  ASSERT_EQ(this->send(*this->server, far, text), text.size());
  this->server->close(far, CloseMode::graceful);
  EXPECT_EQ(this->send(*this->server, far, "too late"), 0u);
  ASSERT_TRUE(
      this->until([&] { return this->at_client(near).closes && this->at_server(far).closes; }));
  EXPECT_TRUE(this->at_client(near).received == text);
  EXPECT_EQ(this->at_client(near).reason, CloseReason::peer_closed);
  EXPECT_EQ(this->at_server(far).reason, CloseReason::local);
}

TYPED_TEST(Conformance, NothingIsReportedOfAConnectionClosedByUs) {
  this->start();
  const auto [near, far] = this->pair();
  this->server->close(far, CloseMode::graceful);
  this->send(*this->client, near, "unheard");
  ASSERT_TRUE(
      this->until([&] { return this->at_client(near).closes && this->at_server(far).closes; }));
  EXPECT_EQ(this->at_server(far).received, "");
  EXPECT_EQ(this->at_client(near).reason, CloseReason::peer_closed);
}

TYPED_TEST(Conformance, WhatWasSentBeforeAPeersCloseIsHeard) {
  this->start();
  const auto [near, far] = this->pair();
  const std::string text = pattern(700'000);
  this->send(*this->client, near, text);
  this->client->close(near, CloseMode::graceful);
  ASSERT_TRUE(
      this->until([&] { return this->at_client(near).closes && this->at_server(far).closes; }));
  EXPECT_TRUE(this->at_server(far).received == text);
  EXPECT_EQ(this->at_server(far).reason, CloseReason::peer_closed);
  EXPECT_EQ(this->at_client(near).reason, CloseReason::local);
}

TYPED_TEST(Conformance, APeersCloseLetsTheQueueLeave) {
  this->start();
  const auto [near, far] = this->pair();
  ASSERT_GT(this->send(*this->server, far, pattern(1 << 20)), 0u);
  this->client->close(near, CloseMode::graceful);
  ASSERT_TRUE(
      this->until([&] { return this->at_server(far).closes && this->at_client(near).closes; }));
  EXPECT_EQ(this->at_server(far).reason, CloseReason::peer_closed);
  EXPECT_EQ(this->at_client(near).reason, CloseReason::local);
}

TYPED_TEST(Conformance, BothMayCloseAtOnce) {
  this->start();
  const auto [near, far] = this->pair();
  this->client->close(near, CloseMode::graceful);
  this->server->close(far, CloseMode::graceful);
  ASSERT_TRUE(
      this->until([&] { return this->at_server(far).closes && this->at_client(near).closes; }));
  EXPECT_EQ(this->server->open_connections(), 0u);
  EXPECT_EQ(this->client->open_connections(), 0u);
}

TYPED_TEST(Conformance, AnAbortIsAReset) {
  this->start();
  // By the connecting side and by the accepting one.
  const auto [near, far] = this->pair();
  this->client->close(near, CloseMode::abort);
  ASSERT_TRUE(
      this->until([&] { return this->at_server(far).closes && this->at_client(near).closes; }));
  EXPECT_EQ(this->at_server(far).reason, CloseReason::reset);
  EXPECT_EQ(this->at_client(near).reason, CloseReason::local);
  const auto [near2, far2] = this->pair();
  this->server->close(far2, CloseMode::abort);
  ASSERT_TRUE(
      this->until([&] { return this->at_server(far2).closes && this->at_client(near2).closes; }));
  EXPECT_EQ(this->at_client(near2).reason, CloseReason::reset);
  EXPECT_EQ(this->at_server(far2).reason, CloseReason::local);
}

TYPED_TEST(Conformance, AResetInTheMiddleOfASendEndsItOnce) {
  this->start();
  const auto [near, far] = this->pair();
  this->client->pause_receive(near);
  this->server_handler.when_writable = [&](auto name) {
    this->send(*this->server, name, pattern(300'000));
  };
  while (this->send(*this->server, far, pattern(300'000)) > 0) continue;
  this->turns(50);
  this->client->close(near, CloseMode::abort);
  ASSERT_TRUE(
      this->until([&] { return this->at_server(far).closes && this->at_client(near).closes; }));
  EXPECT_EQ(this->at_server(far).reason, CloseReason::reset);
  EXPECT_EQ(this->server->open_connections(), 0u);
}

TYPED_TEST(Conformance, TheSendQueueHoldsItsLimitAndNoMore) {
  this->start({.send_queue_max = 10'000});
  const auto [near, far] = this->pair();
  EXPECT_EQ(this->send(*this->server, far, pattern(10'001)), 0u);
  EXPECT_EQ(this->send(*this->server, far, pattern(9'999)), 9'999u);
  const std::string two = "xy";
  EXPECT_EQ(this->send(*this->server, far, two), 0u);
  EXPECT_EQ(this->send(*this->server, far, "z"), 1u);
  EXPECT_EQ(this->send(*this->server, far, "z"), 0u);
  ASSERT_TRUE(this->until([&] { return this->at_server(far).writables == 1; }));
  ASSERT_TRUE(this->until([&] { return this->at_client(near).received.size() == 10'000; }));
  EXPECT_TRUE(this->at_client(near).received == pattern(9'999) + "z");
  this->turns(20);
  EXPECT_EQ(this->at_server(far).writables, 1);
}

TYPED_TEST(Conformance, ASlowReaderStopsTheSenderAndLosesNothing) {
  this->start();
  const auto [near, far] = this->pair();
  this->client->pause_receive(near);
  std::string sent;
  const auto fill = [&](ConnectionName name) {
    const std::string part = pattern(100'000, static_cast<std::uint32_t>(sent.size()) + 1);
    while (sent.size() < (std::size_t{40} << 20) && this->send(*this->server, name, part) > 0)
      sent += part;
  };
  this->server_handler.when_writable = fill;
  fill(far);
  std::size_t before = 0;
  do {
    before = sent.size();
    this->turns(100);
  } while (sent.size() > before);
  ASSERT_LT(sent.size(), std::size_t{40} << 20)
      << "a reader that does not read has to stop the sender";
  EXPECT_EQ(this->at_client(near).received, "");
  this->server_handler.when_writable = [](auto) {};
  this->client->resume_receive(near);
  ASSERT_TRUE(this->until([&] { return this->at_client(near).received.size() >= sent.size(); }));
  EXPECT_TRUE(this->at_client(near).received == sent);
  EXPECT_GT(this->at_server(far).writables, 0);
}

TYPED_TEST(Conformance, TheSendPoolIsSharedAndItsReturnIsTold) {
  constexpr std::size_t pool = 400'000;
  this->start({.send_queue_max = 100'000, .send_pool_bytes = pool});
  std::vector<std::pair<ConnectionName, ConnectionName>> pairs;
  for (int i = 0; i < 6; ++i) pairs.push_back(this->pair());
  std::size_t taken = 0;
  int refusals = 0;
  std::map<ConnectionName, std::size_t> sent;
  for (const auto& [near, far] : pairs) {
    const std::size_t part = this->send(*this->server, far, pattern(90'000));
    refusals += part == 0;
    taken += sent[near] = part;
  }
  EXPECT_LE(taken, pool);
  EXPECT_GE(taken, pool / 2);
  EXPECT_GT(refusals, 0);
  for (const auto& [near, far] : pairs) {
    ASSERT_TRUE(this->until([&] { return this->at_client(near).received.size() == sent[near]; }));
    if (sent[near] > 0) continue;
    EXPECT_TRUE(this->until([&] { return this->at_server(far).writables == 1; }));
    EXPECT_EQ(this->send(*this->server, far, pattern(90'000)), 90'000u);
    EXPECT_TRUE(this->until([&] { return this->at_client(near).received == pattern(90'000); }));
  }
}

TYPED_TEST(Conformance, PauseStopsBytesAndResumeLosesNone) {
  this->start();
  const auto [near, far] = this->pair();
  std::string sent;
  for (int round = 0; round < 30; ++round) {
    this->server->pause_receive(far);
    this->turns(1);
    const std::size_t before = this->at_server(far).received.size();
    const std::string part = pattern(20'000, static_cast<std::uint32_t>(round));
    ASSERT_GT(this->send(*this->client, near, part), 0u);
    sent += part;
    this->turns(round % 5);
    EXPECT_EQ(this->at_server(far).received.size(), before);
    this->server->resume_receive(far);
    if (round % 3 == 0) this->turns(3);
  }
  ASSERT_TRUE(this->until([&] { return this->at_server(far).received.size() >= sent.size(); }));
  EXPECT_TRUE(this->at_server(far).received == sent);
}

TYPED_TEST(Conformance, APeersCloseWaitsBehindThePause) {
  this->start();
  const auto [near, far] = this->pair();
  this->server->pause_receive(far);
  this->turns(2);
  this->send(*this->client, near, "last words");
  this->client->close(near, CloseMode::graceful);
  this->turns(30);
  EXPECT_EQ(this->at_server(far).closes, 0);
  this->server->resume_receive(far);
  ASSERT_TRUE(this->until([&] { return this->at_server(far).closes == 1; }));
  EXPECT_EQ(this->at_server(far).received, "last words");
  EXPECT_EQ(this->at_server(far).reason, CloseReason::peer_closed);
}

TYPED_TEST(Conformance, APausedConnectionMayBeClosed) {
  this->start();
  for (const CloseMode mode : {CloseMode::graceful, CloseMode::abort}) {
    const auto [near, far] = this->pair();
    this->server->pause_receive(far);
    this->send(*this->client, near, pattern(50'000));
    this->turns(5);
    this->server->close(far, mode);
    ASSERT_TRUE(
        this->until([&] { return this->at_client(near).closes && this->at_server(far).closes; }));
    EXPECT_EQ(this->at_server(far).reason, CloseReason::local);
  }
}

TYPED_TEST(Conformance, ALingeringCloseEnds) {
  this->start({.linger = std::chrono::seconds(5)});
  const auto [near, far] = this->pair();
  this->client->pause_receive(near);  // so it never sees the FIN
  this->turns(3);
  this->server->close(far, CloseMode::graceful);
  this->turns(10);
  this->world.skip(std::chrono::milliseconds(4'500));
  this->turns(5);
  EXPECT_EQ(this->at_server(far).closes, 0);
  this->world.skip(std::chrono::seconds(1));
  ASSERT_TRUE(this->until([&] { return this->at_server(far).closes == 1; }));
  EXPECT_EQ(this->at_server(far).reason, CloseReason::local);
  EXPECT_EQ(this->server->open_connections(), 0u);
}

}  // namespace godwit::dataplane::io
