// SPDX-License-Identifier: Apache-2.0
#include "protocol/stanza.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "protocol/node.h"
#include "tests/protocol/random_stanzas.h"

// Stanzas written and read back, their sizes, and the limits on both sides of each.

namespace godwit::protocol {
namespace {

using testing::context;
using testing::only_stanza;

const JidView bob{"bob", testing::own_domain, 0};

class StanzaTest : public ::testing::Test {
 protected:
  ByteWriter& fresh() {
    out_ = ByteWriter(bytes_);
    return out_;
  }
  RawStanza stanza() const { return only_stanza(out_); }

  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(stanza_size_max + 100);
  ByteWriter out_{bytes_};
  JidScratch scratch_;
};

TEST_F(StanzaTest, MessageSurvives) {
  SeededRandom random(1);
  for (int i = 0; i < 5000; ++i) {
    const Jid peer = testing::random_jid(random);
    const std::vector<std::uint8_t> payload = testing::random_bytes(random, 300);
    const Message sent{.type = MessageType{static_cast<std::uint8_t>(random.below(4))},
                       .id = testing::random_number(random) | 1,
                       .peer = peer,
                       .ephemeral = random.below(2) == 0,
                       .sequence = random.below(2) * testing::random_number(random),
                       .delay_s = static_cast<std::uint32_t>(random.below(2) * random.next_u64()),
                       .payload = payload};
    ASSERT_TRUE(write(fresh(), sent, context));
    const auto read = read_message(stanza().content, context, Side::from_gateway, scratch_);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->type, sent.type);
    EXPECT_EQ(read->id, sent.id);
    EXPECT_EQ(read->peer, sent.peer);
    EXPECT_EQ(read->ephemeral, sent.ephemeral);
    EXPECT_EQ(read->sequence, sent.sequence);
    EXPECT_EQ(read->delay_s, sent.delay_s);
    EXPECT_EQ(to_hex(read->payload), to_hex(sent.payload));
    const bool client_may = sent.sequence == 0 && sent.delay_s == 0;
    EXPECT_EQ(read_message(stanza().content, context, Side::from_client, scratch_).has_value(),
              client_may);
  }
}

TEST_F(StanzaTest, DeliveryIsTheBodyBehindAHead) {
  const std::vector<std::uint8_t> payload(100, 0x5a);
  const Message message{.id = 7, .peer = bob, .sequence = 9, .delay_s = 300, .payload = payload};
  std::array<std::uint8_t, 200> body_bytes;
  ByteWriter body(body_bytes);
  ASSERT_TRUE(write_message_body(body, message, context));
  ASSERT_TRUE(write_delivery(fresh(), {.sequence = 9, .delay_s = 300}, body.written()));
  const std::string delivered = to_hex(out_.written());
  EXPECT_LE(out_.size(), delivery_size_max(body.size()));
  ASSERT_TRUE(write(fresh(), message, context));
  EXPECT_EQ(delivered, to_hex(out_.written()));
}

// The promise: a 100-byte payload costs at most 40 bytes on top, frame and tag included. Between
// two deliveries without a gap the sequence is left out.
TEST_F(StanzaTest, HundredBytesCostAtMostForty) {
  const std::vector<std::uint8_t> payload(100, 0x5a);
  struct Case {
    JidView peer;
    std::uint64_t id;
    std::uint64_t sequence;
  };
  for (const Case& each : {Case{{"4915112345678", testing::own_domain, 0}, 1'000'000'000, 0},
                           Case{{"4915112345678", testing::own_domain, 1}, 1'000'000, 100'000},
                           Case{{"alice", testing::own_domain, 1}, 1'000'000, 100'000},
                           Case{{"alice.smith", testing::own_domain, 1}, 1'000'000, 0}}) {
    Message message{
        .id = each.id, .peer = each.peer, .sequence = each.sequence, .payload = payload};
    // What a client sends has a digest, what is delivered a sequence.
    if (each.sequence == 0) message.device_digest = 0x1234;
    ASSERT_TRUE(write(fresh(), message, context));
    EXPECT_LE(out_.size() + length_prefix_size + aead_tag_size - payload.size(), 40u)
        << to_text(each.peer);
  }
}

TEST_F(StanzaTest, ADeviceDigestIsTheClientsToWrite) {
  const Message sent{.id = 7, .peer = bob, .device_digest = 0, .payload = as_bytes("hi")};
  ASSERT_TRUE(write(fresh(), sent, context));
  EXPECT_FALSE(read_message(stanza().content, context, Side::from_gateway, scratch_));
  const auto read = read_message(stanza().content, context, Side::from_client, scratch_);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->device_digest, std::uint16_t{0});
  EXPECT_EQ(as_text(read->payload), "hi");
  // The body that a home keeps does not have it.
  std::array<std::uint8_t, 100> with_bytes, without_bytes;
  ByteWriter with(with_bytes), without(without_bytes);
  ASSERT_TRUE(write_message_body(with, sent, context));
  Message plain = sent;
  plain.device_digest.reset();
  ASSERT_TRUE(write_message_body(without, plain, context));
  EXPECT_EQ(to_hex(with.written()), to_hex(without.written()));
  plain.device_digest = 1;
  plain.sequence = 1;
  EXPECT_FALSE(write(fresh(), plain, context));
}

TEST(DeviceDigest, KnowsWhatIsMissingTooManyOrChangedInAnyOrder) {
  const DeviceTag one{1, 0x11112222}, two{2, 0xdead0001}, changed{2, 0xdead0002};
  const auto digest = [](std::vector<DeviceTag> list) { return digest_of(list); };
  EXPECT_EQ(digest({}), 0);
  EXPECT_EQ(digest({one}), 0x3333);
  EXPECT_EQ(digest({one, two}), digest({two, one}));
  EXPECT_NE(digest({one, two}), digest({one}));
  EXPECT_NE(digest({one, two}), digest({one, changed}));
}

TEST_F(StanzaTest, DeviceListSurvives) {
  SeededRandom random(2);
  for (std::size_t count = 0; count <= devices_per_account_max; ++count) {
    DeviceList sent{.number = static_cast<std::uint32_t>(random.next_u64()) | 1,
                    .gone = random.below(2) == 0,
                    .count = count};
    for (std::size_t i = 0; i < count; ++i) {
      sent.devices[i] = {static_cast<std::uint16_t>(device_max - 16 + i),
                         static_cast<std::uint32_t>(random.next_u64())};
    }
    ASSERT_TRUE(write(fresh(), sent));
    const auto read = read_device_list(stanza().content);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->number, sent.number);
    EXPECT_EQ(read->gone, sent.gone);
    EXPECT_TRUE(std::ranges::equal(read->list(), sent.list()));
  }
}

TEST_F(StanzaTest, DeviceListsThatCannotBe) {
  DeviceList list{.number = 1, .count = devices_per_account_max};
  for (std::size_t i = 0; i < list.count; ++i) list.devices[i].device = std::uint16_t(i + 1);
  ASSERT_TRUE(write(fresh(), list));
  std::vector<std::uint8_t> content(stanza().content.begin(), stanza().content.end());
  ASSERT_TRUE(read_device_list(content));
  const std::size_t full = content.size();
  for (const std::uint8_t byte : {17, 0, 0, 0, 0}) content.push_back(byte);
  EXPECT_EQ(read_device_list(content).error(), ParseError::too_large);
  for (std::size_t size = 0; size < full; ++size) {
    const bool between = size >= 2 && (size - 2) % 5 == 0;
    EXPECT_EQ(read_device_list(Bytes(content).first(size)).has_value(), between) << size;
  }
  const auto fault = [](std::vector<std::uint8_t> bytes) {
    return read_device_list(bytes).error();
  };
  EXPECT_EQ(fault({2, 1}), ParseError::malformed);                                // a flag
  EXPECT_EQ(fault({0, 0}), ParseError::malformed);                                // number 0
  EXPECT_EQ(fault({0, 1, 0, 0, 0, 0, 0}), ParseError::malformed);                 // device 0
  EXPECT_EQ(fault({0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0}), ParseError::malformed);  // twice
  EXPECT_EQ(fault({0, 1, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0}), ParseError::malformed);  // falling
  EXPECT_EQ(fault({0, 1, 0x80, 0x80, 0x04, 0, 0, 0, 0}), ParseError::malformed);  // 65 536
  list.number = 0;
  EXPECT_FALSE(write(fresh(), list));
  list.number = 1;
  std::swap(list.devices[0], list.devices[1]);
  EXPECT_FALSE(write(fresh(), list));
}

// Whatever its head, an iq that was read can be written again under the longest address: the
// gateway puts the sender's in place of the recipient's.
TEST_F(StanzaTest, IqFitsUnderEveryAddress) {
  const std::string user(jid_user_size_max, 'a');
  std::string domain;
  while (domain.size() < 250) domain += "bcde.";
  domain += "net";
  ASSERT_EQ(domain.size(), jid_domain_size_max);
  const JidView longest{user, domain, device_max};
  // Name, shape and a size of two bytes are in front of the bytes.
  const std::vector<std::uint8_t> bytes(iq_node_size_max - 4, 0x5a);
  std::vector<std::uint8_t> node_bytes(iq_node_size_max + 1);
  ByteWriter node(node_bytes);
  ASSERT_TRUE(NodeWriter(node, context).open("query").bytes(bytes).close().ok());
  ASSERT_EQ(node.size(), iq_node_size_max);
  for (const JidView& peer : {JidView{}, bob, longest}) {
    const Iq sent{.type = IqType::set, .id = UINT64_MAX, .peer = peer, .node = node.written()};
    ASSERT_TRUE(write(fresh(), sent, context));
    EXPECT_LE(out_.size(), control_stanza_size_max);
    const auto read = read_iq(stanza().content, context, scratch_);
    ASSERT_TRUE(read);
    EXPECT_EQ(to_hex(read->node), to_hex(sent.node));
  }
  // One byte more, behind the shortest head there is.
  const std::vector<std::uint8_t> more(iq_node_size_max - 3, 0x5a);
  ByteWriter larger(node_bytes);
  ASSERT_TRUE(NodeWriter(larger, context).open("query").bytes(more).close().ok());
  EXPECT_FALSE(write(fresh(), Iq{.id = 1, .node = larger.written()}, context));
  std::vector<std::uint8_t> content(2 + larger.size(), 0);  // flags 0, id 1
  content[1] = 1;
  std::ranges::copy(larger.written(), content.begin() + 2);
  EXPECT_EQ(read_iq(content, context, scratch_).error(), ParseError::too_large);
}

}  // namespace
}  // namespace godwit::protocol
