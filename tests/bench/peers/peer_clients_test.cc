// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "bench/peers/mqtt_client.h"
#include "bench/peers/nats_client.h"
#include "bench/peers/resp_client.h"
#include "tests/bench/peers/feed.h"

// The ledger, and the clients of NATS, MQTT and Redis against the bytes of their servers: every
// dialogue in pieces of several sizes, what may not come, and sizes at, below and above a limit.

namespace godwit::bench {
namespace {

struct Pair {
  PeerAccount anna{.user = "anna"};
  PeerAccount bert{.user = "bert"};
  Ledger::Options of_anna() { return {.own = anna, .partner = "bert"}; }
  Ledger::Options of_bert() { return {.own = bert, .partner = "anna"}; }
  // What bert sends anna next.
  std::string from_bert() { return Ledger(of_bert()).next(); }
};

TEST(Ledger, TakesEachMessageOnceInOrder) {
  Pair pair;
  Ledger anna(pair.of_anna());
  const std::string first = pair.from_bert();
  const std::string second = pair.from_bert();
  EXPECT_EQ(first.size(), 100U);
  EXPECT_NE(first, second);
  EXPECT_TRUE(anna.arrived(first));
  EXPECT_FALSE(anna.arrived(first)) << "again";
  EXPECT_TRUE(anna.arrived(second));
  EXPECT_EQ(pair.anna.last_received, 2U);
}

TEST(Ledger, SeesWhatIsLostChangedOrNotThePartners) {
  Pair pair;
  Ledger anna(pair.of_anna());
  const std::string first = pair.from_bert();
  const std::string second = pair.from_bert();
  EXPECT_EQ(anna.arrived(second).error().message, "message 2 where message 1 was due");
  std::string changed = first;
  changed.back() ^= 1;
  EXPECT_FALSE(anna.arrived(changed));
  EXPECT_FALSE(anna.arrived(first.substr(0, 99)));
  EXPECT_FALSE(anna.arrived(first + "a"));
  EXPECT_FALSE(anna.arrived(Ledger(pair.of_anna()).next())) << "its own";
  EXPECT_FALSE(anna.arrived(""));
  EXPECT_EQ(pair.anna.last_received, 0U);
}

std::string nats_message(const std::string& payload) {
  return "MSG to.anna 1 " + std::to_string(payload.size()) + "\r\n" + payload + "\r\n";
}

TEST(NatsClient, SubscribesSendsAndReceives) {
  for (const std::size_t piece : pieces) {
    Pair pair;
    NatsClient client(pair.of_anna());
    EXPECT_TRUE(feed(client, "INFO {\"version\":\"2\"}\r\n", piece));
    EXPECT_FALSE(client.ready());
    EXPECT_NE(said(client).find("SUB to.anna 1\r\nPING\r\n"), std::string::npos);
    EXPECT_TRUE(feed(client, "PONG\r\nINFO {}\r\n", piece));
    EXPECT_TRUE(client.ready());
    EXPECT_EQ(said(client), "") << "a later INFO is not answered";
    std::string run = nats_message(pair.from_bert()) + "PING\r\n+OK\r\n";
    run += nats_message(pair.from_bert());
    EXPECT_EQ(feed(client, run, piece), 2U);
    EXPECT_EQ(said(client), "PONG\r\n");
    client.write(1);
    EXPECT_TRUE(said(client).starts_with("PUB to.bert 100\r\nanna 1 "));
    EXPECT_TRUE(client.settled());
    client.ping();
    EXPECT_EQ(said(client), "PING\r\n");
    EXPECT_TRUE(feed(client, "PONG\r\n", piece));
    EXPECT_EQ(client.pongs(), 1U);
  }
}

TEST(NatsClient, RefusesWhatMayNotCome) {
  for (const std::string& wrong :
       {std::string("-ERR 'Authorization Violation'\r\n"), std::string("HELLO\r\n"),
        std::string("MSG to.bert 1 5\r\nabcde\r\n"), std::string("MSG to.anna 1 x\r\n"),
        std::string("MSG to.anna 1 99999999\r\n"), std::string("MSG to.anna 1 5\r\nabcdef\r\n"),
        std::string("MSG to.anna 1 5\r\nabcde\r\n"), std::string("MSG to.anna 1 -1\r\n")}) {
    Pair pair;
    NatsClient client(pair.of_anna());
    EXPECT_FALSE(feed(client, wrong, 100'000)) << wrong;
  }
}

TEST(PeerClient, AUnitMayNotGrowForEver) {
  for (const auto& [size, good] :
       {std::pair{PeerClient::unit_size_max - 1, true}, std::pair{PeerClient::unit_size_max, true},
        std::pair{PeerClient::unit_size_max + 1, false}}) {
    Pair pair;
    NatsClient client(pair.of_anna());
    EXPECT_EQ(feed(client, std::string(size, 'I'), 1000).has_value(), good) << size;
  }
}

std::string mqtt_connack() {
  return {"\x20\x02\x00\x00", 4};
}
std::string mqtt_suback(char quality) {
  return std::string("\x90\x03\x00\x01", 4) + quality;
}
std::string mqtt_publish(const std::string& payload, char identifier) {
  std::string body = std::string("\x00\x07to/anna", 9);
  if (identifier != 0) body += std::string(1, '\0') + identifier;
  body += payload;
  return std::string(1, identifier != 0 ? '\x32' : '\x30') + static_cast<char>(body.size()) + body;
}

TEST(MqttClient, ConnectsSubscribesAndAcknowledgesAtQos1) {
  for (const std::size_t piece : pieces) {
    Pair pair;
    MqttClient client(pair.of_anna(), MqttClient::Quality::at_least_once);
    EXPECT_EQ(said(client), std::string("\x10\x10\x00\x04MQTT\x04\x02\xff\xff\x00\x04"
                                        "anna",
                                        18));
    EXPECT_TRUE(feed(client, mqtt_connack(), piece));
    EXPECT_EQ(said(client), std::string("\x82\x0c\x00\x01\x00\x07to/anna\x01", 14));
    EXPECT_FALSE(client.ready());
    EXPECT_TRUE(feed(client, mqtt_suback(1), piece));
    EXPECT_TRUE(client.ready());
    std::string run = mqtt_publish(pair.from_bert(), 9);
    run += mqtt_publish(pair.from_bert(), 4);
    EXPECT_EQ(feed(client, run, piece), 2U);
    EXPECT_EQ(said(client), std::string("\x40\x02\x00\x09\x40\x02\x00\x04", 8));
    client.write(2);
    EXPECT_FALSE(client.settled());
    EXPECT_TRUE(feed(client, std::string("\x40\x02\x00\x01\x40\x02\x00\x02", 8), piece));
    EXPECT_TRUE(client.settled());
    client.ping();
    EXPECT_TRUE(feed(client, std::string("\xd0\x00", 2), piece));
    EXPECT_EQ(client.pongs(), 1U);
  }
}

TEST(MqttClient, AtQos0NothingIsAcknowledged) {
  Pair pair;
  MqttClient client(pair.of_anna(), MqttClient::Quality::at_most_once);
  EXPECT_TRUE(feed(client, mqtt_connack() + mqtt_suback(0), 3));
  said(client);
  EXPECT_EQ(feed(client, mqtt_publish(pair.from_bert(), 0), 3), 1U);
  EXPECT_EQ(said(client), "");
  client.write(1);
  EXPECT_TRUE(client.settled());
  EXPECT_EQ(said(client).substr(0, 11), std::string("\x30\x6d\x00\x07to/bert", 11));
}

TEST(MqttClient, RefusesWhatMayNotCome) {
  Pair pair;
  const std::string payload = pair.from_bert();
  const std::string message = mqtt_publish(payload, 1);
  std::string duplicate = message;
  duplicate[0] = '\x3a';
  std::string elsewhere = message;
  elsewhere[8] = 'x';
  std::string longer_topic = message;
  longer_topic[3] = '\x7f';
  for (const std::string& wrong :
       {std::string("\x20\x02\x00\x05", 4), mqtt_suback('\x80'), mqtt_suback(0),
        std::string("\x40\x02\x00\x01", 4), std::string("\x20\xff\xff\xff\xff\x01", 6),
        std::string("\x30\xff\xff\xff\x7f", 5), std::string("\x00\x00", 2),
        mqtt_publish(payload, 0), std::string("\x32\x01\x00", 3), duplicate, elsewhere,
        longer_topic}) {
    PeerAccount own{.user = "anna"};
    MqttClient client({.own = own, .partner = "bert"}, MqttClient::Quality::at_least_once);
    EXPECT_FALSE(feed(client, wrong, 100'000)) << testing::PrintToString(wrong);
  }
}

TEST(MqttClient, LengthsOfOneToThreeBytes) {
  for (const std::size_t size : {118UL, 119UL, 1024UL}) {
    PeerAccount own{.user = "anna"};
    PeerAccount other{.user = "anna"};
    MqttClient client({.own = own, .partner = "anna", .payload_size = size},
                      MqttClient::Quality::at_most_once);
    EXPECT_TRUE(feed(client, mqtt_connack() + mqtt_suback(0), 100));
    said(client);
    client.write(1);
    const std::string packet = said(client);
    EXPECT_EQ(packet.size(), size + 9 + (size + 9 > 127 ? 3 : 2));
    EXPECT_EQ(feed(client, packet, 50), 1U) << "its own bytes, read back";
  }
}

std::string resp_message(const std::string& payload) {
  return ">3\r\n$7\r\nmessage\r\n$7\r\nto:anna\r\n$" + std::to_string(payload.size()) + "\r\n" +
         payload + "\r\n";
}

constexpr std::string_view resp_hello =
    "%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n$7\r\nmodules\r\n*1\r\n%1\r\n+a\r\n"
    "#t\r\n";
constexpr std::string_view resp_subscribed = ">3\r\n$9\r\nsubscribe\r\n$7\r\nto:anna\r\n:1\r\n";

TEST(RespClient, SubscribesSendsAndReceives) {
  for (const std::size_t piece : pieces) {
    Pair pair;
    RespClient client(pair.of_anna());
    EXPECT_EQ(said(client), "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n");
    EXPECT_TRUE(feed(client, resp_hello, piece));
    EXPECT_EQ(said(client), "*2\r\n$9\r\nSUBSCRIBE\r\n$7\r\nto:anna\r\n");
    EXPECT_FALSE(client.ready());
    EXPECT_TRUE(feed(client, resp_subscribed, piece));
    EXPECT_TRUE(client.ready());
    client.write(2);
    EXPECT_TRUE(said(client).starts_with("*3\r\n$7\r\nPUBLISH\r\n$7\r\nto:bert\r\n$100\r\n"));
    EXPECT_FALSE(client.settled());
    EXPECT_EQ(feed(client, ":1\r\n" + resp_message(pair.from_bert()) + ":1\r\n", piece), 1U);
    EXPECT_TRUE(client.settled());
    client.ping();
    EXPECT_EQ(said(client), "*1\r\n$4\r\nPING\r\n");
    EXPECT_TRUE(feed(client, "+PONG\r\n", piece));
    EXPECT_EQ(client.pongs(), 1U);
  }
}

TEST(RespClient, RefusesWhatMayNotCome) {
  for (const std::string& wrong :
       {std::string("-ERR unknown command\r\n"), std::string("!4\r\nOops\r\n"),
        std::string(":1\r\n"), std::string("hello\r\n"), std::string("\r\n"), std::string("$x\r\n"),
        std::string("$3\r\nabcd\r\n"), std::string("*9999\r\n"), std::string("$99999999\r\n"),
        std::string(">1\r\n+x\r\n"), std::string(">3\r\n+message\r\n+to:bert\r\n+x\r\n"),
        std::string(">3\r\n+elsewhat\r\n+to:anna\r\n+x\r\n"),
        std::string("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n")}) {
    Pair pair;
    RespClient client(pair.of_anna());
    EXPECT_FALSE(feed(client, wrong, 100'000)) << wrong;
  }
}

TEST(RespClient, AMessageThatReachesNobodyIsAnError) {
  Pair pair;
  RespClient client(pair.of_anna());
  EXPECT_TRUE(feed(client, std::string(resp_hello) + std::string(resp_subscribed), 5));
  client.write(1);
  EXPECT_EQ(feed(client, ":0\r\n", 5).error().message, "a message that reached nobody");
}

}  // namespace
}  // namespace godwit::bench
