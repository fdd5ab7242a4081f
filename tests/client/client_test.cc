// SPDX-License-Identifier: Apache-2.0
#include "client/client.h"

#include "tests/client/loopback.h"

// Registering and sending. Receiving is in receive_test.cc, losing connections in
// reconnect_test.cc. Each test names the rule it checks.

namespace godwit::client::test {
namespace {

using protocol::Condition;
using protocol::StreamCondition;

class RegisterTest : public ClientTest {
 protected:
  void ask(const Registration& wanted) {
    const auto asked = client->register_device(wanted);
    ASSERT_TRUE(asked.has_value()) << asked.error().message;
  }
  void register_as(std::uint16_t device) {
    const std::size_t before = listener.links.size();
    until([&] { return listener.links.size() > before && !gateway().registers.empty(); },
          "a register");
    gateway().registered(device);
    until([&] { return !gateway().logins.empty(); }, "a login");
    gateway().ready(1000);
    until([&] { return client->trouble().empty(); }, "a session");
  }
};

TEST_F(RegisterTest, WithoutAnAccountNothingConnects) {
  open();
  EXPECT_EQ(client->identity(), nullptr);
  const auto advanced = advance();
  ASSERT_FALSE(advanced.has_value());
  EXPECT_EQ(advanced.error().code, ErrorCode::not_found);
  EXPECT_NE(advanced.error().message.find("register first"), std::string::npos);
  ask(registration());
  EXPECT_TRUE(advance().has_value()) << "and then it does";
}

TEST_F(RegisterTest, FirstContactIsTrustedAndPinned) {
  open();
  Registration wanted = registration();
  wanted.invite = "code";
  ask(wanted);
  EXPECT_FALSE(client->is_registered());
  register_as(7);
  EXPECT_EQ(gateway().preamble->pattern, protocol::HandshakePattern::xx_hfs);
  EXPECT_EQ(gateway().registers, Texts{"alice@localhost code"});
  EXPECT_EQ(gateway().logins[0].jid, "alice@localhost/7");
  EXPECT_EQ(registered, std::vector<std::uint16_t>{7});
  EXPECT_EQ(trusted, std::vector{node.operator_key.public_key});
  const auto key = gateway().client_key;

  open();
  EXPECT_TRUE(client->is_registered());
  EXPECT_EQ(client->identity()->operator_key, node.operator_key.public_key);
  next_session();
  EXPECT_EQ(gateway().preamble->pattern, protocol::HandshakePattern::ik_hfs);
  EXPECT_TRUE(gateway().registers.empty());
  EXPECT_EQ(gateway().client_key, key);
  EXPECT_EQ(trusted.size(), 1u) << "told once";
}

TEST_F(RegisterTest, GivenKeyIsNotAskedAbout) {
  open();
  Registration wanted = registration();
  wanted.operator_key = node.operator_key.public_key;
  ask(wanted);
  register_as(1);
  EXPECT_TRUE(trusted.empty());
}

TEST_F(RegisterTest, WrongOperatorKeyIsFinalAndTellsTheServerNothing) {
  open();
  Registration wanted = registration();
  wanted.operator_key = FakeNode(9).operator_key.public_key;
  ask(wanted);
  until([&] { return error.has_value(); }, "an error");
  EXPECT_EQ(error->code, ErrorCode::refused);
  EXPECT_EQ(client->trouble(), error->message);
  now.instant += std::chrono::hours(1);
  settle();
  EXPECT_EQ(listener.links.size(), 1u) << "does not try again";
  EXPECT_FALSE(advance().has_value()) << "and goes on to say why";
  EXPECT_TRUE(gateway().registers.empty());
  EXPECT_FALSE(gateway().client_key.has_value());

  wanted.operator_key = node.operator_key.public_key;
  ask(wanted);
  register_as(1);
  EXPECT_TRUE(client->is_registered());
}

TEST_F(RegisterTest, PinnedKeyIsHeldAgainstAnotherOperatorAlsoInLaterRuns) {
  open();
  ask(registration());
  register_as(1);
  node.operator_key = crypto::OperatorKey::generate(node.random);
  node.certify("localhost", test_time - std::chrono::hours(1), test_time + std::chrono::hours(1));
  open();
  until([&] { return error.has_value(); }, "an error");
  EXPECT_EQ(error->code, ErrorCode::refused);
  EXPECT_TRUE(gateway().logins.empty());
}

TEST_F(RegisterTest, ExpiredCertificateIsFinalOneNotYetValidIsWaitedFor) {
  open();
  ask(registration());
  const auto tick = std::chrono::milliseconds(1);
  node.certify("localhost", test_time + tick, test_time + std::chrono::hours(1));
  until([&] { return client->descriptor() < 0 && listener.links.size() == 1; }, "a hang-up");
  EXPECT_FALSE(error.has_value());
  node.certify("localhost", test_time - tick, test_time);
  wait_for_deadline();
  until([&] { return error.has_value(); }, "an error");
  EXPECT_EQ(error->code, ErrorCode::expired);
}

TEST_F(RegisterTest, RefusalsAreFinalAndSayWhy) {
  const StreamCondition conditions[] = {StreamCondition::conflict, StreamCondition::not_authorized,
                                        StreamCondition::policy_violation};
  open();
  for (const StreamCondition condition : conditions) {
    ask(registration());
    error.reset();
    const std::size_t before = listener.links.size();
    until([&] { return listener.links.size() > before && !gateway().registers.empty(); },
          "a register");
    gateway().end(condition, 0, "the very reason");
    until([&] { return error.has_value(); }, "an error");
    EXPECT_EQ(error->code, ErrorCode::refused);
    EXPECT_NE(error->message.find("the very reason"), std::string::npos) << error->message;
    EXPECT_FALSE(client->is_registered());
  }
}

TEST_F(RegisterTest, LostBeforeTheAnswerAsksAgainWithTheSameKey) {
  open();
  ask(registration());
  until([&] { return !listener.links.empty() && !gateway().registers.empty(); }, "a register");
  const auto key = gateway().client_key;
  open();  // as after a crash: the answer is lost
  EXPECT_FALSE(client->is_registered());
  ask(registration());
  register_as(1);
  EXPECT_EQ(gateway().client_key, key) << "so it is the same device";
}

TEST_F(RegisterTest, RegisteringAgainKeepsTheAccountAndThePin) {
  open();
  ask(registration());
  register_as(3);
  Registration other = registration();
  other.jid.user = "carol";
  const auto refused_other = client->register_device(other);
  ASSERT_FALSE(refused_other.has_value());
  EXPECT_EQ(refused_other.error().code, ErrorCode::exists);
  EXPECT_NE(refused_other.error().message.find("alice@localhost/3"), std::string::npos);

  ask(registration());
  register_as(3);
  EXPECT_EQ(trusted.size(), 1u) << "the pin was kept";
  EXPECT_EQ(client->identity()->jid.device, 3);
}

TEST_F(RegisterTest, WhatCannotBeIsRefusedBeforeAnythingIsSaved) {
  open();
  for (const char* server : {"", "localhost", "localhost:", "localhost:0", "localhost:65536"}) {
    Registration wanted = registration();
    wanted.server = server;
    const auto asked = client->register_device(wanted);
    ASSERT_FALSE(asked.has_value()) << server;
    EXPECT_EQ(asked.error().code, ErrorCode::invalid);
  }
  Registration wanted = registration();
  wanted.invite = std::string(protocol::invite_size_max + 1, 'x');
  EXPECT_FALSE(client->register_device(wanted).has_value());
  EXPECT_EQ(client->identity(), nullptr);
  wanted.invite.pop_back();
  EXPECT_TRUE(client->register_device(wanted).has_value());
}

// --- sending

class SendTest : public ClientTest {};

TEST_F(SendTest, AcceptedInOrderAndOnlyOnce) {
  begin_session();
  EXPECT_EQ(send({"a", "b", "c"}), 1u);
  until([&] { return gateway().messages.size() == 3; }, "messages");
  EXPECT_EQ(gateway().messages[1], (FakeGateway::Message{2, "bob@localhost", "b"}));
  EXPECT_TRUE(accepted.empty()) << "not before the gateway says so";
  gateway().ack(2);
  settle();
  EXPECT_EQ(accepted, (Ids{1, 2}));
  EXPECT_FALSE(client->outbox_empty());
  gateway().ack(2);
  gateway().ack(3);
  until([&] { return accepted.size() >= 3; }, "all accepted");
  EXPECT_EQ(accepted, (Ids{1, 2, 3}));
  EXPECT_TRUE(client->outbox_empty());
  EXPECT_EQ(client->state().outbox_size().value(), 0u);
}

TEST_F(SendTest, WrittenBeforeThereIsAConnection) {
  make_registered();
  open();
  send({"early"});
  next_session();
  until([&] { return gateway().messages.size() == 1; }, "the message");
  EXPECT_EQ(gateway().messages[0].payload, "early");
}

TEST_F(SendTest, AllOrNoneAndUpToTheLimit) {
  make_registered();
  open();
  protocol::Jid bob;
  bob.user = "bob";
  bob.domain = "localhost";
  const std::string texts[] = {"fits", std::string(protocol::payload_size_max + 1, 'x')};
  const auto sent = client->send(bob, texts);
  ASSERT_FALSE(sent.has_value());
  EXPECT_EQ(sent.error().code, ErrorCode::limit);
  EXPECT_TRUE(client->outbox_empty());
  for (const char* user : {"", "Bob!", "b@b"}) {
    bob.user = user;
    const auto wrong = client->send(bob, {texts, 1});
    ASSERT_FALSE(wrong.has_value()) << user;
    EXPECT_EQ(wrong.error().code, ErrorCode::invalid);
  }
  EXPECT_EQ(client->state().outbox_size().value(), 0u);
  next_session();
  send({std::string(protocol::payload_size_max, 'x'), ""});
  until([&] { return gateway().messages.size() == 2; }, "the largest and the smallest");
  EXPECT_EQ(gateway().messages[0].payload.size(), protocol::payload_size_max);
}

TEST_F(SendTest, OutboxSurvivesACrashAndGoesUnderTheSameIds) {
  begin_session();
  send({"a", "b", "c", "d"});
  until([&] { return gateway().messages.size() == 4; }, "messages");
  const auto first = gateway().messages;
  gateway().ack(2);
  settle();
  open();
  EXPECT_FALSE(client->outbox_empty());
  next_session();
  send({"e"});
  until([&] { return gateway().messages.size() == 3; }, "what is left");
  EXPECT_EQ(sent_ids(), (Ids{3, 4, 5}));
  EXPECT_EQ(gateway().messages[0], first[2]);
  EXPECT_EQ(gateway().messages[1], first[3]);
  gateway().ack(3);
  settle();
  EXPECT_EQ(accepted, (Ids{1, 2, 3, 4, 5}));
  EXPECT_TRUE(client->outbox_empty());
}

TEST_F(SendTest, LostConnectionSendsAgainWhatWasNotAnswered) {
  begin_session();
  send({"a", "b"});
  until([&] { return gateway().messages.size() == 2; }, "messages");
  gateway().ack(1);
  settle();
  listener.hang_up(link());
  until([&] { return client->descriptor() < 0; }, "the loss");
  next_session();
  until([&] { return gateway().messages.size() == 1; }, "the rest");
  EXPECT_EQ(sent_ids(), Ids{2});
  gateway().ack(1);
  settle();
  EXPECT_EQ(accepted, (Ids{1, 2}));
}

// A refusal in the middle: what follows is held until all is answered, then the refusal is
// confirmed and the followers go again in order.
TEST_F(SendTest, RefusedInTheMiddleHoldsWhatFollows) {
  begin_session();
  send({"a", "b", "c", "d"});
  until([&] { return gateway().messages.size() == 4; }, "messages");
  gateway().ack(1);
  gateway().refuse(2, Condition::item_not_found);
  settle();
  EXPECT_EQ(accepted, Ids{1});
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].first, 2u);
  EXPECT_NE(refused[0].second.find("no such account"), std::string::npos);
  send({"e"});
  settle();
  EXPECT_EQ(gateway().messages.size(), 4u) << "held while answers are missing";
  EXPECT_TRUE(gateway().acks.empty()) << "and not confirmed yet";

  gateway().refuse(3, Condition::follows_refused);
  gateway().refuse(4, Condition::follows_refused);
  gateway().ack(4);
  until([&] { return gateway().messages.size() == 7; }, "the followers");
  EXPECT_EQ(sent_ids(), (Ids{1, 2, 3, 4, 3, 4, 5}));
  EXPECT_EQ(gateway().messages[4].payload, "c");
  ASSERT_EQ(gateway().acks.size(), 1u);
  EXPECT_EQ(gateway().acks[0].refusal, 4u);
  EXPECT_EQ(gateway().messages_before_ack[0], 4u) << "confirmed before they go again";
  gateway().ack(7);
  settle();
  EXPECT_EQ(accepted, (Ids{1, 3, 4, 5}));
  EXPECT_EQ(refused.size(), 1u) << "a follower is not refused";
  EXPECT_TRUE(client->outbox_empty());
}

TEST_F(SendTest, WhatWentNowhereIsNotAcceptedAndHoldsNothingUp) {
  begin_session();
  send({"a", "b", "c"});
  until([&] { return gateway().messages.size() == 3; }, "the messages");
  gateway().name_devices({.number = 2, .gone = true});
  gateway().name_devices({.number = 3});
  gateway().ack(1);
  settle();
  EXPECT_EQ(accepted, Ids{1});
  EXPECT_EQ(refused.size(), 0u) << "not before it is settled";
  send({"d"});
  until([&] { return gateway().messages.size() == 4; }, "what comes behind it");
  gateway().ack(4);
  settle();
  EXPECT_EQ(accepted, (Ids{1, 3, 4}));
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].first, 2u);
  EXPECT_TRUE(client->outbox_empty());
}

TEST_F(SendTest, RefusalDoesNotTouchAnotherAccount) {
  begin_session();
  send({"a"});
  send({"b"}, "carol");
  send({"c"});
  until([&] { return gateway().messages.size() == 3; }, "messages");
  gateway().refuse(1, Condition::resource_constraint);
  gateway().refuse(3, Condition::follows_refused);
  gateway().ack(3);
  until([&] { return gateway().messages.size() == 4; }, "the follower");
  EXPECT_EQ(accepted, Ids{2});
  EXPECT_EQ(sent_ids(), (Ids{1, 2, 3, 3}));
}

TEST_F(SendTest, RefusedAgainWhileSentAgain) {
  begin_session();
  send({"a", "b", "c"});
  until([&] { return gateway().messages.size() == 3; }, "messages");
  gateway().refuse(1, Condition::item_not_found);
  gateway().refuse(2, Condition::follows_refused);
  gateway().refuse(3, Condition::follows_refused);
  gateway().ack(3);
  until([&] { return gateway().messages.size() == 5; }, "the followers");
  gateway().refuse(4, Condition::service_unavailable);
  gateway().refuse(5, Condition::follows_refused);
  gateway().ack(5);
  until([&] { return gateway().messages.size() == 6; }, "the last");
  EXPECT_EQ(sent_ids(), (Ids{1, 2, 3, 2, 3, 3}));
  EXPECT_EQ(gateway().acks.back().refusal, 5u);
  gateway().ack(6);
  settle();
  ASSERT_EQ(refused.size(), 2u);
  EXPECT_EQ(refused[1].first, 2u);
  EXPECT_EQ(accepted, Ids{3});
  EXPECT_TRUE(client->outbox_empty());
}

TEST_F(SendTest, RefusalSaidTwiceOrTooLateCountsOnce) {
  begin_session();
  send({"a", "b"});
  until([&] { return gateway().messages.size() == 2; }, "messages");
  gateway().refuse(2, Condition::item_not_found);
  gateway().refuse(2, Condition::item_not_found);
  gateway().ack(2);
  settle();
  gateway().refuse(1, Condition::item_not_found);
  settle();
  EXPECT_EQ(accepted, Ids{1});
  EXPECT_EQ(refused.size(), 1u);
  EXPECT_TRUE(client->outbox_empty());
  EXPECT_EQ(listener.links.size(), 1u);
}

TEST_F(SendTest, RefusedIsNeverSentAgainAlsoAfterACrashBeforeItsAcknowledgement) {
  begin_session();
  send({"a", "b"});
  until([&] { return gateway().messages.size() == 2; }, "messages");
  gateway().refuse(1, Condition::item_not_found);
  until([&] { return refused.size() == 1; }, "the refusal");
  open();
  next_session();
  until([&] { return gateway().messages.size() == 1; }, "the other");
  settle();
  EXPECT_EQ(sent_ids(), Ids{2});
}

// The numbers on both sides of the window.
class WindowTest : public ClientTest, public ::testing::WithParamInterface<std::size_t> {};

TEST_P(WindowTest, AtMost512WaitForTheirAnswer) {
  begin_session();
  const std::vector<std::string> texts(GetParam(), "x");
  protocol::Jid bob;
  bob.user = "bob";
  bob.domain = "localhost";
  ASSERT_TRUE(client->send(bob, texts));
  settle();
  const std::size_t first = std::min<std::size_t>(GetParam(), 512);
  EXPECT_EQ(gateway().messages.size(), first);
  EXPECT_NE(client->deadline(), Instant{}) << "nothing to do but wait";
  gateway().ack(1);
  settle();
  EXPECT_EQ(gateway().messages.size(), std::min(GetParam(), first + 1));
  while (!client->outbox_empty()) {
    const std::size_t before = accepted.size();
    gateway().ack(gateway().messages.size());
    settle();
    ASSERT_GT(accepted.size(), before);
  }
  EXPECT_EQ(accepted.size(), GetParam());
  EXPECT_TRUE(std::ranges::is_sorted(sent_ids()));
  EXPECT_EQ(gateway().messages.size(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Sizes, WindowTest, ::testing::Values(1, 64, 511, 512, 513, 1500));

TEST_F(SendTest, GatewayThatDoesNotReadIsWaitedForAndMissesNothing) {
  begin_session();
  link().reading = false;
  const std::string large(protocol::payload_size_max, 'x');
  protocol::Jid bob;
  bob.user = "bob";
  bob.domain = "localhost";
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(client->send(bob, std::vector<std::string>(16, large)));
  }
  for (int i = 0; i < 200; ++i) (void)advance();
  EXPECT_TRUE(client->wants_write());
  EXPECT_NE(client->deadline(), Instant{}) << "does not turn without a wait";
  link().reading = true;
  until([&] { return gateway().messages.size() == 160; }, "all of them");
  EXPECT_TRUE(std::ranges::is_sorted(sent_ids()));
  EXPECT_TRUE(link().correct);
}

}  // namespace
}  // namespace godwit::client::test
