// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/strangers_fixture.h"

// A whole shard against whoever means it ill: what each may have at most, and that others do not
// feel it. In virtual time; each limit at, below and above.

namespace godwit::dataplane {
namespace {

TEST_F(StrangersTest, AnAddressHasSoManyConnections) {
  start({.open_max = 3});
  std::vector<ConnectionName> names;
  for (int i = 0; i < 4; ++i) names.push_back(crowd->connect());
  settle();
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(crowd->closed(names[i])) << i;
  EXPECT_TRUE(crowd->closed(names[3]));
  EXPECT_EQ(metric(ShardMetric::connections_refused_open), 1u);
  log_in(alice);  // from another address
  crowd->close(names[0]);
  settle();
  const ConnectionName next = crowd->connect();
  settle();
  EXPECT_FALSE(crowd->closed(next));
  pass(world->settings.handshake_timeout);
  EXPECT_TRUE(crowd->closed(next));
  for (int i = 0; i < 3; ++i) names[i] = crowd->connect();
  settle();
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(crowd->closed(names[i])) << "those have left";
}

TEST_F(StrangersTest, WhoFindsEveryPlaceTakenIsCounted) {
  GatewayWorld::Options options;
  options.server.connections_max = 2;
  start(options);
  for (int i = 0; i < 2; ++i) crowd->connect();
  settle();
  EXPECT_EQ(metric(ShardMetric::connections_refused_full), 0u);
  for (int i = 0; i < 3; ++i) crowd->connect();
  settle();
  EXPECT_EQ(metric(ShardMetric::connections_refused_full), 3u);
  settle();
  EXPECT_EQ(metric(ShardMetric::connections_refused_full), 3u) << "once each";
}

TEST_F(StrangersTest, OfThemSoManyThatHaveNotLoggedIn) {
  start({.starting_max = 1});
  connect(alice);
  connect(bob);  // the same address
  EXPECT_TRUE(bob->closed);
  EXPECT_EQ(metric(ShardMetric::connections_refused_starting), 1u);
  alice->log_in();
  settle();
  log_in(bob);
}

TEST_F(StrangersTest, NewConnectionsAreRefusedBeforeTheyCostAnything) {
  start({.connections = {.every = milliseconds(100), .burst = 2}});
  for (int i = 0; i < 2; ++i) {
    const ConnectionName name = crowd->connect();
    settle();
    EXPECT_FALSE(crowd->closed(name));
    crowd->close(name);
    settle();
  }
  const ConnectionName refused = crowd->connect();
  settle();
  EXPECT_TRUE(crowd->closed(refused));
  EXPECT_EQ(metric(ShardMetric::connections_refused_rate), 1u);
  EXPECT_EQ(crowd->received(refused), 0u);
  EXPECT_EQ(metric(ShardMetric::bytes_received), 0u);
  log_in(alice);
  pass(milliseconds(100));
  const ConnectionName later = crowd->connect();
  settle();
  EXPECT_FALSE(crowd->closed(later));
}

TEST_F(StrangersTest, WhoFailsTooOftenIsRefusedForAWhile) {
  start({.failures = {.every = seconds(1), .burst = 2}});
  fail_once();
  fail_once();
  EXPECT_EQ(metric(ShardMetric::handshakes_failed), 2u);
  fail_once();
  EXPECT_EQ(metric(ShardMetric::handshakes_failed), 2u);
  EXPECT_EQ(metric(ShardMetric::connections_refused_failures), 1u);
  log_in(alice);
  pass(seconds(1));
  fail_once();
  EXPECT_EQ(metric(ShardMetric::handshakes_failed), 3u);
}

TEST_F(StrangersTest, TimeoutsAndWrongKeysAreFailures) {
  start({.failures = {.every = seconds(60), .burst = 2}});
  const ConnectionName silent = crowd->connect();
  pass(world->settings.handshake_timeout);
  EXPECT_TRUE(crowd->closed(silent));
  RawDevice* stranger = add(2, alice_jid);  // bob's key under alice's name
  for (int i = 0; i < 2; ++i) {
    connect(stranger);
    stranger->log_in();
    settle();
    EXPECT_EQ(stranger->stream_error(), StreamCondition::not_authorized);
  }
  connect(stranger);
  EXPECT_TRUE(stranger->closed);
  fail_once();
  const ConnectionName last = crowd->connect();
  settle();
  EXPECT_TRUE(crowd->closed(last)) << "the silence counted";
}

TEST_F(StrangersTest, RegistrationsOfAnAddress) {
  start({.registrations = {.every = seconds(60), .burst = 2}});
  for (int i = 0; i < 2; ++i) {
    register_once(alice);
    EXPECT_EQ(alice->stream_error(), StreamCondition::conflict) << "this control's answer";
  }
  register_once(bob);
  EXPECT_EQ(bob->stream_error(), StreamCondition::policy_violation);
  EXPECT_EQ(metric(ShardMetric::registrations_requested), 2u);
  EXPECT_EQ(metric(ShardMetric::registrations_limited), 1u);
  log_in(alice);
  pass(seconds(60));
  register_once(bob);
  EXPECT_EQ(bob->stream_error(), StreamCondition::conflict);
}

TEST_F(StrangersTest, LoginsOfADeviceAndOfNoOther) {
  start({.logins = {.every = seconds(10), .burst = 2}});
  RawDevice* stranger = add(2, alice_jid);
  for (int i = 0; i < 5; ++i) {
    connect(stranger);
    stranger->log_in();
    settle();
    EXPECT_EQ(stranger->stream_error(), StreamCondition::not_authorized);
  }
  log_in(alice);
  log_in(alice);
  connect(alice);
  alice->log_in();
  settle();
  EXPECT_EQ(alice->stream_error(), StreamCondition::resource_constraint);
  EXPECT_EQ(metric(ShardMetric::logins_limited), 1u);
  log_in(bob);
  log_in(add(1, {"alice", "example.org", 2}));
  pass(seconds(10));
  log_in(alice);
}

TEST_F(StrangersTest, RulesComeWithACommand) {
  start(AddressRules{});
  std::vector<ConnectionName> names;
  for (int i = 0; i < 5; ++i) names.push_back(crowd->connect());
  settle();
  AddressRules rules{.open_max = 1};
  world->set_rules(rules);
  settle();
  for (const ConnectionName name : names) EXPECT_FALSE(crowd->closed(name));
  EXPECT_FALSE(crowd->closed(crowd->connect()));
  settle();
  const ConnectionName above = crowd->connect();
  settle();
  EXPECT_TRUE(crowd->closed(above));
  rules.exempt[0] = *parse_ip_prefix("192.0.2.0/24");
  rules.exempt_count = 1;
  world->set_rules(rules);
  settle();
  const ConnectionName exempt = crowd->connect();
  settle();
  EXPECT_FALSE(crowd->closed(exempt));
}

TEST_F(StrangersTest, WhoIsSlowMakesRoom) {
  GatewayWorld::Options options;
  options.settings.unauthenticated_max = 2;
  start(options);
  const ConnectionName first = crowd->connect();
  settle();
  pass(milliseconds(1));
  const ConnectionName second = crowd->connect();
  settle();
  pass(world->settings.start_patience - milliseconds(2));
  const ConnectionName third = crowd->connect();
  settle();
  EXPECT_TRUE(crowd->closed(third)) << "nobody has had the time yet that everybody has";
  EXPECT_EQ(metric(ShardMetric::connections_refused_full), 1u);
  pass(milliseconds(1));
  log_in(alice);
  EXPECT_TRUE(crowd->closed(first));
  EXPECT_FALSE(crowd->closed(second));
  EXPECT_EQ(metric(ShardMetric::connections_displaced), 1u);
  log_in(bob);
  EXPECT_FALSE(crowd->closed(second)) << "a session takes no such place";
}

class HandshakeCrowdTest : public StrangersTest {
 protected:
  void connect_some(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      devices.push_back(add(0, alice_jid));
      devices.back()->connect();
    }
  }
  // How many each turn completed that completed any, until nothing moves any more. A session that
  // is given says something in each.
  std::vector<std::uint64_t> completed_by_turns(RawDevice* talker = nullptr) {
    std::vector<std::uint64_t> completed;
    for (std::size_t idle = 0; idle < 3;) {
      if (talker != nullptr && completed.size() < devices.size()) talker->ping(1);
      const std::uint64_t before = metric(ShardMetric::handshakes_completed);
      std::size_t done = world->turn();
      const std::uint64_t made = metric(ShardMetric::handshakes_completed) - before;
      if (made > 0) completed.push_back(made);
      done += crowd->poll() + world->client.poll(world->now, 512, world->now.instant, *this);
      idle = done == 0 ? idle + 1 : 0;
    }
    return completed;
  }

  std::vector<RawDevice*> devices;
};

TEST_F(HandshakeCrowdTest, ATurnAnswersFewHandshakes) {
  GatewayWorld::Options options;
  options.settings.handshakes_per_turn = 3;
  start(options);
  connect_some(10);
  bool waited = false;
  while (metric(ShardMetric::handshakes_completed) < 10) {
    world->turn();
    const std::uint64_t after = metric(ShardMetric::handshakes_completed);
    if (after < 10 && after > 0) {
      EXPECT_LE(world->gateway().next_deadline(), world->now.instant) << "the next turn is due";
      waited = true;
    }
    world->client.poll(world->now, 512, world->now.instant, *this);
  }
  EXPECT_TRUE(waited);
  EXPECT_GE(metric(ShardMetric::handshakes_deferred), 7u);
  settle();
  devices.back()->log_in();
  settle();
  EXPECT_EQ(devices.back()->count(StanzaType::session_ready), 1u);
}

TEST_F(HandshakeCrowdTest, SoManyAreAnsweredTogether) {
  for (const auto& [per_turn, completed] : {std::pair{1u, std::vector<std::uint64_t>(10, 1)},
                                            std::pair{3u, std::vector<std::uint64_t>{3, 3, 3, 1}},
                                            std::pair{4u, std::vector<std::uint64_t>{4, 4, 2}},
                                            std::pair{100u, std::vector<std::uint64_t>{4, 4, 2}}}) {
    GatewayWorld::Options options;
    options.settings.handshakes_per_turn = per_turn;
    start(options);
    devices.clear();
    connect_some(10);
    EXPECT_EQ(completed_by_turns(), completed) << per_turn;
    for (RawDevice* device : devices) EXPECT_FALSE(device->closed);
  }
}

TEST_F(HandshakeCrowdTest, OneAtATimeWhileASessionTalks) {
  start(GatewayWorld::Options{});
  log_in(bob);
  connect_some(6);
  const std::uint64_t deferred = metric(ShardMetric::handshakes_deferred);
  EXPECT_EQ(completed_by_turns(bob), std::vector<std::uint64_t>(6, 1));
  EXPECT_GE(metric(ShardMetric::handshakes_deferred), deferred + 5);
}

// The first of four is no handshake, and the others are answered all the same.
TEST_F(HandshakeCrowdTest, OneOfThoseTogetherThatFails) {
  start(GatewayWorld::Options{});
  const ConnectionName name = crowd->connect();
  settle();
  std::vector<std::uint8_t> bytes(39);  // a point of small order
  std::ranges::copy(protocol::encode({.pattern = protocol::HandshakePattern::xx,
                                      .suite = protocol::HandshakeSuite::chachapoly_blake2b}),
                    bytes.begin());
  bytes[6] = 32;
  crowd->send(name, bytes);
  connect_some(3);
  EXPECT_EQ(completed_by_turns(), (std::vector<std::uint64_t>{3}));
  EXPECT_TRUE(crowd->closed(name));
  EXPECT_EQ(metric(ShardMetric::handshakes_failed), 1u);
  for (RawDevice* device : devices) EXPECT_FALSE(device->closed);
}

TEST_F(StrangersTest, WhoseHandshakeWaitsCannotPileUpBytes) {
  for (const bool above : {false, true}) {
    GatewayWorld::Options options;
    options.settings.handshakes_per_turn = 0;  // all wait for ever
    start(options);
    const ConnectionName name = crowd->connect();
    settle();
    std::vector<std::uint8_t> bytes(4 + deferred_size_unpaused_max + (above ? 1 : 0));
    std::ranges::copy(protocol::encode({.pattern = protocol::HandshakePattern::xx,
                                        .suite = protocol::HandshakeSuite::chachapoly_blake2b}),
                      bytes.begin());
    bytes[6] = 32;
    crowd->send(name, bytes);
    settle();
    const std::uint64_t kept = metric(ShardMetric::buffer_pool_bytes);
    EXPECT_GE(kept, deferred_size_unpaused_max);
    // Paused, it leaves the rest on its way; else what is read of it pauses it.
    const std::vector<std::uint8_t> rest(10 * deferred_size_max);
    crowd->send(name, rest);
    settle();
    EXPECT_FALSE(crowd->closed(name));
    if (above) {
      EXPECT_EQ(metric(ShardMetric::buffer_pool_bytes), kept);
    } else {
      EXPECT_LE(metric(ShardMetric::buffer_pool_bytes), 2 * deferred_size_max);
    }
  }
}

TEST_F(StrangersTest, AHandshakeWaitsForSessionsButNotForEver) {
  start(GatewayWorld::Options{});
  log_in(alice);
  struct Case {
    bool busy;
    Duration turn;
    unsigned waits;
  };
  using std::chrono::microseconds;
  for (const auto& [busy, turn, waits] :
       {Case{false, {}, 0}, Case{true, {}, 15}, Case{true, microseconds(249), 3},
        Case{true, microseconds(250), 2}, Case{true, microseconds(500), 1}}) {
    RawDevice* late = add(2, bob_jid);
    late->connect();
    const std::uint64_t before = metric(ShardMetric::handshakes_completed);
    unsigned waited = 0;
    for (unsigned turns = 0; metric(ShardMetric::handshakes_completed) == before; ++turns) {
      ASSERT_LT(turns, 100u);
      if (busy) alice->ping(turns);
      world->client.poll(world->now, 512, world->now.instant, *this);
      world->pass(turn);
      world->turn();
      waited += world->gateway().next_deadline() <= world->now.instant;
    }
    EXPECT_EQ(waited, waits);
    settle();
  }
}

// From front to home, to the other front and out, each in a turn of its own: a handshake that came
// with the message waits for all of them.
TEST_F(StrangersTest, AMessageOnItsWayGoesBeforeAHandshake) {
  start(GatewayWorld::Options{});
  log_in(alice);
  log_in(bob);
  const ConnectionName stranger = crowd->connect();
  settle();
  std::array<std::uint8_t, 39> hello{'G', 'W', 1, 0x11, 0, 0, 32};
  hello.back() = 9;
  crowd->send(stranger, hello);
  crowd->poll();
  alice->say_messages({"bob", "example.org", 0}, 1, 1, "first");
  world->client.poll(world->now, 512, world->now.instant, *this);
  for (int turns = 0; crowd->received(stranger) == 0; ++turns) {
    ASSERT_LT(turns, 20);
    world->turn();
    world->client.poll(world->now, 512, world->now.instant, *this);
    crowd->poll();
    if (crowd->received(stranger) == 0) continue;
    EXPECT_EQ(bob->texts().size(), 1u) << turns;
  }
  EXPECT_EQ(bob->texts().size(), 1u);
}

// ... and while sessions talk, one answered is followed by a rest, in which the shard may sleep.
TEST_F(StrangersTest, AfterAHandshakeTheShardRestsWhileSessionsTalk) {
  using std::chrono::microseconds;
  for (const bool talks : {false, true}) {
    start(GatewayWorld::Options{});
    log_in(alice);
    world->pass(seconds(1));
    if (talks) alice->ping(1);
    settle();
    for (int i = 0; i < 2; ++i) {
      RawDevice* late = add(2, bob_jid);
      late->connect();
    }
    for (int i = 0; i < 2; ++i) world->client.poll(world->now, 512, world->now.instant, *this);
    while (metric(ShardMetric::handshakes_completed) < 2) {
      world->turn();
      world->client.poll(world->now, 512, world->now.instant, *this);
    }
    const Instant answered = world->now.instant;
    world->pass(microseconds(150));
    world->turn();
    EXPECT_EQ(metric(ShardMetric::handshakes_completed), talks ? 2u : 3u);
    if (!talks) continue;
    EXPECT_EQ(world->gateway().next_deadline(), answered + microseconds(200));
    world->pass(microseconds(50));
    world->turn();
    EXPECT_EQ(metric(ShardMetric::handshakes_completed), 3u);
  }
}

TEST_F(StrangersTest, AnAnnouncedFrameCostsWhatHasComeOfIt) {
  start(GatewayWorld::Options{});
  log_in(alice);
  const std::uint64_t before = metric(ShardMetric::buffer_pool_bytes);
  alice->send(std::vector<std::uint8_t>{0, 0xff, 0xff, 1, 2, 3});
  settle();
  EXPECT_LE(metric(ShardMetric::buffer_pool_bytes), before + 2048);
  alice->send(std::vector<std::uint8_t>(3000, 7));
  settle();
  EXPECT_LE(metric(ShardMetric::buffer_pool_bytes), before + 20'000);
  EXPECT_FALSE(alice->closed);
}

TEST_F(StrangersTest, BeforeItsLoginAClientSaysLittle) {
  start(GatewayWorld::Options{});
  const std::size_t most = protocol::control_stanza_size_max + protocol::aead_tag_size;
  for (const std::size_t size : {most, most + 1}) {
    connect(alice);
    std::array<std::uint8_t, 4> head{};
    protocol::write_frame_length(head, size);
    alice->send(head);
    settle();
    EXPECT_EQ(alice->closed.has_value(), size > most) << size;
  }
}

TEST_F(StrangersTest, RecordedBytesSayNothingASecondTime) {
  start({.failures = {.every = seconds(1), .burst = 3}});
  log_in(bob);
  log_in(alice);
  alice->say_messages({"bob", "example.org", 0}, 1, 1, "once");
  settle();
  const std::vector<std::uint8_t> recorded = alice->recorded();
  EXPECT_EQ(bob->texts(), std::vector<std::string>{"once"});
  const ConnectionName again = crowd->connect();
  settle();
  crowd->send(again, recorded);
  settle();
  EXPECT_TRUE(crowd->closed(again));
  EXPECT_EQ(metric(ShardMetric::logins_accepted), 2u);
  EXPECT_EQ(bob->texts().size(), 1u);
  EXPECT_FALSE(alice->closed) << "the true one goes on";
}

}  // namespace
}  // namespace godwit::dataplane
