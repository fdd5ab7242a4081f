// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <future>

#include "tests/packetdrill/object_fixture.h"

// How packetdrill drives an object: it spins for the last microseconds before an event, makes calls
// that block from a second thread, which asks for the time as soon as they end, and at last closes
// with the system's close() what a script has left open.

namespace godwit::packetdrill {
namespace {

using DriverTest = ObjectTest;

constexpr long long ms = 1000;

// When `call` of another thread ended, as that thread is told.
template <typename Call>
std::future<long long> in_another_thread(Tool& tool, Call call) {
  auto ended = std::async(std::launch::async, [&tool, call] {
    call();
    return tool.now_us();
  });
  ::usleep(50'000);  // it blocks
  return ended;
}

TEST_P(DriverTest, ClockGoesOnWhileItIsReadAndNothingElseIsDone) {
  const long long start = tool.clock_us();
  long long last = start;
  for (int i = 0; i < 300; ++i) {
    const long long now = tool.clock_us();
    EXPECT_GT(now, last);
    last = now;
  }
  EXPECT_NEAR(static_cast<double>(last - start), 300, 1);
}

TEST_P(DriverTest, TimersExpireWhileTheClockIsRead) {
  const int fd = tool.open(tool.listen());
  write(fd, "x");
  const auto sent = tool.leaves();
  ASSERT_TRUE(sent);
  tool.calls.usleep(tool.u, 199'000);
  const long long end = tool.clock_us() + 3 * ms;
  while (tool.clock_us() < end) continue;
  const auto again = tool.leaves();
  ASSERT_TRUE(again);
  EXPECT_NEAR(static_cast<double>(again->at_us - sent->at_us), 200'000, 1500);
}

TEST_P(DriverTest, DescriptorsAreTheProcesss) {
  const int listener = tool.listen();
  const int accepted = tool.open(listener);
  const int epoll = tool.calls.epoll_create(tool.u, 1);
  int pipe[2] = {-1, -1};
  ASSERT_EQ(tool.calls.pipe(tool.u, pipe), 0);
  const int closed = socket();
  EXPECT_EQ(tool.calls.close(tool.u, closed), 0);
  EXPECT_EQ(::close(closed), -1);
  for (const int fd : {listener, accepted, epoll, pipe[0], pipe[1]}) EXPECT_EQ(::close(fd), 0);
}

TEST_P(DriverTest, DescriptorsOfOthersStayOpen) {
  const int fd = socket();
  ASSERT_EQ(::close(fd), 0);
  ASSERT_EQ(::dup2(STDERR_FILENO, fd), fd);
  tool.calls.close(tool.u, fd);
  EXPECT_EQ(::close(fd), 0);
}

TEST_P(DriverTest, NoTimePassesBetweenTheEndOfACallAndTheQuestionWhenItWas) {
  const int fd = tool.open(tool.listen());
  for (int i = 0; i < 20; ++i) {
    auto ended = in_another_thread(tool, [&] { EXPECT_EQ(read(fd), "late"); });
    tool.calls.usleep(tool.u, 100'000);
    const long long arrival = tool.now_us();
    data_arrives(1 + 4 * static_cast<std::uint32_t>(i), "late");
    tool.calls.usleep(tool.u, 1'000'000);
    EXPECT_NEAR(static_cast<double>(ended.get() - arrival), 0, 10);
  }
}

TEST_P(DriverTest, CallsThatTimeOutEndWhileTheDriverSleepsOn) {
  const int fd = tool.open(tool.listen());
  const long long start = tool.now_us();
  pollfd one{fd, POLLIN, 0};
  auto ended = in_another_thread(tool, [&] { EXPECT_EQ(tool.calls.poll(tool.u, &one, 1, 60), 0); });
  tool.calls.usleep(tool.u, 500'000);
  EXPECT_NEAR(static_cast<double>(ended.get() - start), 60'000, 100);
}

TEST_P(DriverTest, CallsThatAreWaitedForElsewhereEnd) {
  const int fd = tool.open(tool.listen());
  const long long start = tool.now_us();
  pollfd one{fd, POLLIN, 0};
  auto ended =
      in_another_thread(tool, [&] { EXPECT_EQ(tool.calls.poll(tool.u, &one, 1, 300), 0); });
  EXPECT_NEAR(static_cast<double>(ended.get() - start), 300'000, 100);
}

TEST_P(DriverTest, CallsThatWaitTwiceEndOnce) {
  const int fd = tool.open(tool.listen());
  set(fd, SOL_SOCKET, SO_SNDBUF, 4608);
  const std::string text(20'000, 'x');
  auto ended = in_another_thread(tool, [&] { write(fd, text); });
  std::uint32_t taken = 0;
  while (taken < text.size()) {
    const auto left = tool.leaves();
    ASSERT_TRUE(left);
    taken = left->segment.seq + static_cast<std::uint32_t>(left->payload.size()) - tool.our_isn - 1;
    ack_arrives(taken);
  }
  EXPECT_LT(ended.get() - tool.now_us(), 1000 * ms);
}

INSTANTIATE_TEST_SUITE_P(Families, DriverTest, ::testing::Values("ipv4", "ipv6"),
                         [](const auto& one) { return std::string(one.param); });

TEST(Interface, BothFamiliesAreThereWhateverTheFlags) {
  for (const char* address : {"203.0.113.9", "2001:db8::9"}) {
    Tool tool("");
    tool.peer = *parse_ip_address(address);
    sockaddr_storage to{};
    socklen_t size = sizeof to;
    const bool v4 = tool.peer.is_v4();
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(80);
    std::memcpy(&four.sin_addr, tool.peer.bytes.data() + 12, 4);
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(80);
    std::memcpy(&six.sin6_addr, tool.peer.bytes.data(), 16);
    size = v4 ? sizeof four : sizeof six;
    std::memcpy(&to, v4 ? static_cast<const void*>(&four) : &six, size);
    const int fd =
        tool.calls.socket(tool.u, v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
    EXPECT_EQ(tool.calls.connect(tool.u, fd, reinterpret_cast<sockaddr*>(&to), size), -1);
    EXPECT_EQ(errno, EINPROGRESS);
    EXPECT_EQ(tool.leaves()->segment.flow.local, tool.peer);
  }
}

}  // namespace
}  // namespace godwit::packetdrill
