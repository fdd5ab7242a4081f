// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "tests/dataplane/raw_device.h"

// A whole shard against whoever means it ill, and against devices that take nothing: what each may
// have at most, and that others do not feel it. On a network in memory and virtual time; each limit
// at, below and above.

namespace godwit::dataplane {
namespace {

using protocol::StanzaType;
using protocol::StreamCondition;
using queues::ShardMetric;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr protocol::JidView alice_jid{"alice", "example.org", 1};
constexpr protocol::JidView bob_jid{"bob", "example.org", 1};

// Connections from one foreign address that say what they are told.
class Crowd {
 public:
  Crowd(GatewayWorld& world, std::string host)
      : world_(world), backend_(world.network, {.shard = 77, .host = std::move(host)}) {}

  ConnectionName connect() { return *backend_.connect({"192.0.2.100", 5210}); }
  void send(ConnectionName name, Bytes bytes) { backend_.send(name, {&bytes, 1}); }
  void close(ConnectionName name) { backend_.close(name, io::CloseMode::abort); }
  bool closed(ConnectionName name) const { return closed_.contains(name); }
  std::size_t received(ConnectionName name) const {
    const auto found = received_.find(name);
    return found == received_.end() ? 0 : found->second;
  }
  std::size_t poll() { return backend_.poll(world_.now, 512, world_.now.instant, *this); }

  void on_open(ConnectionName, bool) {}
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    received_[name] += lease.size();
  }
  void on_closed(ConnectionName name, std::uint64_t, io::CloseReason) { closed_[name] = true; }

 private:
  GatewayWorld& world_;
  Backend backend_;
  std::map<ConnectionName, bool> closed_;
  std::map<ConnectionName, std::size_t> received_;
};

class StrangersTest : public testing::Test {
 public:
  void on_open(ConnectionName name, bool) {
    if (RawDevice* device = find(name)) device->open();
  }
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    if (RawDevice* device = find(name)) device->receive(lease);
  }
  void on_closed(ConnectionName name, std::uint64_t, io::CloseReason reason) {
    if (RawDevice* device = find(name)) device->closed = reason;
  }

 protected:
  void start(const GatewayWorld::Options& options) {
    world = std::make_unique<GatewayWorld>(options);
    crowd = std::make_unique<Crowd>(*world, "192.0.2.7");
    alice = add(0, alice_jid);
    bob = add(2, bob_jid);
  }
  void start(const AddressRules& rules) {
    GatewayWorld::Options options;
    options.settings.addresses = rules;
    start(options);
  }
  // `key`: of alice's first device, her second or bob's.
  RawDevice* add(std::size_t key, protocol::JidView jid) {
    devices_.push_back(std::make_unique<RawDevice>(*world, world->device_keys[key], jid));
    return devices_.back().get();
  }
  void settle() {
    for (int quiet = 0, turns = 0; quiet < 2; ++turns) {
      ASSERT_LT(turns, 100'000);
      const std::size_t done = world->turn() + crowd->poll() +
                               world->client.poll(world->now, 512, world->now.instant, *this);
      quiet = done == 0 ? quiet + 1 : 0;
    }
  }
  void pass(Duration time) {
    settle();
    world->pass(time);
    settle();
  }
  void connect(RawDevice* device) {
    device->connect();
    settle();
  }
  void log_in(RawDevice* device) {
    connect(device);
    ASSERT_FALSE(device->closed);
    device->log_in();
    settle();
    ASSERT_EQ(device->count(StanzaType::session_ready), 1u);
  }
  void register_once(RawDevice* device) {
    connect(device);
    device->say(protocol::Register{.jid = {"carol", "example.org", 0}});
    settle();
  }
  // Connects, says what is no handshake, and is gone.
  ConnectionName fail_once() {
    const ConnectionName name = crowd->connect();
    settle();
    if (!crowd->closed(name)) crowd->send(name, as_bytes("GET / HTTP/1.1\r\n\r\n"));
    settle();
    EXPECT_TRUE(crowd->closed(name));
    return name;
  }
  std::uint64_t metric(ShardMetric metric) const { return world->metrics().get(metric); }

  std::unique_ptr<GatewayWorld> world;
  std::unique_ptr<Crowd> crowd;
  RawDevice* alice = nullptr;
  RawDevice* bob = nullptr;

 private:
  RawDevice* find(ConnectionName name) {
    for (auto& device : devices_) {
      if (device->name() == name) return device.get();
    }
    return nullptr;
  }
  std::vector<std::unique_ptr<RawDevice>> devices_;
};

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

TEST_F(StrangersTest, ATurnAnswersFewHandshakes) {
  GatewayWorld::Options options;
  options.settings.handshakes_per_turn = 3;
  start(options);
  std::vector<RawDevice*> devices;
  for (int i = 0; i < 10; ++i) {
    devices.push_back(add(0, alice_jid));
    devices.back()->connect();
  }
  std::vector<std::uint64_t> completed;
  std::size_t idle = 0;
  while (idle < 3) {
    const std::uint64_t before = metric(ShardMetric::handshakes_completed);
    std::size_t done = world->turn();
    const std::uint64_t after = metric(ShardMetric::handshakes_completed);
    if (after > before) completed.push_back(after - before);
    EXPECT_TRUE(after == 10 || after == before || after - before == 3u);
    if (after < 10 && after > 0) {
      EXPECT_LE(world->gateway().next_deadline(), world->now.instant) << "the next turn is due";
    }
    done += world->client.poll(world->now, 512, world->now.instant, *this);
    idle = done == 0 ? idle + 1 : 0;
  }
  EXPECT_EQ(completed, (std::vector<std::uint64_t>{3, 3, 3, 1}));
  EXPECT_GE(metric(ShardMetric::handshakes_deferred), 7u);
  devices.back()->log_in();
  settle();
  EXPECT_EQ(devices.back()->count(StanzaType::session_ready), 1u);
}

TEST_F(StrangersTest, WhoseHandshakeWaitsCannotPileUpBytes) {
  for (const bool above : {false, true}) {
    GatewayWorld::Options options;
    options.settings.handshakes_per_turn = 0;  // all wait for ever
    start(options);
    const ConnectionName name = crowd->connect();
    settle();
    std::vector<std::uint8_t> bytes(deferred_size_max + (above ? 1 : 0));
    std::ranges::copy(protocol::encode({.pattern = protocol::HandshakePattern::xx,
                                        .suite = protocol::HandshakeSuite::chachapoly_blake2b}),
                      bytes.begin());
    bytes[6] = 32;
    const Bytes all(bytes);
    crowd->send(name, all.first(4));
    settle();
    crowd->send(name, all.subspan(4, 100));
    crowd->poll();
    world->turn();
    // While it is paused the rest stays on its way.
    crowd->send(name, all.subspan(104));
    settle();
    EXPECT_FALSE(crowd->closed(name));
    EXPECT_LE(metric(ShardMetric::buffer_pool_bytes), 4096u);
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

class NobodyReadsTest : public StrangersTest {
 protected:
  void SetUp() override {
    GatewayWorld::Options options;
    options.server.send_queue_max = 66'000;
    options.settings.in_flight_bytes_max = 1 << 20;
    start(options);
    log_in(alice);
    log_in(bob);
    // Nothing more gets to bob; what he says still comes.
    world->network.set_transfer_hook([this](const Network::Transfer& transfer) {
      const bool to_bob = transfer.link == world->client.link(bob->name()) && !transfer.to_acceptor;
      return to_bob && held ? 0 : transfer.available;
    });
    world->settings.time_to_live = std::chrono::days(30);
  }
  // Fills what the gateway has for bob's connection.
  void fill() {
    for (std::uint64_t i = 0; i < 20; ++i) {
      alice->say_messages({"bob", "example.org", 0}, 1 + 25 * i, 25, std::string(300, 'x'));
    }
    pass(milliseconds(200));
    pass(milliseconds(20));
    EXPECT_EQ(alice->acknowledged(), 500u) << "on disk";
  }
  bool held = true;
};

TEST_F(NobodyReadsTest, WhoTakesNothingIsLetGoAndLosesNothing) {
  fill();
  for (int i = 0; i < 29; ++i) pass(seconds(1));
  EXPECT_FALSE(bob->closed);
  pass(seconds(1));
  EXPECT_EQ(metric(ShardMetric::sessions_stuck), 1u);
  held = false;
  settle();
  EXPECT_TRUE(bob->closed);
  EXPECT_FALSE(alice->closed);
  bob->connect();
  settle();
  bob->log_in(0, 1024);
  std::size_t received = 0;
  for (int i = 0; i < 100 && received < 500; ++i) {
    settle();
    received = bob->texts().size();
    if (received > 0) bob->acknowledge(received);
  }
  EXPECT_EQ(received, 500u);
}

TEST_F(NobodyReadsTest, WhoTakesALittleStays) {
  fill();
  for (int i = 0; i < 6; ++i) {
    for (int second = 0; second < 20; ++second) pass(seconds(1));
    held = false;
    world->turn();
    world->client.poll(world->now, 512, world->now.instant, *this);
    world->turn();
    held = true;
    const std::size_t received = bob->texts().size();
    if (received > 0) bob->acknowledge(received);
  }
  EXPECT_EQ(metric(ShardMetric::sessions_stuck), 0u);
  EXPECT_FALSE(bob->closed);
}

TEST_F(NobodyReadsTest, WhoTakesNothingGetsFewAnswers) {
  fill();
  for (std::uint64_t i = 0; i < world->settings.blocked_replies_max; ++i) bob->ping(i);
  settle();
  EXPECT_EQ(metric(ShardMetric::sessions_stuck), 0u);
  bob->ping(999);
  settle();
  EXPECT_EQ(metric(ShardMetric::sessions_stuck), 1u);
  held = false;
  settle();
  EXPECT_TRUE(bob->closed);
}

TEST_F(NobodyReadsTest, WhoIsSentAwayAndTakesNothingIsLetGo) {
  fill();
  world->gateway().drain(seconds(1));
  for (int i = 0; i < 30; ++i) pass(seconds(1));
  held = false;
  settle();
  EXPECT_TRUE(bob->closed);
  EXPECT_TRUE(world->gateway().drained());
}

TEST_F(NobodyReadsTest, PingsArePacedLikeMessages) {
  held = false;
  world->settings.stanza_rate = {.rate_per_second = 10, .burst = 5};
  for (std::uint64_t i = 0; i < 4; ++i) bob->ping(i);
  settle();
  EXPECT_EQ(metric(ShardMetric::senders_paused), 0u);
  for (std::uint64_t i = 4; i < 7; ++i) bob->ping(i);
  settle();
  EXPECT_EQ(metric(ShardMetric::senders_paused), 1u);
}

}  // namespace
}  // namespace godwit::dataplane
