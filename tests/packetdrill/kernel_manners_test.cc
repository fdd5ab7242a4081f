// SPDX-License-Identifier: Apache-2.0
#include "tests/packetdrill/object_fixture.h"

// More of what scripts expect because kernels do it: acknowledgements of FIN, PSH, corks, errors.

namespace godwit::packetdrill {
namespace {

using KernelMannersTest = ObjectTest;

constexpr long long second = 1'000'000;

TEST_P(KernelMannersTest, FinIsAcknowledgedAtOnceWhereNoDataCameBefore) {
  tool.open(tool.listen());
  const long long arrival = tool.now_us();
  tool.arrives(tool.segment(Flags::fin | Flags::ack, 1, tool.our_isn + 1));
  const auto ack = tool.leaves();
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->segment.ack, 2u);
  EXPECT_LT(ack->at_us - arrival, 1000);
}

TEST_P(KernelMannersTest, FinBehindDataIsAcknowledgedAsLateAsData) {
  const int fd = tool.open(tool.listen());
  data_arrives(1, std::string(1000, 'x'));
  ASSERT_TRUE(tool.leaves());
  EXPECT_EQ(read(fd, 1000).size(), 1000u);
  const long long arrival = tool.now_us();
  tool.arrives(tool.segment(Flags::fin | Flags::ack, 1001, tool.our_isn + 1));
  const auto ack = tool.leaves();
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->segment.ack, 1002u);
  EXPECT_NEAR(static_cast<double>(ack->at_us - arrival), 40'000, 1000);
}

TEST_P(KernelMannersTest, FinWithAFullSegmentIsAcknowledgedAtOnce) {
  tool.open(tool.listen());
  data_arrives(1, std::string(1000, 'x'));
  ASSERT_TRUE(tool.leaves());
  const long long arrival = tool.now_us();
  const std::string text(1000, 'y');
  const Bytes pieces[] = {as_bytes(text)};
  SegmentOut segment = tool.segment(Flags::ack | Flags::fin, 1001, tool.our_isn + 1);
  segment.payload = pieces;
  tool.arrives(segment);
  const auto ack = tool.leaves();
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->segment.ack, 2002u);
  EXPECT_LT(ack->at_us - arrival, 1000);
}

TEST_P(KernelMannersTest, BurstOfPairsThatTheWindowEndsIsPushed) {
  const int fd = tool.open(tool.listen());
  write(fd, std::string(15'000, 'x'));
  for (int i = 1; i <= 10; ++i) {
    const auto left = tool.leaves();
    ASSERT_TRUE(left);
    EXPECT_EQ(left->segment.has(Flags::psh), i == 10) << i;
  }
}

TEST_P(KernelMannersTest, BurstOfAnOddNumberIsNotPushed) {
  const int fd = tool.open(tool.listen());
  ack_arrives(0, 3000);
  write(fd, std::string(5000, 'x'));
  for (int i = 1; i <= 3; ++i) {
    const auto left = tool.leaves();
    ASSERT_TRUE(left);
    EXPECT_FALSE(left->segment.has(Flags::psh)) << i;
  }
}

TEST_P(KernelMannersTest, NoDelayLetsOutWhatACorkHolds) {
  const int fd = tool.open(tool.listen());
  set(fd, IPPROTO_TCP, TCP_CORK, 1);
  write(fd, "held");
  const long long before = tool.now_us();
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  const auto left = tool.leaves();
  ASSERT_TRUE(left);
  EXPECT_EQ(as_text(left->payload), "held");
  EXPECT_LT(left->at_us - before, 1000);
  write(fd, "more");
  EXPECT_EQ(info(fd).tcpi_notsent_bytes, 4u);  // the cork is still there
}

TEST_P(KernelMannersTest, SegmentsWithoutTheAgreedTimestampAreTaken) {
  const int listener = tool.listen();
  ++tool.peer_port;
  SegmentOut syn = tool.segment(Flags::syn, 0, 0);
  syn.options.mss = 1000;
  syn.options.timestamps = Timestamps{7, 0};
  tool.arrives(syn);
  const auto answer = tool.leaves();
  ASSERT_TRUE(answer && answer->segment.options.timestamps);
  tool.our_isn = answer->segment.seq;
  tool.arrives(tool.segment(Flags::ack, 1, tool.our_isn + 1));
  const int fd = tool.calls.accept(tool.u, listener, nullptr, nullptr);
  ASSERT_GE(fd, 0);
  data_arrives(1, "bare");
  EXPECT_EQ(read(fd), "bare");
}

TEST_P(KernelMannersTest, AbortOfAConnectionWithTimestampsCarriesOne) {
  const int listener = tool.listen();
  ++tool.peer_port;
  SegmentOut syn = tool.segment(Flags::syn, 0, 0);
  syn.options.mss = 1000;
  syn.options.timestamps = Timestamps{7, 0};
  tool.arrives(syn);
  const auto answer = tool.leaves();
  ASSERT_TRUE(answer && answer->segment.options.timestamps);
  tool.our_isn = answer->segment.seq;
  SegmentOut ack = tool.segment(Flags::ack, 1, tool.our_isn + 1);
  ack.options.timestamps = Timestamps{9, answer->segment.options.timestamps->value};
  tool.arrives(ack);
  const int fd = tool.calls.accept(tool.u, listener, nullptr, nullptr);
  const linger at_once{1, 0};
  tool.calls.setsockopt(tool.u, fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  tool.calls.close(tool.u, fd);
  const auto reset = tool.leaves();
  ASSERT_TRUE(reset && reset->segment.has(Flags::rst));
  ASSERT_TRUE(reset->segment.options.timestamps);
  EXPECT_EQ(reset->segment.options.timestamps->echo, 9u);
}

TEST_P(KernelMannersTest, SynIsTriedAsOftenAsTheSocketSays) {
  const int fd = socket();
  set(fd, IPPROTO_TCP, TCP_SYNCNT, 2);
  make_nonblocking(fd);
  connect(fd);
  const auto first = tool.leaves();
  ASSERT_TRUE(first);
  for (const int at : {1, 3}) {
    const auto again = tool.leaves();
    ASSERT_TRUE(again);
    EXPECT_NEAR(static_cast<double>(again->at_us - first->at_us), static_cast<double>(at * second),
                2000);
  }
  tool.calls.usleep(tool.u, 3'990'000);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_ERROR), 0);
  tool.calls.usleep(tool.u, 20'000);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
}

TEST_P(KernelMannersTest, ResetOfAHalfClosedConnectionBreaksThePipe) {
  const int fd = tool.open(tool.listen());
  tool.arrives(tool.segment(Flags::fin | Flags::ack, 1, tool.our_isn + 1));
  tool.arrives(tool.segment(Flags::rst, 2, 0));
  EXPECT_EQ(tool.calls.write(tool.u, fd, "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
}

TEST_P(KernelMannersTest, DisconnectedSocketMayConnectAgain) {
  const int fd = tool.open(tool.listen());
  sockaddr nowhere{};
  nowhere.sa_family = AF_UNSPEC;
  EXPECT_EQ(tool.calls.connect(tool.u, fd, &nowhere, sizeof nowhere), 0);
  const auto reset = tool.leaves();
  ASSERT_TRUE(reset);
  EXPECT_TRUE(reset->segment.has(Flags::rst));
  read(fd);
  EXPECT_EQ(error, ENOTCONN);
  make_nonblocking(fd);
  EXPECT_EQ(connect(fd), -1);
  EXPECT_EQ(error, EINPROGRESS);
  EXPECT_TRUE(take_syn());
}

TEST_P(KernelMannersTest, LargeSendBufferHoldsWhatItIsSaidToHold) {
  const int fd = tool.open(tool.listen());
  set(fd, SOL_SOCKET, SO_SNDBUF, 200'000);
  make_nonblocking(fd);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_SNDBUF), 400'000);
  const std::string text(500'000, 'x');
  EXPECT_EQ(tool.calls.write(tool.u, fd, text.data(), text.size()), 400'000);
}

INSTANTIATE_TEST_SUITE_P(Families, KernelMannersTest, ::testing::Values("ipv4", "ipv6"),
                         [](const auto& one) { return std::string(one.param); });

TEST(Interface, EcnIsAskedForWhereTheFlagsSaySo) {
  for (const char* flags : {"ipv4", "ipv4,ecn"}) {
    Tool tool(flags);
    const int fd = tool.calls.socket(tool.u, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_storage to = tool.remote_address(80);
    tool.calls.connect(tool.u, fd, reinterpret_cast<sockaddr*>(&to), tool.address_size());
    const auto syn = tool.leaves();
    ASSERT_TRUE(syn);
    EXPECT_EQ(syn->segment.has(Flags::ece), std::string(flags) == "ipv4,ecn");
  }
}

}  // namespace
}  // namespace godwit::packetdrill
