// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/dataplane/raw_device.h"

namespace godwit::dataplane {

using protocol::StanzaType;
using protocol::StreamCondition;
using queues::ShardMetric;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr protocol::JidView alice_jid{"alice", "example.org", 1};
inline constexpr protocol::JidView bob_jid{"bob", "example.org", 1};

// Connections from one foreign address that say what they are told.
class Crowd {
 public:
  Crowd(GatewayWorld& world, std::string host)
      : world_(world), backend_(world.network, {.shard = 77, .host = std::move(host)}) {}

  ConnectionName connect() { return *backend_.connect({"192.0.2.100", 5210}); }
  void send(ConnectionName name, Bytes bytes) { backend_.send(name, {&bytes, 1}); }
  void close(ConnectionName name) { backend_.close(name, io::CloseMode::abort); }
  bool closed(ConnectionName name) const { return closed_.contains(name); }
  std::size_t received(ConnectionName name) const {
    const auto found = received_.find(name);
    return found == received_.end() ? 0 : found->second;
  }
  // 0 when nothing has come.
  std::uint8_t last_byte(ConnectionName name) const {
    const auto found = last_bytes_.find(name);
    return found == last_bytes_.end() ? 0 : found->second;
  }
  std::size_t poll() { return backend_.poll(world_.now, 512, world_.now.instant, *this); }

  void on_open(ConnectionName, bool) {}
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    received_[name] += lease.size();
    if (!lease.empty()) last_bytes_[name] = lease.back();
  }
  void on_closed(ConnectionName name, std::uint64_t, io::CloseReason) { closed_[name] = true; }

 private:
  GatewayWorld& world_;
  Backend backend_;
  std::map<ConnectionName, bool> closed_;
  std::map<ConnectionName, std::size_t> received_;
  std::map<ConnectionName, std::uint8_t> last_bytes_;
};

// A shard, alice and bob on loopback, and a crowd that comes from elsewhere.
class StrangersTest : public testing::Test {
 public:
  void on_open(ConnectionName name, bool) {
    if (RawDevice* device = find(name)) device->open();
  }
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    if (RawDevice* device = find(name)) device->receive(lease);
  }
  void on_closed(ConnectionName name, std::uint64_t, io::CloseReason reason) {
    if (RawDevice* device = find(name)) device->closed = reason;
  }

 protected:
  void start(const GatewayWorld::Options& options) {
    crowd.reset();  // they use the world
    devices_.clear();
    world = std::make_unique<GatewayWorld>(options);
    crowd = std::make_unique<Crowd>(*world, "192.0.2.7");
    alice = add(0, alice_jid);
    bob = add(2, bob_jid);
  }
  void start(const AddressRules& rules) {
    GatewayWorld::Options options;
    options.settings.addresses = rules;
    start(options);
  }
  // `key`: of alice's first device, her second or bob's.
  RawDevice* add(std::size_t key, protocol::JidView jid) {
    devices_.push_back(std::make_unique<RawDevice>(*world, world->device_keys[key], jid));
    return devices_.back().get();
  }
  void settle() {
    for (int quiet = 0, turns = 0; quiet < 2; ++turns) {
      ASSERT_LT(turns, 100'000);
      const std::size_t done = world->turn() + crowd->poll() +
                               world->client.poll(world->now, 512, world->now.instant, *this);
      quiet = done == 0 ? quiet + 1 : 0;
    }
  }
  void pass(Duration time) {
    settle();
    world->pass(time);
    settle();
  }
  void connect(RawDevice* device) {
    device->connect();
    settle();
  }
  void log_in(RawDevice* device) {
    connect(device);
    ASSERT_FALSE(device->closed);
    device->log_in();
    settle();
    ASSERT_EQ(device->count(StanzaType::session_ready), 1u);
  }
  void register_once(RawDevice* device) {
    connect(device);
    device->say(protocol::Register{.jid = {"carol", "example.org", 0}});
    settle();
  }
  // Connects, says what is no handshake, and is gone.
  ConnectionName fail_once() {
    const ConnectionName name = crowd->connect();
    settle();
    if (!crowd->closed(name)) crowd->send(name, as_bytes("GET / HTTP/1.1\r\n\r\n"));
    settle();
    EXPECT_TRUE(crowd->closed(name));
    return name;
  }
  std::uint64_t metric(ShardMetric metric) const { return world->metrics().get(metric); }

  std::unique_ptr<GatewayWorld> world;
  std::unique_ptr<Crowd> crowd;
  RawDevice* alice = nullptr;
  RawDevice* bob = nullptr;

 private:
  RawDevice* find(ConnectionName name) {
    for (auto& device : devices_) {
      if (device->name() == name) return device.get();
    }
    return nullptr;
  }
  std::vector<std::unique_ptr<RawDevice>> devices_;
};

}  // namespace godwit::dataplane
