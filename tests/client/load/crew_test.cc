// SPDX-License-Identifier: Apache-2.0
#include "client/load/crew.h"

#include <gtest/gtest.h>

#include "tests/client/load/fake_world.h"

// A crew on virtual time against a gateway that does what the test says: what leaves when, for
// whom, what is counted, and what is a fault. A message takes a millisecond.

namespace godwit::client::load::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class CrewTest : public ::testing::Test {
 protected:
  void make(std::uint32_t count, Shape shape = {}, bool registered = true) {
    crew = std::make_unique<Crew>(
        Crew::Options{.shape = shape, .count = count, .identities = identities, .first_id = 100},
        world, random);
    world.crew = crew.get();
    for (std::uint32_t i = 0; registered && i < count; ++i) {
      world.registered.insert(identities.user(i));
    }
  }
  void come(Crew::Coming coming = {}) {
    crew->want(Who::all, coming, world.now);
    world.run(milliseconds(100));
  }
  void run(Duration time) { world.run(time); }
  // All that was promised came, and nobody waits.
  void expect_done() {
    EXPECT_EQ(crew->fault(), "");
    EXPECT_EQ(crew->missing(), 0u);
    EXPECT_EQ(crew->undecided(), 0u);
    EXPECT_TRUE(crew->quiet());
  }

  const Identities identities{1};
  SeededRandom random{3};
  FakeWorld world{identities};
  std::unique_ptr<Crew> crew;
};

TEST_F(CrewTest, ClosedLoopKeepsItsWindow) {
  make(4);
  come();
  ASSERT_EQ(crew->ready(), 4u);
  crew->start({.kind = Flow::Kind::closed, .window = 3}, world.now);
  run(milliseconds(20));
  // One way a millisecond, and the next leaves in the turn of the arrival.
  EXPECT_NEAR(static_cast<double>(crew->counters().arrived), 4 * 3 * 20, 4 * 3);
  EXPECT_EQ(crew->counters().due - crew->counters().arrived, 4u * 3u);
  crew->stop();
  run(milliseconds(20));
  expect_done();
  EXPECT_EQ(crew->counters().accepted, crew->counters().arrived);
  EXPECT_EQ(crew->take_latencies().arrival.max(), milliseconds(1));
}

TEST_F(CrewTest, OfTheGroupsOnlyEachSoManythSends) {
  make(12);
  come();
  for (const auto kind : {Flow::Kind::closed, Flow::Kind::open}) {
    world.senders.clear();
    crew->start({.kind = kind, .every = 3, .rate = {.per_second = 10'000}}, world.now);
    run(milliseconds(50));
    EXPECT_EQ(world.senders, (std::set<std::uint32_t>{0, 1, 6, 7}));
    crew->stop();
    run(milliseconds(20));
    expect_done();
  }
}

TEST_F(CrewTest, RepliesComeFromTheRecipient) {
  make(2);
  come();
  world.blocked.insert(1);  // it answers nothing
  crew->start({.kind = Flow::Kind::reply, .window = 1}, world.now);
  run(milliseconds(50));
  EXPECT_EQ(crew->counters().arrived, 1u);
  world.blocked.clear();
  crew->on_writable(1);
  run(milliseconds(10));
  EXPECT_GT(crew->counters().arrived, 10u);
  crew->stop();
  run(milliseconds(50));
  expect_done();
}

TEST_F(CrewTest, AnOpenLoopCountsFromWhenAMessageWasDue) {
  make(2);
  come();
  crew->start({.kind = Flow::Kind::open, .rate = {.per_second = 100, .poisson = false}}, world.now);
  world.silent = true;  // the server stalls
  run(seconds(1) - milliseconds(5));
  EXPECT_EQ(crew->counters().arrived, 0u);
  EXPECT_EQ(crew->counters().due, 100u) << "the rate does not wait for anybody";
  world.speak();
  run(milliseconds(4));
  crew->stop();
  run(milliseconds(50));
  expect_done();
  const CrewLatencies latencies = crew->take_latencies();
  EXPECT_GT(latencies.arrival.quantile(1), milliseconds(990));
  EXPECT_GT(latencies.arrival.quantile(0.5), milliseconds(480));
}

TEST_F(CrewTest, NoMoreAreUnsettledThanTheProtocolAllows) {
  make(2, {Shape::Kind::one_way});
  come();
  world.silent = true;
  crew->start({.kind = Flow::Kind::open, .rate = {.per_second = 10'000, .poisson = false}},
              world.now);
  run(milliseconds(200));
  EXPECT_EQ(crew->counters().sent, protocol::unacknowledged_max - 24);
  crew->stop();
  world.speak();
  run(milliseconds(50));
  expect_done();
  EXPECT_EQ(crew->counters().arrived, crew->counters().due);
}

TEST_F(CrewTest, WhoIsNotRegisteredRegistersAndTheNextOnesAtOnce) {
  make(4, {}, false);
  come({.handshakes = 1});
  EXPECT_EQ(crew->ready(), 4u);
  EXPECT_EQ(world.registrations, 4u);
  EXPECT_EQ(world.opens, 5u) << "only the first tried in vain";
  EXPECT_EQ(crew->counters().logins_refused, 0u);
}

TEST_F(CrewTest, NoMoreHandshakesThanAllowedAndNoFasterThanTheRate) {
  make(6);
  crew->want(Who::all, {.handshakes = 2}, world.now);
  crew->turn(world.now);
  EXPECT_EQ(world.opens, 2u);
  run(milliseconds(100));
  EXPECT_EQ(crew->ready(), 6u);
  crew->dismiss(Who::all);
  run(milliseconds(100));
  EXPECT_EQ(crew->connections(), 0u);
  EXPECT_EQ(crew->counters().left, 6u);
  crew->want(Who::all, {.handshakes = 0, .rate = {.per_second = 10, .poisson = false}}, world.now);
  run(milliseconds(250));
  EXPECT_EQ(crew->ready(), 3u) << "at 0, 100 and 200 ms";
  run(milliseconds(300));
  EXPECT_EQ(crew->ready(), 6u);
}

TEST_F(CrewTest, APartComesAndThenTheRest) {
  make(10);
  come({.part = 0.5});
  EXPECT_EQ(crew->ready(), 5u);
  EXPECT_EQ(crew->wanted(), 5u);
  for (std::uint32_t i = 0; i < 10; ++i) EXPECT_EQ(world.at(i).ready, i < 5) << i;
  come();
  EXPECT_EQ(crew->ready(), 10u);
  EXPECT_EQ(world.logins, 10u) << "nobody twice";
}

TEST_F(CrewTest, WhoIsToldToWaitWaits) {
  make(2);
  world.at_login = [](FakeGateway& gateway) {
    gateway.end(protocol::StreamCondition::resource_constraint, 5000);
  };
  come();
  EXPECT_EQ(crew->counters().told_to_wait, 2u);
  EXPECT_EQ(crew->counters().logins_refused, 2u);
  world.at_login = nullptr;
  run(milliseconds(4800));
  EXPECT_EQ(crew->ready(), 0u);
  run(milliseconds(300));
  EXPECT_EQ(crew->ready(), 2u);
  EXPECT_GT(crew->take_latencies().login.quantile(1), milliseconds(5000)) << "from the first try";
  EXPECT_EQ(crew->fault(), "");
}

TEST_F(CrewTest, ARefusalThatTimeDoesNotMendIsAFault) {
  make(2);
  world.at_login = [](FakeGateway& gateway) {
    gateway.end(protocol::StreamCondition::host_unknown, 0, "no such domain");
  };
  come();
  EXPECT_NE(crew->fault().find("no such domain"), std::string::npos) << crew->fault();
}

TEST_F(CrewTest, WithoutPortsItTriesAgainLater) {
  make(2);
  world.no_ports = true;
  come();
  EXPECT_EQ(crew->ready(), 0u);
  EXPECT_GE(crew->counters().connects_failed, 2u);
  EXPECT_LT(world.opens, 50u) << "less and less often";
  world.no_ports = false;
  run(seconds(30));
  EXPECT_EQ(crew->ready(), 2u);
}

TEST_F(CrewTest, ALostConnectionSendsAgainWhatWasNotSettledWithTheSameIds) {
  make(2, {Shape::Kind::one_way});
  come();
  world.silent = true;
  crew->start({.kind = Flow::Kind::closed, .window = 5}, world.now);
  run(milliseconds(10));
  world.cut(0);
  world.silent = false;
  crew->stop();
  run(seconds(5));
  expect_done();
  EXPECT_EQ(crew->counters().connections_lost, 1u);
  EXPECT_EQ(crew->counters().sent_again, 5u);
  EXPECT_EQ(world.ids, (std::vector<std::uint64_t>{100, 101, 102, 103, 104}));
}

TEST_F(CrewTest, StoredForThoseThatAreAwayAndFetched) {
  make(4, {Shape::Kind::one_way});
  come();
  crew->dismiss(Who::receivers);
  run(milliseconds(10));
  EXPECT_EQ(crew->ready(), 2u);
  crew->start({.kind = Flow::Kind::stored, .window = 4, .each_max = 50}, world.now);
  run(milliseconds(200));
  EXPECT_EQ(crew->counters().accepted, 100u);
  EXPECT_EQ(crew->missing(), 100u);
  EXPECT_EQ(crew->undecided(), 0u);
  EXPECT_FALSE(crew->quiet());
  crew->stop();
  crew->want(Who::receivers, {}, world.now);
  run(milliseconds(200));
  expect_done();
  EXPECT_EQ(crew->counters().arrived, 100u);
}

TEST_F(CrewTest, ARefusedMessageIsCountedAndThoseThatFollowItLeaveAgain) {
  make(2, {Shape::Kind::one_way});
  come();
  std::set<std::uint64_t> told;
  // The first for good; those that left with it only because of it.
  world.refuses = [&](const FakeGateway::Message& message) {
    world.condition = message.id == 100 ? protocol::Condition::resource_constraint
                                        : protocol::Condition::follows_refused;
    return message.id <= 102 && told.insert(message.id).second;
  };
  crew->start({.kind = Flow::Kind::closed, .window = 3, .each_max = 6}, world.now);
  run(seconds(1));
  crew->stop();
  run(milliseconds(50));
  expect_done();
  EXPECT_EQ(crew->counters().refused, 1u);
  EXPECT_EQ(crew->counters().sent_again, 2u);
  EXPECT_EQ(crew->counters().arrived, 5u);
  EXPECT_EQ(world.ids, (std::vector<std::uint64_t>{100, 101, 102, 101, 102, 103, 104, 105}));
  // The refusal was confirmed before anything else was sent.
  const auto& acks = world.at(0).gateway->acks;
  ASSERT_FALSE(acks.empty());
  EXPECT_EQ(acks.front().refusal, 3u);
  EXPECT_EQ(world.at(0).gateway->messages_before_ack.front(), 3u);
}

TEST_F(CrewTest, TwiceOrAlteredIsAFault) {
  make(2, {Shape::Kind::one_way});
  come();
  world.times = 2;
  crew->start({.kind = Flow::Kind::closed, .window = 1, .each_max = 1}, world.now);
  run(milliseconds(50));
  EXPECT_NE(crew->fault().find("sent once and arrived twice"), std::string::npos) << crew->fault();

  make(2, {Shape::Kind::one_way});
  world.mailbox(0) = world.mailbox(1) = {};
  world.times = 1;
  come();
  world.changes = [](FakeGateway::Message& message) { message.payload.back() ^= 1; };
  crew->start({.kind = Flow::Kind::closed, .window = 1, .each_max = 1}, world.now);
  run(milliseconds(50));
  EXPECT_NE(crew->fault().find("not what was sent"), std::string::npos) << crew->fault();
}

TEST_F(CrewTest, WhatAnEarlierRunLeftIsTakenInAndNotCounted) {
  make(2);
  come();
  const std::string sender = identities.user(1);
  const std::string payload(20, 'x');
  world.at(0).gateway->deliver(
      {.id = 99, .peer = {sender, "localhost", 1}, .payload = as_bytes(payload)});
  world.speak();
  run(milliseconds(20));
  EXPECT_EQ(crew->counters().from_before, 1u);
  EXPECT_EQ(crew->counters().arrived, 0u);
  EXPECT_EQ(world.at(0).gateway->acks.size(), 1u) << "it is acknowledged, alone after 5 ms";
  expect_done();
}

TEST_F(CrewTest, ChurnEndsAndBringsBackAndTheLedgerHolds) {
  make(6);
  come();
  crew->start({.kind = Flow::Kind::open, .rate = {.per_second = 300}}, world.now);
  crew->churn({.per_second = 10}, world.now);
  run(seconds(5));
  crew->churn({}, world.now);
  crew->stop();
  run(seconds(5));
  expect_done();
  EXPECT_EQ(crew->ready(), 6u);
  EXPECT_GT(crew->counters().left, 20u);
  EXPECT_EQ(crew->counters().logins, 6u + crew->counters().left);
  EXPECT_NEAR(static_cast<double>(crew->counters().due), 1500, 200);
}

TEST_F(CrewTest, ManyMessagesAreSplitOverFrames) {
  crew = std::make_unique<Crew>(Crew::Options{.shape = {Shape::Kind::one_way},
                                              .count = 2,
                                              .identities = identities,
                                              .payload_size = protocol::payload_size_max,
                                              .first_id = 1},
                                world, random);
  world.crew = crew.get();
  world.registered = {identities.user(0), identities.user(1)};
  come();
  crew->start({.kind = Flow::Kind::closed, .window = 3, .each_max = 3}, world.now);
  run(milliseconds(50));
  crew->stop();
  run(milliseconds(50));
  expect_done();
  EXPECT_EQ(crew->counters().arrived, 3u);
  EXPECT_EQ(crew->counters().frames_out - crew->counters().ack_frames_out, 3u);
}

}  // namespace
}  // namespace godwit::client::load::test
