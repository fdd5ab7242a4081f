// SPDX-License-Identifier: Apache-2.0
#include "protocol/node.h"

#include <gtest/gtest.h>

#include "protocol/dictionary.h"
#include "tests/protocol/random_stanzas.h"
#include "tests/protocol/rewrite.h"

// Binary XML elements: what is written is read, each in one form; limits on both sides; what is
// refused.

namespace godwit::protocol {
namespace {

using testing::context;
using testing::own_domain;

class NodeTest : public ::testing::Test {
 protected:
  NodeWriter writer() {
    out_ = ByteWriter(bytes_);
    return NodeWriter(out_, context);
  }
  std::string hex() const { return to_hex(out_.written()); }

  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(100'000);
  ByteWriter out_{bytes_};
};

std::vector<std::uint8_t> from(std::string_view hex) {
  const auto bytes = from_hex(hex);
  EXPECT_TRUE(bytes) << hex;
  return bytes.value_or(std::vector<std::uint8_t>{});
}

// The error, or nothing when the element is right.
std::optional<ParseError> fault(Bytes element) {
  const auto checked = check_node(element, context);
  return checked ? std::nullopt : std::optional(checked.error());
}

// "<a><b>" and so on, to the given depth.
std::vector<std::uint8_t> nested(std::size_t depth) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 1; i < depth; ++i) bytes.insert(bytes.end(), {0x4b, 0x01, 0x01});
  bytes.insert(bytes.end(), {0x4b, 0x00});
  return bytes;
}

TEST_F(NodeTest, ReaderTellsWhatWasWritten) {
  auto node = writer();
  node.open("query").attribute("xmlns", "jabber:iq:roster").attribute("made-up", "ä b");
  node.open("item").attribute("jid", JidView{"bob", own_domain, 2}).attribute("count", 7u).close();
  node.open("hash").bytes(as_bytes("xyz")).close();
  ASSERT_TRUE(node.close().ok());
  NodeReader reader(out_.written(), context);
  EXPECT_EQ(reader.next(), NodeEvent::element);
  EXPECT_EQ(reader.name(), "query");
  EXPECT_EQ(reader.depth(), 1u);
  EXPECT_EQ(reader.next(), NodeEvent::attribute);
  EXPECT_EQ(reader.name(), "xmlns");
  EXPECT_TRUE(reader.value().equals("jabber:iq:roster"));
  EXPECT_EQ(reader.next(), NodeEvent::attribute);
  EXPECT_EQ(reader.name(), "made-up");
  EXPECT_EQ(reader.value().to_string(), "ä b");
  EXPECT_EQ(reader.next(), NodeEvent::element);
  EXPECT_EQ(reader.name(), "item");
  EXPECT_EQ(reader.depth(), 2u);
  EXPECT_EQ(reader.next(), NodeEvent::attribute);
  EXPECT_EQ(reader.value().kind, ValueKind::jid);
  EXPECT_EQ(reader.value().to_string(), "bob@example.org/2");
  EXPECT_EQ(reader.next(), NodeEvent::attribute);
  EXPECT_EQ(reader.value().kind, ValueKind::number);
  EXPECT_TRUE(reader.value().equals("7"));
  EXPECT_FALSE(reader.value().equals("07"));
  EXPECT_EQ(reader.next(), NodeEvent::close);
  EXPECT_EQ(reader.depth(), 2u);
  EXPECT_EQ(reader.next(), NodeEvent::element);
  EXPECT_EQ(reader.next(), NodeEvent::bytes);
  EXPECT_EQ(as_text(reader.bytes()), "xyz");
  EXPECT_EQ(reader.next(), NodeEvent::close);
  EXPECT_EQ(reader.next(), NodeEvent::close);
  EXPECT_EQ(reader.depth(), 1u);
  EXPECT_EQ(reader.next(), NodeEvent::end);
  EXPECT_EQ(reader.next(), NodeEvent::end);
}

TEST_F(NodeTest, SkipGoesToTheCloseOfTheElement) {
  auto node = writer();
  node.open("query");
  node.open("item").attribute("id", "a").attribute("to", "b");
  node.open("hash").bytes(as_bytes("x")).close();
  node.close();
  node.open("group").close();
  ASSERT_TRUE(node.close().ok());
  NodeReader reader(out_.written(), context);
  EXPECT_EQ(reader.next(), NodeEvent::element);
  EXPECT_EQ(reader.next(), NodeEvent::element);
  EXPECT_EQ(reader.next(), NodeEvent::attribute);
  EXPECT_EQ(reader.skip(), NodeEvent::close);
  EXPECT_EQ(reader.depth(), 2u);
  EXPECT_EQ(reader.next(), NodeEvent::element);
  EXPECT_EQ(reader.name(), "group");
  EXPECT_EQ(reader.next(), NodeEvent::close);
  EXPECT_EQ(reader.next(), NodeEvent::close);
  EXPECT_EQ(reader.next(), NodeEvent::end);
}

TEST_F(NodeTest, EveryWordIsAToken) {
  for (std::size_t i = 0; i < dictionary.size(); ++i) {
    ASSERT_EQ(token_of(dictionary[i]), i);
    ASSERT_TRUE(writer().open("x").attribute("y", dictionary[i]).close().ok());
    EXPECT_EQ(hex(),
              "a178"
              "04"
              "a179" +
                  to_hex(std::array{static_cast<std::uint8_t>(i)}));
  }
  EXPECT_FALSE(token_of("idd"));
  EXPECT_FALSE(token_of(""));
}

// What the text of a value is decides its form, at the edges between two.
TEST_F(NodeTest, AValueHasOneForm) {
  const std::string digits_255(255, '7');
  const std::string letters_63(63, 'z');
  const std::string letters_64(64, 'z');
  struct Case {
    std::string text;
    std::string form;
  };
  for (const Case& each :
       {Case{"", "a0"}, Case{"Id", "a24964"}, Case{"0", "e300"},
        Case{"00",
             "e1020"
             "0"},
        Case{"4294967295", "e3ffffffff0f"}, Case{"4294967296", "e10a4294967296"},
        Case{"007", "e103007f"}, Case{"-1", "a22d31"}, Case{"bob@example.org", "e202626f6200"},
        Case{"bob@example.org/3", "e202626f6203"},
        Case{"7@example.net/65535", "e2c07f0b6578616d706c652e6e6574ffff03"},
        Case{"bob@example.org/03", "b2" + to_hex(as_bytes("bob@example.org/03"))},
        Case{"Bob@example.org", "af" + to_hex(as_bytes("Bob@example.org"))},
        Case{letters_63, "df" + to_hex(as_bytes(letters_63))},
        Case{letters_64, "e040" + to_hex(as_bytes(letters_64))},
        Case{digits_255, "e1ff" + digits_255 + "f"},
        Case{digits_255 + "7", "e08002" + to_hex(as_bytes(digits_255 + "7"))}}) {
    ASSERT_TRUE(writer().open("x").attribute("y", each.text).close().ok()) << each.text;
    EXPECT_EQ(hex(), "a17804a179" + each.form) << each.text;
    NodeReader reader(out_.written(), context);
    ASSERT_EQ(reader.next(), NodeEvent::element);
    ASSERT_EQ(reader.next(), NodeEvent::attribute) << each.text;
    EXPECT_EQ(reader.value().to_string(), each.text);
    EXPECT_TRUE(reader.value().equals(each.text));
  }
}

TEST_F(NodeTest, OtherFormsOfAValueAreRefused) {
  const std::string letters_63(63, 'z');
  for (const std::string& form : {
           std::string("a26964"),                                // "id" as text
           std::string("a137"),                                  // "7" as text
           std::string("a3303037"),                              // "007" as text
           std::string("e1017f"),                                // 7, packed
           std::string("e100"),                                  // no digits
           std::string("e1030070"),                              // an odd half that is not f
           std::string("e102a0"),                                // a half that is no digit
           std::string("e1020a"),                                // nor this one
           std::string("e101af"),                                // nor the half of an odd one
           std::string("e10307"),                                // a byte is missing
           "af" + to_hex(as_bytes("bob@example.org")),           // an address as text
           "e03f" + to_hex(as_bytes(letters_63)),                // short text, long form
           std::string("e0c000") + to_hex(as_bytes("abc")),      // a size longer than needed
           std::string("e38080808010"),                          // 2^32
           std::string("e38000"),                                // 0 in two bytes
           std::string("e242626f620b6578616d706c652e6f726700"),  // the own domain written out
           std::string("a101"),                                  // a control character
           std::string("a1ff"),                                  // no UTF-8
           std::string("a2c280"),                                // U+0080, a control character
           std::string("79"),                                    // a token there is none of
           std::string("9f"),
           std::string("e4"),
           std::string("ff"),
           std::string("a2ff"),  // ends inside
       }) {
    EXPECT_EQ(fault(from("a17804a179" + form)), ParseError::malformed) << form;
  }
}

TEST_F(NodeTest, Names) {
  const std::string name_63(63, 'n');
  for (const std::string& name :
       {std::string("a"), std::string("_"), std::string("A1-_.:"), name_63}) {
    EXPECT_TRUE(is_valid_name(name)) << name;
    EXPECT_TRUE(writer().open(name).close().ok()) << name;
    EXPECT_FALSE(fault(out_.written()));
  }
  for (const std::string& name :
       {std::string(), name_63 + "n", std::string("1a"), std::string("-a"), std::string("a b"),
        std::string("ä"), std::string("a\0", 2)}) {
    EXPECT_FALSE(is_valid_name(name)) << name;
    EXPECT_FALSE(writer().open(name).close().ok()) << name;
  }
  EXPECT_EQ(fault(from("a000")), ParseError::malformed);            // no name
  EXPECT_EQ(fault(from("a13100")), ParseError::malformed);          // "1"
  EXPECT_EQ(fault(from("a2696400")), ParseError::malformed);        // "id", not as a token
  EXPECT_EQ(fault(from("e30100")), ParseError::malformed);          // a number
  EXPECT_EQ(fault(from("e202626f620000")), ParseError::malformed);  // an address
  // The words with '/' or '#' are values only.
  EXPECT_EQ(token_of("http://jabber.org/protocol/chatstates"), 0x77);
  EXPECT_EQ(fault(from("7700")), ParseError::malformed);
}

TEST_F(NodeTest, DepthAtBelowAndAboveTheLimit) {
  for (const std::size_t depth : {std::size_t{1}, node_depth_max - 1, node_depth_max}) {
    EXPECT_FALSE(fault(nested(depth))) << depth;
  }
  EXPECT_EQ(fault(nested(node_depth_max + 1)), ParseError::too_large);
  for (const std::size_t depth : {node_depth_max, node_depth_max + 1, node_depth_max + 5}) {
    auto node = writer();
    for (std::size_t i = 0; i < depth; ++i) node.open("blocklist");
    // Beyond the limit calls in the right order stay harmless.
    node.attribute("id", "x").bytes(as_bytes("x"));
    for (std::size_t i = 0; i < depth; ++i) node.close();
    EXPECT_EQ(node.ok(), depth <= node_depth_max) << depth;
  }
}

TEST_F(NodeTest, AttributesAtBelowAndAboveTheLimit) {
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, node_attributes_max, node_attributes_max + 1}) {
    auto node = writer();
    node.open("x");
    for (std::size_t i = 0; i < count; ++i) node.attribute("n" + std::to_string(i), 1u);
    node.close();
    EXPECT_EQ(node.ok(), count <= node_attributes_max) << count;
    if (node.ok()) {
      EXPECT_FALSE(fault(out_.written()));
    }
  }
  std::string many = "a178" + to_hex(std::array{std::uint8_t((node_attributes_max + 1) << 2)});
  for (std::size_t i = 0; i <= node_attributes_max; ++i) {
    many += "a2" + to_hex(std::array{std::uint8_t('a'), std::uint8_t('A' + i)}) + "e300";
  }
  EXPECT_EQ(fault(from(many)), ParseError::too_large);
}

TEST_F(NodeTest, ChildrenAtBelowAndAboveTheLimit) {
  for (const std::size_t count : {std::size_t{1}, node_children_max - 1, node_children_max,
                                  node_children_max + 1, node_children_max + 2}) {
    auto node = writer();
    node.open("items");
    for (std::size_t i = 0; i < count; ++i) node.open("item").close();
    node.close();
    EXPECT_EQ(node.ok(), count <= node_children_max) << count;
    if (node.ok()) {
      EXPECT_FALSE(fault(out_.written()));
    }
  }
}

TEST_F(NodeTest, ANameIsGivenOnce) {
  EXPECT_FALSE(writer().open("x").attribute("id", "a").attribute("id", "b").close().ok());
  EXPECT_FALSE(writer().open("x").attribute("own", "a").attribute("own", "b").close().ok());
  EXPECT_EQ(fault(from("a17808"
                       "00a161"
                       "00a162")),
            ParseError::malformed);
  // In another element it is another one.
  auto node = writer();
  node.open("x").attribute("id", "a");
  node.open("y").attribute("id", "a").close();
  EXPECT_TRUE(node.close().ok());
  EXPECT_FALSE(fault(out_.written()));
}

TEST_F(NodeTest, BrokenElementsAreRefused) {
  for (const char* hex : {"",        // nothing
                          "4b",      // no shape
                          "4b03",    // a content kind there is none of
                          "4b04",    // an attribute is missing
                          "4b0400",  // its value is missing
                          "4b01",    // children, but how many
                          "4b0100",  // none
                          "4b0102"
                          "4b00",         // two said, one there
                          "4b02",         // bytes, but how many
                          "4b0200",       // none
                          "4b0202aa",     // two said, one there
                          "4b028100aa",   // a size longer than needed
                          "4b0000",       // something behind it
                          "4b004b00"}) {  // another element behind it
    EXPECT_EQ(fault(from(hex)), ParseError::malformed) << hex;
  }
}

TEST_F(NodeTest, AnErrorStays) {
  const auto bytes = from("4b03");
  NodeReader reader(bytes, context);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(reader.next(), NodeEvent::error);
  EXPECT_EQ(reader.skip(), NodeEvent::error);
  EXPECT_EQ(reader.error(), ParseError::malformed);
}

TEST_F(NodeTest, ValuesThatCannotBeWritten) {
  for (const std::string& text : {std::string("\x01"), std::string("a\nb"), std::string("\xff"),
                                  std::string("\xc2\x80"), std::string("\xed\xa0\x80")}) {
    EXPECT_FALSE(writer().open("x").attribute("y", text).close().ok());
  }
  EXPECT_FALSE(writer().open("x").attribute("y", JidView{"Bob", own_domain, 0}).close().ok());
  EXPECT_FALSE(writer().open("x").attribute("y", JidView{}).close().ok());
}

TEST_F(NodeTest, NoRoomFailsAtEverySize) {
  const auto write = [](ByteWriter& out) {
    NodeWriter node(out, context);
    node.open("query").attribute("xmlns", "jabber:iq:roster").attribute("own", "x y");
    node.open("item").attribute("jid", JidView{"bob", own_domain, 0}).close();
    node.open("hash").bytes(as_bytes("abc")).close();
    return node.close().ok();
  };
  ByteWriter whole(bytes_);
  ASSERT_TRUE(write(whole));
  for (std::size_t room = 0; room < whole.size(); ++room) {
    std::vector<std::uint8_t> little(room);
    ByteWriter out(little);
    EXPECT_FALSE(write(out)) << room;
  }
  // Cut anywhere, it is no element.
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_TRUE(fault(whole.written().first(size))) << size;
  }
}

void write_random(NodeWriter& node, RandomSource& random, std::size_t depth) {
  const std::size_t attributes = random.below(4);
  for (std::size_t i = 0; i < attributes; ++i) {
    const std::string name =
        random.below(2) == 0 ? "n" + std::to_string(i) : std::string(dictionary[i]);
    switch (random.below(5)) {
      case 0:
        node.attribute(name, dictionary[random.below(dictionary.size())]);
        break;
      case 1:
        node.attribute(name, static_cast<std::uint32_t>(random.next_u64() >> random.below(64)));
        break;
      case 2:
        node.attribute(name, testing::random_jid(random));
        break;
      case 3:
        node.attribute(name, testing::random_text(random, "0123456789", 1, 300));
        break;
      default:
        node.attribute(name, testing::random_text(random, "abc 019@/.", 0, 100));
    }
  }
  if (random.below(3) == 0) return (void)node.bytes(testing::random_bytes(random, 40));
  if (depth == node_depth_max) return;
  for (std::uint64_t children = random.below(4); children > 0; --children) {
    node.open(random.below(2) == 0 ? "item" : "other");
    write_random(node, random, depth + 1);
    node.close();
  }
}

TEST_F(NodeTest, RandomElementsSurvive) {
  SeededRandom random(11);
  std::vector<std::uint8_t> back(bytes_.size());
  for (int i = 0; i < 3000; ++i) {
    auto node = writer();
    node.open("query");
    write_random(node, random, 1);
    ASSERT_TRUE(node.close().ok());
    ByteWriter out(back);
    ASSERT_TRUE(testing::rewrite_node(out, out_.written(), context));
    ASSERT_EQ(to_hex(out.written()), hex());
  }
}

// One byte changed: refused, or another element with one encoding.
TEST_F(NodeTest, DamagedElementsAreRefusedOrCanonical) {
  SeededRandom random(12);
  std::vector<std::uint8_t> back(bytes_.size());
  std::size_t refused = 0;
  for (int i = 0; i < 3000; ++i) {
    auto node = writer();
    node.open("query");
    write_random(node, random, 1);
    ASSERT_TRUE(node.close().ok());
    std::vector<std::uint8_t> damaged(out_.written().begin(), out_.written().end());
    damaged[random.below(damaged.size())] ^= static_cast<std::uint8_t>(1u << random.below(8));
    ByteWriter out(back);
    if (testing::rewrite_node(out, damaged, context)) {
      ASSERT_EQ(to_hex(out.written()), to_hex(damaged));
    } else {
      ++refused;
    }
  }
  EXPECT_GT(refused, 500u);
}

}  // namespace
}  // namespace godwit::protocol
