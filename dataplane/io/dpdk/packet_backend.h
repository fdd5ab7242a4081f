// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "dataplane/io/dpdk/blind_sleep.h"
#include "dataplane/io/dpdk/capture.h"
#include "dataplane/io/dpdk/packet_sleep.h"
#include "dataplane/io/dpdk/publish_stack.h"
#include "dataplane/io/dpdk/steering.h"
#include "dataplane/io/stream.h"
#include "dataplane/tcp/stack.h"
#include "queues/stack_counters.h"

// Our own TCP over whatever carries frames: the queues of one device or several under DPDK, or a
// pair of wires in a test.
//
// A poll() sends what the last turn left, takes a budget of frames, and lets the stack see to its
// timers. What the frames make the stack say waits for the next poll(), so that an acknowledgement
// goes with the answer. Several links share the budget: each has its part of it, and what one
// leaves is the next one's; who is first changes from poll to poll. Sleeping waits for the
// interrupts of all links, and looks again every so often where one has none.
//
// Thread safety: as dataplane/io/stream.h.

namespace godwit::dataplane::io::dpdk {

// What a link hands frames to, one by one or those that came together.
struct NullFrames {
  void operator()(MutableBytes, tcp::RxHints) {}
  void operator()(std::span<const tcp::FrameIn>) {}
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
    std::string description;                    // of the devices, for the log
    queues::StackCounters* counters = nullptr;  // this and the next two outlive the backend
    Capture* capture = nullptr;
    std::vector<queues::PortCounters*> port_counters{};  // of each link, or none
    // Whether packets of a connection that this shard opens come to it, where several share a
    // device; empty where all do.
    std::function<bool(const tcp::Flow&)> owns{};
  };

  // The networks of `options.stack` passed tcp::check(). `random` outlives the backend.
  PacketBackend(const Options& options, std::unique_ptr<Link> link, RandomSource& random)
      : PacketBackend(options, list_of(std::move(link)), random) {}
  // To each network its link.
  PacketBackend(const Options& options, std::vector<std::unique_ptr<Link>> links,
                RandomSource& random)
      : options_(options),
        links_(std::move(links)),
        random_(random),
        ports_(watched_ports()),
        stack_(options.stack, options.shard, random, views_of(ports_)) {}

  // Errors: exists when it listens there already, invalid for a host that is no address of ours,
  // limit.
  Result<std::uint16_t> listen(const Endpoint& endpoint) {
    begin();
    const auto address = parse_ip_address(endpoint.host);
    if (!address) return fail(ErrorCode::invalid, "'" + endpoint.host + "' is no address");
    const bool any = endpoint.host == "0.0.0.0" || *address == IpAddress{};
    if (!any && !stack_.ips().port_of(*address)) {
      return fail(ErrorCode::invalid, endpoint.host + " is no address of the device");
    }
    return stack_.tcp().listen(any ? IpAddress{} : *address, endpoint.port);
  }
  void stop_listening() { stack_.tcp().stop_listening(); }
  // From `source`, an address of a device, or where it is empty from the one that fits. Errors:
  // limit at connections_max or without a free port, invalid for what is no address or none of
  // ours, unavailable without an address of ours to reach it from.
  Result<ConnectionName> connect(const Endpoint& endpoint, const std::string& source = {}) {
    begin();
    const auto address = parse_ip_address(endpoint.host);
    if (!address) return fail(ErrorCode::invalid, "'" + endpoint.host + "' is no address");
    if (source.empty() && !options_.owns) return stack_.connect(*address, endpoint.port);
    const auto local =
        source.empty() ? stack_.ips().source_for(*address) : parse_ip_address(source);
    if (source.empty() && !local->known()) {
      return fail(ErrorCode::unavailable, "the device has no address to reach the peer from");
    }
    if (!local || !stack_.ips().port_of(*local)) {
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
    now_ = now;
    stack_.flush(now.instant, events);
    for (const auto& link : links_) link->flush();
    std::size_t done = 0;
    if (budget > 0) {
      done = receive(budget, events);
      stack_.expire(now.instant, events);
    }
    if (done > 0) blind_.heard(now.instant);
    if (done == 0 || ++polls_ % 64 == 0) publish();
    if (done == 0 && !woken) sleep(now.instant, std::min(deadline, stack_.next_deadline()));
    return done;
  }

  const tcp::Stack& stack() const { return stack_; }
  const Link& link(std::size_t port = 0) const { return *links_[port]; }

 private:
  // A link, with an eye on what leaves.
  struct WatchedPort {
    Link& link;
    Capture* capture;
    const Now& now;
    std::size_t number = 0;
    MutableBytes open{};
    std::size_t beyond = 0;  // bytes of the frame behind it

    tcp::PortFeatures features() const { return link.features(); }
    MutableBytes frame(std::size_t size) {
      beyond = 0;
      return open = link.frame(size);
    }
    bool append(std::span<const Bytes> pieces) requires tcp::CuttingPort<Link> {
      for (const Bytes piece : pieces) beyond += piece.size();
      return link.append(pieces);
    }
    void send(const tcp::TxHints& hints) {
      if (capture != nullptr) capture->record(open, now, {.port = number, .beyond = beyond});
      link.send(hints);
    }
  };

  // What a link hands the frames of a poll to.
  struct Taker {
    PacketBackend& backend;
    const tcp::Events& events;
    const std::size_t port;

    void operator()(MutableBytes frame, tcp::RxHints hints) {
      if (Capture* const capture = backend.options_.capture) {
        capture->record(frame, backend.now_, {.port = port});
      }
      backend.stack_.receive(frame, hints, backend.now_.instant, events, port);
    }
    void operator()(std::span<const tcp::FrameIn> frames) {
      if (backend.options_.capture == nullptr) {
        return backend.stack_.receive(frames, backend.now_.instant, events, port);
      }
      // Each before what it is answered with.
      for (const tcp::FrameIn& frame : frames) (*this)(frame.bytes, frame.hints);
    }
  };

  static std::vector<std::unique_ptr<Link>> list_of(std::unique_ptr<Link> link) {
    std::vector<std::unique_ptr<Link>> links;
    links.push_back(std::move(link));
    return links;
  }
  std::vector<WatchedPort> watched_ports() {
    GODWIT_CHECK(!links_.empty() && links_.size() <= PacketSleep::descriptors_max);
    std::vector<WatchedPort> ports;
    for (const auto& link : links_) ports.push_back({*link, options_.capture, now_, ports.size()});
    return ports;
  }
  static std::vector<tcp::PortView> views_of(std::vector<WatchedPort>& ports) {
    return {ports.begin(), ports.end()};
  }

  std::size_t receive(std::size_t budget, const tcp::Events& events) {
    std::size_t done = 0;
    std::size_t port = first_;
    for (std::size_t left = links_.size(); left > 0; --left) {
      Taker take{*this, events, port};
      // A burst may be more than was asked for.
      done += links_[port]->receive((budget - std::min(done, budget)) / left, take);
      if (++port == links_.size()) port = 0;
    }
    if (++first_ == links_.size()) first_ = 0;
    return done;
  }

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
    for (const auto& link : links_) link->attach();
  }
  void publish() {
    if (options_.counters != nullptr) publish_stack(stack_.tcp(), *options_.counters);
    for (std::size_t port = 0; port < options_.port_counters.size(); ++port) {
      queues::PortCounters& counters = *options_.port_counters[port];
      publish_layer(stack_.ip(port), counters);
      if constexpr (requires { links_[port]->counters(); }) {
        publish_queue(links_[port]->counters(), counters);
      }
    }
  }
  void start_once(Instant now) {
    if (!std::exchange(started_, true)) stack_.start(now);
  }
  // Only when all are armed: a link that has something to say is not waited for.
  void sleep(Instant now, Instant until) {
    if (until <= now ||
        std::ranges::any_of(links_, [](const auto& link) { return link->unsent(); }))
      return;
    std::size_t armed = 0;
    while (armed < links_.size() && links_[armed]->arm()) ++armed;
    if (armed == links_.size()) wait_for_links(now, until - now);
    for (std::size_t port = 0; port < armed; ++port) links_[port]->disarm();
  }
  void wait_for_links(Instant now, Duration time) {
    std::array<int, PacketSleep::descriptors_max> interrupts;
    for (std::size_t port = 0; port < links_.size(); ++port) {
      interrupts[port] = links_[port]->interrupt_descriptor();
      if (interrupts[port] < 0) time = std::min(time, blind_.next(now));
    }
    const unsigned rang = sleep_.wait({interrupts.data(), links_.size()}, time);
    for (std::size_t port = 0; port < links_.size(); ++port) {
      if ((rang >> port & 1) != 0) links_[port]->heard();
    }
  }

  const Options options_;
  const std::vector<std::unique_ptr<Link>> links_;
  RandomSource& random_;
  Now now_{};
  std::vector<WatchedPort> ports_;
  tcp::Stack stack_;
  PacketSleep sleep_;
  BlindSleep blind_;
  std::size_t first_ = 0;  // link of the next poll
  std::uint32_t polls_ = 0;
  bool begun_ = false;
  bool started_ = false;
};

}  // namespace godwit::dataplane::io::dpdk
