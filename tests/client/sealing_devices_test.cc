// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "client/safety.h"
#include "tests/client/sealing_device.h"

// Accounts whose devices change while somebody writes to them: a gateway in memory names them, and
// each device gets each message once, in order, wherever the sender's process dies.

namespace godwit::client::test {
namespace {

using Texts = std::vector<std::string>;

class SealingDevicesTest : public ::testing::Test {
 protected:
  SealingDevicesTest() { devices_["bob@localhost/1"] = &bob; }

  Device& add(std::uint16_t number, std::uint64_t seed) {
    auto& device = added_.emplace_back(std::make_unique<Device>(directory, "bob", number, seed));
    devices_[device->name()] = device.get();
    return *device;
  }
  // A new installation under the number of an old one, that goes on with its ids.
  Device& replace(std::uint16_t number, std::uint64_t seed) {
    directory.forget("bob", number);
    Device& device = add(number, seed);
    EXPECT_TRUE(device.state->database().run("UPDATE numbers SET next_id=1000"));
    return device;
  }
  void remove(std::uint16_t number) {
    directory.remove("bob", number);
    devices_.erase("bob@localhost/" + std::to_string(number));
  }

  // True when alice's process dies now.
  bool dies() {
    if (step_++ != dies_at_) return false;
    alice.reopen();
    return true;
  }
  // What the gateway makes of one row of alice's outbox. False when she died.
  bool pass(const State::Outgoing& row) {
    const auto list = directory.tags("bob");
    const auto device = devices_.find(row.to);
    const bool gone = device == devices_.end();
    if (!gone) device->second->receive(alice, {row});
    if (dies()) return false;
    if (row.devices && *row.devices != protocol::digest_of(list)) {
      protocol::DeviceList named{.number = 1, .gone = gone, .count = list.size()};
      std::ranges::copy(list, named.devices.begin());
      ++named_;
      EXPECT_TRUE(alice.sealing->on_device_list(row.id, row.to, named, alice.now));
      if (dies()) return false;
    }
    const auto settled = gone ? alice.state->erase_refused(row.id) : accept(row.id);
    EXPECT_TRUE(settled.has_value());
    if (settled && *settled) {
      ((*settled)->accepted ? accepted_ : refused_).push_back((*settled)->message);
    }
    return !dies();
  }
  Result<std::optional<State::Settled>> accept(std::uint64_t id) {
    const auto accepted = alice.state->erase_accepted({&id, 1});
    if (!accepted) return std::unexpected(accepted.error());
    if (accepted->empty()) return std::nullopt;
    return State::Settled{accepted->front(), true};
  }
  // Until alice has nothing left to say.
  void settle() {
    for (int round = 0; round < 50; ++round) {
      alice.work();
      if (dies()) continue;
      const auto rows = alice.state->read_outbox(0, 100);
      ASSERT_TRUE(rows.has_value());
      if (rows->empty()) return;
      for (const State::Outgoing& row : *rows) {
        if (!pass(row)) break;
      }
    }
    FAIL() << "it never ends";
  }
  std::uint64_t send(const std::string& text) {
    protocol::Jid to;
    to.user = "bob";
    to.domain = "localhost";
    return alice.sealing->put(to, {&text, 1}).value_or(0);
  }
  void know_each_other() {
    send("hello");
    settle();
    bob.send("alice", "hello");
    alice.receive(bob);
    accepted_.clear();
    directory.lists = directory.bundles = 0;
  }

  FakeDirectory directory;
  Device alice{directory, "alice", 1, 1};
  Device bob{directory, "bob", 1, 2};
  std::vector<std::uint64_t> accepted_, refused_;
  std::size_t named_ = 0;
  int dies_at_ = -1;
  int step_ = 0;
  std::map<std::string, Device*> devices_;

 private:
  std::vector<std::unique_ptr<Device>> added_;
};

TEST_F(SealingDevicesTest, AListThatIsRightCostsNothing) {
  know_each_other();
  send("again");
  settle();
  EXPECT_EQ(named_, 0u);
  EXPECT_EQ(directory.lists + directory.bundles, 0u);
  EXPECT_EQ(bob.inbox(), (Texts{"hello", "again"}));
}

TEST_F(SealingDevicesTest, ADeviceThatIsMissingGetsTheMessageAtOnce) {
  know_each_other();
  Device& second = add(2, 4);
  const std::uint64_t id = send("to both");
  alice.work();
  ASSERT_EQ(alice.state->read_outbox(0, 10)->size(), 1u);
  ASSERT_TRUE(pass(alice.state->read_outbox(0, 10)->front()));
  EXPECT_EQ(accepted_, std::vector<std::uint64_t>{}) << "one device has it, the other not yet";
  EXPECT_EQ(alice.state->unsettled(), 1u);
  settle();
  EXPECT_EQ(accepted_, std::vector<std::uint64_t>{id});
  EXPECT_EQ(alice.state->unsettled(), 0u);
  EXPECT_EQ(bob.inbox(), (Texts{"hello", "to both"}));
  EXPECT_EQ(second.inbox(), Texts{"to both"});
  EXPECT_EQ(directory.lists, 0u) << "only what differs";
  EXPECT_EQ(directory.bundles, 1u);
  EXPECT_EQ(directory.count("bob", 2).kem, 99u);
  send("next");
  settle();
  EXPECT_EQ(named_, 1u);
  EXPECT_EQ(second.inbox(), (Texts{"to both", "next"}));
}

TEST_F(SealingDevicesTest, ADeviceThatIsGoneIsForgotten) {
  Device& second = add(2, 4);
  know_each_other();
  EXPECT_EQ(second.inbox(), Texts{"hello"});
  remove(2);
  const std::uint64_t id = send("to who is left");
  settle();
  EXPECT_EQ(accepted_, std::vector<std::uint64_t>{id});
  EXPECT_EQ(refused_, std::vector<std::uint64_t>{});
  send("next");
  alice.work();
  EXPECT_EQ(alice.state->read_outbox(0, 10)->size(), 1u);
  EXPECT_EQ(directory.lists + directory.bundles, 0u);
}

// As when a home's record is older than the list.
TEST_F(SealingDevicesTest, ADeviceThatWasGoneIsThereAgain) {
  Device& second = add(2, 4);
  know_each_other();
  send("to both");
  alice.work();
  const auto rows = alice.state->read_outbox(0, 10);
  ASSERT_EQ(rows->size(), 2u);
  const State::Outgoing& lost = (*rows)[1];
  ASSERT_EQ(lost.to, second.name());
  protocol::DeviceList list{.number = 2, .gone = true, .count = 1};
  list.devices[0] = directory.tags("bob")[0];
  ASSERT_TRUE(alice.sealing->on_device_list(lost.id, lost.to, list, alice.now));
  ASSERT_TRUE(alice.state->erase_refused(lost.id));
  list = {.number = 1, .count = 2};
  std::ranges::copy(directory.tags("bob"), list.devices.begin());
  ASSERT_TRUE(alice.sealing->on_device_list((*rows)[0].id, (*rows)[0].to, list, alice.now));
  settle();
  EXPECT_EQ(bob.inbox(), (Texts{"hello", "to both"}));
  EXPECT_EQ(second.inbox(), (Texts{"hello", "to both"}));
}

TEST_F(SealingDevicesTest, NobodyIsLeft) {
  know_each_other();
  remove(1);
  const std::uint64_t id = send("to nobody");
  settle();
  EXPECT_EQ(refused_, std::vector<std::uint64_t>{id});
  EXPECT_EQ(alice.state->unsettled(), 0u);
}

TEST_F(SealingDevicesTest, WhoCameInItsPlaceGetsIt) {
  know_each_other();
  remove(1);
  Device& second = add(2, 4);
  const std::uint64_t id = send("to who is there");
  settle();
  EXPECT_EQ(accepted_, std::vector<std::uint64_t>{id});
  EXPECT_EQ(refused_, std::vector<std::uint64_t>{});
  EXPECT_EQ(second.inbox(), Texts{"to who is there"});
}

TEST_F(SealingDevicesTest, AnotherIdentityIsToldOfAndGetsTheMessageOnce) {
  know_each_other();
  Device& again = replace(1, 5);
  send("to the new one");
  settle();
  EXPECT_EQ(again.inbox(), Texts{"to the new one"});
  EXPECT_EQ(again.notices(), Texts{"a message that could not be decrypted"});
  ASSERT_EQ(alice.notices().size(), 1u);
  EXPECT_NE(alice.notices()[0].find("safety number has changed"), std::string::npos);
  EXPECT_EQ(directory.lists, 0u);
  EXPECT_EQ(directory.bundles, 1u);
  // It asked for what it could not read; it has it already.
  alice.receive(again);
  settle();
  EXPECT_EQ(again.inbox(), Texts{"to the new one"});
}

TEST_F(SealingDevicesTest, WhatWasAskedForBeforeItIsNamedComesOnce) {
  know_each_other();
  Device& again = replace(1, 5);
  send("to the new one");
  alice.work();
  const auto row = alice.state->read_outbox(0, 10)->front();
  again.receive(alice, {row});
  alice.receive(again);  // the request is faster than what names the device
  EXPECT_EQ(alice.state->read_outbox(0, 10)->size(), 1u);
  settle();
  alice.now.instant += Sealing::retry_period;  // the bundle was of an identity not known yet
  settle();
  EXPECT_EQ(again.inbox(), Texts{"to the new one"});
  EXPECT_EQ(alice.state->unsettled(), 0u);
}

TEST_F(SealingDevicesTest, AVerifiedIdentityThatChangesGetsNothing) {
  know_each_other();
  protocol::Jid account;
  account.user = "bob";
  account.domain = "localhost";
  ASSERT_TRUE(mark_verified(*alice.state, safety_numbers(*alice.state, account)->front()));
  Device& second = add(2, 4);
  send("to both");
  settle();
  Device& again = replace(1, 5);
  const std::uint64_t id = send("not to the stranger");
  settle();
  EXPECT_EQ(again.inbox(), Texts{});
  EXPECT_EQ(second.inbox(), (Texts{"to both", "not to the stranger"}));
  EXPECT_TRUE(alice.accepted == std::vector{id} || accepted_.back() == id);
  EXPECT_EQ(alice.unsendable, Texts{});
  EXPECT_EQ(alice.state->unsettled(), 0u);
  send("nor this");
  settle();
  ASSERT_EQ(alice.unsendable.size(), 1u);
  EXPECT_NE(alice.unsendable[0].find("changed since it was verified"), std::string::npos);
}

TEST_F(SealingDevicesTest, MissingGoneAndChangedAtOnce) {
  Device& second = add(2, 4);
  Device& third = add(3, 5);
  know_each_other();
  remove(2);
  Device& again = replace(3, 6);
  Device& fourth = add(4, 7);
  send("to all");
  settle();
  EXPECT_EQ(bob.inbox(), (Texts{"hello", "to all"}));
  EXPECT_EQ(second.inbox(), Texts{"hello"});
  EXPECT_EQ(third.inbox(), Texts{"hello"});
  EXPECT_EQ(again.inbox(), Texts{"to all"});
  EXPECT_EQ(fourth.inbox(), Texts{"to all"});
  EXPECT_EQ(directory.lists, 0u);
}

TEST_F(SealingDevicesTest, AsManyAsThereCanBe) {
  know_each_other();
  std::vector<Device*> others;
  for (std::uint16_t i = 2; i <= protocol::devices_per_account_max; ++i) {
    others.push_back(&add(i, 10 + i));
  }
  send("to sixteen");
  settle();
  EXPECT_EQ(bob.inbox(), (Texts{"hello", "to sixteen"}));
  for (Device* device : others) EXPECT_EQ(device->inbox(), Texts{"to sixteen"});
  EXPECT_EQ(directory.bundles, protocol::devices_per_account_max - 1);
}

// Named with the first of them only, when the others are under way and more are written.
TEST_F(SealingDevicesTest, EveryDeviceGetsThemInOrder) {
  know_each_other();
  Device& second = add(2, 4);
  for (const char* text : {"1", "2", "3"}) send(text);
  alice.work();
  const auto rows = alice.state->read_outbox(0, 10);
  ASSERT_EQ(rows->size(), 3u);
  send("4");
  ASSERT_TRUE(pass((*rows)[0]));
  alice.work();
  settle();
  EXPECT_EQ(second.inbox(), (Texts{"1", "2", "3", "4"}));
  EXPECT_EQ(bob.inbox(), (Texts{"hello", "1", "2", "3", "4"}));
  EXPECT_EQ(accepted_.size(), 4u);
}

// The same when the list was fetched for another reason while they were under way.
TEST_F(SealingDevicesTest, AListThatIsFetchedCoversWhatIsUnderWay) {
  know_each_other();
  Device& second = add(2, 4);
  send("1");
  alice.work();
  ASSERT_TRUE(alice.sealing->on_device_gone("bob@localhost/9"));
  send("2");
  settle();
  EXPECT_EQ(second.inbox(), (Texts{"1", "2"}));
  EXPECT_EQ(bob.inbox(), (Texts{"hello", "1", "2"}));
}

TEST_F(SealingDevicesTest, ADeviceThatComesAndGoesWhileItsKeysAreFetched) {
  know_each_other();
  add(2, 4);
  const std::uint64_t id = send("to one");
  alice.work();
  ASSERT_TRUE(pass(alice.state->read_outbox(0, 10)->front()));
  remove(2);
  alice.work();
  alice.now.instant += Sealing::retry_period;
  settle();
  EXPECT_EQ(alice.accepted, std::vector<std::uint64_t>{id}) << "the one that is there has it";
  EXPECT_EQ(alice.state->unsettled(), 0u);
}

TEST_F(SealingDevicesTest, AnIdentityThatChangesAgainWhileItsKeysAreFetched) {
  know_each_other();
  add(2, 4);
  send("to both");
  alice.work();
  ASSERT_TRUE(pass(alice.state->read_outbox(0, 10)->front()));
  Device& again = replace(2, 5);
  alice.work();
  alice.now.instant += Sealing::retry_period;
  settle();
  EXPECT_EQ(again.inbox(), Texts{"to both"});
  EXPECT_EQ(again.notices(), Texts{});
}

TEST_F(SealingDevicesTest, AnAccountThatIsGoneTakesWhatItWasToGet) {
  know_each_other();
  add(2, 4);
  const std::uint64_t id = send("to both");
  alice.work();
  ASSERT_TRUE(pass(alice.state->read_outbox(0, 10)->front()));
  remove(1);
  remove(2);
  alice.work();
  alice.now.instant += Sealing::retry_period;
  settle();
  EXPECT_EQ(alice.accepted, std::vector<std::uint64_t>{id}) << "its first device had it";
  EXPECT_EQ(alice.state->unsettled(), 0u);
}

// What an earlier version had under way: for whom it was encrypted is not known.
TEST_F(SealingDevicesTest, WhatAnEarlierVersionSentIsNotDoubled) {
  know_each_other();
  Device& second = add(2, 4);
  send("under way");
  alice.work();
  ASSERT_TRUE(alice.state->database().run("UPDATE sent SET tag=0"));
  settle();
  EXPECT_EQ(bob.inbox(), (Texts{"hello", "under way"}));
  EXPECT_EQ(second.inbox(), Texts{"under way"});
}

// Much more than what is kept of settled messages.
TEST_F(SealingDevicesTest, WhatIsNotSettledIsKeptHoweverMuchThereIs) {
  know_each_other();
  Device& second = add(2, 4);
  const std::size_t count = Sealing::sent_kept + 20;
  for (std::size_t i = 0; i < count; ++i) send(std::to_string(i));
  for (int round = 0; round < 10; ++round) alice.work();
  const auto rows = alice.state->read_outbox(0, 1000);
  ASSERT_EQ(rows->size(), count);
  ASSERT_TRUE(pass(rows->front()));
  alice.work();
  const auto all = alice.state->read_outbox(0, 1000);
  EXPECT_EQ(all->size(), 2 * count - 1);
  second.receive(alice);
  EXPECT_EQ(second.inbox().size(), count);
  EXPECT_EQ(second.inbox().front(), "0");
  EXPECT_EQ(second.inbox().back(), std::to_string(count - 1));
  bob.receive(alice);
  EXPECT_EQ(alice.state->unsettled(), 0u);
}

// Wherever the process dies: to each device once, in order, and settled. In each round one device
// is new, one is another, one is gone.
TEST_F(SealingDevicesTest, WhereverTheSenderDies) {
  add(2, 4);
  add(3, 5);
  know_each_other();
  const auto last_three = [](Device& device) {
    const Texts all = device.inbox();
    return Texts(all.end() - std::min<std::ptrdiff_t>(3, std::ssize(all)), all.end());
  };
  int round = 0;
  for (bool died = true; died; ++round) {
    SCOPED_TRACE(round);
    ASSERT_LT(round, 100);
    const auto number = static_cast<std::uint16_t>(round + 3);
    remove(number);
    Device& fresh = add(number + 1, 100 + round);
    Device& again = replace(2, 200 + round);
    const std::string name = std::to_string(round);
    const Texts texts{name + ", 1", name + ", 2", name + ", 3"};
    accepted_.clear();
    alice.accepted.clear();
    send(texts[0]);
    send(texts[1]);
    step_ = 0;
    dies_at_ = round;
    settle();
    died = step_ > round;
    send(texts[2]);
    settle();
    EXPECT_EQ(last_three(bob), texts);
    EXPECT_EQ(again.inbox(), texts);
    EXPECT_EQ(fresh.inbox(), texts);
    EXPECT_EQ(accepted_.size() + alice.accepted.size(), 3u);
    EXPECT_EQ(alice.state->unsettled(), 0u);
    if (HasFailure()) break;
  }
  EXPECT_GT(round, 10);
  EXPECT_EQ(bob.inbox().size(), 1u + 3u * static_cast<unsigned>(round)) << "nothing twice";
  EXPECT_EQ(refused_, std::vector<std::uint64_t>{});
  EXPECT_EQ(alice.unsendable, Texts{});
}

}  // namespace
}  // namespace godwit::client::test
