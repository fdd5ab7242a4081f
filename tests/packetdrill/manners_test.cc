// SPDX-License-Identifier: Apache-2.0
#include <sys/ioctl.h>

#include "tests/packetdrill/object_fixture.h"

// Where the RFCs leave a choice, the object does what kernels do: that is what scripts expect.

namespace godwit::packetdrill {
namespace {

using MannersTest = ObjectTest;

constexpr long long second = 1'000'000;

TEST_P(MannersTest, SynAckIsSentAgainAfterOneTwoFourEightSeconds) {
  tool.listen();
  SegmentOut syn = tool.segment(Flags::syn, 0, 0);
  syn.options = {.mss = 1000, .window_scale = 7, .sack_permitted = true};
  tool.arrives(syn);
  const auto first = tool.leaves();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->segment.options.window_scale, 8);
  EXPECT_TRUE(first->segment.options.sack_permitted);
  for (const int at : {1, 3, 7, 15, 31}) {
    const auto again = tool.leaves();
    ASSERT_TRUE(again);
    EXPECT_EQ(again->segment.seq, first->segment.seq);
    EXPECT_NEAR(static_cast<double>(again->at_us - first->at_us), static_cast<double>(at * second),
                2000);
  }
  EXPECT_FALSE(tool.leaves());
}

TEST_P(MannersTest, SynIsSentSevenTimesIn127Seconds) {
  const int fd = socket();
  make_nonblocking(fd);
  connect(fd);
  const auto first = tool.leaves();
  ASSERT_TRUE(first);
  for (const int at : {1, 3, 7, 15, 31, 63}) {
    const auto again = tool.leaves();
    ASSERT_TRUE(again);
    EXPECT_NEAR(static_cast<double>(again->at_us - first->at_us), static_cast<double>(at * second),
                3000);
  }
  EXPECT_FALSE(tool.leaves());
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
}

TEST_P(MannersTest, TimeoutIsRoundTripAndTwoHundredMilliseconds) {
  const int fd = tool.open(tool.listen());
  write(fd, "x");
  ASSERT_TRUE(tool.leaves());
  tool.calls.usleep(tool.u, 100'000);
  ack_arrives(1);
  write(fd, "y");
  const auto sent = tool.leaves();
  const auto again = tool.leaves();
  const auto third = tool.leaves();
  ASSERT_TRUE(sent && again && third);
  const auto wait = static_cast<double>(again->at_us - sent->at_us);
  EXPECT_GE(wait, 200'000);
  EXPECT_LE(wait, 320'000);
  EXPECT_NEAR(static_cast<double>(third->at_us - again->at_us), 2 * wait, 2000);
}

TEST_P(MannersTest, ClosedWindowIsProbedWithAnOldNumberTwiceAsLateEachTime) {
  const int fd = tool.open(tool.listen());
  ack_arrives(0, 0);
  write(fd, "x");
  double wait = 0;
  long long last = tool.now_us();
  for (int i = 0; i < 4; ++i) {
    const auto probe = tool.leaves();
    ASSERT_TRUE(probe);
    EXPECT_TRUE(probe->payload.empty());
    EXPECT_EQ(probe->segment.seq, tool.our_isn);
    const auto waited = static_cast<double>(probe->at_us - last);
    if (wait > 0) {
      EXPECT_NEAR(waited, 2 * wait, 3000);
    }
    wait = waited;
    last = probe->at_us;
    ack_arrives(0, 0);
  }
  ack_arrives(0, 1000);
  EXPECT_EQ(as_text(tool.leaves()->payload), "x");
}

TEST_P(MannersTest, TheRestOfALargerWriteDoesNotWait) {
  const int fd = tool.open(tool.listen());
  write(fd, std::string(1500, 'x'));
  const auto full = tool.leaves();
  const auto rest = tool.leaves();
  ASSERT_TRUE(full && rest);
  EXPECT_EQ(full->payload.size(), 1000u);
  EXPECT_FALSE(full->segment.has(Flags::psh));
  EXPECT_EQ(rest->payload.size(), 500u);
  EXPECT_TRUE(rest->segment.has(Flags::psh));
  EXPECT_EQ(rest->at_us, full->at_us);
  // But that one was small: another small one waits for it.
  write(fd, "y");
  ack_arrives(1000);
  EXPECT_EQ(info(fd).tcpi_notsent_bytes, 1u);
  const long long before = tool.now_us();
  ack_arrives(1500);
  const auto last = tool.leaves();
  ASSERT_TRUE(last);
  EXPECT_EQ(as_text(last->payload), "y");
  EXPECT_EQ(last->at_us, before);
}

TEST_P(MannersTest, WhatIsSentAgainIsPushedAsItWas) {
  const int fd = tool.open(tool.listen());
  write(fd, std::string(1000, 'x'));
  write(fd, std::string(1000, 'y'));
  const auto first = tool.leaves();
  const auto second_one = tool.leaves();
  ASSERT_TRUE(first && second_one);
  EXPECT_TRUE(first->segment.has(Flags::psh));
  const auto again = tool.leaves();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->segment.seq, first->segment.seq);
  EXPECT_TRUE(again->segment.has(Flags::psh));
}

TEST_P(MannersTest, MoreThanAFullSegmentIsAcknowledgedAtOnce) {
  const int fd = tool.open(tool.listen());
  data_arrives(1, std::string(1000, 'x'));
  ASSERT_TRUE(tool.leaves());
  set(fd, IPPROTO_TCP, TCP_QUICKACK, 0);
  data_arrives(1001, std::string(1000, 'x'));
  const long long before = tool.now_us();
  data_arrives(2001, "y");
  const auto ack = tool.leaves();
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->segment.ack, 2002u);
  EXPECT_EQ(ack->at_us, before);
}

TEST_P(MannersTest, WhoAnswersHasHisAcknowledgementsWait) {
  const int fd = tool.open(tool.listen());
  const long long before = tool.now_us();
  data_arrives(1, "question");
  EXPECT_EQ(tool.leaves()->at_us, before);
  EXPECT_EQ(read(fd), "question");
  write(fd, "answer");
  ASSERT_TRUE(tool.leaves());
  SegmentOut next = tool.segment(Flags::ack | Flags::psh, 9, tool.our_isn + 7);
  const Bytes pieces[] = {as_bytes(std::string_view("again"))};
  next.payload = pieces;
  tool.arrives(next);
  const auto ack = tool.leaves();
  ASSERT_TRUE(ack);
  EXPECT_NEAR(static_cast<double>(ack->at_us - before), 40'000, 1000);
}

TEST_P(MannersTest, DataAfterCloseIsRefusedWithTheNumberItAcknowledges) {
  const int fd = tool.open(tool.listen());
  tool.calls.close(tool.u, fd);
  ASSERT_TRUE(tool.leaves());
  SegmentOut late = tool.segment(Flags::ack, 1, tool.our_isn + 2);
  const Bytes pieces[] = {as_bytes(std::string_view("late"))};
  late.payload = pieces;
  tool.arrives(late);
  const auto reset = tool.leaves();
  ASSERT_TRUE(reset);
  EXPECT_EQ(reset->segment.flags, Flags::rst);
  EXPECT_EQ(reset->segment.seq, tool.our_isn + 2);
}

TEST_P(MannersTest, HalfClosedPeerIsForgottenWithoutAWord) {
  const int fd = tool.open(tool.listen());
  tool.calls.close(tool.u, fd);
  ASSERT_TRUE(tool.leaves());
  tool.arrives(tool.segment(Flags::ack, 1, tool.our_isn + 2));
  EXPECT_FALSE(tool.leaves());
}

TEST_P(MannersTest, TimeoutBeginsAnewWithTheFirstRepetition) {
  const int fd = tool.open(tool.listen());
  write(fd, "x");
  ASSERT_TRUE(tool.leaves());
  tool.calls.usleep(tool.u, 100'000);
  ack_arrives(1);
  write(fd, std::string(6000, 'y'));
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(tool.leaves());
  tool.calls.usleep(tool.u, 150'000);
  for (int i = 0; i < 3; ++i) ack_arrives(1);
  const auto again = tool.leaves();
  const auto timed_out = tool.leaves();
  ASSERT_TRUE(again && timed_out);
  EXPECT_EQ(again->segment.seq, tool.our_isn + 2);
  EXPECT_GE(timed_out->at_us - again->at_us, 190'000);
}

TEST_P(MannersTest, ListenersQueueHoldsOneMoreThanItsBacklog) {
  const int listener = tool.listen();
  tool.calls.listen(tool.u, listener, 1);
  const auto syn_answered = [&] {
    ++tool.peer_port;
    tool.arrives(tool.segment(Flags::syn, 0, 0));
    const auto answer = tool.leaves();
    if (!answer) return false;
    tool.arrives(tool.segment(Flags::ack, 1, answer->segment.seq + 1));
    return true;
  };
  EXPECT_TRUE(syn_answered());
  EXPECT_TRUE(syn_answered());
  EXPECT_FALSE(syn_answered());
  EXPECT_GE(tool.calls.accept(tool.u, listener, nullptr, nullptr), 0);
  EXPECT_TRUE(syn_answered());
}

TEST_P(MannersTest, EachArrivalIsAnEdge) {
  const int fd = tool.open(tool.listen());
  const int epoll = tool.calls.epoll_create(tool.u, 1);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET | EPOLLRDHUP;
  tool.calls.epoll_ctl(tool.u, epoll, EPOLL_CTL_ADD, fd, &event);
  const auto wait = [&] {
    epoll_event got{};
    return tool.calls.epoll_wait(tool.u, epoll, &got, 1, 0) == 1 ? got.events : 0U;
  };
  EXPECT_EQ(wait(), 0u);
  data_arrives(1, "a");
  EXPECT_EQ(wait(), std::uint32_t{EPOLLIN});
  EXPECT_EQ(wait(), 0u);
  data_arrives(2, "b");
  EXPECT_EQ(wait(), std::uint32_t{EPOLLIN});
  EXPECT_EQ(wait(), 0u);
  tool.arrives(tool.segment(Flags::fin | Flags::ack, 3, tool.our_isn + 1));
  EXPECT_EQ(wait(), std::uint32_t{EPOLLIN | EPOLLRDHUP});
  EXPECT_EQ(wait(), 0u);
}

TEST_P(MannersTest, ConnectThatDidNotWaitComesThroughOnce) {
  const int fd = socket();
  make_nonblocking(fd);
  connect(fd);
  ASSERT_TRUE(take_syn());
  pollfd one{fd, POLLOUT, 0};
  EXPECT_EQ(tool.calls.poll(tool.u, &one, 1, 0), 0);
  tool.arrives(tool.segment(Flags::syn | Flags::ack, 0, tool.our_isn + 1));
  EXPECT_EQ(tool.calls.poll(tool.u, &one, 1, 0), 1);
  EXPECT_EQ(connect(fd), 0);
  EXPECT_EQ(connect(fd), -1);
  EXPECT_EQ(error, EISCONN);
}

TEST_P(MannersTest, UnreachablePortRefusesAConnect) {
  const int fd = socket();
  make_nonblocking(fd);
  connect(fd);
  ASSERT_TRUE(take_syn());
  // The SYN comes back in the message, headers and all.
  const auto quoted = tool.last_packet();
  const bool v4 = tool.us.is_v4();
  IcmpOut message;
  message.type = v4 ? 3 : 1;
  message.code = v4 ? 3 : 4;
  message.body = quoted;
  const auto packet = testing::icmp_packet(tool.peer, tool.us, message);
  EXPECT_EQ(tool.calls.netdev_send(tool.u, packet.data(), packet.size()), 0);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
}

TEST_P(MannersTest, ShutdownOfAListenerEndsIt) {
  const int listener = tool.listen();
  EXPECT_EQ(tool.calls.shutdown(tool.u, listener, SHUT_RD), 0);
  tool.arrives(tool.segment(Flags::syn, 0, 0));
  EXPECT_TRUE(tool.leaves()->segment.has(Flags::rst));
  EXPECT_EQ(tool.calls.listen(tool.u, listener, 1), 0);
}

TEST_P(MannersTest, ListenersHaveNoBytesToCount) {
  int value = 0;
  EXPECT_EQ(tool.calls.ioctl(tool.u, tool.listen(), FIONREAD, &value), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_P(MannersTest, WindowGrowsWithASenderThatUsesIt) {
  const int fd = tool.open(tool.listen());
  make_nonblocking(fd);
  const auto before = info(fd).tcpi_rcv_space;
  std::uint32_t at = 1;
  for (int i = 0; i < 200; ++i) {
    data_arrives(at, std::string(1000, 'x'));
    at += 1000;
    read(fd, 1000);
  }
  EXPECT_EQ(before, 65535u);
  // Without a scale there is no more to say; with one it would be said.
  EXPECT_GE(info(fd).tcpi_rcv_space, before);
}

INSTANTIATE_TEST_SUITE_P(Families, MannersTest, ::testing::Values("ipv4", "ipv6"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace godwit::packetdrill
