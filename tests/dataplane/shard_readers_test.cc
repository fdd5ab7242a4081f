// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/strangers_fixture.h"

// A whole shard against devices that take nothing of what they are sent.

namespace godwit::dataplane {
namespace {

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
