// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "bench/loop/ring.h"
#include "bench/relay_wire.h"
#include "protocol/frame.h"

// The floor under a gateway's cost: one thread that receives a frame, opens it, seals it for the
// other client of the pair, and sends it. No sessions, no mailboxes, no acknowledgements.
//
// bench_relay [COMPLETIONS [MICROSECONDS]]: prints where it listens, runs until SIGTERM, then
// prints what it relayed and the CPU time it took. A turn begins with one completion; with
// arguments, with so many, or with what is there after so long: cheaper, and later.

namespace godwit::bench {
namespace {

constexpr std::uint32_t nobody = ~0u;

struct Patience {
  unsigned completions = 1;
  Duration wait = std::chrono::seconds(1);
};

struct Connection {
  std::uint32_t client = nobody;
  crypto::TransportKey from_client;
  crypto::TransportKey to_client;
  std::vector<std::uint8_t> partial;
  std::vector<std::uint8_t> queued;
  std::vector<std::uint8_t> sending;
  bool dirty = false;
};

class Relay {
 public:
  Relay(Ring& ring, Patience patience) : ring_(ring), patience_(patience), cache_(cache_states) {
    connections_.resize(relay_clients_max);
    slot_of_.assign(relay_clients_max, nobody);
  }

  void run(int listener, int signals) {
    signalfd_siginfo info{};
    ring_.read_signal(signals, &info, sizeof info);
    ring_.accept_into_table(listener);
    while (!stopping_) {
      for (const std::uint32_t slot : dirty_) start_send(slot);
      dirty_.clear();
      ring_.enter(patience_.completions, patience_.wait);
      ring_.drain([&](Tag tag, const io_uring_cqe& cqe) { on_completion(tag, cqe); });
      for (const std::uint32_t slot : starved_) ring_.receive(slot);
      starved_.clear();
    }
  }

  std::uint64_t frames() const { return frames_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  // Both directions of a thousand connections.
  static constexpr std::size_t cache_states = 4096;

  void on_completion(Tag tag, const io_uring_cqe& cqe) {
    switch (tag.operation) {
      case Operation::accept:
        if (cqe.res >= 0 && std::cmp_less(cqe.res, relay_clients_max)) {
          connections_[static_cast<std::uint32_t>(cqe.res)] = {};
          ring_.receive(static_cast<std::uint32_t>(cqe.res));
        }
        break;
      case Operation::receive:
        on_receive(tag.slot, cqe);
        break;
      case Operation::send:
        connections_[tag.slot].sending.clear();
        if (cqe.res > 0 && !connections_[tag.slot].queued.empty()) mark_dirty(tag.slot);
        break;
      case Operation::signal:
        stopping_ = true;
        break;
      case Operation::none:
        break;
    }
  }

  void on_receive(std::uint32_t slot, const io_uring_cqe& cqe) {
    if (cqe.res > 0) on_bytes(slot, ring_.received(cqe));
    ring_.recycle(cqe);
    const bool ended = (cqe.flags & IORING_CQE_F_MORE) == 0;
    if (ended && (cqe.res > 0 || cqe.res == -ENOBUFS)) starved_.push_back(slot);
  }

  void on_bytes(std::uint32_t slot, MutableBytes bytes) {
    Connection& connection = connections_[slot];
    if (!connection.partial.empty()) [[unlikely]] {
      connection.partial.insert(connection.partial.end(), bytes.begin(), bytes.end());
      std::vector<std::uint8_t> all = std::exchange(connection.partial, {});
      return on_bytes(slot, all);
    }
    if (connection.client == nobody) {
      if (bytes.size() < relay_hello_size) {
        connection.partial.assign(bytes.begin(), bytes.end());
        return;
      }
      greet(slot, bytes.first(relay_hello_size));
      bytes = bytes.subspan(relay_hello_size);
    }
    while (!bytes.empty()) {
      const auto split = protocol::split_frame(bytes, protocol::transport_frame_limits);
      if (split.status != protocol::SplitStatus::complete) {
        GODWIT_CHECK(split.status == protocol::SplitStatus::need_more);
        connection.partial.assign(bytes.begin(), bytes.end());
        return;
      }
      relay(slot, protocol::frame_body(bytes, split));
      bytes = bytes.subspan(split.wire_size);
    }
  }

  void greet(std::uint32_t slot, Bytes hello) {
    const std::uint32_t client = ByteReader(hello).u32();
    GODWIT_CHECK(client < relay_clients_max);
    Connection& connection = connections_[slot];
    connection.client = client;
    connection.from_client = relay_key(client, RelayDirection::to_relay);
    connection.to_client = relay_key(client, RelayDirection::to_client);
    slot_of_[client] = slot;
  }

  void relay(std::uint32_t slot, MutableBytes sealed) {
    Connection& from = connections_[slot];
    const MutableBytes plain = sealed.first(sealed.size() - crypto::aead_tag_size);
    GODWIT_CHECK(crypto::open(cache_, slot, from.from_client, {}, sealed, plain));
    const std::uint32_t other = slot_of_[from.client ^ 1];
    if (other == nobody) return;
    Connection& to = connections_[other];
    const std::size_t before = to.queued.size();
    to.queued.resize(before + protocol::length_prefix_size + sealed.size());
    const MutableBytes frame = MutableBytes(to.queued).subspan(before);
    protocol::write_frame_length(frame, sealed.size());
    GODWIT_CHECK(crypto::seal(cache_, other, to.to_client, {}, plain,
                              frame.subspan(protocol::length_prefix_size)));
    ++frames_;
    bytes_ += frame.size();
    if (to.sending.empty()) mark_dirty(other);
  }

  void mark_dirty(std::uint32_t slot) {
    if (std::exchange(connections_[slot].dirty, true)) return;
    dirty_.push_back(slot);
  }

  // One send a connection at a time, of all that came for it in this turn.
  void start_send(std::uint32_t slot) {
    Connection& connection = connections_[slot];
    connection.dirty = false;
    connection.sending.swap(connection.queued);
    ring_.send(slot, connection.sending);
  }

  Ring& ring_;
  const Patience patience_;
  crypto::AeadCache cache_;
  std::vector<Connection> connections_;
  std::vector<std::uint32_t> slot_of_;
  std::vector<std::uint32_t> dirty_;
  std::vector<std::uint32_t> starved_;
  std::uint64_t frames_ = 0;
  std::uint64_t bytes_ = 0;
  bool stopping_ = false;
};

// On a free port.
int open_listener(std::uint16_t& port) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // What is accepted inherits this.
  ::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{
      .sin_family = AF_INET,
  };
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listener < 0 || ::bind(listener, generic, size) != 0 || ::listen(listener, 4096) != 0 ||
      ::getsockname(listener, generic, &size) != 0) {
    return -1;
  }
  port = ntohs(address.sin_port);
  return listener;
}

int run(Patience patience) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  const int signal_descriptor = ::signalfd(-1, &signals, SFD_CLOEXEC);
  std::uint16_t port = 0;
  const int listener = open_listener(port);
  if (listener < 0 || signal_descriptor < 0) {
    std::perror("bench_relay: cannot listen");
    return 1;
  }
  auto ring = Ring::create({.descriptors = relay_clients_max});
  if (!ring) {
    std::fprintf(stderr, "bench_relay: %s\n", ring.error().message.c_str());
    return 1;
  }
  std::printf("listening on 127.0.0.1:%u\n", port);
  std::fflush(stdout);
  Relay relay(**ring, patience);
  relay.run(listener, signal_descriptor);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  std::printf("%lu frames, %lu bytes relayed; CPU %.3f s user, %.3f s system\n", relay.frames(),
              relay.bytes(), seconds(usage.ru_utime), seconds(usage.ru_stime));
  return 0;
}

}  // namespace
}  // namespace godwit::bench

int main(int argc, char** argv) {
  godwit::bench::Patience patience;
  if (argc > 1) patience.completions = static_cast<unsigned>(std::strtoul(argv[1], nullptr, 10));
  if (argc > 2) patience.wait = std::chrono::microseconds(std::strtoul(argv[2], nullptr, 10));
  if (argc > 3 || patience.completions == 0 || patience.wait <= godwit::Duration::zero()) {
    std::fprintf(stderr, "usage: bench_relay [COMPLETIONS [MICROSECONDS]]\n");
    return 2;
  }
  return godwit::bench::run(patience);
}
