// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client/load/crew.h"
#include "tests/client/fake_gateway.h"

// A crew's wire and the gateway at its end, on virtual time: connections open at the next step,
// messages take a millisecond, and tests say what goes wrong. It acknowledges what it took,
// keeps it until its recipient names it at a login, and drops what it has seen before.

namespace godwit::client::load::test {

using client::test::FakeGateway;
using client::test::FakeNode;

class FakeWorld final : public LoadWire {
 public:
  explicit FakeWorld(const Identities& identities) : identities_(identities) {
    node_.certify("node", client::test::test_time - std::chrono::hours(1),
                  client::test::test_time + std::chrono::hours(1));
  }

  struct Link {
    std::unique_ptr<FakeGateway> gateway;
    std::size_t logins = 0;  // of the gateway's, seen
    std::size_t registers = 0;
    std::size_t messages = 0;
    bool ready = false;
    std::uint64_t base = 0;
  };
  struct Kept {
    std::uint64_t sequence = 0;
    std::uint32_t sender = 0;
    FakeGateway::Message message;
  };
  // Of a member, whatever its connections do.
  struct Mailbox {
    std::deque<Kept> kept;
    std::uint64_t sequence = 0;
    std::uint64_t highest_id = 0;  // that came from this member
  };

  bool open(std::uint32_t member) override {
    ++opens;
    if (no_ports) return false;
    at(member) = {.gateway = std::make_unique<FakeGateway>(node_)};
    later([this, member] { crew->on_opened(member, now); });
    return true;
  }
  bool send(std::uint32_t member, Bytes bytes) override {
    if (blocked.contains(member)) return false;
    if (at(member).gateway == nullptr) return true;
    EXPECT_TRUE(at(member).gateway->on_bytes(bytes));
    react(member);
    return true;
  }
  void close(std::uint32_t member, bool) override { cut(member); }
  // The connection is gone, whoever's wish that was.
  void cut(std::uint32_t member) {
    if (at(member).gateway == nullptr) return;
    at(member).gateway.reset();
    at(member) = {};
    later([this, member] { crew->on_closed(member, now); });
  }

  // Time goes by, from event to event.
  void run(Duration time) {
    const Instant end = now + time;
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 1'000'000) << "it does not come to rest";
      while (!events_.empty() && events_.front().at <= now) {
        const auto event = std::move(events_.front());
        events_.pop_front();
        event.what();
      }
      crew->turn(now);
      if (!events_.empty() && events_.front().at <= now) continue;
      Instant next = crew->next_deadline();
      if (!events_.empty()) next = std::min(next, events_.front().at);
      if (next > end) break;
      now = std::max(now, next);
    }
    now = end;
  }

  Crew* crew = nullptr;
  Instant now{std::chrono::seconds(1000)};
  // What the gateway does. Each is asked at the moment it matters.
  std::set<std::string> registered;            // users
  std::function<void(FakeGateway&)> at_login;  // instead of an answer
  std::set<std::uint32_t> blocked;             // members whose bytes the wire does not take
  bool no_ports = false;
  bool silent = false;  // nothing is delivered or acknowledged
  std::function<bool(const FakeGateway::Message&)> refuses;
  std::function<void(FakeGateway::Message&)> changes;  // what is delivered
  int times = 1;                                       // so often
  // What was seen.
  std::size_t opens = 0;
  std::vector<std::uint64_t> ids;  // of messages, in the order they came
  std::set<std::uint32_t> senders;
  std::size_t logins = 0;
  std::size_t registrations = 0;
  std::uint32_t handshakes_most = 0;

  Link& at(std::uint32_t member) {
    if (member >= links_.size()) links_.resize(member + 1);
    return links_[member];
  }
  Mailbox& mailbox(std::uint32_t member) {
    if (member >= mailboxes_.size()) mailboxes_.resize(member + 1);
    return mailboxes_[member];
  }
  // After a while of silence: everything that waits, at once.
  void speak() {
    silent = false;
    for (std::uint32_t i = 0; i < links_.size(); ++i) react(i);
  }

 private:
  struct Event {
    Instant at{};
    std::function<void()> what;
  };
  void later(std::function<void()> what, Duration delay = {}) {
    const Instant at = now + delay;
    auto place = events_.end();
    while (place != events_.begin() && std::prev(place)->at > at) --place;
    events_.insert(place, {at, std::move(what)});
  }

  void react(std::uint32_t member) {
    Link& link = at(member);
    if (link.gateway == nullptr) return;
    FakeGateway& gateway = *link.gateway;
    const std::string user = identities_.user(member);
    for (; link.registers < gateway.registers.size(); ++link.registers) {
      registered.insert(user);
      ++registrations;
      gateway.registered(1);
    }
    for (; link.logins < gateway.logins.size(); ++link.logins) log_in(member, gateway, user);
    if (!silent) take_messages(member, link, gateway);
    hand_over(member);
  }

  void log_in(std::uint32_t member, FakeGateway& gateway, const std::string& user) {
    ++logins;
    if (at_login) return at_login(gateway);
    if (!registered.contains(user)) {
      return gateway.end(protocol::StreamCondition::not_authorized);
    }
    Link& link = at(member);
    link.base = gateway.logins.back().last_sequence;
    gateway.ready(link.base);
    link.ready = true;
    Mailbox& box = mailbox(member);
    while (!box.kept.empty() && box.kept.front().sequence <= link.base) box.kept.pop_front();
    for (const Kept& one : box.kept) deliver(member, one);
  }

  void take_messages(std::uint32_t member, Link& link, FakeGateway& gateway) {
    bool ack = false;
    for (; link.messages < gateway.messages.size(); ++link.messages) {
      const FakeGateway::Message& message = gateway.messages[link.messages];
      ids.push_back(message.id);
      senders.insert(member);
      ack = true;
      if (refuses && refuses(message)) {
        gateway.refuse(static_cast<std::uint32_t>(link.messages + 1), condition);
        continue;
      }
      if (message.id <= mailbox(member).highest_id) continue;  // seen before
      mailbox(member).highest_id = message.id;
      const auto to = *identities_.number_of(message.to.substr(0, message.to.find('@')));
      Mailbox& box = mailbox(to);
      box.kept.push_back({++box.sequence, member, message});
      if (at(to).ready) deliver(to, box.kept.back());
    }
    if (ack) gateway.ack(link.messages);
  }

  void deliver(std::uint32_t to, Kept kept) {
    if (changes) changes(kept.message);
    const std::string from = identities_.user(kept.sender);
    for (int i = 0; i < times; ++i) {
      at(to).gateway->deliver({.id = kept.message.id,
                               .peer = {from, "localhost", 1},
                               .sequence = kept.sequence - at(to).base + static_cast<unsigned>(i),
                               .payload = as_bytes(kept.message.payload)});
    }
    hand_over(to);
  }

  // Bytes of one connection never reach the next.
  void hand_over(std::uint32_t member) {
    FakeGateway* gateway = at(member).gateway.get();
    auto bytes = gateway->take_output();
    if (bytes.empty()) return;
    later(
        [this, member, gateway, bytes = std::move(bytes)]() mutable {
          if (at(member).gateway.get() == gateway) crew->on_bytes(member, bytes, now);
        },
        std::chrono::milliseconds(1));
  }

 public:
  protocol::Condition condition = protocol::Condition::resource_constraint;

 private:
  const Identities& identities_;
  FakeNode node_;
  std::vector<Link> links_;
  std::vector<Mailbox> mailboxes_;
  std::deque<Event> events_;
};

}  // namespace godwit::client::load::test
