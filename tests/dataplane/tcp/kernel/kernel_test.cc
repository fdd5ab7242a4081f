// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "tests/dataplane/tcp/kernel/kernel_world.h"

// Our TCP against the kernel's over a bad network, both as server and as client, over IPv4 and
// IPv6, all four at once and each with bytes both ways: every byte arrives intact and in its place,
// the transfers end, and nothing is left of them. Needs root and a tap, which are in a network of
// this process alone.

namespace godwit::dataplane::tcp {
namespace {

using std::chrono::milliseconds;

struct Case {
  const char* name;
  Impairment impairment;
  std::uint64_t bytes;  // each way of each of the four connections
};

void PrintTo(const Case& a, std::ostream* out) {
  *out << a.name;
}

class AgainstTheKernel : public testing::Test {
 protected:
  static constexpr std::size_t connections = 4;

  static void SetUpTestSuite() { entered = io::dpdk::enter_own_network(); }
  void SetUp() override {
    if (!entered) GTEST_SKIP() << "no root, or no tun/tap here: " << std::strerror(errno);
  }

  void open(const Impairment& impairment, std::uint64_t bytes) {
    bytes_ = bytes;
    world_ = std::make_unique<KernelWorld>(impairment, 1, bytes, card_);
    ASSERT_TRUE(world_->open()) << std::strerror(errno);
    for (const bool v4 : {true, false}) {
      ASSERT_TRUE(world_->connect_from_kernel(v4)) << std::strerror(errno);
      ASSERT_TRUE(world_->connect_from_stack(v4));
    }
  }

  void expect_all_arrived() {
    EXPECT_TRUE(world_->run([&] { return world_->at_rest(connections); })) << "it hangs";
    ASSERT_EQ(world_->streams().size(), connections);
    for (const auto& stream : world_->streams()) {
      EXPECT_EQ(stream->error(), 0) << std::strerror(stream->error());
      EXPECT_TRUE(stream->ended());
      EXPECT_EQ(stream->received(), bytes_);
      EXPECT_EQ(stream->wrong_bytes(), 0U);
    }
    const StackUser& user = world_->user();
    EXPECT_EQ(user.failed(), 0U);
    EXPECT_EQ(user.whole(), connections);
    EXPECT_EQ(user.received(), connections * bytes_);
    EXPECT_EQ(user.wrong_bytes(), 0U);
  }
  void expect_nothing_left() {
    const Tcp& tcp = world_->backend().stack().tcp();
    EXPECT_EQ(world_->backend().open_connections(), 0U);
    EXPECT_EQ(tcp.control_blocks(), 0U);
    EXPECT_EQ(tcp.orphans(), 0U);
    EXPECT_EQ(tcp.half_open(), 0U);
    EXPECT_EQ(tcp.senders(), 0U);
    EXPECT_EQ(tcp.receivers(), 0U);
    EXPECT_EQ(tcp.buffers_in_use(), 0U);
    EXPECT_EQ(tcp.first_broken_invariant(), "");
  }

  static inline bool entered = false;
  void have_card() {
    card_ = {.ip_checksum = true,
             .tcp_checksum = true,
             .segmentation = {.v4 = uncut_bytes_max, .v6 = uncut_bytes_max}};
  }
  void expect_it_cut() {
    EXPECT_GT(world_->backend().link().uncut(), 10U);
    EXPECT_EQ(world_->backend().link().uncut(),
              world_->backend().stack().tcp().counters().uncut_out);
  }

  std::uint64_t bytes_ = 0;
  PortFeatures card_;
  std::unique_ptr<KernelWorld> world_;
};

class Impaired : public AgainstTheKernel, public testing::WithParamInterface<Case> {};

TEST_P(Impaired, EveryByteArrivesAndTheTransferEnds) {
  const Impairment& impairment = GetParam().impairment;
  open(impairment, GetParam().bytes);
  expect_all_arrived();
  expect_nothing_left();
  // The network was as bad as it was meant to be.
  for (const auto* way : {&world_->tap().to_kernel(), &world_->tap().to_stack()}) {
    const auto& counted = way->bad.counters();
    EXPECT_EQ(counted.lost > 0, impairment.loss > 0 || impairment.burst_begin > 0);
    EXPECT_EQ(counted.duplicated > 0, impairment.duplicate > 0);
    EXPECT_EQ(counted.corrupted > 0, impairment.corrupt > 0);
  }
  if (impairment.corrupt > 0) {
    EXPECT_GT(world_->backend().stack().ip().counters().of(Drop::bad_tcp_checksum), 0U);
  }
}

constexpr Impairment lossy(double loss) {
  return {.loss = loss, .delay = milliseconds(2)};
}

// Less is sent where more is lost: what is lost twice costs the kernel's timeout of 200 ms, then
// twice that, and so on.
constexpr Case cases[] = {
    {"Nothing", {.delay = Duration{0}}, 1'000'000},
    {"Delay", {.delay = milliseconds(30)}, 500'000},
    {"Loss1", lossy(0.01), 400'000},
    {"Loss5", lossy(0.05), 150'000},
    {"Loss10", lossy(0.1), 80'000},
    {"Loss20", lossy(0.2), 20'000},
    {"Loss30", lossy(0.3), 10'000},
    {"Bursts", {.burst_begin = 0.01, .burst_end = 0.3, .delay = milliseconds(2)}, 150'000},
    {"Reordering",
     {.reorder = 0.2, .delay = milliseconds(2), .reorder_delay = milliseconds(3)},
     400'000},
    {"Jitter", {.delay = milliseconds(2), .jitter = milliseconds(8)}, 200'000},
    {"Duplication", {.duplicate = 0.2, .delay = milliseconds(2)}, 400'000},
    {"Corruption", {.corrupt = 0.03, .delay = milliseconds(2)}, 150'000},
    {"Everything",
     {.loss = 0.03,
      .burst_begin = 0.003,
      .burst_end = 0.4,
      .duplicate = 0.05,
      .reorder = 0.1,
      .corrupt = 0.02,
      .delay = milliseconds(2),
      .jitter = milliseconds(2)},
     80'000},
};
INSTANTIATE_TEST_SUITE_P(AgainstTheKernel, Impaired, testing::ValuesIn(cases),
                         [](const auto& one) { return std::string(one.param.name); });

// The same where segments leave several as one and a card cuts them.
class Cut : public Impaired {};

TEST_P(Cut, EveryByteArrivesAndTheTransferEnds) {
  have_card();
  open(GetParam().impairment, GetParam().bytes);
  expect_all_arrived();
  expect_nothing_left();
  expect_it_cut();
}

constexpr Case cut_cases[] = {
    {"Nothing", {.delay = Duration{0}}, 1'000'000},
    {"Loss5", lossy(0.05), 150'000},
    {"Reordering",
     {.reorder = 0.2, .delay = milliseconds(2), .reorder_delay = milliseconds(3)},
     400'000},
    {"Everything",
     {.loss = 0.03, .duplicate = 0.05, .reorder = 0.1, .corrupt = 0.02, .delay = milliseconds(2)},
     80'000},
};
INSTANTIATE_TEST_SUITE_P(AgainstTheKernel, Cut, testing::ValuesIn(cut_cases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_F(AgainstTheKernel, FollowsAPathThatBecomesSmallerWhereACardCuts) {
  have_card();
  open({.delay = milliseconds(5)}, 400'000);
  // A card makes some of them fast: none has sent everything before all together have this much.
  ASSERT_TRUE(world_->run([&] { return world_->user().received() > 50'000; }));
  world_->tap().set_path_mtu({.v4 = 900, .v6 = mtu_min_v6});
  expect_all_arrived();
  expect_nothing_left();
  expect_it_cut();
  EXPECT_GT(world_->tap().to_kernel().too_big, 0U);
  EXPECT_GE(world_->backend().stack().tcp().counters().path_mtu_lowered, connections);
}

TEST_F(AgainstTheKernel, FollowsAPathThatBecomesSmaller) {
  open({.delay = milliseconds(5)}, 400'000);
  ASSERT_TRUE(world_->run([&] { return world_->user().received() > 4 * 100'000; }));
  world_->tap().set_path_mtu({.v4 = 900, .v6 = mtu_min_v6});
  expect_all_arrived();
  expect_nothing_left();
  EXPECT_GT(world_->tap().to_kernel().too_big, 0U);
  EXPECT_GT(world_->tap().to_stack().too_big, 0U);
  EXPECT_GE(world_->backend().stack().tcp().counters().path_mtu_lowered, connections);
}

// The kernel does not look for such a hole unless it is told to, so only our segments fall into it.
TEST_F(AgainstTheKernel, GetsThroughASmallerPathThatNobodyTellsOf) {
  open({.delay = milliseconds(5)}, 100'000);
  ASSERT_TRUE(world_->run([&] { return world_->user().received() > 4 * 25'000; }));
  world_->tap().set_path_mtu({.v4 = 900, .v6 = mtu_min_v6, .silent = true});
  expect_all_arrived();
  expect_nothing_left();
  EXPECT_GT(world_->tap().to_kernel().too_big, 0U);
  EXPECT_EQ(world_->tap().to_stack().too_big, 0U);
  EXPECT_EQ(world_->backend().stack().tcp().counters().path_mtu_lowered, 0U);
  EXPECT_GT(world_->backend().stack().tcp().counters().black_holes, 0U);
}

}  // namespace
}  // namespace godwit::dataplane::tcp
