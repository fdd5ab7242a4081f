// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/dataplane/tcp/ip/network_fixture.h"

// Address resolution and neighbour discovery, by the frames that are seen on the link.

namespace godwit::dataplane::tcp::testing {
namespace {

using State = Neighbours::State;
using std::chrono::milliseconds;
using std::chrono::seconds;

using NeighboursTest = NetworkTest;

TEST_F(NeighboursTest, AsksByArpAndSendsWhatWaited) {
  send_segment(peer);
  EXPECT_EQ(sent_header()->destination, broadcast_mac);
  const auto question = take_arp();
  ASSERT_TRUE(question);
  EXPECT_EQ(question->operation, Arp::Operation::request);
  EXPECT_EQ(question->sender, us);
  EXPECT_EQ(question->sender_mac, our_mac);
  EXPECT_EQ(question->target, peer);
  EXPECT_TRUE(port.sent.empty());
  arp_reply(peer, peer_mac);
  EXPECT_EQ(sent_header()->destination, peer_mac);
  const auto packet = take_ip();
  ASSERT_TRUE(packet);
  EXPECT_TRUE(parse_tcp(*packet, false));
  EXPECT_EQ(layer->neighbours().waiting(), 0u);
  send_segment(peer);
  EXPECT_TRUE(take_ip());
  layer->neighbours().check_invariants();
}

TEST_F(NeighboursTest, AsksByNeighbourDiscoveryAndSendsWhatWaited) {
  send_segment(peer6);
  EXPECT_EQ(sent_header()->destination, multicast_mac(solicited_node_group(peer6)));
  const auto question = take_neighbour();
  ASSERT_TRUE(question);
  EXPECT_FALSE(question->is_advertisement);
  EXPECT_EQ(question->target, peer6);
  EXPECT_EQ(question->link, our_mac);
  receive_neighbour(peer6, us6, {true, true, true, peer6, peer_mac});
  EXPECT_EQ(sent_header()->destination, peer_mac);
  EXPECT_TRUE(parse_tcp(*take_ip(), false));
  EXPECT_EQ(layer->neighbours().state_of(peer6), State::reachable);
}

TEST_F(NeighboursTest, FarAwayGoesByTheGateway) {
  send_segment(far);
  EXPECT_EQ(take_arp()->target, ip("192.0.2.254"));
  send_segment(far6);
  EXPECT_EQ(take_neighbour()->target, ip("2001:db8::ff"));
}

// The latest that may wait are sent in their order, whatever became of those before.
TEST_F(NeighboursTest, TheLatestPacketsWait) {
  for (const std::uint32_t most : {1u, 3u}) {
    settings.neighbours.waiting_each_max = most;
    for (std::uint32_t sent = 1; sent <= most + 1; ++sent) {
      make();
      for (std::uint32_t i = 1; i <= sent; ++i) send_segment(peer, i);
      const std::uint32_t kept = std::min(sent, most);
      EXPECT_EQ(layer->neighbours().waiting(), kept);
      EXPECT_EQ(dropped(Drop::neighbour_unresolved), sent - kept);
      layer->neighbours().check_invariants();
      port.sent.clear();
      arp_reply(peer, peer_mac);
      for (std::uint32_t i = sent - kept + 1; i <= sent; ++i) {
        const auto packet = take_ip();
        ASSERT_TRUE(packet);
        EXPECT_EQ(parse_tcp(*packet, false)->payload.size(), i);
      }
      EXPECT_TRUE(port.sent.empty());
      EXPECT_EQ(layer->neighbours().waiting(), 0u);
      layer->neighbours().check_invariants();
    }
  }
}

// Others have all the room: one's own oldest makes way, and who has none finds none.
TEST_F(NeighboursTest, WhatWaitsForOthersIsLeftAlone) {
  settings.neighbours.waiting_max = 3;
  make();
  send_segment(peer, 1);
  const IpAddress other = ip("192.0.2.77");
  for (const std::size_t size : {11u, 12u, 13u}) send_segment(other, size);
  send_segment(ip("192.0.2.78"), 21);
  EXPECT_EQ(layer->neighbours().waiting(), 3u);
  EXPECT_EQ(dropped(Drop::neighbour_unresolved), 2u);
  layer->neighbours().check_invariants();
  port.sent.clear();
  arp_reply(other, peer_mac);
  EXPECT_EQ(parse_tcp(*take_ip(), false)->payload.size(), 12u);
  EXPECT_EQ(parse_tcp(*take_ip(), false)->payload.size(), 13u);
  arp_reply(peer, peer_mac);
  EXPECT_EQ(parse_tcp(*take_ip(), false)->payload.size(), 1u);
  layer->neighbours().check_invariants();
}

TEST_F(NeighboursTest, PacketsThatWaitAreBounded) {
  settings.neighbours.waiting_max = 2;
  make();
  for (int i = 2; i < 5; ++i) send_segment(ip("192.0.2." + std::to_string(i)));
  EXPECT_EQ(layer->neighbours().waiting(), 2u);
  EXPECT_EQ(dropped(Drop::neighbour_unresolved), 1u);
  layer->neighbours().check_invariants();
}

TEST_F(NeighboursTest, GivesUpAfterThreeQuestions) {
  send_segment(peer);
  send_segment(peer);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(take_arp()) << i;
    advance(milliseconds(999));
    EXPECT_TRUE(port.sent.empty());
    advance(milliseconds(1));
  }
  EXPECT_TRUE(port.sent.empty());
  EXPECT_EQ(dropped(Drop::neighbour_unreachable), 2u);
  EXPECT_EQ(layer->neighbours().state_of(peer), State::none);
  EXPECT_EQ(layer->neighbours().waiting(), 0u);
  EXPECT_EQ(layer->next_deadline(), never);
  layer->neighbours().check_invariants();
}

// RFC 4861, 7.3.3: reachable for 30 s, used once more, 5 s, and then asked at its own address.
TEST_F(NeighboursTest, OldOnesAreProbed) {
  for (const IpAddress& address : {peer, peer6}) {
    make();
    know_neighbours();
    layer->expire(now + seconds(1));
    advance(seconds(30) - milliseconds(1));
    port.sent.clear();
    send_segment(address);
    EXPECT_EQ(layer->next_deadline(), never);
    advance(seconds(30));
    send_segment(address);
    EXPECT_EQ(layer->neighbours().state_of(address), State::delay);
    port.sent.clear();
    advance(seconds(5));
    EXPECT_EQ(sent_header()->destination, peer_mac);
    port.sent.clear();
    if (address.is_v4()) {
      arp_reply(peer, peer_mac);
    } else {
      receive_neighbour(peer6, us6, {true, true, true, peer6, {}});
    }
    EXPECT_EQ(layer->neighbours().state_of(address), State::reachable);
    layer->neighbours().check_invariants();
  }
}

TEST_F(NeighboursTest, ReachableIsNotProbedBeforeItsTime) {
  know_neighbours();
  advance(seconds(29));
  send_segment(peer);
  EXPECT_EQ(layer->neighbours().state_of(peer), State::reachable);
}

TEST_F(NeighboursTest, SilentProbesMakeUsAskAll) {
  know_neighbours();
  advance(seconds(31));
  send_segment(peer);
  port.sent.clear();
  now += seconds(5);
  for (int i = 0; i < 3; ++i, advance(seconds(1))) {
    layer->expire(now);
    EXPECT_EQ(sent_header()->destination, peer_mac);
    port.sent.clear();
  }
}

TEST_F(NeighboursTest, MovedStationIsFoundWithinSeconds) {
  know_neighbours();
  // It says to be elsewhere, which anybody could: its old address is asked.
  arp_reply(peer, stranger_mac);
  EXPECT_EQ(layer->neighbours().mac_of(peer), peer_mac);
  EXPECT_EQ(sent_header()->destination, peer_mac);
  port.sent.clear();
  advance(seconds(1));
  advance(seconds(1));
  port.sent.clear();
  advance(seconds(1));
  EXPECT_EQ(sent_header()->destination, broadcast_mac);
  arp_reply(peer, stranger_mac);
  EXPECT_EQ(layer->neighbours().mac_of(peer), stranger_mac);
}

TEST_F(NeighboursTest, ForgedAnswerDoesNotDisplaceALivingStation) {
  know_neighbours();
  receive_neighbour(peer6, us6, {true, true, true, peer6, stranger_mac});
  EXPECT_EQ(layer->neighbours().state_of(peer6), State::probe);
  EXPECT_EQ(layer->neighbours().mac_of(peer6), peer_mac);
  receive_neighbour(peer6, us6, {true, true, true, peer6, peer_mac});
  EXPECT_EQ(layer->neighbours().state_of(peer6), State::reachable);
  receive_neighbour(peer6, us6, {true, false, false, peer6, stranger_mac});  // without override
  EXPECT_EQ(layer->neighbours().state_of(peer6), State::reachable);
}

TEST_F(NeighboursTest, NothingIsLearnedFromUnaskedAnswers) {
  arp_reply(peer, peer_mac);
  receive_neighbour(peer6, us6, {true, true, true, peer6, peer_mac});
  EXPECT_EQ(dropped(Drop::foreign_neighbour), 2u);
  EXPECT_EQ(layer->neighbours().state_of(peer), State::none);
  EXPECT_EQ(layer->neighbours().state_of(peer6), State::none);
}

TEST_F(NeighboursTest, AnswersArpForItsOwnAddresses) {
  receive_arp({Arp::Operation::request, peer_mac, peer, {}, us}, broadcast_mac);
  EXPECT_EQ(sent_header()->destination, peer_mac);
  const auto answer = take_arp();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->operation, Arp::Operation::reply);
  EXPECT_EQ(answer->sender, us);
  EXPECT_EQ(answer->sender_mac, our_mac);
  EXPECT_EQ(answer->target, peer);
  EXPECT_EQ(layer->neighbours().state_of(peer), State::stale);  // who asks will be answered
  receive_arp({Arp::Operation::request, peer_mac, peer, {}, ip("192.0.2.7")}, broadcast_mac);
  EXPECT_TRUE(port.sent.empty());
}

TEST_F(NeighboursTest, AnswersSolicitationsForItsOwnAddresses) {
  receive_neighbour(peer6, solicited_node_group(us6), {false, false, false, us6, peer_mac});
  EXPECT_EQ(sent_header()->destination, peer_mac);
  const auto answer = take_neighbour();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->is_advertisement && answer->solicited && answer->override);
  EXPECT_EQ(answer->target, us6);
  EXPECT_EQ(answer->link, our_mac);
  receive_neighbour(peer6, us6, {false, false, false, peer6, peer_mac});
  EXPECT_TRUE(port.sent.empty());
  // Asked without a link address: the one it has is known by now.
  receive_neighbour(peer6, us6, {false, false, false, us6, {}});
  EXPECT_EQ(sent_header()->destination, peer_mac);
}

TEST_F(NeighboursTest, AnswersAreLimited) {
  for (int i = 0; i < 300; ++i) {
    receive_arp({Arp::Operation::request, peer_mac, peer, {}, us}, broadcast_mac);
  }
  EXPECT_EQ(port.sent.size(), settings.neighbour_limit.burst);
  EXPECT_EQ(dropped(Drop::icmp_limited), 300 - settings.neighbour_limit.burst);
}

TEST_F(NeighboursTest, StrangersOfOtherPrefixesAreNotLearned) {
  receive_arp({Arp::Operation::request, peer_mac, far, {}, us}, broadcast_mac);
  EXPECT_EQ(layer->neighbours().state_of(far), State::none);
  receive_neighbour(far6, us6, {false, false, false, us6, peer_mac});
  EXPECT_EQ(layer->neighbours().state_of(far6), State::none);
}

TEST_F(NeighboursTest, TableIsBoundedAndKeepsTheGateway) {
  settings.neighbours.entries_max = 8;
  make();
  layer->start(now);
  for (int i = 10; i < 60; ++i) {
    send_segment(ip("192.0.2." + std::to_string(i)));
    EXPECT_LE(layer->neighbours().size(), 8u);
    layer->neighbours().check_invariants();
  }
  send_segment(far);
  arp_reply(ip("192.0.2.254"), gateway_mac);
  for (int i = 60; i < 99; ++i) send_segment(ip("192.0.2." + std::to_string(i)));
  EXPECT_EQ(layer->neighbours().state_of(ip("192.0.2.254")), State::reachable);
}

TEST_F(NeighboursTest, TheUnansweredMakeRoomBeforeTheKnown) {
  settings.neighbours.entries_max = 4;
  make();
  know_neighbours();
  for (int i = 10; i < 30; ++i) send_segment(ip("192.0.2." + std::to_string(i)));
  EXPECT_EQ(layer->neighbours().state_of(peer), State::reachable);
  EXPECT_EQ(layer->neighbours().state_of(peer6), State::reachable);
}

TEST_F(NeighboursTest, AddressesAreAnnouncedTwice) {
  layer->start(now);
  const auto first = take_arp();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->sender, us);
  EXPECT_EQ(first->target, us);
  const auto second = take_neighbour();
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->is_advertisement && !second->solicited);
  EXPECT_EQ(second->target, us6);
  EXPECT_EQ(take_neighbour()->target, link_local_address(our_mac));
  advance(seconds(2));
  EXPECT_EQ(port.sent.size(), 3u);
  advance(seconds(2));
  EXPECT_EQ(port.sent.size(), 3u);
  EXPECT_EQ(layer->next_deadline(), never);
}

class DuplicatesTest : public NetworkTest {
 protected:
  void SetUp() override {
    NetworkTest::SetUp();
    settings.detect_duplicates = true;
    make();
    layer->start(now);
  }
};

TEST_F(DuplicatesTest, AddressIsUsedAfterASecondOfSilence) {
  EXPECT_EQ(take_arp()->sender, ip("0.0.0.0"));
  const auto probe = take_neighbour();
  ASSERT_TRUE(probe);
  EXPECT_FALSE(probe->link);
  port.sent.clear();
  EXPECT_FALSE(layer->addresses().source_for(peer).known());
  advance(milliseconds(999));
  EXPECT_TRUE(port.sent.empty());
  advance(milliseconds(1));
  EXPECT_EQ(layer->addresses().source_for(peer), us);
  EXPECT_EQ(layer->addresses().source_for(peer6), us6);
  EXPECT_TRUE(take_arp());
}

TEST_F(DuplicatesTest, AddressOfAnotherIsNeverUsed) {
  port.sent.clear();
  receive_arp({Arp::Operation::reply, stranger_mac, us, our_mac, us});
  receive_neighbour(us6, all_nodes, {true, false, true, us6, stranger_mac});
  EXPECT_EQ(dropped(Drop::duplicate_address), 2u);
  advance(seconds(10));
  EXPECT_FALSE(layer->addresses().source_for(peer).known());
  EXPECT_EQ(layer->addresses().source_for(peer6), link_local_address(our_mac));
  receive_arp({Arp::Operation::request, peer_mac, peer, {}, us}, broadcast_mac);
  EXPECT_EQ(dropped(Drop::address_not_ready), 1u);
}

TEST_F(DuplicatesTest, TwoThatProbeAtOnceBothGiveUp) {
  receive_arp({Arp::Operation::request, stranger_mac, ip("0.0.0.0"), {}, us}, broadcast_mac);
  receive_neighbour(IpAddress{}, solicited_node_group(us6), {false, false, false, us6, {}});
  advance(seconds(10));
  EXPECT_FALSE(layer->addresses().source_for(peer).known());
  EXPECT_EQ(layer->addresses().find(us6)->state, Addresses::State::duplicate);
}

TEST_F(NeighboursTest, AddressInUseIsDefendedNowAndThen) {
  receive_arp({Arp::Operation::request, stranger_mac, us, {}, us}, broadcast_mac);
  EXPECT_EQ(take_arp()->sender_mac, our_mac);
  receive_arp({Arp::Operation::request, stranger_mac, us, {}, us}, broadcast_mac);
  EXPECT_TRUE(port.sent.empty());
  now += seconds(10);
  receive_arp({Arp::Operation::request, stranger_mac, us, {}, us}, broadcast_mac);
  EXPECT_TRUE(take_arp());
  EXPECT_EQ(layer->neighbours().state_of(us), State::none);
}

TEST_F(NeighboursTest, ProbesForOurAddressAreAnswered) {
  receive_arp({Arp::Operation::request, stranger_mac, ip("0.0.0.0"), {}, us}, broadcast_mac);
  EXPECT_EQ(take_arp()->sender, us);
  receive_neighbour(IpAddress{}, solicited_node_group(us6), {false, false, false, us6, {}});
  EXPECT_EQ(sent_header()->destination, multicast_mac(all_nodes));
  EXPECT_FALSE(take_neighbour()->solicited);
}

}  // namespace
}  // namespace godwit::dataplane::tcp::testing
