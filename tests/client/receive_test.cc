// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/resource.h>

#include "tests/client/loopback.h"

// Receiving: stored once, acknowledged after that. Each test names the rule it checks.

namespace godwit::client::test {
namespace {

constexpr protocol::JidView bob{"bob", "localhost", 2};

class ReceiveTest : public ClientTest {
 protected:
  void deliver(std::uint64_t id, std::string_view text, std::uint64_t sequence = 0) {
    gateway().deliver({.id = id, .peer = bob, .sequence = sequence, .payload = as_bytes(text)});
  }
  std::uint64_t acknowledged() { return gateway().acks.empty() ? 0 : gateway().acks.back().upto; }
};

TEST_F(ReceiveTest, StoredBeforeTheAcknowledgementLeaves) {
  begin_session(1000);
  std::size_t acks_when_told = 99;
  on_received = [&] {
    EXPECT_EQ(inbox(), Texts{"text"});
    EXPECT_EQ(client->state().last_sequence().value(), 1003u);
    listener.turn();
    acks_when_told = gateway().acks.size();
  };
  deliver(5, "text", 3);
  until([&] { return acknowledged() == 3; }, "the acknowledgement");
  EXPECT_EQ(acks_when_told, 0u);
  EXPECT_EQ(received, 1u);
}

TEST_F(ReceiveTest, SenderIdTimeAndBytesAreKept) {
  begin_session();
  const std::string bytes("a\0\xff\n", 4);
  gateway().deliver({.id = 5, .peer = bob, .delay_s = 3600, .payload = as_bytes(bytes)});
  until([&] { return received == 1; }, "the message");
  open();
  const auto stored = client->state().read_inbox(10);
  ASSERT_TRUE(stored.has_value() && stored->size() == 1);
  const State::Incoming& message = stored->front().message;
  EXPECT_EQ(message.from, "bob@localhost/2");
  EXPECT_EQ(message.id, 5u);
  EXPECT_EQ(message.payload, bytes);
  EXPECT_EQ(message.time_ms, (test_time - std::chrono::hours(1)).time_since_epoch().count());
}

TEST_F(ReceiveTest, ManyAtOnceAreAcknowledgedOnce) {
  begin_session();
  for (std::uint64_t id = 1; id <= 200; ++id) deliver(id, std::to_string(id));
  until([&] { return acknowledged() == 200; }, "the acknowledgement");
  EXPECT_LE(gateway().acks.size(), 4u);
  const Texts texts = inbox();
  ASSERT_EQ(texts.size(), 200u);
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(texts[i], std::to_string(i + 1));
}

TEST_F(ReceiveTest, RedeliveredAfterTheAcknowledgementWasLostIsDroppedAndAcknowledged) {
  begin_session(1000);
  link().reading = false;
  deliver(5, "once");
  deliver(6, "and the next");
  until([&] { return received > 0 && inbox().size() == 2; }, "both");
  listener.hang_up(link());
  until([&] { return client->descriptor() < 0; }, "the loss");
  next_session(5000);
  EXPECT_EQ(gateway().logins[0].last_sequence, 1002u);
  received = 0;
  deliver(5, "once");
  deliver(6, "and the next");
  until([&] { return acknowledged() == 2; }, "the acknowledgement");
  EXPECT_EQ(received, 0u);
  deliver(7, "new");
  until([&] { return acknowledged() == 3; }, "the acknowledgement");
  EXPECT_EQ(received, 1u);
  EXPECT_EQ(inbox(), (Texts{"once", "and the next", "new"}));
}

TEST_F(ReceiveTest, RedeliveredToTheNextRunIsDropped) {
  begin_session(1000);
  deliver(5, "once");
  until([&] { return received == 1; }, "the message");
  ASSERT_TRUE(client->state().erase_inbox(client->state().read_inbox(1)->front().row));
  open();
  next_session(1000);
  EXPECT_EQ(gateway().logins[0].last_sequence, 1001u);
  deliver(5, "once", 2);
  until([&] { return acknowledged() == 2; }, "the acknowledgement");
  EXPECT_EQ(inbox(), Texts{});
}

// The window that docs/client.md states: shown, and not yet erased when the process dies.
TEST_F(ReceiveTest, ShownAndNotErasedIsShownAgainUnderTheSameSenderAndId) {
  begin_session(1000);
  deliver(5, "shown and erased");
  deliver(6, "shown");
  deliver(7, "not shown");
  until([&] { return inbox().size() == 3; }, "three messages");
  const auto shown = client->state().read_inbox(2);
  ASSERT_TRUE(client->state().erase_inbox((*shown)[0].row));
  open();
  const auto again = client->state().read_inbox(10);
  ASSERT_EQ(again->size(), 2u) << "none left out, and only that one repeated";
  EXPECT_EQ((*again)[0].message.from, (*shown)[1].message.from);
  EXPECT_EQ((*again)[0].message.id, (*shown)[1].message.id);
  EXPECT_EQ((*again)[1].message.payload, "not shown");
}

TEST_F(ReceiveTest, EphemeralIsShownAndNotAcknowledged) {
  begin_session();
  gateway().deliver({.id = 5, .peer = bob, .ephemeral = true, .payload = as_bytes("now")});
  until([&] { return received == 1; }, "the message");
  settle();
  EXPECT_TRUE(gateway().acks.empty());
  EXPECT_EQ(client->state().last_sequence().value(), 0u);
  deliver(4, "kept");
  until([&] { return received == 2; }, "the message it overtook");
  EXPECT_EQ(inbox(), (Texts{"now", "kept"}));
}

TEST_F(ReceiveTest, BacklogEndIsToldAfterTheBacklogIsInTheInbox) {
  begin_session();
  EXPECT_EQ(backlogs_ended, 0u);
  deliver(1, "waited");
  gateway().backlog_end();
  until([&] { return backlogs_ended == 1; }, "the end of the backlog");
  EXPECT_EQ(inbox(), Texts{"waited"});
}

TEST_F(ReceiveTest, CallbackMayAnswerAndTake) {
  begin_session();
  on_received = [&] {
    const auto stored = client->state().read_inbox(10);
    for (const auto& one : *stored) {
      ASSERT_TRUE(client->state().erase_inbox(one.row));
      send({"answer"});
    }
  };
  deliver(1, "question");
  until([&] { return gateway().messages.size() == 1; }, "the answer");
  EXPECT_EQ(gateway().messages[0].payload, "answer");
  EXPECT_EQ(inbox(), Texts{});
}

TEST_F(ReceiveTest, ComesAlsoWhileAGatewayEndsTheSession) {
  begin_session();
  deliver(1, "last words");
  gateway().end(protocol::StreamCondition::system_shutdown, 1000);
  until([&] { return client->descriptor() < 0; }, "the end");
  EXPECT_EQ(inbox(), Texts{"last words"});
  next_session();
  EXPECT_EQ(gateway().logins[0].last_sequence, 1001u);
}

TEST_F(ReceiveTest, CloseAcknowledgesAndTakesLeave) {
  begin_session();
  on_received = [&] { EXPECT_TRUE(gateway().acks.empty()); };
  deliver(1, "text");
  until([&] { return received == 1; }, "the message");
  client->close();
  EXPECT_EQ(client->descriptor(), -1);
  EXPECT_EQ(client->deadline(), never);
  for (int i = 0; i < 10 && !link().ended; ++i) listener.turn();
  EXPECT_TRUE(gateway().bye);
  EXPECT_TRUE(link().correct);
  EXPECT_EQ(acknowledged(), 1u);
  now.instant += std::chrono::hours(1);
  settle();
  EXPECT_EQ(listener.links.size(), 1u) << "does not connect again";
}

// What could not be stored is not acknowledged, not even by what comes after it.
TEST_F(ReceiveTest, FailedWriteEndsTheClientAndLosesNothing) {
  begin_session(1000);
  const std::string large(60'000, 'x');
  rlimit before{};
  ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit none{.rlim_cur = 100'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &none), 0);
  for (std::uint64_t id = 1; id <= 5; ++id) deliver(id, large);
  until([&] { return error.has_value(); }, "the error");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_NE(error->message.find("state.db"), std::string::npos) << error->message;
  EXPECT_EQ(client->descriptor(), -1);
  const std::size_t kept = inbox().size();
  ASSERT_LT(kept, 5u);
  settle();
  EXPECT_LE(acknowledged(), kept);
  EXPECT_FALSE(advance().has_value()) << "only opening it anew goes on";

  open();
  next_session(1000);
  EXPECT_EQ(gateway().logins[0].last_sequence, kept == 0 ? 0 : 1000 + kept);
  for (std::uint64_t id = kept + 1; id <= 5; ++id) deliver(id, large, id);
  until([&] { return acknowledged() == 5; }, "the acknowledgement");
  EXPECT_EQ(inbox().size(), 5u);
}

}  // namespace
}  // namespace godwit::client::test
