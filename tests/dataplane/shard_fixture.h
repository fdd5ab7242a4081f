// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "tests/dataplane/raw_device.h"

// A whole shard and devices that say what the test tells them to, on a network in memory and in
// virtual time. Not thread safe.

namespace godwit::dataplane {

using protocol::StanzaType;
using protocol::StreamCondition;
using std::chrono::milliseconds;
using Texts = std::vector<std::string>;

inline constexpr protocol::JidView alice_jid{"alice", "example.org", 1};
inline constexpr protocol::JidView alice_2_jid{"alice", "example.org", 2};
inline constexpr protocol::JidView bob_jid{"bob", "example.org", 1};
inline constexpr protocol::JidView bob_account{"bob", "example.org", 0};

class ShardTest : public testing::Test {
 public:
  // The network's events.
  void on_open(ConnectionName name, bool) {
    for (RawDevice* device : devices_) {
      if (device->name() == name) device->open();
    }
  }
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    for (RawDevice* device : devices_) {
      if (device->name() == name) device->receive(lease);
    }
  }
  void on_closed(ConnectionName name, std::uint64_t, io::CloseReason reason) {
    for (RawDevice* device : devices_) {
      if (device->name() == name) device->closed = reason;
    }
  }

 protected:
  // Until nobody has anything to do at this instant.
  void settle() {
    for (int quiet = 0, turns = 0; quiet < 2; ++turns) {
      ASSERT_LT(turns, 100'000);
      const std::size_t done =
          world.turn() + world.client.poll(world.now, 512, world.now.instant, *this);
      quiet = done == 0 ? quiet + 1 : 0;
    }
  }
  // First all that is due now, then all that is due after so long.
  void pass(Duration time) {
    settle();
    world.pass(time);
    settle();
  }
  void connect(RawDevice& device) {
    device.connect();
    settle();
  }
  void log_in(RawDevice& device) {
    connect(device);
    device.log_in();
    settle();
    ASSERT_EQ(device.count(StanzaType::session_ready), 1u);
  }
  void both_log_in() {
    log_in(alice);
    log_in(bob);
    alice.said.clear();
    bob.said.clear();
  }
  std::uint64_t metric(queues::ShardMetric metric) const { return world.metrics().get(metric); }

  GatewayWorld world;
  RawDevice alice{world, world.device_keys[0], alice_jid};
  RawDevice alice_2{world, world.device_keys[1], alice_2_jid};
  RawDevice bob{world, world.device_keys[2], bob_jid};
  RawDevice stranger{world, world.device_keys[2], alice_jid};  // bob's key under alice's name

 private:
  std::vector<RawDevice*> devices_{&alice, &alice_2, &bob, &stranger};
};

}  // namespace godwit::dataplane
