// SPDX-License-Identifier: Apache-2.0
#include "client/connection.h"

#include <gtest/gtest.h>

#include "protocol/key_nodes.h"
#include "tests/client/fake_gateway.h"

// A connection against a scripted gateway, bytes handed over by the test. Each test names the rule
// it checks.

namespace godwit::client::test {
namespace {

using protocol::Condition;
using protocol::StreamCondition;

constexpr protocol::JidView bob{"bob", "localhost", 2};

class ConnectionTest : public ::testing::Test {
 protected:
  Connection::Options options() const {
    protocol::Jid jid;
    jid.user = "alice";
    jid.domain = "localhost";
    jid.device = device;
    return {.jid = jid,
            .identity = identity,
            .node_key = node_key,
            .operator_key = operator_key,
            .last_sequence = 77,
            .invite = "code",
            .client_name = "test"};
  }
  void connect() { connection.emplace(options(), random); }

  // Hands bytes to and fro until neither has any; the last answer of the connection is in `last`.
  bool exchange(std::size_t piece = SIZE_MAX) {
    for (;;) {
      const auto up = connection->take_output();
      if (!up.empty() && !gateway.on_bytes(up)) return ADD_FAILURE() << "not the protocol", false;
      const auto down = gateway.take_output();
      if (up.empty() && down.empty()) return true;
      for (Bytes rest = down; !rest.empty();) {
        const std::size_t size = std::min(piece, rest.size());
        auto got = connection->on_bytes(rest.first(size), now);
        rest = rest.subspan(size);
        if (!got) {
          error = got.error();
          return false;
        }
        for (Event& event : *got) events.push_back(std::move(event));
      }
    }
  }
  void log_in(std::uint64_t base = 1000) {
    connect();
    ASSERT_TRUE(exchange());
    gateway.ready(base);
    ASSERT_TRUE(exchange());
    ASSERT_TRUE(connection->ready());
    events.clear();
  }
  template <typename T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const Event& event : events) {
      if (const T* one = std::get_if<T>(&event)) found.push_back(*one);
    }
    return found;
  }

  SeededRandom random{5};
  FakeNode node;
  FakeGateway gateway{node};
  crypto::KeyPair identity = crypto::KeyPair::generate(random);
  std::optional<crypto::PublicKey> node_key;
  std::optional<crypto::OperatorPublicKey> operator_key;
  std::uint16_t device = 1;
  WallTime now = test_time;
  std::optional<Connection> connection;
  std::vector<Event> events;
  Error error;
};

TEST_F(ConnectionTest, UnknownServerMeansXx) {
  connect();
  ASSERT_TRUE(exchange());
  EXPECT_EQ(gateway.preamble->pattern, protocol::HandshakePattern::xx_hfs);
  EXPECT_EQ(gateway.client_key, identity.public_key);
  ASSERT_EQ(gateway.logins.size(), 1u);
  EXPECT_EQ(gateway.logins[0].jid, "alice@localhost/1");
  EXPECT_EQ(gateway.logins[0].last_sequence, 77u);
  const auto trusted = all<ServerTrusted>();
  ASSERT_EQ(trusted.size(), 1u);
  EXPECT_EQ(trusted[0].operator_key, node.operator_key.public_key);
  EXPECT_EQ(trusted[0].node_key, node.key.public_key);
}

TEST_F(ConnectionTest, KnownServerMeansIk) {
  node_key = node.key.public_key;
  operator_key = node.operator_key.public_key;
  connect();
  ASSERT_TRUE(exchange());
  EXPECT_EQ(gateway.preamble->pattern, protocol::HandshakePattern::ik_hfs);
  EXPECT_EQ(gateway.client_key, identity.public_key);
  EXPECT_EQ(gateway.logins.size(), 1u);
}

TEST_F(ConnectionTest, ChangedServerKeyFallsBackAndIsReported) {
  node_key = FakeNode(9).key.public_key;
  operator_key = node.operator_key.public_key;
  connect();
  ASSERT_TRUE(exchange());
  EXPECT_EQ(gateway.preamble->pattern, protocol::HandshakePattern::ik_hfs);
  EXPECT_EQ(gateway.client_key, identity.public_key);
  ASSERT_EQ(all<ServerTrusted>().size(), 1u);
  EXPECT_EQ(all<ServerTrusted>()[0].node_key, node.key.public_key);
  EXPECT_EQ(gateway.logins.size(), 1u);
}

TEST_F(ConnectionTest, BytesMayComeOneByOne) {
  connect();
  ASSERT_TRUE(exchange(1));
  gateway.ready(5);
  gateway.backlog_end();
  ASSERT_TRUE(exchange(1));
  EXPECT_EQ(all<SessionReady>().size(), 1u);
  EXPECT_EQ(all<BacklogEnd>().size(), 1u);
}

// A server that cannot prove itself is told nothing: neither a login nor the device's key.
struct BadCertificate {
  const char* what;
  void (*spoil)(FakeNode&);
  ErrorCode code;
};
class CertificateTest : public ConnectionTest,
                        public ::testing::WithParamInterface<BadCertificate> {};

TEST_P(CertificateTest, IsRefused) {
  operator_key = node.operator_key.public_key;
  GetParam().spoil(node);
  for (const bool known : {false, true}) {
    FakeGateway other(node);
    if (known) node_key = node.key.public_key;
    connect();
    ASSERT_TRUE(other.on_bytes(connection->take_output()));
    const auto got = connection->on_bytes(other.take_output(), now);
    ASSERT_FALSE(got.has_value()) << GetParam().what;
    EXPECT_EQ(got.error().code, GetParam().code) << got.error().message;
    EXPECT_TRUE(connection->take_output().empty());
    EXPECT_TRUE(other.logins.empty());
    EXPECT_EQ(other.client_key.has_value(), known);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, CertificateTest,
    ::testing::Values(
        BadCertificate{"another operator",
                       [](FakeNode& node) {
                         node.operator_key = crypto::OperatorKey::generate(node.random);
                         node.certify("localhost", test_time - std::chrono::hours(1),
                                      test_time + std::chrono::hours(1));
                       },
                       ErrorCode::refused},
        BadCertificate{"another domain",
                       [](FakeNode& node) {
                         node.certify("example.org", test_time - std::chrono::hours(1),
                                      test_time + std::chrono::hours(1));
                       },
                       ErrorCode::refused},
        BadCertificate{"another node's",
                       [](FakeNode& node) { node.key = crypto::KeyPair::generate(node.random); },
                       ErrorCode::refused},
        BadCertificate{"expired at this instant",
                       [](FakeNode& node) {
                         node.certify("localhost", test_time - std::chrono::hours(1), test_time);
                       },
                       ErrorCode::expired},
        BadCertificate{"not valid yet",
                       [](FakeNode& node) {
                         node.certify("localhost", test_time + std::chrono::milliseconds(1),
                                      test_time + std::chrono::hours(1));
                       },
                       ErrorCode::unavailable},
        BadCertificate{"none", [](FakeNode& node) { node.certificate.clear(); },
                       ErrorCode::malformed},
        BadCertificate{"a signature changed", [](FakeNode& node) { node.certificate.back() ^= 1; },
                       ErrorCode::refused}));

TEST_F(ConnectionTest, CertificateHoldsAtItsFirstAndLastInstant) {
  for (const bool last : {false, true}) {
    const auto tick = std::chrono::milliseconds(1);
    last ? node.certify("localhost", test_time - tick, test_time + tick)
         : node.certify("localhost", test_time, test_time + tick);
    FakeGateway fresh(node);
    connect();
    ASSERT_TRUE(fresh.on_bytes(connection->take_output()));
    EXPECT_TRUE(connection->on_bytes(fresh.take_output(), now).has_value());
  }
}

TEST_F(ConnectionTest, RegistersThenLogsInOnTheSameConnection) {
  device = 0;
  connect();
  ASSERT_TRUE(exchange());
  EXPECT_EQ(gateway.registers, std::vector<std::string>{"alice@localhost code"});
  EXPECT_TRUE(gateway.logins.empty());
  gateway.registered(4);
  ASSERT_TRUE(exchange());
  ASSERT_EQ(all<Registered>().size(), 1u);
  EXPECT_EQ(all<Registered>()[0].device, 4);
  ASSERT_EQ(gateway.logins.size(), 1u);
  EXPECT_EQ(gateway.logins[0].jid, "alice@localhost/4");
}

TEST_F(ConnectionTest, RefusedBeforeTheServerProvedItself) {
  connect();
  connection->take_output();
  const std::uint8_t refusal[] = {0, 0, 2, 2, 10, 0xff, 0xff, 0xff};
  const auto got = connection->on_bytes(refusal, now);
  ASSERT_TRUE(got.has_value());
  ASSERT_EQ(got->size(), 1u);
  const auto* ended = std::get_if<StreamEnded>(&got->front());
  ASSERT_NE(ended, nullptr);
  EXPECT_EQ(ended->condition, StreamCondition::unsupported_version);
  EXPECT_FALSE(ended->authenticated);
  // Nothing after the end is read.
  EXPECT_TRUE(connection->on_bytes(refusal, now).value().empty());
}

TEST_F(ConnectionTest, NumbersItsMessagesFromOne) {
  log_in();
  for (std::uint32_t number = 1; number <= 300; ++number) {
    EXPECT_EQ(connection->send_message(number + 10, protocol::Jid(bob), as_bytes("text")), number);
  }
  const std::size_t frames = gateway.frames;
  ASSERT_TRUE(exchange());
  ASSERT_EQ(gateway.messages.size(), 300u);
  EXPECT_EQ(gateway.messages[299], (FakeGateway::Message{310, "bob@localhost/2", "text"}));
  EXPECT_EQ(gateway.frames, frames + 1) << "what fits in one frame travels in one";
}

TEST_F(ConnectionTest, PayloadsUpToTheLimitFitAndFramesAreFilled) {
  log_in();
  const std::size_t sizes[] = {0, 1, protocol::payload_size_max - 1, protocol::payload_size_max,
                               100};
  for (std::size_t i = 0; i < std::size(sizes); ++i) {
    connection->send_message(i + 1, protocol::Jid(bob), as_bytes(std::string(sizes[i], 'x')));
  }
  ASSERT_TRUE(exchange());
  ASSERT_EQ(gateway.messages.size(), std::size(sizes));
  for (std::size_t i = 0; i < std::size(sizes); ++i) {
    EXPECT_EQ(gateway.messages[i].payload.size(), sizes[i]);
  }
}

TEST_F(ConnectionTest, PayloadAboveTheLimitBreaksTheInvariant) {
  log_in();
  const std::string large(protocol::payload_size_max + 1, 'x');
  EXPECT_DEATH(connection->send_message(1, protocol::Jid(bob), as_bytes(large)),
               "broken invariant");
}

TEST_F(ConnectionTest, SequencesAreRelativeAndCount) {
  log_in(1000);
  gateway.deliver({.id = 5, .peer = bob, .sequence = 3, .payload = as_bytes("a")});
  gateway.deliver({.id = 6, .peer = bob, .delay_s = 60, .payload = as_bytes("b")});
  gateway.deliver({.id = 7, .peer = bob, .ephemeral = true, .payload = as_bytes("c")});
  gateway.deliver({.id = 8, .peer = bob, .payload = as_bytes("")});
  ASSERT_TRUE(exchange());
  const auto got = all<Delivered>();
  ASSERT_EQ(got.size(), 4u);
  EXPECT_EQ(got[0].sequence, 1003u);
  EXPECT_EQ(got[0].from, "bob@localhost/2");
  EXPECT_EQ(got[1].sequence, 1004u);
  EXPECT_EQ(got[1].delay_s, 60u);
  EXPECT_EQ(got[2].sequence, 0u);
  EXPECT_EQ(got[3].sequence, 1005u);
}

TEST_F(ConnectionTest, AcknowledgesOnceAndCumulatively) {
  log_in(1000);
  gateway.deliver({.id = 5, .peer = bob, .sequence = 3, .payload = as_bytes("a")});
  ASSERT_TRUE(exchange());
  EXPECT_TRUE(gateway.acks.empty()) << "not before it is stored";
  connection->acknowledge(1003);
  connection->acknowledge(1002);
  connection->acknowledge(500);  // of an earlier session
  ASSERT_TRUE(exchange());
  ASSERT_EQ(gateway.acks.size(), 1u);
  EXPECT_EQ(gateway.acks[0].upto, 3u);
  connection->acknowledge(1003);
  EXPECT_TRUE(connection->take_output().empty());
}

TEST_F(ConnectionTest, RefusalIsConfirmedBeforeWhatFollows) {
  log_in();
  connection->send_message(1, protocol::Jid(bob), as_bytes("a"));
  ASSERT_TRUE(exchange());
  gateway.refuse(1, Condition::item_not_found);
  gateway.ack(1);
  ASSERT_TRUE(exchange());
  ASSERT_EQ(all<Refused>().size(), 1u);
  EXPECT_EQ(all<Refused>()[0].number, 1u);
  EXPECT_EQ(all<Refused>()[0].id, 1u);
  connection->confirm_refusal(1);
  connection->send_message(2, protocol::Jid(bob), as_bytes("b"));
  ASSERT_TRUE(exchange());
  ASSERT_EQ(gateway.acks.size(), 1u);
  EXPECT_EQ(gateway.acks[0].refusal, 1u);
  EXPECT_EQ(gateway.messages_before_ack[0], 1u);
  EXPECT_EQ(gateway.messages.size(), 2u);
}

TEST_F(ConnectionTest, DevicesAreNamedForWhatWasSent) {
  log_in();
  connection->send_message(1, protocol::Jid(bob), as_bytes("a"));
  connection->send_message(2, protocol::Jid(bob), as_bytes("b"), std::uint16_t{7});
  ASSERT_TRUE(exchange());
  EXPECT_EQ(gateway.messages[0].devices, std::nullopt);
  EXPECT_EQ(gateway.messages[1].devices, std::uint16_t{7});
  gateway.name_devices({.number = 2, .count = 1, .devices = {{{3, 9}}}});
  ASSERT_TRUE(exchange());
  ASSERT_EQ(all<Listed>().size(), 1u);
  EXPECT_EQ(all<Listed>()[0].list.number, 2u);
  EXPECT_EQ(all<Listed>()[0].list.list()[0], (protocol::DeviceTag{3, 9}));
  gateway.name_devices({.number = 3});
  EXPECT_FALSE(exchange()) << "of what was never sent";
}

TEST_F(ConnectionTest, AnswersPingsAndSaysBye) {
  log_in();
  gateway.ping(99);
  ASSERT_TRUE(exchange());
  EXPECT_EQ(gateway.pongs, std::vector<std::uint64_t>{99});
  connection->ping(3);
  connection->say_bye();
  ASSERT_TRUE(exchange());
  EXPECT_EQ(gateway.pings, std::vector<std::uint64_t>{3});
  EXPECT_TRUE(gateway.bye);
}

TEST_F(ConnectionTest, QuestionsAndNotices) {
  log_in();
  std::vector<std::uint8_t> asking(64);
  ByteWriter out(asking);
  ASSERT_TRUE(protocol::write_count_question(out, {"localhost"}));
  asking.resize(out.size());
  connection->ask(5, false, asking);
  connection->ask(6, true, asking);
  EXPECT_EQ(connection->send_message(9, protocol::Jid(bob), {}), 3u) << "counted with the messages";
  ASSERT_TRUE(exchange());
  ASSERT_EQ(gateway.iqs.size(), 2u);
  EXPECT_EQ(gateway.iqs[0].type, protocol::IqType::get);
  EXPECT_EQ(gateway.iqs[1].type, protocol::IqType::set);
  EXPECT_EQ(gateway.iqs[1].node, asking);
  gateway.say_iq({.type = protocol::IqType::result, .id = 5, .node = asking});
  gateway.refuse_iq(6, 2, Condition::conflict);
  gateway.say_iq({.type = protocol::IqType::set, .id = 1, .node = asking});
  gateway.say_iq({.type = protocol::IqType::set, .id = 1, .peer = bob, .node = asking});
  ASSERT_TRUE(exchange());
  const auto answers = all<Answered>();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].id, 5u);
  EXPECT_EQ(answers[0].node, asking);
  EXPECT_EQ(answers[1].refused, Condition::conflict);
  EXPECT_TRUE(all<Refused>().empty()) << "no message was";
  EXPECT_EQ(all<Noticed>().size(), 1u) << "another device is not the server";
}

TEST_F(ConnectionTest, GoodbyeComesAfterTheAcknowledgement) {
  log_in(1000);
  gateway.deliver({.id = 5, .peer = bob, .payload = as_bytes("a")});
  ASSERT_TRUE(exchange());
  connection->acknowledge(1001);
  connection->say_bye();
  ASSERT_TRUE(exchange());
  EXPECT_EQ(gateway.acks.size(), 1u);
  EXPECT_TRUE(gateway.bye);
}

TEST_F(ConnectionTest, StreamErrorEndsTheReading) {
  log_in();
  gateway.end(StreamCondition::system_shutdown, 1500, "back soon");
  gateway.backlog_end();
  ASSERT_TRUE(exchange());
  ASSERT_EQ(events.size(), 1u);
  const auto ended = all<StreamEnded>();
  EXPECT_EQ(ended[0].condition, StreamCondition::system_shutdown);
  EXPECT_EQ(ended[0].retry_after_ms, 1500u);
  EXPECT_EQ(ended[0].text, "back soon");
  EXPECT_TRUE(ended[0].authenticated);
}

// What a gateway never says in a session ends the connection with a sentence.
TEST_F(ConnectionTest, WrongStanzasInASession) {
  using Script = void (*)(FakeGateway&);
  const std::pair<const char*, Script> scripts[] = {
      {"acknowledges what was not sent", [](FakeGateway& g) { g.ack(1); }},
      {"ready twice", [](FakeGateway& g) { g.ready(1); }},
      {"registered without asking", [](FakeGateway& g) { g.registered(2); }},
      {"a sequence again",
       [](FakeGateway& g) {
         g.deliver({.id = 5, .peer = bob, .sequence = 3, .payload = as_bytes("a")});
         g.deliver({.id = 6, .peer = bob, .sequence = 3, .payload = as_bytes("a")});
       }},
      {"a sequence back",
       [](FakeGateway& g) {
         g.deliver({.id = 5, .peer = bob, .sequence = 3, .payload = as_bytes("a")});
         g.deliver({.id = 6, .peer = bob, .sequence = 2, .payload = as_bytes("a")});
       }},
      {"an unknown type",
       [](FakeGateway& g) {
         g.say_plain(std::vector<std::uint8_t>{0x7f, 0});
       }},
      {"a client's bye",
       [](FakeGateway& g) {
         g.say_plain(std::vector<std::uint8_t>{0x11, 0});
       }},
      {"a length past the frame",
       [](FakeGateway& g) {
         g.say_plain(std::vector<std::uint8_t>{0x05, 9, 1});
       }},
      {"not sealed with the key",
       [](FakeGateway& g) { g.say_raw(std::vector<std::uint8_t>(3 + 18, 18)); }},
      {"a frame too short",
       [](FakeGateway& g) {
         g.say_raw(std::vector<std::uint8_t>{0, 0, 17});
       }},
      {"a frame too long",
       [](FakeGateway& g) {
         g.say_raw(std::vector<std::uint8_t>{1, 0, 0});
       }},
  };
  for (const auto& [what, script] : scripts) {
    FakeGateway fresh(node);
    connect();
    const auto to_connection = [&] { return connection->on_bytes(fresh.take_output(), now); };
    ASSERT_TRUE(fresh.on_bytes(connection->take_output()));
    ASSERT_TRUE(to_connection());
    ASSERT_TRUE(fresh.on_bytes(connection->take_output()));
    fresh.ready(0);
    ASSERT_TRUE(to_connection());
    script(fresh);
    const auto got = to_connection();
    ASSERT_FALSE(got.has_value()) << what;
    EXPECT_EQ(got.error().code, ErrorCode::malformed) << what;
    EXPECT_FALSE(got.error().message.empty()) << what;
  }
}

TEST_F(ConnectionTest, SessionStanzasBeforeTheSession) {
  using Script = void (*)(FakeGateway&);
  const Script scripts[] = {
      [](FakeGateway& g) { g.ack(0); }, [](FakeGateway& g) { g.backlog_end(); },
      [](FakeGateway& g) { g.deliver({.id = 5, .peer = bob, .payload = as_bytes("a")}); }};
  for (const Script script : scripts) {
    FakeGateway fresh(node);
    connect();
    ASSERT_TRUE(fresh.on_bytes(connection->take_output()));
    ASSERT_TRUE(connection->on_bytes(fresh.take_output(), now));
    ASSERT_TRUE(fresh.on_bytes(connection->take_output()));
    script(fresh);
    EXPECT_FALSE(connection->on_bytes(fresh.take_output(), now).has_value());
  }
}

TEST_F(ConnectionTest, RandomBytesInsteadOfAHandshakeNeverMakeASession) {
  SeededRandom dice(3);
  for (int i = 0; i < 500; ++i) {
    connect();
    connection->take_output();
    std::vector<std::uint8_t> noise(dice.below(400) + 1);
    dice.fill(noise);
    if (i % 2 == 0 && noise.size() > 4) {  // half of them with a plausible head
      protocol::write_frame_length(noise, noise.size() - 3);
      noise[3] = static_cast<std::uint8_t>(dice.below(3));
    }
    (void)connection->on_bytes(noise, now);
    EXPECT_FALSE(connection->ready());
    EXPECT_TRUE(connection->take_output().empty());
  }
}

}  // namespace
}  // namespace godwit::client::test
