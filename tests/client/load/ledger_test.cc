// SPDX-License-Identifier: Apache-2.0
#include "client/load/ledger.h"

#include <gtest/gtest.h>

// The ledger of one sender: what may happen to a message, and each thing that must not.

namespace godwit::client::load {
namespace {

class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest() { ledger.begin(100); }

  void send(int count) {
    for (int i = 0; i < count; ++i) {
      ledger.add(Instant(Duration(i)));
      ledger.sent(++number);
    }
  }
  std::size_t settle(std::uint64_t upto) {
    std::size_t accepted = 0;
    ledger.settle(upto, [&](Instant) { ++accepted; });
    return accepted;
  }
  Arrival arrive(std::uint64_t id) { return ledger.arrive(id).arrival; }

  SenderLedger ledger;
  std::uint32_t number = 0;
};

TEST_F(LedgerTest, AMessageIsDoneWhenAcceptedAndArrivedInEitherOrder) {
  send(2);
  EXPECT_EQ(settle(1), 1u);
  EXPECT_EQ(ledger.missing(), 1u);
  EXPECT_EQ(arrive(100), Arrival::fresh);
  EXPECT_EQ(ledger.missing(), 0u);
  EXPECT_EQ(arrive(101), Arrival::fresh);
  EXPECT_EQ(ledger.open(), 1u);
  EXPECT_EQ(ledger.undecided(), 1u);
  EXPECT_EQ(settle(2), 1u);
  EXPECT_EQ(settle(2), 0u);
  EXPECT_EQ(ledger.open(), 0u);
  EXPECT_EQ(ledger.accepted(), 2u);
  EXPECT_EQ(ledger.undecided(), 0u);
}

TEST_F(LedgerTest, FaultsOfArrival) {
  send(3);
  EXPECT_EQ(arrive(99), Arrival::from_before);
  EXPECT_EQ(arrive(103), Arrival::never_sent);
  EXPECT_EQ(arrive(101), Arrival::out_of_order);
  EXPECT_EQ(arrive(100), Arrival::fresh);
  EXPECT_EQ(arrive(100), Arrival::twice);
  settle(3);
  EXPECT_EQ(arrive(100), Arrival::twice) << "also when the message is done with";
  EXPECT_EQ(ledger.missing(), 2u);
  ledger.add(Instant{});
  EXPECT_EQ(arrive(103), Arrival::never_sent) << "due, and not sent";
}

TEST_F(LedgerTest, AfterALostConnectionWhatIsNotAcceptedLeavesAgain) {
  send(3);
  settle(1);
  ledger.disconnected();
  number = 0;
  EXPECT_TRUE(ledger.has_unsent());
  EXPECT_EQ(ledger.next_unsent(), 101u);
  EXPECT_TRUE(ledger.sent(++number));
  EXPECT_TRUE(ledger.sent(++number));
  EXPECT_FALSE(ledger.has_unsent());
  EXPECT_EQ(arrive(100), Arrival::fresh);
  EXPECT_EQ(arrive(101), Arrival::fresh);
  EXPECT_EQ(arrive(101), Arrival::again) << "it was sent twice";
  EXPECT_EQ(arrive(102), Arrival::fresh);
  EXPECT_EQ(settle(2), 2u);
  EXPECT_EQ(ledger.open(), 0u);
  send(1);
  EXPECT_EQ(arrive(103), Arrival::fresh);
  EXPECT_EQ(arrive(103), Arrival::twice) << "it was not";
}

TEST_F(LedgerTest, ARefusedMessageIsNeverSentAgainAndMustNotArrive) {
  send(3);
  EXPECT_TRUE(ledger.refuse(101));
  EXPECT_FALSE(ledger.refuse(101));
  EXPECT_FALSE(ledger.refuse(103));
  EXPECT_EQ(arrive(100), Arrival::fresh);
  EXPECT_EQ(arrive(101), Arrival::was_refused);
  EXPECT_EQ(arrive(102), Arrival::fresh) << "it is no gap";
  EXPECT_EQ(settle(3), 2u);
  EXPECT_EQ(ledger.refused(), 1u);
  EXPECT_EQ(ledger.open(), 0u);
  EXPECT_EQ(ledger.undecided(), 0u);
}

TEST_F(LedgerTest, WhatFollowedARefusalLeavesAgainInOrder) {
  send(3);
  EXPECT_TRUE(ledger.refuse(100));
  EXPECT_TRUE(ledger.send_again(101));
  EXPECT_TRUE(ledger.send_again(102));
  EXPECT_EQ(settle(3), 0u);
  EXPECT_EQ(ledger.next_unsent(), 101u);
  EXPECT_TRUE(ledger.sent(++number));
  EXPECT_EQ(ledger.next_unsent(), 102u);
  EXPECT_TRUE(ledger.sent(++number));
  EXPECT_EQ(settle(5), 2u);
}

TEST_F(LedgerTest, ARefusalInTheMiddleSurvivesALostConnection) {
  send(3);
  ledger.refuse(101);
  ledger.disconnected();
  number = 0;
  EXPECT_EQ(ledger.next_unsent(), 100u);
  ledger.sent(++number);
  EXPECT_EQ(ledger.next_unsent(), 102u);
  ledger.sent(++number);
  EXPECT_EQ(settle(2), 2u);
}

TEST_F(LedgerTest, WhatNeverLeftIsForgotten) {
  send(1);
  ledger.add(Instant{});
  ledger.add(Instant{});
  EXPECT_EQ(ledger.unsent(), 2u);
  ledger.forget_unsent();
  EXPECT_EQ(ledger.open(), 1u);
  EXPECT_EQ(ledger.created(), 1u);
  settle(1);
  EXPECT_EQ(arrive(100), Arrival::fresh);
  EXPECT_EQ(ledger.open(), 0u);
}

TEST_F(LedgerTest, GrowsAndShrinksAroundItsRing) {
  std::uint64_t id = 100;
  for (int round = 0; round < 200; ++round) {
    send(round % 7 + 1);
    EXPECT_EQ(settle(number), static_cast<std::size_t>(round % 7 + 1));
    for (int i = 0; i <= round % 7; ++i) ASSERT_EQ(arrive(id++), Arrival::fresh);
    ASSERT_EQ(ledger.open(), 0u);
  }
}

}  // namespace
}  // namespace godwit::client::load
