// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include "tests/client/loopback.h"

// Losing a connection and coming back, or not, on virtual time. Each test names the rule it checks.

namespace godwit::client::test {
namespace {

using protocol::StreamCondition;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr protocol::JidView bob{"bob", "localhost", 2};
constexpr Duration tick{1};

class ReconnectTest : public ClientTest {
 protected:
  // One attempt that is refused; returns the wait before the next.
  Duration fail_once() {
    wait_for_deadline();
    const Instant began = now.instant;
    until([&] { return client->descriptor() < 0; }, "a refusal");
    EXPECT_FALSE(client->trouble().empty());
    return client->deadline() - began;
  }
  void lose() {
    listener.hang_up(link());
    until([&] { return client->descriptor() < 0; }, "the loss");
  }
};

TEST_F(ReconnectTest, BackOffDoublesUpToHalfAMinuteWithFullJitter) {
  listener.stop();
  make_registered();
  constexpr int attempts = 12;
  constexpr int devices = 30;
  std::vector<Duration> total(attempts);
  for (int device = 0; device < devices; ++device) {
    open();
    for (int attempt = 0; attempt < attempts; ++attempt) {
      const Duration limit = std::min<Duration>(seconds(30), milliseconds(100) * (1 << attempt));
      const Duration wait = fail_once();
      EXPECT_GE(wait, Duration{0});
      EXPECT_LE(wait, limit) << "attempt " << attempt;
      total[static_cast<std::size_t>(attempt)] += wait;
    }
  }
  for (int attempt = 0; attempt < attempts; ++attempt) {
    const Duration limit = std::min<Duration>(seconds(30), milliseconds(100) * (1 << attempt));
    const Duration mean = total[static_cast<std::size_t>(attempt)] / devices;
    // Uniform over [0, limit]: a quarter off is five standard deviations of the mean of 30.
    EXPECT_GT(mean, limit / 4) << "attempt " << attempt;
    EXPECT_LT(mean, limit * 3 / 4) << "attempt " << attempt;
  }
  EXPECT_FALSE(error.has_value()) << "never gives up";
  EXPECT_NE(client->trouble().find("is godwitd running there?"), std::string::npos);
}

TEST_F(ReconnectTest, NothingIsTriedBeforeItsTime) {
  listener.stop();
  make_registered();
  open();
  Duration wait{};
  while (wait < milliseconds(1)) wait = fail_once();
  now.instant = client->deadline() - tick;
  const Instant due = client->deadline();
  ASSERT_TRUE(advance().has_value());
  EXPECT_EQ(client->deadline(), due);
  EXPECT_EQ(client->descriptor(), -1);
}

TEST_F(ReconnectTest, SessionOfASecondForgetsThePast) {
  make_registered();
  for (const bool healthy : {false, true}) {
    open();
    Duration longest{};
    for (int i = 0; i < 20; ++i) {
      next_session();
      now.instant += healthy ? Duration(seconds(1)) : seconds(1) - tick;
      const Instant began = now.instant;
      lose();
      longest = std::max(longest, client->deadline() - began);
    }
    if (healthy) {
      EXPECT_LE(longest, milliseconds(100));
    } else {
      EXPECT_GT(longest, seconds(5)) << "a gateway that takes logins and dies is not run over";
    }
  }
}

struct RetryAfter {
  std::uint32_t told_ms;
  Duration waited;
};
class RetryAfterTest : public ReconnectTest, public ::testing::WithParamInterface<RetryAfter> {};

TEST_P(RetryAfterTest, IsHonouredUpToTenMinutes) {
  begin_session();
  gateway().end(StreamCondition::system_shutdown, GetParam().told_ms, "back soon");
  until([&] { return client->descriptor() < 0; }, "the end");
  EXPECT_FALSE(error.has_value());
  EXPECT_NE(client->trouble().find("back soon"), std::string::npos) << client->trouble();
  EXPECT_EQ(client->deadline(), now.instant + GetParam().waited);
  now.instant = client->deadline() - tick;
  settle();
  EXPECT_EQ(listener.links.size(), 1u);
  next_session();
}

INSTANTIATE_TEST_SUITE_P(
    Waits, RetryAfterTest,
    ::testing::Values(RetryAfter{1, milliseconds(1)}, RetryAfter{1500, milliseconds(1500)},
                      RetryAfter{599'999, milliseconds(599'999)}, RetryAfter{600'000, minutes(10)},
                      RetryAfter{600'001, minutes(10)}, RetryAfter{UINT32_MAX, minutes(10)}));

TEST_F(ReconnectTest, WhichEndsAreFinal) {
  const std::pair<StreamCondition, bool> ends[] = {
      {StreamCondition::conflict, true},
      {StreamCondition::not_authorized, true},
      {StreamCondition::account_suspended, true},
      {StreamCondition::account_removed, true},
      {StreamCondition::host_unknown, true},
      {StreamCondition::policy_violation, true},
      {StreamCondition::unsupported_version, true},
      {StreamCondition::bad_format, false},
      {StreamCondition::connection_timeout, false},
      {StreamCondition::resource_constraint, false},
      {StreamCondition::system_shutdown, false},
      {StreamCondition::internal_server_error, false},
  };
  make_registered();
  for (const auto& [condition, final] : ends) {
    SCOPED_TRACE(protocol::to_text(condition));
    open();
    next_session();
    error.reset();
    const std::size_t links = listener.links.size();
    gateway().end(condition);
    until([&] { return client->descriptor() < 0; }, "the end");
    EXPECT_EQ(error.has_value(), final);
    now.instant += hours(1);
    settle();
    EXPECT_EQ(listener.links.size(), links + (final ? 0 : 1));
  }
}

// Before the handshake anyone can say anything.
TEST_F(ReconnectTest, UnprovedRefusalIsBelievedOnlyAboutTheVersion) {
  make_registered();
  listener.new_links_read = false;
  const auto answer_with = [&](StreamCondition condition) {
    open();
    error.reset();
    const std::size_t before = listener.links.size();
    until([&] { return listener.links.size() > before; }, "a connection");
    const std::uint8_t refusal[] = {0, 0, 2, 2, static_cast<std::uint8_t>(condition)};
    gateway().say_raw(refusal);
    until([&] { return client->descriptor() < 0; }, "the end");
  };
  answer_with(StreamCondition::account_removed);
  EXPECT_FALSE(error.has_value());
  answer_with(StreamCondition::unsupported_version);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, ErrorCode::refused);
}

TEST_F(ReconnectTest, IdleConnectionIsTriedEveryFourMinutes) {
  begin_session();
  for (std::size_t pings = 0; pings < 3; ++pings) {
    const Instant due = client->deadline();
    EXPECT_EQ(due, now.instant + minutes(4));
    now.instant = due - tick;
    settle();
    ASSERT_EQ(gateway().pings.size(), pings);
    wait_for_deadline();
    settle();
    ASSERT_EQ(gateway().pings.size(), pings + 1);
    EXPECT_EQ(client->deadline(), now.instant + seconds(15));
    gateway().say_plain(std::vector<std::uint8_t>{0x10, 1, 1});  // a pong
    settle();
  }
  EXPECT_EQ(listener.links.size(), 1u);
}

TEST_F(ReconnectTest, UnansweredPingEndsTheConnection) {
  begin_session();
  wait_for_deadline();
  settle();
  ASSERT_EQ(gateway().pings.size(), 1u);
  now.instant += seconds(15) - tick;
  settle();
  EXPECT_GE(client->descriptor(), 0);
  now.instant += tick;
  (void)advance();
  EXPECT_EQ(client->descriptor(), -1);
  EXPECT_NE(client->trouble().find("does not answer"), std::string::npos);
  next_session();
}

TEST_F(ReconnectTest, MessageWithoutAnswerIsAskedAboutSooner) {
  begin_session();
  send({"text"});
  until([&] { return gateway().messages.size() == 1; }, "the message");
  EXPECT_EQ(client->deadline(), now.instant + seconds(15));
  wait_for_deadline();
  settle();
  EXPECT_EQ(gateway().pings.size(), 1u);
  gateway().say_plain(std::vector<std::uint8_t>{0x10, 1, 1});
  settle();
  EXPECT_EQ(client->deadline(), now.instant + seconds(15)) << "still owed";
  gateway().ack(1);
  settle();
  EXPECT_EQ(client->deadline(), now.instant + minutes(4));
}

TEST_F(ReconnectTest, GatewayThatNeverGetsReadyIsLeftAfterTenSeconds) {
  make_registered();
  open();
  next_login();
  now.instant += seconds(10) - tick;
  settle();
  EXPECT_GE(client->descriptor(), 0);
  now.instant += tick;
  (void)advance();
  EXPECT_EQ(client->descriptor(), -1);
  EXPECT_NE(client->trouble().find("does not answer"), std::string::npos);
}

TEST_F(ReconnectTest, CloseInTheMiddleOfAFrameLeavesNothingOfIt) {
  begin_session();
  gateway().deliver({.id = 1, .peer = bob, .payload = as_bytes("whole")});
  until([&] { return received == 1; }, "the first");
  gateway().deliver({.id = 2, .peer = bob, .payload = as_bytes("cut off")});
  const auto frame = gateway().take_output();
  gateway().say_raw(Bytes(frame).first(frame.size() - 1));
  settle();
  lose();
  EXPECT_NE(client->trouble().find("closed"), std::string::npos);
  EXPECT_EQ(inbox(), Texts{"whole"});
  next_session();
  EXPECT_EQ(gateway().logins[0].last_sequence, 1001u);
}

// At each stage bytes that are not the protocol: a reconnection, no error, nothing stored or
// forgotten.
TEST_F(ReconnectTest, MalformedBytesAtAnyStage) {
  make_registered();
  open();
  const auto first = send({"kept"});
  SeededRandom dice(17);
  for (int round = 0; round < 60; ++round) {
    const int stage = round % 3;
    listener.new_links_read = stage > 0;
    if (stage == 0) {
      // Instead of the handshake.
      const std::size_t before = listener.links.size();
      wait_for_deadline();
      until([&] { return listener.links.size() > before; }, "a connection");
    } else if (stage == 1) {
      next_login();
    } else {
      next_session();
    }
    (void)gateway().take_output();
    link().reading = false;
    std::vector<std::uint8_t> bytes(300);
    dice.fill(bytes);
    if (round % 2 == 0) protocol::write_frame_length(bytes, 200);
    // No refusal, which would be understood.
    bytes[3] |= 0x80;
    gateway().say_raw(bytes);
    until([&] { return client->descriptor() < 0; }, "the end");
    ASSERT_FALSE(error.has_value()) << error->message;
    listener.hang_up(link());
  }
  EXPECT_EQ(inbox(), Texts{});
  listener.new_links_read = true;
  next_session();
  until([&] { return gateway().messages.size() == 1; }, "the message");
  EXPECT_EQ(gateway().messages[0].id, first);
}

TEST_F(ReconnectTest, NewNodeKeyOfTheSameOperatorIsPinned) {
  begin_session();
  lose();
  node.key = crypto::KeyPair::generate(node.random);
  node.certify("localhost", test_time - hours(24), test_time + hours(24));
  next_session();
  EXPECT_EQ(gateway().preamble->pattern, protocol::HandshakePattern::ik_hfs) << "fell back from it";
  EXPECT_TRUE(trusted.empty());
  open();
  EXPECT_EQ(client->identity()->node_key, node.key.public_key);
}

TEST_F(ReconnectTest, OpenAgainContinuesAtOnce) {
  begin_session();
  lose();
  open();
  EXPECT_LE(client->deadline(), now.instant);
}

// run() reads the clock itself.
TEST_F(ReconnectTest, RunEndsWhenDoneOrWhenTheTimeIsUp) {
  make_registered();
  open();
  const Instant began = monotonic_now();
  const auto not_done = client->run([] { return false; }, began + milliseconds(60));
  ASSERT_TRUE(not_done.has_value());
  EXPECT_FALSE(*not_done);
  EXPECT_GE(monotonic_now() - began, milliseconds(60));
  EXPECT_LT(monotonic_now() - began, seconds(5));
  int asked = 0;
  const auto done = client->run([&] { return ++asked == 3; }, never);
  ASSERT_TRUE(done.has_value());
  EXPECT_TRUE(*done);
  EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace godwit::client::test
