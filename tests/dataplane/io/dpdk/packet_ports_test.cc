// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "dataplane/io/dpdk/packet_backend.h"

// How a backend divides itself among its links: whose frames it takes, when it sleeps, who wakes
// it. The links count what is done to them; nothing here reads a frame but to drop it.

namespace godwit::dataplane::io::dpdk {

namespace {

// A link with frames to hand out and a real descriptor that rings.
class CountingLink {
 public:
  struct State {
    std::size_t waiting = 0;  // frames
    std::size_t taken = 0;
    std::size_t asked_most = 0;
    bool holds_back = false;  // unsent()
    bool sleeps = true;       // arm()
    int descriptor = -1;
    std::size_t attached = 0, flushed = 0, armed = 0, disarmed = 0, heard = 0, sent = 0;
  };
  explicit CountingLink(State& state) : state_(state) {}

  void attach() { ++state_.attached; }
  template <typename Handle>
  std::size_t receive(std::size_t budget, Handle&& handle) {
    state_.asked_most = std::max(state_.asked_most, budget);
    std::size_t done = 0;
    for (; done < budget && state_.waiting > 0; ++done, --state_.waiting, ++state_.taken) {
      std::array<std::uint8_t, 14> nothing{};
      handle(MutableBytes(nothing), tcp::RxHints{});
    }
    return done;
  }
  tcp::PortFeatures features() const { return {}; }
  MutableBytes frame(std::size_t size) {
    open_.resize(size);
    return open_;
  }
  void send(const tcp::TxHints&) { ++state_.sent; }
  void flush() { ++state_.flushed; }
  bool unsent() const { return state_.holds_back; }
  bool arm() {
    ++state_.armed;
    return state_.sleeps;
  }
  void disarm() { ++state_.disarmed; }
  void heard() {
    ++state_.heard;
    std::uint64_t count = 0;
    EXPECT_EQ(::read(state_.descriptor, &count, sizeof count), 8);
  }
  int interrupt_descriptor() const { return state_.descriptor; }

 private:
  State& state_;
  std::vector<std::uint8_t> open_;
};

struct Nobody {
  void on_open(ConnectionName, bool) {}
  void on_bytes(ConnectionName, std::uint64_t, MutableBytes) {}
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName, std::uint64_t, CloseReason) {}
};

class Links : public testing::Test {
 protected:
  using Backend = PacketBackend<CountingLink>;
  static constexpr auto long_enough = std::chrono::seconds(30);

  ~Links() override {
    for (const auto& state : states_) {
      if (state.descriptor >= 0) ::close(state.descriptor);
    }
  }
  void make(std::size_t count) {
    Backend::Options options{.shard = 0, .stack = {}, .description = "links"};
    std::vector<std::unique_ptr<CountingLink>> links;
    for (std::size_t i = 0; i < count; ++i) {
      tcp::NetworkSettings network;
      network.mac = {{2, 0, 0, 0, 0, static_cast<std::uint8_t>(i)}};
      network.addresses = {*parse_ip_prefix("10.0." + std::to_string(i) + ".1/24")};
      if (i == 0) options.stack.network = network;
      if (i > 0) options.stack.more_networks.push_back(network);
      states_[i].descriptor = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
      links.push_back(std::make_unique<CountingLink>(states_[i]));
      counters_[i] = std::make_unique<queues::PortCounters>();
      options.port_counters.push_back(counters_[i].get());
    }
    backend_ = std::make_unique<Backend>(options, std::move(links), random_);
    // What is announced at the start, and again two seconds later, is out of the way.
    poll(0);
    for (const auto past : {std::chrono::seconds(2), std::chrono::seconds(10)}) {
      now_ = start_ + past;
      poll(1);
    }
    for (auto& state : states_) {
      const int descriptor = state.descriptor;
      state = {};
      state.descriptor = descriptor;
    }
  }
  std::size_t poll(std::size_t budget, Duration sleep = Duration{}) {
    return backend_->poll({now_, {}}, budget, now_ + sleep, nobody_);
  }
  void ring(std::size_t link) {
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(states_[link].descriptor, &one, sizeof one), 8);
  }

  std::array<CountingLink::State, 4> states_{};
  std::array<std::unique_ptr<queues::PortCounters>, 4> counters_;
  SeededRandom random_{1};
  Nobody nobody_;
  std::unique_ptr<Backend> backend_;
  const Instant start_{std::chrono::hours(1)};
  Instant now_ = start_;
};

TEST_F(Links, OneHasTheWholeBudget) {
  make(1);
  states_[0].waiting = 1000;
  EXPECT_EQ(poll(64), 64u);
  EXPECT_EQ(states_[0].asked_most, 64u);
}

TEST_F(Links, AFloodOnOneLeavesTheOthersTheirPart) {
  make(4);
  states_[0].waiting = 100'000;
  for (std::size_t i = 1; i < 4; ++i) states_[i].waiting = 100;
  for (int turn = 0; turn < 10; ++turn) EXPECT_LE(poll(64), 64u);
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(states_[i].taken, 100u) << "of link " << i << ", 10 turns have a part of 160";
  }
  EXPECT_GE(states_[0].taken, 160u) << "and the flood has its own";
}

TEST_F(Links, WhatOneLeavesIsTheNextOnes) {
  make(2);
  states_[1].waiting = 1000;
  std::size_t most = 0;
  for (int turn = 0; turn < 2; ++turn) most = std::max(most, poll(64));
  EXPECT_EQ(most, 64u) << "where it comes after the one that has nothing";
  EXPECT_EQ(states_[1].taken, 32u + 64u);
}

TEST_F(Links, ABudgetOfOneFrameGoesRound) {
  make(4);
  for (auto& state : states_) state.waiting = 100;
  for (int turn = 0; turn < 40; ++turn) EXPECT_EQ(poll(1), 1u);
  for (const auto& state : states_) EXPECT_EQ(state.taken, 10u);
}

TEST_F(Links, AllAreFlushedAndNoneIsReadWithoutABudget) {
  make(4);
  for (auto& state : states_) state.waiting = 1;
  EXPECT_EQ(poll(0), 0u);
  for (const auto& state : states_) {
    EXPECT_EQ(state.flushed, 1u);
    EXPECT_EQ(state.taken, 0u);
  }
}

TEST_F(Links, AnyOfThemEndsTheSleep) {
  make(4);
  for (std::size_t link = 0; link < 4; ++link) {
    ring(link);
    const Instant before = monotonic_now();
    EXPECT_EQ(poll(64, long_enough), 0u);
    EXPECT_LT(monotonic_now() - before, long_enough);
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(states_[i].heard, i <= link ? 1u : 0u) << i;
      EXPECT_EQ(states_[i].armed, link + 1);
      EXPECT_EQ(states_[i].disarmed, link + 1);
    }
  }
}

TEST_F(Links, SeveralMayRingAtOnce) {
  make(3);
  ring(0);
  ring(2);
  poll(64, long_enough);
  EXPECT_EQ(states_[0].heard, 1u);
  EXPECT_EQ(states_[1].heard, 0u);
  EXPECT_EQ(states_[2].heard, 1u);
}

TEST_F(Links, OneThatHasSomethingIsNotSleptOver) {
  make(3);
  states_[1].sleeps = false;
  const Instant before = monotonic_now();
  poll(64, long_enough);
  EXPECT_LT(monotonic_now() - before, long_enough);
  EXPECT_EQ(states_[0].armed, 1u);
  EXPECT_EQ(states_[0].disarmed, 1u) << "what was armed is taken back";
  EXPECT_EQ(states_[2].armed, 0u) << "no more are armed";
  states_[1].sleeps = true;
  states_[2].holds_back = true;
  poll(64, long_enough);
  EXPECT_EQ(states_[0].armed, 1u) << "what is unsent is tried again at once";
}

TEST_F(Links, OneWithoutADescriptorIsLookedAtEverySoOften) {
  make(2);
  ::close(std::exchange(states_[1].descriptor, -1));
  const Instant before = monotonic_now();
  poll(64, long_enough);
  EXPECT_LT(monotonic_now() - before, long_enough);
  EXPECT_EQ(states_[0].heard, 0u);
  EXPECT_EQ(states_[0].disarmed, 1u);
}

TEST_F(Links, AWakeUpEndsTheSleepOfAll) {
  make(4);
  backend_->wake();
  poll(64, long_enough);
  EXPECT_EQ(states_[0].armed, 0u) << "woken before it slept";
  std::thread waker([&] { backend_->wake(); });
  poll(64, long_enough);
  waker.join();
  poll(0);
}

TEST_F(Links, EachHasCountersOfItsOwn) {
  make(2);
  states_[1].waiting = 5;
  poll(64);
  poll(64);
  const auto ignored = [&](std::size_t link) {
    return counters_[link]->get(queues::PortMetric::ignored_link);
  };
  EXPECT_EQ(ignored(0), 0u);
  EXPECT_EQ(ignored(1), 5u) << "frames of nothing but zeros";
}

TEST_F(Links, AnAddressOfAnyOfThemMayBeListenedAtAndDialledFrom) {
  make(2);
  EXPECT_TRUE(backend_->listen({.host = "10.0.1.1", .port = 80}));
  EXPECT_TRUE(backend_->listen({.host = "10.0.0.1", .port = 80}));
  const auto strange = backend_->listen({.host = "10.0.2.1", .port = 80});
  ASSERT_FALSE(strange);
  EXPECT_EQ(strange.error().code, ErrorCode::invalid);
  EXPECT_TRUE(backend_->connect({.host = "10.0.1.7", .port = 80}));
  poll(1);
  EXPECT_EQ(states_[0].sent, 0u);
  EXPECT_EQ(states_[1].sent, 1u) << "who has 10.0.1.7?";
  EXPECT_TRUE(backend_->connect({.host = "10.0.1.7", .port = 80}, "10.0.0.1"));
  EXPECT_FALSE(backend_->connect({.host = "10.0.1.7", .port = 80}, "10.0.0.2"));
}

}  // namespace

}  // namespace godwit::dataplane::io::dpdk
