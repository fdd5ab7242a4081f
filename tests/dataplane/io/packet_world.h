// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "dataplane/io/dpdk/packet_backend.h"
#include "tests/dataplane/io/conformance_limits.h"

// Two of our own TCP stacks with a wire between them, on virtual time: frames arrive as soon as
// they are looked for.

namespace godwit::dataplane::io {

class WireLink {
 public:
  using Frames = std::deque<std::vector<std::uint8_t>>;

  WireLink(std::shared_ptr<Frames> in, std::shared_ptr<Frames> out)
      : in_(std::move(in)), out_(std::move(out)) {}

  void attach() {}
  template <typename Handle>
  std::size_t receive(std::size_t budget, Handle&& handle) {
    Frames taken;
    std::vector<tcp::FrameIn> burst;
    while (taken.size() < budget && !in_->empty()) {
      taken.push_back(std::move(in_->front()));
      in_->pop_front();
      burst.push_back({taken.back(), {}});
    }
    handle(std::span<const tcp::FrameIn>(burst));
    return taken.size();
  }
  tcp::PortFeatures features() const { return {}; }
  MutableBytes frame(std::size_t size) {
    open_.resize(size);
    return open_;
  }
  void send(const tcp::TxHints&) { out_->push_back(std::exchange(open_, {})); }
  void flush() {}
  bool unsent() const { return false; }
  bool arm() { return in_->empty(); }
  void disarm() {}
  void heard() {}
  int interrupt_descriptor() const { return -1; }

 private:
  std::shared_ptr<Frames> in_;
  std::shared_ptr<Frames> out_;
  std::vector<std::uint8_t> open_;
};
static_assert(StreamBackend<dpdk::PacketBackend<WireLink>>);

class PacketWorld {
 public:
  using Backend = dpdk::PacketBackend<WireLink>;
  static constexpr bool is_virtual = true;
  static constexpr const char* server_address = "192.0.2.1";
  static constexpr const char* network = "192.0.2.0/24";

  // Shard 1 is the server, shard 2 the client.
  std::unique_ptr<Backend> make(std::uint16_t shard, const Limits& limits) {
    return std::make_unique<Backend>(options_of(shard, limits), link_of(shard), random_);
  }
  Now now() {
    now_ += std::chrono::milliseconds(1);
    return {now_, {}};
  }
  void skip(Duration time) { now_ += time; }

 protected:
  static Backend::Options options_of(std::uint16_t shard, const Limits& limits) {
    Backend::Options options{.shard = shard, .stack = {}, .description = "a wire"};
    const auto number = static_cast<std::uint8_t>(shard);
    options.stack.network.mac = {{2, 0, 0, 0, 0, number}};
    options.stack.network.addresses = {
        *parse_ip_prefix("192.0.2." + std::to_string(shard) + "/24")};
    options.stack.tcp.fetch_ahead_from = 1;
    options.stack.tcp.connections_max = limits.connections_max;
    options.stack.tcp.send_queue_max = limits.send_queue_max;
    options.stack.tcp.buffer_bytes = limits.send_pool_bytes;
    options.stack.tcp.linger = limits.linger;
    return options;
  }
  std::unique_ptr<WireLink> link_of(std::uint16_t shard) const {
    const bool is_server = shard == 1;
    return std::make_unique<WireLink>(is_server ? to_server_ : to_client_,
                                      is_server ? to_client_ : to_server_);
  }

  SeededRandom random_{1};

 private:
  std::shared_ptr<WireLink::Frames> to_server_ = std::make_shared<WireLink::Frames>();
  std::shared_ptr<WireLink::Frames> to_client_ = std::make_shared<WireLink::Frames>();
  Instant now_{std::chrono::hours(1)};
};

// The same, where both have another port before that of the wire, on a network of its own with
// nobody else in it.
class TwoPortWorld : public PacketWorld {
 public:
  std::unique_ptr<Backend> make(std::uint16_t shard, const Limits& limits) {
    Backend::Options options = options_of(shard, limits);
    options.stack.more_networks = {options.stack.network};
    const auto number = static_cast<std::uint8_t>(shard);
    options.stack.network.mac = {{2, 0, 0, 0, 1, number}};
    options.stack.network.addresses = {
        *parse_ip_prefix("198.51." + std::to_string(shard) + ".1/24")};
    std::vector<std::unique_ptr<WireLink>> links;
    links.push_back(std::make_unique<WireLink>(std::make_shared<WireLink::Frames>(),
                                               std::make_shared<WireLink::Frames>()));
    links.push_back(link_of(shard));
    return std::make_unique<Backend>(options, std::move(links), random_);
  }
};

}  // namespace godwit::dataplane::io
