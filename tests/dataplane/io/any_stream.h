// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "dataplane/io/stream.h"
#include "tests/dataplane/io/conformance_world.h"

// A backend, and two of them in their world, of a kind that only running code knows: the
// conformance suite is compiled once for all of them. The backends themselves have no base class,
// because a shard must not pay for one.

namespace godwit::dataplane::io {

class AnyStream {
 public:
  virtual ~AnyStream() = default;
  virtual Result<std::uint16_t> listen(const Endpoint& endpoint) = 0;
  virtual void stop_listening() = 0;
  virtual Result<ConnectionName> connect(const Endpoint& endpoint) = 0;
  virtual void set_user(ConnectionName name, std::uint64_t user) = 0;
  virtual std::size_t send(ConnectionName name, std::span<const Bytes> chunks) = 0;
  virtual void pause_receive(ConnectionName name) = 0;
  virtual void resume_receive(ConnectionName name) = 0;
  virtual void close(ConnectionName name, CloseMode mode) = 0;
  virtual IpAddress peer_ip(ConnectionName name) = 0;
  virtual std::string peer_address(ConnectionName name) = 0;
  virtual std::size_t poll(Now now, std::size_t budget, Instant deadline, Recorder& handler) = 0;
  virtual void wake() = 0;
  virtual std::size_t open_connections() = 0;
  virtual std::uint64_t refused_connections() = 0;
};

template <typename Backend>
class StreamOf final : public AnyStream {
 public:
  explicit StreamOf(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {}

  Result<std::uint16_t> listen(const Endpoint& endpoint) override {
    return backend_->listen(endpoint);
  }
  void stop_listening() override { backend_->stop_listening(); }
  Result<ConnectionName> connect(const Endpoint& endpoint) override {
    return backend_->connect(endpoint);
  }
  void set_user(ConnectionName name, std::uint64_t user) override {
    backend_->set_user(name, user);
  }
  std::size_t send(ConnectionName name, std::span<const Bytes> chunks) override {
    return backend_->send(name, chunks);
  }
  void pause_receive(ConnectionName name) override { backend_->pause_receive(name); }
  void resume_receive(ConnectionName name) override { backend_->resume_receive(name); }
  void close(ConnectionName name, CloseMode mode) override { backend_->close(name, mode); }
  IpAddress peer_ip(ConnectionName name) override { return backend_->peer_ip(name); }
  std::string peer_address(ConnectionName name) override { return backend_->peer_address(name); }
  std::size_t poll(Now now, std::size_t budget, Instant deadline, Recorder& handler) override {
    return backend_->poll(now, budget, deadline, handler);
  }
  void wake() override { backend_->wake(); }
  std::size_t open_connections() override { return backend_->open_connections(); }
  std::uint64_t refused_connections() override { return backend_->refused_connections(); }

 private:
  std::unique_ptr<Backend> backend_;
};

// The parts of a world that tests call while it runs.
class WorldInside {
 public:
  virtual ~WorldInside() = default;
  virtual std::unique_ptr<AnyStream> make_server(const Limits& limits) = 0;
  virtual std::unique_ptr<AnyStream> make_client(const Limits& limits) = 0;
  virtual Now now() = 0;
  virtual void skip(Duration time) = 0;
};

template <typename World>
class WorldOf final : public WorldInside {
 public:
  std::unique_ptr<AnyStream> make_server(const Limits& limits) override {
    return std::make_unique<StreamOf<typename World::Server>>(world_.make_server(limits));
  }
  std::unique_ptr<AnyStream> make_client(const Limits& limits) override {
    return std::make_unique<StreamOf<typename World::Client>>(world_.make_client(limits));
  }
  Now now() override { return world_.now(); }
  void skip(Duration time) override { world_.skip(time); }

 private:
  World world_;
};

struct AnyWorld {
  using Server = AnyStream;
  using Client = AnyStream;

  template <typename World>
  static AnyWorld of() {
    return {.inside = std::make_unique<WorldOf<World>>(),
            .reason = World::missing(),
            .is_virtual = World::is_virtual,
            .server_address = World::server_address,
            .network = World::network,
            .events_over_budget = World::events_over_budget};
  }

  const char* missing() const { return reason; }
  std::unique_ptr<AnyStream> make_server(const Limits& limits) {
    return inside->make_server(limits);
  }
  std::unique_ptr<AnyStream> make_client(const Limits& limits) {
    return inside->make_client(limits);
  }
  Now now() { return inside->now(); }
  void skip(Duration time) { inside->skip(time); }

  std::unique_ptr<WorldInside> inside;
  const char* reason = nullptr;
  bool is_virtual = false;
  const char* server_address = nullptr;
  const char* network = nullptr;
  std::size_t events_over_budget = 0;
};

}  // namespace godwit::dataplane::io
