// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/xmpp_client.h"

#include <gtest/gtest.h>

#include "tests/bench/peers/feed.h"

// The XML of XMPP, token by token and cut anywhere, and a client against the words of a server:
// logging in, messages with entities, stream management, and what may not come.

namespace godwit::bench {
namespace {

// The elements of a stream in pieces of so many bytes; empty when one is malformed.
std::vector<XmlElement> elements_of(std::string_view text, std::size_t piece) {
  XmlStream stream;
  std::vector<XmlElement> elements;
  std::string waiting;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, piece);
    waiting += part;
    text.remove_prefix(part.size());
    for (;;) {
      const auto step = stream.next(waiting);
      if (!step) return {};
      if (step->size == 0) break;
      if (step->event == XmlStream::Event::element) elements.push_back(stream.element());
      waiting.erase(0, step->size);
    }
  }
  return elements;
}

TEST(Xml, ElementsTextAndEntitiesCutAnywhere) {
  constexpr std::string_view text =
      "<?xml version='1.0'?><s a='1'> <m to=\"x&amp;y>\" b = ''><body>1 &lt; 2 &#x20AC;&#65;&quot;"
      "<![CDATA[<&]]>!</body><e/></m>\n<n/><o></o >";
  for (std::size_t piece = 1; piece < text.size(); ++piece) {
    const auto elements = elements_of(text, piece);
    ASSERT_EQ(elements.size(), 3U) << piece;
    EXPECT_EQ(elements[0].attribute("to"), "x&y>");
    EXPECT_EQ(elements[0].attribute("b"), "");
    ASSERT_NE(elements[0].child("body"), nullptr);
    EXPECT_EQ(elements[0].child("body")->text,
              "1 < 2 \xe2\x82\xac"
              "A\"<&!");
    EXPECT_NE(elements[0].child("e"), nullptr);
    EXPECT_EQ(elements[0].child("f"), nullptr);
    EXPECT_EQ(elements[1].name, "n");
    EXPECT_EQ(elements[2].name, "o");
  }
}

TEST(Xml, EscapedTextComesBack) {
  const std::string text = "a<b>&'\"c\xc3\xa4";
  EXPECT_EQ(xml_escape(text), "a&lt;b&gt;&amp;&apos;&quot;c\xc3\xa4");
  EXPECT_EQ(xml_unescape(xml_escape(text)), text);
  EXPECT_EQ(xml_unescape("&#x10FFFF;&#0;").has_value(), false);
  EXPECT_EQ(xml_unescape("&#x10FFFF;"), "\xf4\x8f\xbf\xbf");
}

TEST(Xml, RefusesWhatXmppDoesNotHave) {
  for (const std::string_view wrong : {"<s><m>&nbsp;<",
                                       "<s><m>& <",
                                       "<s><m>&#xD800;<",
                                       "<s><m>&#x110000;<",
                                       "<s><m>&#;<",
                                       "<s><!-- a -->",
                                       "<s><!DOCTYPE",
                                       "<s><?php ?>",
                                       "<s><m a='<'/>",
                                       "<s><m a='1' a='2'/>",
                                       "<s><m a/>",
                                       "<s><m a=1/>",
                                       "<s><m a='1'b='2'/>",
                                       "<s><></>",
                                       "<s><m></n>",
                                       "<s>text<m/>",
                                       "</s>",
                                       "<s/>",
                                       "<s></m>",
                                       "<s></s a='1'>",
                                       "<s><?xml version='1.0'?>",
                                       "<s><m 'a'='1'/>"}) {
    XmlStream stream;
    std::string_view rest = wrong;
    bool failed = false;
    while (!failed && !rest.empty()) {
      const auto step = stream.next(rest);
      failed = !step;
      if (!failed && step->size == 0) break;
      if (!failed) rest.remove_prefix(step->size);
    }
    EXPECT_TRUE(failed) << wrong;
  }
}

TEST(Xml, DepthHasALimit) {
  for (const auto& [depth, good] :
       {std::pair{XmlStream::depth_max - 1, true}, std::pair{XmlStream::depth_max, true},
        std::pair{XmlStream::depth_max + 1, false}}) {
    std::string text = "<s>";
    for (std::size_t i = 0; i < depth; ++i) text += "<a>";
    for (std::size_t i = 0; i < depth; ++i) text += "</a>";
    EXPECT_EQ(elements_of(text, 1000).size() == 1, good) << depth;
  }
}

constexpr std::string_view stream_head =
    "<?xml version='1.0'?><stream:stream id='1' from='localhost' version='1.0' "
    "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

struct Dialogue {
  PeerAccount anna{.user = "anna"};
  PeerAccount bert{.user = "bert"};
  XmppClient client;
  std::size_t piece;

  explicit Dialogue(std::size_t size, bool managed = false)
      : client({.ledger = {.own = anna, .partner = "bert"},
                .domain = "localhost",
                .password = "secret",
                .stream_management = managed}),
        piece(size) {}

  Result<unsigned> hear(std::string_view text) { return feed(client, text, piece); }
  void log_in(std::string_view session) {
    EXPECT_TRUE(said(client).starts_with("<?xml version='1.0'?><stream:stream to='localhost'"));
    EXPECT_TRUE(hear(std::string(stream_head) +
                     "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                     "<mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms>"
                     "</stream:features>"));
    EXPECT_EQ(said(client),
              "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFubmEAc2VjcmV0"
              "</auth>");
    EXPECT_TRUE(hear("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"));
    EXPECT_TRUE(said(client).starts_with("<?xml")) << "a new stream";
    EXPECT_TRUE(hear(std::string(stream_head) + "<stream:features><bind xmlns='b'/>" +
                     std::string(session) + "<sm xmlns='urn:xmpp:sm:3'/></stream:features>"));
    EXPECT_NE(said(client).find("<resource>b</resource>"), std::string::npos);
    EXPECT_TRUE(hear("<iq type='result' id='bind'><bind><jid>anna@localhost/b</jid></bind></iq>"));
  }
  std::string message_from_bert() {
    return "<message from='bert@localhost/b' to='anna@localhost/b' type='chat'><body>" +
           Ledger({.own = bert, .partner = "anna"}).next() + "</body></message>";
  }
};

TEST(XmppClient, LogsInSendsAndReceives) {
  for (const std::size_t piece : pieces) {
    Dialogue with(piece);
    with.log_in("<session xmlns='s'><optional/></session>");
    EXPECT_TRUE(with.client.ready());
    EXPECT_EQ(said(with.client), "<presence/>");
    std::string run = "<presence from='anna@localhost/b'/>" + with.message_from_bert() + "\n";
    run += with.message_from_bert();
    EXPECT_EQ(with.hear(run), 2U);
    with.client.write(1);
    EXPECT_TRUE(
        said(with.client)
            .starts_with("<message to='bert@localhost/b' type='chat' id='1'><body>anna 1 "));
    EXPECT_TRUE(with.client.settled());
    EXPECT_TRUE(with.hear("<iq type='get' id='q' from='localhost'><ping xmlns='p'/></iq>"));
    EXPECT_EQ(said(with.client), "<iq type='result' id='q' to='localhost'/>");
    with.client.ping();
    EXPECT_EQ(said(with.client), "<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>");
    EXPECT_TRUE(with.hear("<iq type='result' id='ping' from='localhost'/>"));
    EXPECT_EQ(with.client.pongs(), 1U);
  }
}

TEST(XmppClient, AsksForASessionWhereItIsNotOptional) {
  Dialogue with(7);
  with.log_in("<session xmlns='s'/>");
  EXPECT_FALSE(with.client.ready());
  EXPECT_NE(said(with.client).find("xmpp-session"), std::string::npos);
  EXPECT_TRUE(with.hear("<iq type='result' id='session'/>"));
  EXPECT_TRUE(with.client.ready());
}

TEST(XmppClient, ManagedStreamsCountBothWays) {
  for (const std::size_t piece : pieces) {
    Dialogue with(piece, true);
    with.log_in("");
    EXPECT_FALSE(with.client.ready());
    EXPECT_EQ(said(with.client), "<presence/><enable xmlns='urn:xmpp:sm:3'/>");
    EXPECT_TRUE(with.hear("<presence from='anna@localhost/b'/><enabled xmlns='urn:xmpp:sm:3'/>"));
    EXPECT_TRUE(with.client.ready());
    std::string run = with.message_from_bert() + "<r xmlns='urn:xmpp:sm:3'/>";
    run += with.message_from_bert();
    EXPECT_EQ(with.hear(run + "<r xmlns='urn:xmpp:sm:3'/>"), 2U);
    EXPECT_EQ(said(with.client),
              "<a xmlns='urn:xmpp:sm:3' h='1'/><a xmlns='urn:xmpp:sm:3' h='2'/>");
    with.client.write(2);
    EXPECT_TRUE(said(with.client).ends_with("</message><r xmlns='urn:xmpp:sm:3'/>"));
    EXPECT_FALSE(with.client.settled());
    EXPECT_TRUE(with.hear("<a xmlns='urn:xmpp:sm:3' h='1'/>"));
    EXPECT_FALSE(with.client.settled());
    EXPECT_TRUE(with.hear("<a xmlns='urn:xmpp:sm:3' h='2'/>"));
    EXPECT_TRUE(with.client.settled());
    EXPECT_EQ(with.client.pongs(), 0U);
    with.client.ping();
    EXPECT_EQ(said(with.client), "<r xmlns='urn:xmpp:sm:3'/>");
    EXPECT_TRUE(with.hear("<a xmlns='urn:xmpp:sm:3' h='2'/>"));
    EXPECT_EQ(with.client.pongs(), 1U);
    EXPECT_FALSE(with.hear("<a xmlns='urn:xmpp:sm:3' h='3'/>")) << "more than was sent";
  }
}

TEST(XmppClient, RefusesWhatMayNotCome) {
  for (const std::string_view wrong :
       {"<message from='eve@localhost/b'><body>x</body></message>",
        "<message from='bert@localhost/b'/>",
        "<message from='bert@localhost/b'><body>x</body></message>",
        "<message from='bert@localhost/b' type='error'><error/></message>",
        "<iq type='error' id='1'/>", "<iq type='result' id='1'/>", "<a h='0'/>", "<r/>",
        "<stream:error><conflict/></stream:error>", "</stream:stream>", "<enabled/>",
        "<failure><not-authorized/></failure>"}) {
    Dialogue with(100'000);
    with.log_in("");
    EXPECT_FALSE(with.hear(wrong)) << wrong;
  }
  for (const std::string_view wrong : {"<a/>", "<a h=''/>", "<a h='x'/>", "<a h='-1'/>"}) {
    Dialogue with(100'000, true);
    with.log_in("");
    EXPECT_TRUE(with.hear("<enabled/>"));
    EXPECT_FALSE(with.hear(wrong)) << wrong;
  }
}

TEST(XmppClient, SaysWhatTheServerDoesNotOffer) {
  Dialogue with(100'000);
  EXPECT_EQ(with.hear(std::string(stream_head) +
                      "<stream:features><mechanisms><mechanism>X</mechanism></mechanisms>"
                      "</stream:features>")
                .error()
                .message,
            "the server does not offer SASL PLAIN");
  Dialogue other(100'000);
  EXPECT_FALSE(other.hear("<html>"));
}

}  // namespace
}  // namespace godwit::bench
