// SPDX-License-Identifier: Apache-2.0
#include <sys/ioctl.h>
#include <sys/time.h>

#include "tests/packetdrill/object_fixture.h"

// Options of sockets do what they say, and are what was set when asked for.

namespace godwit::packetdrill {
namespace {

using OptionTest = ObjectTest;

constexpr long long second = 1'000'000;

TEST_P(OptionTest, KeepaliveProbesAnIdlePeerAndGivesItUp) {
  const int fd = tool.open(tool.listen());
  EXPECT_EQ(set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 5), 0);
  EXPECT_EQ(set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 2), 0);
  EXPECT_EQ(set(fd, IPPROTO_TCP, TCP_KEEPCNT, 2), 0);
  EXPECT_EQ(set(fd, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
  const long long start = tool.now_us();
  for (const int at : {5, 7}) {
    const auto probe = tool.leaves();
    ASSERT_TRUE(probe);
    EXPECT_EQ(probe->segment.flags, Flags::ack);
    EXPECT_EQ(probe->segment.seq, tool.our_isn);
    EXPECT_TRUE(probe->payload.empty());
    EXPECT_NEAR(static_cast<double>(probe->at_us - start), static_cast<double>(at * second), 2000);
  }
  const auto reset = tool.leaves();
  ASSERT_TRUE(reset);
  EXPECT_TRUE(reset->segment.has(Flags::rst));
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
}

TEST_P(OptionTest, KeepaliveTurnedOffProbesNobody) {
  const int fd = tool.open(tool.listen());
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
  EXPECT_FALSE(tool.leaves());
}

TEST_P(OptionTest, ListenersOptionsAreThoseOfWhatIsAccepted) {
  const int listener = tool.listen();
  set(listener, IPPROTO_TCP, TCP_KEEPIDLE, 1);
  set(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(listener, IPPROTO_TCP, TCP_MAXSEG, 700);
  const int fd = tool.open(listener);
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_KEEPIDLE), 1);
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_MAXSEG), 700);
  EXPECT_EQ(tool.syn_ack_mss, 700);
  const auto probe = tool.leaves();
  ASSERT_TRUE(probe);
  EXPECT_EQ(probe->segment.seq, tool.our_isn);
}

TEST_P(OptionTest, RangesAreKept) {
  const int fd = socket();
  const struct {
    int name;
    int least;
    int most;
  } ranges[] = {{TCP_KEEPIDLE, 1, 32767},
                {TCP_KEEPINTVL, 1, 32767},
                {TCP_KEEPCNT, 1, 127},
                {TCP_SYNCNT, 1, 127},
                {TCP_MAXSEG, 88, 32767}};
  for (const auto& range : ranges) {
    EXPECT_EQ(set(fd, IPPROTO_TCP, range.name, range.least), 0);
    EXPECT_EQ(set(fd, IPPROTO_TCP, range.name, range.most), 0);
    EXPECT_EQ(get(fd, IPPROTO_TCP, range.name), range.most);
    EXPECT_EQ(set(fd, IPPROTO_TCP, range.name, range.least - 1), -1);
    EXPECT_EQ(error, EINVAL);
    EXPECT_EQ(set(fd, IPPROTO_TCP, range.name, range.most + 1), -1);
  }
  EXPECT_EQ(set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, -1), -1);
  EXPECT_EQ(error, EINVAL);
  EXPECT_EQ(tool.calls.setsockopt(tool.u, fd, IPPROTO_TCP, TCP_NODELAY, "x", 1), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(tool.calls.setsockopt(tool.u, fd, IPPROTO_TCP, TCP_NODELAY, nullptr, 4), -1);
  EXPECT_EQ(errno, EFAULT);
}

TEST_P(OptionTest, UserTimeoutEndsWhatIsNotAcknowledged) {
  const int fd = tool.open(tool.listen());
  EXPECT_EQ(set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000), 0);
  write(fd, "x");
  const auto first = tool.leaves();
  const auto again = tool.leaves();
  ASSERT_TRUE(first && again);
  while (tool.leaves()) {
  }
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
  // What comes afterwards finds nobody.
  ack_arrives(1);
  EXPECT_TRUE(tool.leaves()->segment.has(Flags::rst));
}

TEST_P(OptionTest, UserTimeoutIsNotOverBefore) {
  const int fd = tool.open(tool.listen());
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000);
  write(fd, "x");
  const auto first = tool.leaves();
  const auto again = tool.leaves();
  ASSERT_TRUE(first && again);
  const long long end = again->at_us + 3 * second;
  tool.calls.usleep(tool.u, static_cast<useconds_t>(end - tool.now_us() - 10'000));
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_ERROR), 0);
  tool.calls.usleep(tool.u, 20'000);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
}

TEST_P(OptionTest, UserTimeoutEndsAWindowThatStaysClosed) {
  const int fd = tool.open(tool.listen());
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000);
  ack_arrives(0, 0);
  write(fd, "x");
  const long long start = tool.now_us();
  while (const auto probe = tool.leaves()) {
    EXPECT_TRUE(probe->payload.empty());
    EXPECT_EQ(probe->segment.seq, tool.our_isn);  // an old number, as kernels probe
    ack_arrives(0, 0);
  }
  EXPECT_GE(tool.now_us() - start, 3 * second);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
}

TEST_P(OptionTest, ReceiveBufferIsTheWindow) {
  const int listener = tool.listen();
  EXPECT_EQ(set(listener, SOL_SOCKET, SO_RCVBUF, 5000), 0);
  EXPECT_EQ(get(listener, SOL_SOCKET, SO_RCVBUF), 10'000);
  const int fd = tool.open(listener);
  EXPECT_EQ(tool.syn_ack_window, 5000);
  data_arrives(1, std::string(1000, 'x'));
  EXPECT_EQ(tool.leaves()->segment.window, 4000);
  EXPECT_EQ(read(fd, 1000).size(), 1000u);
}

TEST_P(OptionTest, BuffersHaveALeast) {
  const int fd = socket();
  set(fd, SOL_SOCKET, SO_RCVBUF, 1);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_RCVBUF), 2304);
  set(fd, SOL_SOCKET, SO_SNDBUF, 1);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_SNDBUF), 4608);
}

TEST_P(OptionTest, WindowClampHoldsThePeerToIt) {
  const int listener = tool.listen();
  set(listener, IPPROTO_TCP, TCP_WINDOW_CLAMP, 20'000);
  tool.open(listener);
  EXPECT_EQ(tool.syn_ack_window, 20'000);
}

TEST_P(OptionTest, SendBufferIsWhatMayBeWrittenAhead) {
  const int fd = tool.open(tool.listen());
  make_nonblocking(fd);
  EXPECT_EQ(set(fd, SOL_SOCKET, SO_SNDBUF, 8000), 0);
  ack_arrives(0, 1000);
  const std::string much(20'000, 'x');
  EXPECT_EQ(tool.calls.write(tool.u, fd, much.data(), much.size()), 8000);
  EXPECT_EQ(tool.calls.write(tool.u, fd, much.data(), 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  pollfd one{fd, POLLOUT, 0};
  EXPECT_EQ(tool.calls.poll(tool.u, &one, 1, 0), 0);
  int queued = 0;
  EXPECT_EQ(tool.calls.ioctl(tool.u, fd, TIOCOUTQ, &queued), 0);
  EXPECT_EQ(queued, 8000);
}

TEST_P(OptionTest, NotsentLowatMakesWritableOnlyWhatHasLittleUnsent) {
  const int fd = tool.open(tool.listen());
  set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 2000);
  write(fd, std::string(11'999, 'x'));  // ten segments leave
  pollfd one{fd, POLLOUT, 0};
  EXPECT_EQ(tool.calls.poll(tool.u, &one, 1, 0), 1);
  write(fd, "x");
  EXPECT_EQ(tool.calls.poll(tool.u, &one, 1, 0), 0);
  ack_arrives(1000);
  EXPECT_EQ(tool.calls.poll(tool.u, &one, 1, 0), 1);
}

TEST_P(OptionTest, CorkHoldsBackWhatIsNoFullSegment) {
  const int fd = tool.open(tool.listen());
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, IPPROTO_TCP, TCP_CORK, 1);
  write(fd, std::string(600, 'a'));
  write(fd, std::string(600, 'b'));
  EXPECT_EQ(tool.leaves()->payload.size(), 1000u);
  const long long before = tool.now_us();
  set(fd, IPPROTO_TCP, TCP_CORK, 0);
  const auto rest = tool.leaves();
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->payload.size(), 200u);
  EXPECT_EQ(rest->at_us, before);
}

TEST_P(OptionTest, CorkEndsByItselfAfterATimeout) {
  const int fd = tool.open(tool.listen());
  set(fd, IPPROTO_TCP, TCP_CORK, 1);
  const long long start = tool.now_us();
  write(fd, "x");
  const auto late = tool.leaves();
  ASSERT_TRUE(late);
  EXPECT_EQ(late->payload.size(), 1u);
  EXPECT_GE(late->at_us - start, 190'000);
}

TEST_P(OptionTest, MoreIsACorkForOneWrite) {
  const int fd = tool.open(tool.listen());
  EXPECT_EQ(tool.calls.send(tool.u, fd, "head", 4, MSG_MORE), 4);
  write(fd, "body");
  EXPECT_EQ(as_text(tool.leaves()->payload), "headbody");
}

TEST_P(OptionTest, MaximumSegmentIsToldAndKept) {
  const int fd = socket();
  EXPECT_EQ(set(fd, IPPROTO_TCP, TCP_MAXSEG, 600), 0);
  make_nonblocking(fd);
  connect(fd);
  const auto syn = tool.leaves();
  ASSERT_TRUE(syn);
  EXPECT_EQ(syn->segment.options.mss, 600);
}

TEST_P(OptionTest, QuickacksOffWaitFortyMilliseconds) {
  const int fd = tool.open(tool.listen());
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_QUICKACK), 1);
  EXPECT_EQ(set(fd, IPPROTO_TCP, TCP_QUICKACK, 0), 0);
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_QUICKACK), 0);
  long long start = tool.now_us();
  data_arrives(1, "x");
  EXPECT_NEAR(static_cast<double>(tool.leaves()->at_us - start), 40'000, 1000);
  data_arrives(2, "y");
  start = tool.now_us();
  EXPECT_EQ(set(fd, IPPROTO_TCP, TCP_QUICKACK, 1), 0);
  EXPECT_EQ(tool.leaves()->at_us, start);
}

TEST_P(OptionTest, CongestionControlHasAName) {
  const int fd = tool.open(tool.listen());
  const auto name = [&] {
    char text[32] = {};
    socklen_t size = sizeof text;
    EXPECT_EQ(tool.calls.getsockopt(tool.u, fd, IPPROTO_TCP, TCP_CONGESTION, text, &size), 0);
    EXPECT_EQ(size, 16u);
    return std::string(text);
  };
  EXPECT_EQ(name(), "cubic");
  EXPECT_EQ(tool.calls.setsockopt(tool.u, fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
  EXPECT_EQ(name(), "reno");
  EXPECT_EQ(tool.calls.setsockopt(tool.u, fd, IPPROTO_TCP, TCP_CONGESTION, "bbrr", 4), -1);
  EXPECT_EQ(errno, ENOENT);
}

TEST_P(OptionTest, RenoHalvesCubicTakesThreeTenths) {
  for (const bool reno : {false, true}) {
    const int fd = tool.open(tool.listen(static_cast<std::uint16_t>(reno ? 8081 : 8080)));
    if (reno) tool.calls.setsockopt(tool.u, fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    write(fd, std::string(10'000, 'x'));
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(tool.leaves());
    for (int i = 0; i < 3; ++i) ack_arrives(0);
    EXPECT_EQ(info(fd).tcpi_snd_ssthresh, reno ? 5u : 7u);
    EXPECT_EQ(info(fd).tcpi_ca_state, TCP_CA_Recovery);
    EXPECT_EQ(tool.leaves()->segment.seq, tool.our_isn + 1);
    tool.calls.close(tool.u, fd);
    tool.arrives(tool.segment(Flags::rst, 1, 0));
    while (tool.leaves()) {
    }
  }
}

TEST_P(OptionTest, LingerWaitsUntilThePeerHasEverything) {
  const int fd = tool.open(tool.listen());
  const linger five{1, 5};
  tool.calls.setsockopt(tool.u, fd, SOL_SOCKET, SO_LINGER, &five, sizeof five);
  const long long start = tool.now_us();
  EXPECT_EQ(tool.calls.close(tool.u, fd), 0);  // of the only thread: nobody answers
  EXPECT_EQ(tool.now_us() - start, 5 * second);
}

TEST_P(OptionTest, TimesLimitCallsThatBlock) {
  const int fd = tool.open(tool.listen());
  const timeval half{0, 500'000};
  EXPECT_EQ(tool.calls.setsockopt(tool.u, fd, SOL_SOCKET, SO_RCVTIMEO, &half, sizeof half), 0);
  const long long start = tool.now_us();
  read(fd);
  EXPECT_EQ(error, EAGAIN);
  EXPECT_EQ(tool.now_us() - start, 500'000);
}

TEST_P(OptionTest, LowWaterMarkOfReading) {
  const int fd = tool.open(tool.listen());
  set(fd, SOL_SOCKET, SO_RCVLOWAT, 3);
  data_arrives(1, "ab");
  pollfd one{fd, POLLIN, 0};
  EXPECT_EQ(tool.calls.poll(tool.u, &one, 1, 0), 0);
  data_arrives(3, "c");
  EXPECT_EQ(tool.calls.poll(tool.u, &one, 1, 0), 1);
}

TEST_P(OptionTest, InqTellsWhatIsLeft) {
  const int fd = tool.open(tool.listen());
  EXPECT_EQ(set(fd, IPPROTO_TCP, TCP_INQ, 1), 0);
  data_arrives(1, "abcdef");
  char bytes[2];
  iovec part{bytes, 2};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  EXPECT_EQ(tool.calls.recvmsg(tool.u, fd, &message, 0), 2);
  const cmsghdr* head = CMSG_FIRSTHDR(&message);
  ASSERT_NE(head, nullptr);
  EXPECT_EQ(head->cmsg_type, TCP_CM_INQ);
  int left = 0;
  std::memcpy(&left, CMSG_DATA(head), sizeof left);
  EXPECT_EQ(left, 4);
}

TEST_P(OptionTest, TcpInfoFollowsTheConnection) {
  const int fd = tool.open(tool.listen());
  EXPECT_EQ(info(fd).tcpi_snd_ssthresh, 0x7fffffffu);
  write(fd, std::string(3000, 'x'));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(tool.leaves());
  EXPECT_EQ(info(fd).tcpi_unacked, 3u);
  tool.calls.usleep(tool.u, 5000);
  ack_arrives(1000);
  EXPECT_EQ(info(fd).tcpi_unacked, 2u);
  EXPECT_EQ(info(fd).tcpi_bytes_acked, 1000u);
  data_arrives(1, "abc");
  EXPECT_EQ(info(fd).tcpi_bytes_received, 3u);
  EXPECT_EQ(info(fd).tcpi_rcv_mss, 536u);
  ASSERT_TRUE(tool.leaves());
  ASSERT_TRUE(tool.leaves());  // a timeout: sent again
  EXPECT_EQ(info(fd).tcpi_total_retrans, 1u);
  EXPECT_EQ(info(fd).tcpi_backoff, 1u);
  EXPECT_EQ(info(fd).tcpi_ca_state, TCP_CA_Loss);
}

INSTANTIATE_TEST_SUITE_P(Families, OptionTest, ::testing::Values("ipv4", "ipv6"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace godwit::packetdrill
