// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "dataplane/io/dpdk/packet_backend.h"
#include "tests/dataplane/io/dpdk/own_network.h"
#include "tests/dataplane/tcp/kernel/impaired_tap.h"
#include "tests/dataplane/tcp/kernel/kernel_stream.h"

// Our stack, the kernel and the bad network between them, in one loop of one thread, in real time:
// the kernel's clock cannot be had otherwise. No verdict depends on how long anything takes; a
// bound far above it ends a transfer that hangs.

namespace godwit::dataplane::tcp {

using TapBackend = io::dpdk::PacketBackend<TapLink>;

// What our side of a connection does: as KernelStream, on the stream interface.
class StackUser {
 public:
  explicit StackUser(std::uint64_t to_send) : to_send_(to_send) {}
  void attach(TapBackend& backend) { backend_ = &backend; }

  void on_open(ConnectionName name, bool) {
    const Flow flow = backend_->stack().tcp().flow_of(name);
    // The kernel's port, whoever listened.
    streams_.emplace(key(name), Stream{StreamSeeds(flow.remote_port, flow.remote.is_v4())});
    pump(name);
  }
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    Stream& stream = streams_.at(key(name));
    for (const std::uint8_t byte : lease) {
      if (byte != stream_byte(stream.seeds.from_kernel, stream.received++)) ++wrong_bytes_;
    }
    received_ += lease.size();
    std::ranges::fill(lease, std::uint8_t{0xee});  // a lease may be overwritten
    pause_at_times(name, lease.size());
  }
  void on_writable(ConnectionName name, std::uint64_t) { pump(name); }
  void on_peer_finished(ConnectionName name, std::uint64_t) {
    Stream& stream = streams_.at(key(name));
    stream.peer_finished = true;
    stream.received_at_end = stream.received;
    pump(name);
  }
  void on_closed(ConnectionName name, std::uint64_t, io::CloseReason reason) {
    const auto found = streams_.find(key(name));
    if (reason == io::CloseReason::reset || reason == io::CloseReason::failed ||
        found == streams_.end()) {
      ++failed_;
      return;
    }
    whole_ += found->second.received == found->second.received_at_end ? 1 : 0;
    streams_.erase(found);
    ++closed_;
  }
  // Those that took a break go on.
  void resume() {
    for (const ConnectionName name : paused_) backend_->resume_receive(name);
    paused_.clear();
  }

  std::size_t closed() const { return closed_; }
  std::size_t failed() const { return failed_; }
  std::size_t whole() const { return whole_; }  // closed after the peer's FIN, nothing after it
  std::uint64_t received() const { return received_; }
  std::uint64_t wrong_bytes() const { return wrong_bytes_; }

 private:
  struct Stream {
    StreamSeeds seeds;
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    std::uint64_t received_at_end = 0;
    bool peer_finished = false;
    bool closed = false;
  };
  static std::uint64_t key(ConnectionName name) {
    return std::uint64_t{name.slot} << 16 | name.generation;
  }
  // A user that is slower than the network now and then, so that the window closes and opens.
  void pause_at_times(ConnectionName name, std::size_t bytes) {
    constexpr std::size_t pause_every = 50'000;
    since_pause_ += bytes;
    if (since_pause_ < pause_every) return;
    since_pause_ = 0;
    backend_->pause_receive(name);
    paused_.push_back(name);
  }
  void pump(ConnectionName name) {
    Stream& stream = streams_.at(key(name));
    while (stream.sent < to_send_) {
      std::vector<std::uint8_t> chunk(std::min<std::uint64_t>(7000, to_send_ - stream.sent));
      for (std::size_t i = 0; i < chunk.size(); ++i) {
        chunk[i] = stream_byte(stream.seeds.from_stack, stream.sent + i);
      }
      const Bytes whole = chunk;
      const Bytes pieces[] = {whole.first(chunk.size() / 3), whole.subspan(chunk.size() / 3)};
      if (backend_->send(name, pieces) == 0) return;
      stream.sent += chunk.size();
    }
    if (!stream.peer_finished || std::exchange(stream.closed, true)) return;
    backend_->close(name, io::CloseMode::graceful);
  }

  const std::uint64_t to_send_;
  TapBackend* backend_ = nullptr;
  std::unordered_map<std::uint64_t, Stream> streams_;  // that are open
  std::vector<ConnectionName> paused_;
  std::size_t since_pause_ = 0;
  std::size_t closed_ = 0;
  std::size_t failed_ = 0;
  std::size_t whole_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t wrong_bytes_ = 0;
};

class KernelWorld {
 public:
  static constexpr std::uint16_t port = 5222;
  static constexpr const char* interface = "godwit0";

  // REQUIRES: the process is in a network of its own.
  KernelWorld(const Impairment& impairment, std::uint64_t seed, std::uint64_t bytes,
              const PortFeatures& card = {})
      : tap_(interface, impairment, seed), bytes_(bytes), random_(seed), user_(bytes) {
    if (!tap_.valid()) return;
    TapBackend::Options options{.shard = 1, .stack = {}, .description = "a tap"};
    options.stack.network.mac = {{2, 0, 0, 0, 0, 1}};
    options.stack.network.addresses = {*parse_ip_prefix("10.66.0.1/24"),
                                       *parse_ip_prefix("fd66::1/64")};
    options.stack.tcp.send_queue_max = 64 * 1024;  // so that on_writable matters
    options.stack.tcp.linger = std::chrono::minutes(2);
    backend_ =
        std::make_unique<TapBackend>(options, std::make_unique<TapLink>(tap_, card), random_);
    user_.attach(*backend_);
  }
  ~KernelWorld() {
    for (const int listener : listeners_) ::close(listener);
  }

  // False when the kernel lacks something; errno says what.
  bool open() {
    const std::string name = interface;
    return tap_.valid() && io::dpdk::KernelInterface(name).up() &&
           add_kernel_address(name, kernel_address(true), 24) &&
           add_kernel_address(name, kernel_address(false), 64) && kernel_listens(true) &&
           kernel_listens(false) && backend_->listen({"0.0.0.0", port}).has_value();
  }

  bool connect_from_kernel(bool v4) {
    const int socket = new_socket(v4);
    SocketAddress to(stack_address(v4), port);
    const bool begun = ::connect(socket, to.get(), to.size) == 0 || errno == EINPROGRESS;
    streams_.push_back(std::make_unique<KernelStream>(socket, v4, bytes_));
    return begun;
  }
  bool connect_from_stack(bool v4) {
    return backend_->connect({to_text(kernel_address(v4)), port}).has_value();
  }

  // Until `done`, or for a minute and a half.
  template <typename Done>
  bool run(Done&& done) {
    const Instant bound = monotonic_now() + std::chrono::seconds(90);
    while (!done()) {
      const Now now = read_clocks();
      if (now.instant > bound) return false;
      tap_.advance(now.instant);
      const std::size_t events = backend_->poll(now, 64, now.instant, user_);
      step_kernel();
      if (events == 0) {
        user_.resume();
        sleep(now.instant);
      }
    }
    return true;
  }

  // Nothing is left of any connection but what waits out old segments.
  bool at_rest(std::size_t connections) const {
    const Tcp& tcp = backend_->stack().tcp();
    return user_.closed() + user_.failed() == connections && streams_.size() >= connections &&
           std::ranges::all_of(streams_, [](const auto& stream) { return stream->done(); }) &&
           tcp.control_blocks() == 0 && tcp.half_open() == 0 && tcp.buffers_in_use() == 0;
  }

  ImpairedTap& tap() { return tap_; }
  const TapBackend& backend() const { return *backend_; }
  const StackUser& user() const { return user_; }
  const std::vector<std::unique_ptr<KernelStream>>& streams() const { return streams_; }

 private:
  static IpAddress stack_address(bool v4) {
    return *parse_ip_address(v4 ? "10.66.0.1" : "fd66::1");
  }
  static IpAddress kernel_address(bool v4) {
    return *parse_ip_address(v4 ? "10.66.0.2" : "fd66::2");
  }
  static int new_socket(bool v4) {
    return ::socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  }
  bool kernel_listens(bool v4) {
    const int listener = new_socket(v4);
    listeners_.push_back(listener);
    const int one = 1;
    SocketAddress at(kernel_address(v4), port);
    return ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
           ::bind(listener, at.get(), at.size) == 0 && ::listen(listener, 16) == 0;
  }
  // The stack knows a connection it made by the kernel's port, which is the listener's: one such
  // connection of each family.
  void step_kernel() {
    for (const int listener : listeners_) {
      SocketAddress peer;
      const int socket = ::accept4(listener, peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (socket < 0) continue;
      const bool v4 = peer.storage.ss_family == AF_INET;
      streams_.push_back(std::make_unique<KernelStream>(socket, v4, bytes_));
    }
    for (const auto& stream : streams_) stream->step();
  }
  void sleep(Instant now) {
    std::vector<pollfd> ready{{.fd = tap_.descriptor(), .events = POLLIN, .revents = 0}};
    for (const int listener : listeners_) ready.push_back({listener, POLLIN, 0});
    for (const auto& stream : streams_) {
      if (stream->done()) continue;
      // After the peer's FIN a socket stays readable.
      const int in = stream->ended() ? 0 : POLLIN;
      const int out = stream->wants_to_send() ? POLLOUT : 0;
      ready.push_back({stream->socket(), static_cast<short>(in | out), 0});
    }
    constexpr Duration longest = std::chrono::milliseconds(20);
    const Instant due = std::min(tap_.next_delivery(), backend_->stack().next_deadline());
    const Duration time = std::clamp(due, now, now + longest) - now;
    const timespec until{.tv_sec = 0, .tv_nsec = time.count()};
    ::ppoll(ready.data(), ready.size(), &until, nullptr);
  }

  ImpairedTap tap_;
  const std::uint64_t bytes_;
  SeededRandom random_;
  StackUser user_;
  std::unique_ptr<TapBackend> backend_;
  std::vector<int> listeners_;
  std::vector<std::unique_ptr<KernelStream>> streams_;
};

}  // namespace godwit::dataplane::tcp
