// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/random.h"
#include "dataplane/io/dpdk/blind_sleep.h"
#include "dataplane/io/dpdk/capture.h"
#include "dataplane/io/dpdk/packet_sleep.h"
#include "dataplane/io/dpdk/publish_stack.h"
#include "dataplane/io/dpdk/steering.h"
#include "dataplane/io/stream.h"
#include "dataplane/tcp/stack.h"
#include "queues/stack_counters.h"

// Our own TCP over whatever carries frames: a device's queue under DPDK, or a pair of wires in a
// test.
//
// A poll() sends what the last turn left, takes a budget of frames, and lets the stack see to its
// timers. What the frames make the stack say waits for the next poll(), so that an acknowledgement
// goes with the answer. Sleeping waits for the link's interrupt where it has one, and looks again
// every so often where it has none.
//
// Thread safety: as dataplane/io/stream.h.

namespace godwit::dataplane::io::dpdk {

struct NullFrames {
  void operator()(MutableBytes, tcp::RxHints) {}
};

template <typename L>
concept PacketLink = tcp::Port<L> && requires(L link, std::size_t budget, NullFrames& handle) {
  // First on the owning thread.
  { link.attach() } -> std::same_as<void>;
  { link.receive(budget, handle) } -> std::same_as<std::size_t>;
  { link.flush() } -> std::same_as<void>;
  { link.unsent() } -> std::same_as<bool>;
  // As dpdk::DeviceQueue says.
  { link.arm() } -> std::same_as<bool>;
  { link.disarm() } -> std::same_as<void>;
  { link.heard() } -> std::same_as<void>;
  { link.interrupt_descriptor() } -> std::same_as<int>;
};

template <PacketLink Link>
class PacketBackend {
 public:
  struct Options {
    std::uint16_t shard = 0;
    tcp::StackSettings stack;
    std::string description;                    // of the device, for the log
    queues::StackCounters* counters = nullptr;  // this and the next outlive the backend
    Capture* capture = nullptr;
    // Whether packets of a connection that this shard opens come to it, where several share a
    // device; empty where all do.
    std::function<bool(const tcp::Flow&)> owns{};
  };

  // `options.stack.network` passed tcp::check(). `random` outlives the backend.
  PacketBackend(const Options& options, std::unique_ptr<Link> link, RandomSource& random)
      : options_(options),
        link_(std::move(link)),
        random_(random),
        port_{*link_, options.capture},
        stack_(options.stack, options.shard, random, port_) {}

  // Errors: exists when it listens there already, invalid for a host that is no address of ours,
  // limit.
  Result<std::uint16_t> listen(const Endpoint& endpoint) {
    begin();
    const auto address = parse_ip_address(endpoint.host);
    if (!address) return fail(ErrorCode::invalid, "'" + endpoint.host + "' is no address");
    const bool any = endpoint.host == "0.0.0.0" || *address == IpAddress{};
    if (!any && !stack_.ip().addresses().is_own(*address)) {
      return fail(ErrorCode::invalid, endpoint.host + " is no address of the device");
    }
    return stack_.tcp().listen(any ? IpAddress{} : *address, endpoint.port);
  }
  void stop_listening() { stack_.tcp().stop_listening(); }
  // From `source`, an address of the device, or where it is empty from the one that fits. Errors:
  // limit at connections_max or without a free port, invalid for what is no address or none of
  // ours, unavailable without an address of ours to reach it from.
  Result<ConnectionName> connect(const Endpoint& endpoint, const std::string& source = {}) {
    begin();
    const auto address = parse_ip_address(endpoint.host);
    if (!address) return fail(ErrorCode::invalid, "'" + endpoint.host + "' is no address");
    if (source.empty() && !options_.owns) return stack_.connect(*address, endpoint.port);
    const auto local =
        source.empty() ? stack_.ip().addresses().source_for(*address) : parse_ip_address(source);
    if (source.empty() && !local->known()) {
      return fail(ErrorCode::unavailable, "the device has no address to reach the peer from");
    }
    if (!local || !stack_.ip().addresses().is_own(*local)) {
      return fail(ErrorCode::invalid, source + " is no address of the device");
    }
    const tcp::Flow flow{*local, *address, 0, endpoint.port};
    return options_.owns ? connect_from_own_port(flow) : stack_.tcp().connect(flow);
  }
  void set_user(ConnectionName name, std::uint64_t user) { stack_.tcp().set_user(name, user); }
  std::size_t send(ConnectionName name, std::span<const Bytes> chunks) {
    return stack_.tcp().send(name, chunks);
  }
  void pause_receive(ConnectionName name) { stack_.tcp().pause_receive(name); }
  void resume_receive(ConnectionName name) { stack_.tcp().resume_receive(name); }
  void close(ConnectionName name, CloseMode mode) { stack_.tcp().close(name, mode); }
  IpAddress peer_ip(ConnectionName name) const { return stack_.tcp().flow_of(name).remote; }
  std::string peer_address(ConnectionName name) const {
    const tcp::Flow flow = stack_.tcp().flow_of(name);
    if (!flow.remote.known()) return "";
    const std::string host = to_text(flow.remote);
    const std::string port = std::to_string(flow.remote_port);
    return flow.remote.is_v4() ? host + ":" + port : "[" + host + "]:" + port;
  }
  void wake() { sleep_.wake(); }
  std::size_t open_connections() const { return stack_.tcp().open_connections(); }
  std::uint64_t refused_connections() const { return stack_.tcp().counters().refused_full; }
  const std::string& describe() const { return options_.description; }

  template <StreamHandler Handler>
  std::size_t poll(Now now, std::size_t budget, Instant deadline, Handler& handler) {
    begin();
    start_once(now.instant);
    const tcp::Events events(handler);
    const bool woken = sleep_.woken();
    port_.now = now;
    stack_.flush(now.instant, events);
    link_->flush();
    std::size_t done = 0;
    if (budget > 0) {
      auto take = [&](MutableBytes frame, tcp::RxHints hints) {
        if (options_.capture != nullptr) options_.capture->record(frame, now);
        stack_.receive(frame, hints, now.instant, events);
      };
      done = link_->receive(budget, take);
      stack_.expire(now.instant, events);
    }
    if (done > 0) blind_.heard(now.instant);
    if (done == 0 || ++polls_ % 64 == 0) publish();
    if (done == 0 && !woken) sleep(now.instant, std::min(deadline, stack_.next_deadline()));
    return done;
  }

  const tcp::Stack& stack() const { return stack_; }
  const Link& link() const { return *link_; }

 private:
  // The link, with an eye on what leaves.
  struct WatchedPort {
    Link& link;
    Capture* capture;
    Now now{};
    MutableBytes open{};

    tcp::PortFeatures features() const { return link.features(); }
    MutableBytes frame(std::size_t size) { return open = link.frame(size); }
    void send(const tcp::TxHints& hints) {
      if (capture != nullptr) capture->record(open, now);
      link.send(hints);
    }
  };

  // From a port whose answers come to this shard, the first that is free from a random one on (RFC
  // 6056, 3.3.1).
  Result<ConnectionName> connect_from_own_port(tcp::Flow flow) {
    constexpr std::uint32_t count = Steering::dial_port_last - Steering::dial_port_first + 1u;
    const auto start = static_cast<std::uint32_t>(random_.below(count));
    for (std::uint32_t i = 0; i < count; ++i) {
      flow.local_port = static_cast<std::uint16_t>(Steering::dial_port_first + (start + i) % count);
      if (!options_.owns(flow)) continue;
      auto name = stack_.tcp().connect(flow);
      if (name || name.error().code != ErrorCode::exists) return name;
    }
    return fail(ErrorCode::limit, "no port is free towards this peer");
  }

  void begin() {
    if (std::exchange(begun_, true)) return;
    link_->attach();
  }
  void publish() {
    if (options_.counters == nullptr) return;
    publish_stack(stack_, *options_.counters);
    if constexpr (requires { link_->counters(); }) {
      publish_queue(link_->counters(), *options_.counters);
    }
  }
  void start_once(Instant now) {
    if (!std::exchange(started_, true)) stack_.start(now);
  }
  void sleep(Instant now, Instant until) {
    if (until <= now || link_->unsent() || !link_->arm()) return;
    const int interrupt = link_->interrupt_descriptor();
    const Duration time = until - now;
    if (sleep_.wait(interrupt, interrupt < 0 ? std::min(time, blind_.next(now)) : time))
      link_->heard();
    link_->disarm();
  }

  const Options options_;
  const std::unique_ptr<Link> link_;
  RandomSource& random_;
  WatchedPort port_;
  tcp::Stack stack_;
  PacketSleep sleep_;
  BlindSleep blind_;
  std::uint32_t polls_ = 0;
  bool begun_ = false;
  bool started_ = false;
};

}  // namespace godwit::dataplane::io::dpdk
