// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "bench/budget/heap.h"
#include "dataplane/io/memory/memory_backend.h"

// The network in memory behind calls that are never inlined, so that a profile tells what the
// network takes from what the shard takes, and with its memory on nobody's account.
//
// Thread safety: as MemoryBackend.

namespace godwit::bench {

class CountedIo {
 public:
  CountedIo(dataplane::io::MemoryNetwork& network,
            const dataplane::io::MemoryBackend::Options& options)
      : memory_(network, options) {}

  template <dataplane::io::StreamHandler Handler>
  [[gnu::noinline]] std::size_t poll(Now now, std::size_t budget, Instant deadline,
                                     Handler& handler) {
    const HeapScope scope(Owner::others);
    Events<Handler> events{handler};
    return memory_.poll(now, budget, deadline, events);
  }
  [[gnu::noinline]] std::size_t send(ConnectionName name, std::span<const Bytes> chunks) {
    const HeapScope scope(Owner::others);
    return memory_.send(name, chunks);
  }
  void close(ConnectionName name, dataplane::io::CloseMode mode) { memory_.close(name, mode); }
  Result<std::uint16_t> listen(const dataplane::io::Endpoint& endpoint) {
    return memory_.listen(endpoint);
  }
  void stop_listening() { memory_.stop_listening(); }
  Result<ConnectionName> connect(const dataplane::io::Endpoint& endpoint) {
    return memory_.connect(endpoint);
  }
  void set_user(ConnectionName name, std::uint64_t user) { memory_.set_user(name, user); }
  void pause_receive(ConnectionName name) { memory_.pause_receive(name); }
  void resume_receive(ConnectionName name) { memory_.resume_receive(name); }
  IpAddress peer_ip(ConnectionName name) { return memory_.peer_ip(name); }
  std::string peer_address(ConnectionName name) { return memory_.peer_address(name); }
  void wake() { memory_.wake(); }
  std::size_t open_connections() const { return memory_.open_connections(); }
  std::uint64_t refused_connections() const { return memory_.refused_connections(); }

 private:
  template <typename Handler>
  struct Events {
    Handler& handler;

    [[gnu::noinline]] void on_open(ConnectionName name, bool connected) {
      const HeapScope scope(Owner::gateway);
      handler.on_open(name, connected);
    }
    [[gnu::noinline]] void on_bytes(ConnectionName name, std::uint64_t user, MutableBytes lease) {
      const HeapScope scope(Owner::gateway);
      handler.on_bytes(name, user, lease);
    }
    [[gnu::noinline]] void on_writable(ConnectionName name, std::uint64_t user) {
      const HeapScope scope(Owner::gateway);
      handler.on_writable(name, user);
    }
    [[gnu::noinline]] void on_closed(ConnectionName name, std::uint64_t user,
                                     dataplane::io::CloseReason reason) {
      const HeapScope scope(Owner::gateway);
      handler.on_closed(name, user, reason);
    }
  };

  dataplane::io::MemoryBackend memory_;
};
static_assert(dataplane::io::StreamBackend<CountedIo>);

}  // namespace godwit::bench
