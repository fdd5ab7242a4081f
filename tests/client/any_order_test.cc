// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "tests/client/loopback.h"

// A client and a gateway that keeps the rules, with lost connections, refusals and deaths of the
// client at random moments. Whatever happens: what was sent is accepted once and in order or said
// to be refused, and what was delivered is in the inbox once and in order. A failing seed replays.

namespace godwit::client::test {
namespace {

using protocol::Condition;

constexpr std::uint64_t base = 1000;

class AnyOrderTest : public ClientTest, public ::testing::WithParamInterface<std::uint64_t> {
 protected:
  void send_some() {
    const std::size_t count = dice.below(5) + 1;
    protocol::Jid bob;
    bob.user = "bob";
    bob.domain = "localhost";
    const auto first = client->send(bob, std::vector<std::string>(count, "text"));
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(*first, sent + 1);
    sent += count;
  }
  void deliver(std::uint64_t index) {
    gateway().deliver({.id = index, .peer = {"bob", "localhost", 2}, .sequence = index});
  }
  // The mailbox has the messages 1, 2, 3 …, each with its number as id and relative sequence.
  void something_for_us() {
    ++mailbox;
    if (in_session()) deliver(mailbox);
  }
  bool in_session() { return !listener.links.empty() && link().socket >= 0 && begun == &link(); }
  void serve_login() {
    if (listener.links.empty() || link().socket < 0 || begun == &link()) return;
    if (gateway().logins.empty()) return;
    begun = &link();
    handled = 0;
    refused_number = 0;
    gateway().ready(base);
    const std::uint64_t last = gateway().logins[0].last_sequence;
    for (std::uint64_t i = last > base ? last - base + 1 : 1; i <= mailbox; ++i) deliver(i);
  }
  // True when the client had said that it knows of the refusal before it sent this message.
  bool knew(std::size_t index) {
    for (std::size_t i = 0; i < gateway().acks.size(); ++i) {
      if (gateway().acks[i].refusal >= refused_number &&
          gateway().messages_before_ack[i] <= index) {
        return true;
      }
    }
    return false;
  }
  void answer_some(std::uint64_t refusals_of_ten) {
    if (!in_session()) return;
    const std::size_t until_index = handled + dice.below(gateway().messages.size() - handled + 1);
    for (; handled < until_index; ++handled) {
      const auto number = static_cast<std::uint32_t>(handled + 1);
      const std::uint64_t id = gateway().messages[handled].id;
      if (refused_number != 0 && !knew(handled)) {
        gateway().refuse(number, Condition::follows_refused);
      } else if (dice.below(10) < refusals_of_ten && id > highest) {
        gateway().refuse(number, Condition::resource_constraint);
        refused_number = number;
      } else if (id > highest) {
        taken.insert(id);
        highest = id;
      }
    }
    if (handled > 0) gateway().ack(handled);
  }
  void take_one() {
    const auto stored = client->state().read_inbox(1);
    ASSERT_TRUE(stored.has_value());
    if (stored->empty()) return;
    shown.push_back(stored->front().message.id);
    ASSERT_TRUE(client->state().erase_inbox(stored->front().row));
  }
  void turn() {
    if (client->descriptor() < 0) wait_for_deadline();
    (void)advance();
    listener.turn();
    serve_login();
    listener.turn();
    (void)advance();
  }

  SeededRandom dice{GetParam()};
  std::uint64_t sent = 0;
  std::uint64_t mailbox = 0;
  const Listener::Link* begun = nullptr;  // the connection that has a session
  std::size_t handled = 0;                // messages of it that are answered
  std::uint32_t refused_number = 0;
  std::uint64_t highest = 0;  // id accepted of this device
  std::set<std::uint64_t> taken;
  Ids shown;
};

TEST_P(AnyOrderTest, NothingIsLostDoubledOrOvertaken) {
  make_registered();
  open();
  for (int step = 0; step < 250; ++step) {
    switch (dice.below(12)) {
      case 0:
      case 1:
        send_some();
        break;
      case 2:
      case 3:
        something_for_us();
        break;
      case 4:
      case 5:
      case 6:
        answer_some(2);
        break;
      case 7:
        take_one();
        break;
      case 8:
        if (dice.below(3) == 0 && in_session()) listener.hang_up(link());
        break;
      case 9:
        if (dice.below(3) == 0) open();
        break;
      default:
        turn();
    }
  }
  for (int i = 0; i < 2000 && (!client->outbox_empty() || shown.size() < mailbox); ++i) {
    turn();
    answer_some(0);
    take_one();
  }
  ASSERT_FALSE(error.has_value()) << error->message;
  EXPECT_TRUE(client->outbox_empty());
  // It was a life worth testing.
  EXPECT_GT(sent, 50u);
  EXPECT_GT(mailbox, 20u);
  EXPECT_GT(refused.size(), 0u);
  EXPECT_GT(listener.links.size(), 3u);

  Ids delivered(mailbox);
  for (std::size_t i = 0; i < delivered.size(); ++i) delivered[i] = i + 1;
  EXPECT_EQ(shown, delivered);
  std::set<std::uint64_t> told_refused;
  for (const auto& [id, why] : refused) EXPECT_TRUE(told_refused.insert(id).second) << id;
  for (std::uint64_t id = 1; id <= sent; ++id) {
    EXPECT_NE(taken.contains(id), told_refused.contains(id)) << "message " << id;
  }
  EXPECT_TRUE(std::ranges::is_sorted(accepted));
  EXPECT_EQ(std::set<std::uint64_t>(accepted.begin(), accepted.end()).size(), accepted.size());
  for (const std::uint64_t id : accepted) EXPECT_TRUE(taken.contains(id)) << "message " << id;
}

INSTANTIATE_TEST_SUITE_P(Seeds, AnyOrderTest, ::testing::Range<std::uint64_t>(1, 13));

}  // namespace
}  // namespace godwit::client::test
