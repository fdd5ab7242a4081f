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
    const Message message{
        .id = each.id, .peer = each.peer, .sequence = each.sequence, .payload = payload};
    ASSERT_TRUE(write(fresh(), message, context));
    EXPECT_LE(out_.size() + length_prefix_size + aead_tag_size - payload.size(), 40u)
        << to_text(each.peer);
  }
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
