// SPDX-License-Identifier: Apache-2.0
#include "client/sealing.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include "client/envelope.h"
#include "client/safety.h"
#include "tests/client/sealing_device.h"

// Devices that write to each other by way of a directory in memory, without a connection: what is
// encrypted, what is read, and what happens when keys, devices or identities are not what they
// were.

namespace godwit::client::test {
namespace {

using Texts = std::vector<std::string>;

class SealingTest : public ::testing::Test {
 protected:
  FakeDirectory directory;
  Device alice{directory, "alice", 1, 1};
  Device bob{directory, "bob", 1, 2};
};

TEST_F(SealingTest, KeysArePublishedOnceAndFilledUp) {
  EXPECT_TRUE(alice.sealing->keys_published());
  const auto count = directory.count("alice", 1);
  EXPECT_EQ(count.one_time, 100u);
  EXPECT_EQ(count.kem, 100u);
  const std::size_t uploads = directory.uploads;
  alice.reopen();
  EXPECT_EQ(directory.uploads, uploads) << "nothing is missing, nothing is sent";
  directory.take_keys("alice", 1, 50);
  alice.reopen();
  EXPECT_EQ(directory.count("alice", 1).kem, 50u) << "half is enough";
  directory.take_keys("alice", 1, 1);
  alice.reopen();
  EXPECT_EQ(directory.count("alice", 1).kem, 100u);
  EXPECT_EQ(directory.count("alice", 1).one_time, 100u);
}

TEST_F(SealingTest, WhatIsNotConfirmedIsUploadedAgain) {
  directory.failing = true;
  Device carol(directory, "carol", 1, 3);
  EXPECT_FALSE(carol.sealing->keys_published());
  directory.failing = false;
  carol.reopen();
  EXPECT_TRUE(carol.sealing->keys_published());
  EXPECT_EQ(directory.count("carol", 1).kem, 100u);
}

TEST_F(SealingTest, KeysAreRotatedAfterAWeek) {
  const auto before = directory.count("bob", 1);
  bob.now.wall += Vault::key_period - std::chrono::hours(1);
  bob.reopen();
  EXPECT_EQ(directory.count("bob", 1).signed_id, before.signed_id);
  alice.send("bob", "to the old keys");
  bob.now.wall += std::chrono::hours(2);
  bob.reopen();
  EXPECT_NE(directory.count("bob", 1).signed_id, before.signed_id);
  EXPECT_NE(directory.count("bob", 1).last_resort_id, before.last_resort_id);
  bob.receive(alice);
  EXPECT_EQ(bob.inbox(), Texts{"to the old keys"});
}

TEST_F(SealingTest, BothWaysAndAcrossRestarts) {
  for (int round = 0; round < 5; ++round) {
    alice.send("bob", "there " + std::to_string(round));
    bob.receive(alice);
    bob.reopen();
    bob.send("alice", "back " + std::to_string(round));
    alice.receive(bob);
    alice.reopen();
  }
  EXPECT_EQ(bob.inbox(), (Texts{"there 0", "there 1", "there 2", "there 3", "there 4"}));
  EXPECT_EQ(alice.inbox(), (Texts{"back 0", "back 1", "back 2", "back 3", "back 4"}));
  EXPECT_EQ(alice.notices(), Texts{});
}

TEST_F(SealingTest, EachDeviceGetsItsOwnAndTheMessageIsAcceptedWithTheLast) {
  Device second(directory, "bob", 2, 4);
  const std::uint64_t id = alice.send("bob", "to both");
  const auto rows = alice.state->read_outbox(0, 10);
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_NE((*rows)[0].payload, (*rows)[1].payload);
  EXPECT_EQ(alice.state->unsettled(), 1u);
  const std::uint64_t first = (*rows)[0].id;
  const std::uint64_t last = (*rows)[1].id;
  EXPECT_EQ(alice.state->erase_accepted({&first, 1})->size(), 0u);
  EXPECT_EQ(*alice.state->erase_accepted({&last, 1}), std::vector<std::uint64_t>{id});
  EXPECT_EQ(alice.state->unsettled(), 0u);
}

TEST_F(SealingTest, OneDeviceThatIsGoneIsNoFailure) {
  Device second(directory, "bob", 2, 4);
  alice.send("bob", "to one of two");
  const auto rows = alice.state->read_outbox(0, 10);
  const std::uint64_t first = (*rows)[0].id;
  ASSERT_TRUE(alice.state->erase_accepted({&first, 1}));
  const auto settled = alice.state->erase_refused((*rows)[1].id);
  ASSERT_TRUE(settled && *settled);
  EXPECT_TRUE((*settled)->accepted);
  directory.remove("bob", 2);
  ASSERT_TRUE(alice.sealing->on_device_gone("bob@localhost/2"));
  alice.send("bob", "to who is left");
  EXPECT_EQ(alice.state->read_outbox(0, 10)->size(), 1u);
}

TEST_F(SealingTest, TextsOfEverySizeFitIntoAPayload) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, text_size_max - 1, text_size_max}) {
    const std::string text(size, 'x');
    alice.send("bob", text);  // with the prekey message's head, which is the longest
    const auto rows = alice.take(bob);
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_LE(rows.front().payload.size(), protocol::payload_size_max);
    if (size == text_size_max) {
      EXPECT_GT(rows.front().payload.size() + padding_step, protocol::payload_size_max)
          << "no step more would fit";
    }
    bob.receive(alice, rows);
    ASSERT_EQ(bob.inbox().size(), 1u);
    EXPECT_EQ(bob.inbox().front(), text);
    ASSERT_TRUE(bob.state->erase_inbox(bob.state->read_inbox(1)->front().row));
  }
}

TEST_F(SealingTest, NothingUnencryptedIsShown) {
  std::uint64_t id = 1000;
  for (const std::string payload : {"hello", "", "\x02hello", "\x03hello", "\x08hello"}) {
    bob.receive(alice, {{.id = ++id, .to = bob.name(), .payload = payload}});
  }
  EXPECT_EQ(bob.inbox(), Texts{});
  EXPECT_EQ(bob.notices().size(), 4u) << "a request that is none is passed over";
}

TEST_F(SealingTest, WhatCannotBeReadIsSentAgain) {
  alice.send("bob", "first");
  bob.receive(alice);
  bob.send("alice", "answer");
  alice.receive(bob);
  alice.send("bob", "second");
  auto rows = alice.take(bob);
  ASSERT_EQ(rows.size(), 1u);
  rows[0].payload.back() ^= 1;
  bob.receive(alice, rows);
  EXPECT_EQ(bob.inbox(), Texts{"first"});
  EXPECT_EQ(bob.notices(), Texts{"a message that could not be decrypted"});
  alice.receive(bob);  // the request
  bob.receive(alice);
  EXPECT_EQ(bob.inbox(), (Texts{"first", "second"}));
  EXPECT_EQ(alice.state->unsettled(), 0u);
}

TEST_F(SealingTest, RequestsEndAfterSomeTries) {
  alice.send("bob", "never whole");
  std::size_t sent = 0;
  for (int round = 0; round < 10; ++round) {
    auto rows = alice.take(bob);
    for (auto& row : rows) row.payload.back() ^= 1;
    sent += rows.size();
    bob.receive(alice, rows);
    alice.receive(bob);
  }
  EXPECT_EQ(sent, 1 + Sealing::tries_max);
}

TEST_F(SealingTest, AnotherIdentityIsToldOfAndAfterVerificationRefused) {
  alice.send("bob", "to the first");
  bob.receive(alice);
  {
    Device again(directory, "bob", 1, 5);  // a new installation under the same number
    directory.forget("bob", 1);
    again.reopen();
    ASSERT_TRUE(alice.sealing->on_device_gone("bob@localhost/1"));
    alice.send("bob", "to the second");
    EXPECT_EQ(alice.notices().size(), 1u);
    again.receive(alice);
    EXPECT_EQ(again.inbox(), Texts{"to the second"});
    protocol::Jid account;
    account.user = "bob";
    account.domain = "localhost";
    ASSERT_TRUE(mark_verified(*alice.state, safety_numbers(*alice.state, account)->front()));
    alice.send("bob", "to the verified");
    EXPECT_EQ(alice.unsendable, Texts{});
  }
  Device third(directory, "bob", 1, 6);
  directory.forget("bob", 1);
  third.reopen();
  ASSERT_TRUE(alice.sealing->on_device_gone("bob@localhost/1"));
  alice.send("bob", "not sent");
  ASSERT_EQ(alice.unsendable.size(), 1u);
  EXPECT_NE(alice.unsendable[0].find("changed since it was verified"), std::string::npos);
  protocol::Jid account;
  account.user = "bob";
  account.domain = "localhost";
  ASSERT_TRUE(mark_verified(*alice.state, safety_numbers(*alice.state, account)->front()));
  alice.take(third);
  alice.send("bob", "sent again");
  third.receive(alice);
  EXPECT_EQ(third.inbox(), Texts{"sent again"});
}

TEST_F(SealingTest, NewInstallationThatWritesFirstIsAnswered) {
  alice.send("bob", "to the first");
  bob.receive(alice);
  Device again(directory, "bob", 1, 5);
  directory.forget("bob", 1);
  again.reopen();
  again.send("alice", "it is me");
  alice.receive(again);
  EXPECT_EQ(alice.inbox(), Texts{"it is me"});
  EXPECT_EQ(alice.notices().size(), 1u);
  const auto before = directory.count("bob", 1);
  alice.send("bob", "so I see");
  again.receive(alice);
  EXPECT_EQ(again.inbox(), Texts{"so I see"});
  EXPECT_EQ(directory.count("bob", 1).kem, before.kem) << "in the session that there is";
}

// Writing past a file size limit fails as a full or broken disk does.
TEST_F(SealingTest, ReadingThatCannotBeStoredHasNotHappened) {
  alice.send("bob", std::string(50'000, 'x'));
  const auto rows = alice.take(bob);
  const State::Incoming message{
      .from = alice.name(), .id = rows[0].id, .sequence = 77, .payload = rows[0].payload};
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{.rlim_cur = 1024, .rlim_max = before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const auto failed = bob.sealing->store({&message, 1});
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(bob.inbox(), Texts{});
  EXPECT_NE(bob.state->last_sequence(), 77u);
  bob.reopen();
  EXPECT_EQ(bob.sealing->store({&message, 1}), 1u);
  EXPECT_EQ(bob.sealing->store({&message, 1}), 0u) << "seen";
  EXPECT_EQ(bob.inbox().front().size(), 50'000u);
  EXPECT_EQ(bob.notices(), Texts{});
}

TEST_F(SealingTest, SafetyNumbersAreTheSameOnBothSides) {
  alice.send("bob", "hello");
  bob.receive(alice);
  bob.send("alice", "hello");
  protocol::Jid of_bob, of_alice;
  of_bob.user = "bob";
  of_alice.user = "alice";
  of_bob.domain = of_alice.domain = "localhost";
  const auto here = safety_numbers(*alice.state, of_bob);
  const auto there = safety_numbers(*bob.state, of_alice);
  ASSERT_TRUE(here && there);
  EXPECT_EQ(here->front().digits, there->front().digits);
  EXPECT_EQ(here->front().digits.size(), 60u);
}

TEST_F(SealingTest, AnAccountThatIsNotThereIsRefused) {
  alice.send("nobody", "hello");
  ASSERT_EQ(alice.unsendable.size(), 1u);
  EXPECT_NE(alice.unsendable[0].find("no such account"), std::string::npos);
  EXPECT_EQ(alice.state->unsettled(), 0u);
}

TEST_F(SealingTest, QuestionsAreBounded) {
  for (std::size_t i = 0; i <= Sealing::questions_max; ++i) {
    protocol::Jid to;
    to.user = "nobody" + std::to_string(i);
    to.domain = "localhost";
    const std::string text = "hello";
    ASSERT_TRUE(alice.sealing->put(to, {&text, 1}));
  }
  const auto first = alice.sealing->work(alice.now);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->questions.size(), Sealing::questions_max);
  ASSERT_TRUE(alice.sealing->on_answer(first->questions[0].id, protocol::Condition::item_not_found,
                                       {}, alice.now));
  EXPECT_EQ(alice.sealing->work(alice.now)->questions.size(), 1u) << "one more in its place";
}

// The process dies somewhere in encrypting: with the transaction all or nothing has happened.
TEST_F(SealingTest, WhatWasPutSurvivesAndIsEncryptedOnce) {
  const std::string text = "kept";
  protocol::Jid to;
  to.user = "bob";
  to.domain = "localhost";
  ASSERT_TRUE(alice.sealing->put(to, {&text, 1}));
  alice.open();
  EXPECT_EQ(alice.state->unsettled(), 1u);
  alice.begin();
  const auto first = alice.state->read_outbox(0, 10);
  ASSERT_EQ(first->size(), 1u);
  alice.reopen();
  const auto again = alice.state->read_outbox(0, 10);
  ASSERT_EQ(again->size(), 1u);
  EXPECT_EQ(again->front().id, first->front().id);
  EXPECT_EQ(again->front().payload, first->front().payload);
  bob.receive(alice);
  EXPECT_EQ(bob.inbox(), Texts{"kept"});
}

// --- the envelope

TEST(Envelope, IsPaddedToStepsAndStrict) {
  for (const std::size_t size : {0, 155, 156, 157, 158, 317}) {
    const std::string text(size, 'y');
    auto plain = write_envelope({.id = 7, .bytes = as_bytes(text)});
    EXPECT_EQ(plain.size(), (size + 4 + padding_step - 1) / padding_step * padding_step);
    const auto read = read_envelope(plain);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->id, 7u);
    EXPECT_EQ(as_text(read->bytes), text);
    EXPECT_FALSE(read_envelope(Bytes(plain).first(plain.size() - 1)));
    plain[0] = 2;
    EXPECT_EQ(read_envelope(plain).error().code, ErrorCode::refused);
  }
  const auto shown = write_envelope({.id = 300, .bytes = as_bytes("hi")});  // docs/protocol.md
  EXPECT_EQ(to_hex(shown), "0101ac02686980" + std::string(2 * 153, '0'));
  EXPECT_FALSE(read_envelope({}));
  EXPECT_FALSE(read_envelope(std::vector<std::uint8_t>(160)));
}

}  // namespace
}  // namespace godwit::client::test
