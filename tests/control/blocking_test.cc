// SPDX-License-Identifier: Apache-2.0
// Blocking (XEP-0191) as a client asks for it: the list, its pages, what is refused with which
// condition, and that the account's home hears of changes.
#include "control/blocking.h"

#include <gtest/gtest.h>

#include "protocol/node.h"
#include "tests/control/control_fixture.h"

namespace godwit::control {
namespace {

using protocol::Condition;
using protocol::IqType;

constexpr std::string_view domain = "example.org";

struct Element {
  std::string_view name;
  std::vector<std::string> items{};  // users, or addresses where there is an @
  std::string after{};               // user
};

std::vector<std::uint8_t> encode(const Element& element) {
  std::vector<std::uint8_t> bytes(protocol::control_stanza_size_max);
  ByteWriter out(bytes);
  protocol::NodeWriter node(out, {domain});
  node.open(element.name);
  if (!element.after.empty())
    node.attribute("after", protocol::JidView{.user = element.after, .domain = domain});
  for (const std::string& item : element.items) {
    node.open("item");
    if (item.find('@') != std::string::npos) {
      node.attribute("jid", item);
    } else if (!item.empty()) {
      node.attribute("jid", protocol::JidView{.user = item, .domain = domain});
    }
    node.close();
  }
  node.close();
  EXPECT_TRUE(node.ok());
  bytes.resize(out.size());
  return bytes;
}

struct List {
  std::vector<std::string> addresses;
  bool more = false;
};

List read_list(Bytes node) {
  List list;
  protocol::NodeReader reader(node, {domain});
  for (auto event = reader.next(); event != protocol::NodeEvent::end; event = reader.next()) {
    EXPECT_NE(event, protocol::NodeEvent::error);
    if (event == protocol::NodeEvent::error) break;
    if (event != protocol::NodeEvent::attribute) continue;
    if (reader.name() == "more") list.more = true;
    if (reader.name() == "jid") list.addresses.push_back(reader.value().to_string());
  }
  return list;
}

class BlockingTest : public ControlFixture {
 protected:
  void SetUp() override {
    ControlFixture::SetUp();
    registered("alice", 1);
  }

  struct Reply {
    bool changed = false;
    std::vector<std::uint8_t> node;        // of a result
    std::optional<Condition> condition{};  // of an error
  };
  Reply ask(IqType type, Bytes node, std::string_view user = "alice") {
    std::vector<std::uint8_t> out(protocol::control_stanza_size_max);
    const BlockingAnswer answer = answer_blocking(
        {.iq = {.user = user, .type = static_cast<std::uint8_t>(type), .id = 5, .node = node},
         .number = 9,
         .domain = domain},
        *accounts_, out);
    Bytes frame = Bytes(out).first(answer.size);
    const auto raw = protocol::next_stanza(frame);
    EXPECT_TRUE(raw && frame.empty());
    Reply reply{.changed = answer.changed};
    if (raw->type == protocol::StanzaType::error) {
      const auto error = protocol::read_error(raw->content);
      EXPECT_TRUE(error && error->kind == protocol::StanzaType::iq && error->id == 5 &&
                  error->number == 9);
      reply.condition = error->condition;
      return reply;
    }
    protocol::JidScratch scratch;
    const auto iq = protocol::read_iq(raw->content, {domain}, scratch);
    EXPECT_TRUE(iq && iq->type == IqType::result && iq->id == 5 && iq->peer.empty());
    reply.node.assign(iq->node.begin(), iq->node.end());
    return reply;
  }
  Reply set(const Element& element) { return ask(IqType::set, encode(element)); }
  Reply get(const Element& element) { return ask(IqType::get, encode(element)); }
  std::vector<std::string> blocks() { return (*accounts_->find("alice"))->blocks; }
};

TEST_F(BlockingTest, BlockedAreListedAndUnblocked) {
  EXPECT_TRUE(read_list(get({"blocklist"}).node).addresses.empty());
  const Reply blocked = set({"block", {"eve", "bob", "123"}});
  EXPECT_FALSE(blocked.condition);
  EXPECT_TRUE(blocked.changed);
  EXPECT_TRUE(blocked.node.empty());
  const List list = read_list(get({"blocklist"}).node);
  EXPECT_EQ(list.addresses,
            (std::vector<std::string>{"123@example.org", "bob@example.org", "eve@example.org"}));
  EXPECT_FALSE(list.more);
  EXPECT_TRUE(set({"unblock", {"bob"}}).changed);
  EXPECT_EQ(blocks(), (std::vector<std::string>{"123", "eve"}));
  EXPECT_TRUE(set({"unblock"}).changed);
  EXPECT_TRUE(blocks().empty());
}

TEST_F(BlockingTest, LongListsComeInPagesThatHoldEverything) {
  std::vector<std::string> all;
  for (int i = 0; i < 130; ++i) {
    // The longest names there are, in order.
    all.push_back("u" + std::string(60, 'x') + std::to_string(100 + i));
  }
  const auto id = (*accounts_->find("alice"))->id;
  ASSERT_TRUE(accounts_->block(id, all));
  std::vector<std::string> seen;
  std::string after;
  int pages = 0;
  for (bool more = true; more; ++pages) {
    ASSERT_LT(pages, 10);
    const List list = read_list(get({"blocklist", {}, after}).node);
    for (const std::string& address : list.addresses)
      seen.push_back(address.substr(0, address.find('@')));
    more = list.more;
    after = seen.back();
  }
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(seen, all);
}

TEST_F(BlockingTest, WhatIsRefusedChangesNothing) {
  ASSERT_TRUE(set({"block", {"eve"}}).changed);
  EXPECT_EQ(set({"block"}).condition, Condition::bad_request);
  EXPECT_EQ(set({"block", {""}}).condition, Condition::bad_request);
  EXPECT_EQ(set({"unblock", {""}}).condition, Condition::bad_request);
  EXPECT_EQ(set({"unblock", {"eve", ""}}).condition, Condition::bad_request);
  EXPECT_EQ(set({"block", {"bob@elsewhere.org"}}).condition, Condition::item_not_found);
  EXPECT_EQ(set({"block", {"bob@example.org/3"}}).condition, Condition::jid_malformed);
  EXPECT_EQ(set({"block", {"Bob@example.org"}}).condition, Condition::jid_malformed);
  EXPECT_EQ(set({"blocklist"}).condition, Condition::service_unavailable);
  EXPECT_EQ(get({"block", {"bob"}}).condition, Condition::service_unavailable);
  EXPECT_EQ(get({"query"}).condition, Condition::service_unavailable);
  EXPECT_EQ(ask(IqType::get, {}).condition, Condition::bad_request);
  EXPECT_EQ(ask(IqType::get, encode({"blocklist"}), "nobody").condition, Condition::item_not_found);
  EXPECT_EQ(blocks(), std::vector<std::string>{"eve"});
}

TEST_F(BlockingTest, EveryTruncationIsRefused) {
  const std::vector<std::uint8_t> whole = encode({"block", {"eve", "bob"}});
  for (std::size_t size = 1; size < whole.size(); ++size) {
    EXPECT_EQ(ask(IqType::set, Bytes(whole).first(size)).condition, Condition::bad_request) << size;
  }
  EXPECT_TRUE(blocks().empty());
}

TEST_F(BlockingTest, PastTheLimitIsAResourceConstraint) {
  start({}, std::size_t{4} << 20, {.blocks_per_account_max = 2});
  EXPECT_TRUE(set({"block", {"a", "b"}}).changed);
  const Reply third = set({"block", {"c"}});
  EXPECT_EQ(third.condition, Condition::resource_constraint);
  EXPECT_FALSE(third.changed);
  EXPECT_EQ(blocks().size(), 2u);
}

TEST_F(BlockingTest, ControlAnswersTheFrontAndTellsTheHome) {
  const std::vector<std::uint8_t> node = encode({"block", {"bob"}});
  const queues::ServerIq iq{
      .user = "alice", .type = static_cast<std::uint8_t>(IqType::set), .id = 5, .node = node};
  shards_.post(0, {.kind = queues::CommandKind::server_iq,
                   .number = 3,
                   .session = session(0, 8),
                   .account = hash("alice"),
                   .buffer = queues::encode(shards_.pool(), iq).release()});
  turn();
  const std::vector<Heard> home = shards_.hear(1);
  ASSERT_EQ(home.size(), 1u);
  EXPECT_EQ(home[0].command.kind, queues::CommandKind::account_changed);
  EXPECT_EQ(queues::decode_account_record(home[0].bytes).blocks,
            std::vector<std::uint64_t>{hash("bob")});
  const std::vector<Heard> front = shards_.hear(0);
  ASSERT_EQ(front.size(), 1u);
  EXPECT_EQ(front[0].command.kind, queues::CommandKind::server_iq_reply);
  EXPECT_EQ(front[0].command.session, session(0, 8));
  EXPECT_EQ(front[0].command.number, 3u);
  Bytes frame = front[0].bytes;
  EXPECT_EQ(protocol::next_stanza(frame)->type, protocol::StanzaType::iq);
}

}  // namespace
}  // namespace godwit::control
