// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <thread>

#include "tests/packetdrill/object_fixture.h"

// What packetdrill's scripts do, done to the object: it is loaded as the tool loads it.

namespace godwit::packetdrill {
namespace {

using namespace dataplane::tcp;

TEST_P(ObjectTest, PassiveOpenAndDataBothWays) {
  const int fd = tool.open(tool.listen());
  ASSERT_GE(fd, 0);
  data_arrives(1, "hello");
  EXPECT_EQ(read(fd), "hello");
  const auto ack = tool.leaves();
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->segment.ack, 6u);
  write(fd, "goodbye");
  const auto data = tool.leaves();
  ASSERT_TRUE(data);
  EXPECT_EQ(as_text(data->payload), "goodbye");
  EXPECT_EQ(data->segment.seq, tool.our_isn + 1);
  EXPECT_EQ(data->at_us, tool.now_us());
}

TEST_P(ObjectTest, TimeIsVirtualAndMovesWithSleep) {
  const long long before = tool.now_us();
  tool.calls.usleep(tool.u, 1'500'000);
  EXPECT_EQ(tool.now_us() - before, 1'500'000);
}

TEST_P(ObjectTest, UnansweredDataIsSentAgainAtItsTime) {
  const int fd = tool.open(tool.listen());
  write(fd, "x");
  const auto first = tool.leaves();
  const auto second = tool.leaves();
  const auto third = tool.leaves();
  ASSERT_TRUE(first && second && third);
  EXPECT_EQ(second->segment.seq, first->segment.seq);
  const long long wait = second->at_us - first->at_us;
  EXPECT_GE(wait, 200'000);
  EXPECT_LE(wait, 1'100'000);
  EXPECT_GT(third->at_us, second->at_us);
}

TEST_P(ObjectTest, SleepRunsTheTimers) {
  const int fd = tool.open(tool.listen());
  write(fd, "x");
  const long long start = tool.now_us();
  tool.calls.usleep(tool.u, 30'000'000);
  ASSERT_TRUE(tool.leaves());
  const auto again = tool.leaves();
  ASSERT_TRUE(again);
  EXPECT_LT(again->at_us, start + 1'100'000);
}

TEST_P(ObjectTest, NonblockingCallsSayThatTheyWouldBlock) {
  const int listener = tool.listen();
  make_nonblocking(listener);
  EXPECT_EQ(tool.calls.accept(tool.u, listener, nullptr, nullptr), -1);
  EXPECT_EQ(errno, EAGAIN);
  const int fd = tool.open(listener);
  make_nonblocking(fd);
  EXPECT_EQ(tool.calls.fcntl(tool.u, fd, F_GETFL, 0L) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(read(fd), "");
  EXPECT_EQ(error, EAGAIN);
  char byte = 0;
  const int waiting = tool.open(listener);
  EXPECT_EQ(tool.calls.recv(tool.u, waiting, &byte, 1, MSG_DONTWAIT), -1);
}

TEST_P(ObjectTest, NonblockingConnect) {
  const int fd = socket();
  make_nonblocking(fd);
  EXPECT_EQ(connect(fd), -1);
  EXPECT_EQ(error, EINPROGRESS);
  ASSERT_TRUE(take_syn());
  EXPECT_EQ(connect(fd), -1);
  EXPECT_EQ(error, EALREADY);
  SegmentOut answer = tool.segment(Flags::syn | Flags::ack, 0, tool.our_isn + 1);
  answer.options.mss = 1000;
  tool.arrives(answer);
  const auto ack = tool.leaves();
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->segment.flags, Flags::ack);
  int problem = -1;
  socklen_t size = sizeof problem;
  EXPECT_EQ(tool.calls.getsockopt(tool.u, fd, SOL_SOCKET, SO_ERROR, &problem, &size), 0);
  EXPECT_EQ(problem, 0);
  write(fd, "x");
  EXPECT_TRUE(tool.leaves());
}

TEST_P(ObjectTest, RefusedConnect) {
  const int fd = socket();
  make_nonblocking(fd);
  connect(fd);
  ASSERT_TRUE(take_syn());
  tool.arrives(tool.segment(Flags::rst | Flags::ack, 0, tool.our_isn + 1));
  int problem = 0;
  socklen_t size = sizeof problem;
  tool.calls.getsockopt(tool.u, fd, SOL_SOCKET, SO_ERROR, &problem, &size);
  EXPECT_EQ(problem, ECONNREFUSED);
}

TEST_P(ObjectTest, BlockingConnectOfTheOnlyThreadTimesOut) {
  const int fd = socket();
  const long long start = tool.now_us();
  EXPECT_EQ(connect(fd), -1);
  EXPECT_EQ(error, ETIMEDOUT);
  EXPECT_GT(tool.now_us(), start);
}

// packetdrill makes calls that block from a second thread, and waits until it sleeps.
TEST_P(ObjectTest, BlockingConnectOfAnotherThread) {
  const int fd = socket();
  int result = -1;
  std::thread caller([&] { result = connect(fd); });
  bool called = false;
  for (int i = 0; i < 200 && !called; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    called = take_syn();
  }
  EXPECT_TRUE(called);
  tool.arrives(tool.segment(Flags::syn | Flags::ack, 0, tool.our_isn + 1));
  caller.join();
  EXPECT_EQ(result, 0);
}

TEST_P(ObjectTest, BlockingReadOfAnotherThread) {
  const int fd = tool.open(tool.listen());
  std::string got;
  std::thread caller([&] { got = read(fd); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  tool.calls.usleep(tool.u, 100'000);
  data_arrives(1, "late");
  caller.join();
  EXPECT_EQ(got, "late");
}

TEST_P(ObjectTest, BlockingReadEndsWithTheConnection) {
  const int fd = tool.open(tool.listen());
  tool.arrives(tool.segment(Flags::fin | Flags::ack, 1, tool.our_isn + 1));
  EXPECT_EQ(read(fd), "");
  EXPECT_EQ(error, 0);
  tool.arrives(tool.segment(Flags::rst, 2, 0));
  char byte = 0;
  EXPECT_EQ(tool.calls.write(tool.u, fd, &byte, 1), -1);
  EXPECT_EQ(errno, EPIPE);
}

TEST_P(ObjectTest, ResetIsToldOnce) {
  const int fd = tool.open(tool.listen());
  tool.arrives(tool.segment(Flags::rst, 1, 0));
  read(fd);
  EXPECT_EQ(error, ECONNRESET);
  read(fd);
  EXPECT_EQ(error, 0);
  char byte = 0;
  EXPECT_EQ(tool.calls.write(tool.u, fd, &byte, 1), -1);
  EXPECT_EQ(errno, EPIPE);
}

TEST_P(ObjectTest, CloseSendsAFin) {
  const int fd = tool.open(tool.listen());
  EXPECT_EQ(tool.calls.close(tool.u, fd), 0);
  const auto fin = tool.leaves();
  ASSERT_TRUE(fin);
  EXPECT_TRUE(fin->segment.has(Flags::fin));
  EXPECT_EQ(tool.calls.close(tool.u, fd), -1);
  EXPECT_EQ(errno, EBADF);
}

TEST_P(ObjectTest, LingerOfZeroSendsAReset) {
  const int fd = tool.open(tool.listen());
  const linger at_once{1, 0};
  EXPECT_EQ(tool.calls.setsockopt(tool.u, fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  tool.calls.close(tool.u, fd);
  EXPECT_TRUE(tool.leaves()->segment.has(Flags::rst));
}

TEST_P(ObjectTest, CloseWithUnreadBytesSendsAReset) {
  const int fd = tool.open(tool.listen());
  data_arrives(1, "unread");
  EXPECT_TRUE(tool.leaves());
  tool.calls.close(tool.u, fd);
  EXPECT_TRUE(tool.leaves()->segment.has(Flags::rst));
}

TEST_P(ObjectTest, ShutdownClosesOneDirection) {
  const int fd = tool.open(tool.listen());
  EXPECT_EQ(tool.calls.shutdown(tool.u, fd, SHUT_WR), 0);
  const auto fin = tool.leaves();
  ASSERT_TRUE(fin && fin->segment.has(Flags::fin));
  tool.arrives(tool.segment(Flags::ack, 1, fin->segment.seq + 1));
  data_arrives(1, "still");
  EXPECT_EQ(read(fd), "still");
  char byte = 0;
  EXPECT_EQ(tool.calls.write(tool.u, fd, &byte, 1), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(tool.calls.shutdown(tool.u, fd, 7), -1);
}

TEST_P(ObjectTest, UnreadBytesCloseTheWindow) {
  const int fd = tool.open(tool.listen());
  const auto window = [&](std::uint32_t seq, const std::string& text) {
    data_arrives(seq, text);
    return tool.leaves()->segment.window;
  };
  const std::string kilobyte(1000, 'x');
  std::uint16_t last = window(1, kilobyte);
  for (std::uint32_t i = 1; i < 300 && last > 0; ++i) {
    const std::uint16_t next = window(1 + 1000 * i, kilobyte);
    EXPECT_LE(next, last);
    last = next;
  }
  EXPECT_LT(last, 10'000);
  int waiting = 0;
  EXPECT_EQ(tool.calls.ioctl(tool.u, fd, FIONREAD, &waiting), 0);
  EXPECT_GT(waiting, 0);
  EXPECT_EQ(read(fd, 500'000).size(), static_cast<std::size_t>(waiting));
}

TEST_P(ObjectTest, PollTellsWhatIsReady) {
  const int listener = tool.listen();
  pollfd one{listener, POLLIN, 0};
  EXPECT_EQ(tool.calls.poll(tool.u, &one, 1, 0), 0);
  const long long start = tool.now_us();
  EXPECT_EQ(tool.calls.poll(tool.u, &one, 1, 250), 0);
  EXPECT_EQ(tool.now_us() - start, 250'000);
  const int fd = tool.open(listener);
  pollfd both[] = {{fd, POLLIN | POLLOUT, 0}, {-1, POLLIN, 0}};
  EXPECT_EQ(tool.calls.poll(tool.u, both, 2, -1), 1);
  EXPECT_EQ(both[0].revents, POLLOUT);
  data_arrives(1, "x");
  EXPECT_EQ(tool.calls.poll(tool.u, both, 1, 0), 1);
  EXPECT_EQ(both[0].revents, POLLIN | POLLOUT);
  both[0].fd = 999;
  EXPECT_EQ(tool.calls.poll(tool.u, both, 1, 0), 1);
  EXPECT_EQ(both[0].revents, POLLNVAL);
}

TEST_P(ObjectTest, EpollTellsLevelsAndEdges) {
  const int fd = tool.open(tool.listen());
  const int epoll = tool.calls.epoll_create(tool.u, 1);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 77;
  EXPECT_EQ(tool.calls.epoll_ctl(tool.u, epoll, EPOLL_CTL_ADD, fd, &event), 0);
  EXPECT_EQ(tool.calls.epoll_ctl(tool.u, epoll, EPOLL_CTL_ADD, fd, &event), -1);
  EXPECT_EQ(errno, EEXIST);
  epoll_event got{};
  EXPECT_EQ(tool.calls.epoll_wait(tool.u, epoll, &got, 1, 0), 0);
  data_arrives(1, "x");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(tool.calls.epoll_wait(tool.u, epoll, &got, 1, -1), 1);
    EXPECT_EQ(got.data.u64, 77u);
    EXPECT_EQ(got.events, std::uint32_t{EPOLLIN});
  }
  event.events = EPOLLIN | EPOLLET;
  EXPECT_EQ(tool.calls.epoll_ctl(tool.u, epoll, EPOLL_CTL_MOD, fd, &event), 0);
  EXPECT_EQ(tool.calls.epoll_wait(tool.u, epoll, &got, 1, 0), 1);
  EXPECT_EQ(tool.calls.epoll_wait(tool.u, epoll, &got, 1, 0), 0);
  EXPECT_EQ(tool.calls.epoll_ctl(tool.u, epoll, EPOLL_CTL_DEL, fd, nullptr), 0);
}

TEST_P(ObjectTest, TcpInfoAndOptions) {
  const int fd = tool.open(tool.listen());
  ::tcp_info info{};
  socklen_t size = sizeof info;
  EXPECT_EQ(tool.calls.getsockopt(tool.u, fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  EXPECT_EQ(info.tcpi_state, 1);
  EXPECT_EQ(info.tcpi_snd_mss, 1000u);
  EXPECT_EQ(info.tcpi_snd_cwnd, 10u);
  int value = 0;
  size = sizeof value;
  EXPECT_EQ(tool.calls.getsockopt(tool.u, fd, IPPROTO_TCP, TCP_MAXSEG, &value, &size), 0);
  EXPECT_EQ(value, 1000);
  value = 4321;
  EXPECT_EQ(tool.calls.setsockopt(tool.u, fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof value), 0);
  value = 0;
  EXPECT_EQ(tool.calls.getsockopt(tool.u, fd, SOL_SOCKET, SO_SNDBUF, &value, &size), 0);
  EXPECT_EQ(value, 8642);  // doubled, as the system does
  EXPECT_EQ(tool.calls.getsockopt(tool.u, fd, 12345, 1, &value, &size), -1);
  EXPECT_EQ(errno, ENOPROTOOPT);
}

TEST_P(ObjectTest, NagleIsOnUntilNodelay) {
  const int fd = tool.open(tool.listen());
  write(fd, "a");
  write(fd, "b");
  const auto first = tool.leaves();
  EXPECT_EQ(as_text(first->payload), "a");
  const int one = 1;
  EXPECT_EQ(tool.calls.setsockopt(tool.u, fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
  const auto second = tool.leaves();
  EXPECT_EQ(as_text(second->payload), "b");
  EXPECT_EQ(second->at_us, first->at_us);
}

TEST_P(ObjectTest, PiecesPeekingAndPipes) {
  const int fd = tool.open(tool.listen());
  data_arrives(1, "abcdef");
  char one[2] = {};
  char two[2] = {};
  EXPECT_EQ(tool.calls.recv(tool.u, fd, one, 2, MSG_PEEK), 2);
  iovec parts[] = {{one, 2}, {two, 2}};
  EXPECT_EQ(tool.calls.readv(tool.u, fd, parts, 2), 4);
  EXPECT_EQ(std::string(two, 2), "cd");
  int fds[2] = {};
  EXPECT_EQ(tool.calls.pipe(tool.u, fds), 0);
  EXPECT_EQ(tool.calls.splice(tool.u, fd, nullptr, fds[1], nullptr, 10, 0), 2);
  EXPECT_EQ(read(fds[0]), "ef");
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  EXPECT_EQ(tool.calls.sendmsg(tool.u, fd, &message, 0), 4);
  EXPECT_EQ(tool.calls.writev(tool.u, fd, parts, 2), 4);
}

TEST_P(ObjectTest, WhatIsNoPacketIsRefused) {
  const std::uint8_t bytes[] = {0x12, 0x34};
  EXPECT_EQ(tool.calls.netdev_send(tool.u, bytes, 2), -1);
  EXPECT_EQ(tool.calls.netdev_send(tool.u, bytes, 0), -1);
}

TEST_P(ObjectTest, NothingLeavesWhereNothingIsDue) {
  tool.open(tool.listen());
  EXPECT_FALSE(tool.leaves());
}

TEST_P(ObjectTest, WrongCallsFail) {
  EXPECT_EQ(tool.calls.socket(tool.u, AF_UNIX, SOCK_STREAM, 0), -1);
  EXPECT_EQ(errno, EAFNOSUPPORT);
  EXPECT_EQ(tool.calls.socket(tool.u, AF_INET, SOCK_DGRAM, 0), -1);
  EXPECT_EQ(tool.calls.listen(tool.u, 99, 1), -1);
  EXPECT_EQ(errno, EBADF);
  const int fd = socket();
  EXPECT_EQ(tool.calls.accept(tool.u, fd, nullptr, nullptr), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(tool.calls.shutdown(tool.u, fd, SHUT_WR), -1);
  EXPECT_EQ(errno, ENOTCONN);
  read(fd);
  EXPECT_EQ(error, ENOTCONN);
}

INSTANTIATE_TEST_SUITE_P(Families, ObjectTest, ::testing::Values("ipv4", "ipv6"),
                         [](const auto& one) { return std::string(one.param); });

TEST(Interface, IsAsLongAsTheToolsTable) {
  EXPECT_EQ(sizeof(packetdrill_interface), 33 * 8u);
}

TEST(Interface, LocalAddressOfTheFlagsIsWhereConnectionsComeFrom) {
  Tool tool("ipv4,local=203.0.113.77");
  const int fd = tool.calls.socket(tool.u, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_storage to = tool.remote_address(80);
  tool.calls.connect(tool.u, fd, reinterpret_cast<sockaddr*>(&to), tool.address_size());
  EXPECT_EQ(tool.leaves()->segment.flow.remote, *parse_ip_address("203.0.113.77"));
}

}  // namespace
}  // namespace godwit::packetdrill
