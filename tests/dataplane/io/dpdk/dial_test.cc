// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <vector>

#include "dataplane/io/dpdk/dpdk_backend.h"
#include "tests/dataplane/io/dpdk/over_taps.h"

// Shards that share a device open connections: over a tap of two queues, where the kernel at the
// other end chooses which queue an answer comes to.

namespace godwit::dataplane::io::dpdk {

namespace {

constexpr std::uint16_t shards = 2;

// Says hello where it has connected, and counts.
struct Greeter {
  DpdkBackend* backend = nullptr;
  std::set<ConnectionName> open;
  std::size_t answers = 0;
  std::size_t closed = 0;

  void on_open(ConnectionName name, bool connected) {
    EXPECT_TRUE(connected);
    open.insert(name);
    const Bytes hello[] = {as_bytes("hello")};
    EXPECT_EQ(backend->send(name, hello), 5u);
  }
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    EXPECT_TRUE(open.contains(name));
    answers += lease.size() == 5;
  }
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName, std::uint64_t, CloseReason) { ++closed; }
};

class KernelEcho {
 public:
  KernelEcho() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    socklen_t size = sizeof any;
    ::bind(listener_, reinterpret_cast<const sockaddr*>(&any), size);
    ::listen(listener_, 512);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&any), &size);
    port_ = ntohs(any.sin_port);
  }
  ~KernelEcho() {
    for (const int peer : peers_) ::close(peer);
    ::close(listener_);
  }
  KernelEcho(const KernelEcho&) = delete;
  KernelEcho& operator=(const KernelEcho&) = delete;

  void step() {
    for (int peer; (peer = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
      peers_.push_back(peer);
    }
    for (const int peer : peers_) {
      char bytes[64];
      const ssize_t got = ::recv(peer, bytes, sizeof bytes, 0);
      if (got <= 0) continue;
      EXPECT_EQ(::send(peer, bytes, static_cast<std::size_t>(got), 0), got);
    }
  }
  std::uint16_t port() const { return port_; }

 private:
  const int listener_;
  std::uint16_t port_ = 0;
  std::vector<int> peers_;
};

class Dial : public OverTaps {
 protected:
  // The device, its shards' backends and the kernel's address.
  void open(const std::string& interface) {
    ASSERT_NO_FATAL_FAILURE(open_tap(interface, {.device = {}, .shards = shards}));
    ASSERT_TRUE(kernel_->address("192.0.2.2"));
    steering_ =
        std::make_unique<Steering>(Steering::Options{.shards = shards, .by_hash = true}, random_);
    for (std::uint16_t shard = 0; shard < shards; ++shard) {
      DpdkBackend::Options backend{.shard = shard, .stack = {}, .description = "a tap"};
      backend.stack.network.mac = device_->mac();
      backend.stack.network.addresses = {*parse_ip_prefix("192.0.2.1/24")};
      backend.owns = [this, shard](const tcp::Flow& flow) {
        return steering_->owner_of(flow) == shard;
      };
      backends_.push_back(std::make_unique<DpdkBackend>(
          backend, std::make_unique<DeviceQueue>(*device_, shard, steering_.get()), random_));
      greeters_[shard].backend = backends_.back().get();
    }
  }
  void turn() {
    for (std::uint16_t shard = 0; shard < shards; ++shard) {
      const Now now = read_clocks();
      backends_[shard]->poll(now, 256, now.instant, greeters_[shard]);
    }
    echo_.step();
  }

  SystemRandom random_;
  std::unique_ptr<Steering> steering_;
  std::vector<std::unique_ptr<DpdkBackend>> backends_;
  std::array<Greeter, shards> greeters_;
  KernelEcho echo_;
};

TEST_F(Dial, AnswersComeToTheShardThatDialled) {
  open("gwd0");
  constexpr std::size_t each = 30;
  for (auto& backend : backends_) {
    for (std::size_t i = 0; i < each; ++i) {
      const auto name = backend->connect({.host = "192.0.2.2", .port = echo_.port()});
      ASSERT_TRUE(name.has_value()) << name.error().message;
    }
  }
  const Instant end = monotonic_now() + std::chrono::seconds(20);
  while (monotonic_now() < end && (greeters_[0].answers < each || greeters_[1].answers < each)) {
    turn();
  }
  for (std::uint16_t shard = 0; shard < shards; ++shard) {
    EXPECT_EQ(greeters_[shard].open.size(), each);
    EXPECT_EQ(greeters_[shard].answers, each);
    EXPECT_EQ(greeters_[shard].closed, 0u);
    for (const ConnectionName name : greeters_[shard].open) EXPECT_EQ(name.shard, shard);
    EXPECT_EQ(backends_[shard]->link().counters().steer_dropped, 0u);
  }
}

TEST_F(Dial, AShardThatOwnsNoPortHasNone) {
  open("gwd1");
  DpdkBackend::Options none{.shard = 0, .stack = {}, .description = "a tap"};
  none.stack.network.mac = device_->mac();
  none.stack.network.addresses = {*parse_ip_prefix("192.0.2.1/24")};
  int asked = 0;
  none.owns = [&](const tcp::Flow& flow) {
    EXPECT_GE(flow.local_port, Steering::dial_port_first);
    EXPECT_LE(flow.local_port, Steering::dial_port_last);
    ++asked;
    return false;
  };
  DpdkBackend backend(none, std::make_unique<DeviceQueue>(*device_, 0, steering_.get()), random_);
  const auto name = backend.connect({.host = "192.0.2.2", .port = 443});
  ASSERT_FALSE(name.has_value());
  EXPECT_EQ(name.error().code, ErrorCode::limit);
  EXPECT_EQ(asked, 28'232) << "each port once";
  const auto nowhere = backend.connect({.host = "2001:db8::1", .port = 443});
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_EQ(nowhere.error().code, ErrorCode::unavailable);
}

}  // namespace

}  // namespace godwit::dataplane::io::dpdk

int main(int argc, char** argv) {
  using godwit::dataplane::io::dpdk::OverTaps;
  return OverTaps::run(argc, argv, {.interfaces = "gwd", .taps = 2, .memory_mb = 64});
}
