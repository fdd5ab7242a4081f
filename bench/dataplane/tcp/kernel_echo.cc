// SPDX-License-Identifier: Apache-2.0
#include "bench/dataplane/tcp/kernel_echo.h"

#include <atomic>
#include <thread>
#include <vector>

#include "bench/dataplane/tcp/cpu_time.h"
#include "dataplane/io/uring/uring_backend.h"

namespace godwit::bench {

namespace {

namespace io = dataplane::io;

constexpr std::size_t message_size = 150;
constexpr std::size_t poll_budget = 256;

struct Echo {
  io::UringBackend* backend = nullptr;
  void on_open(ConnectionName, bool) {}
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    const Bytes bytes(lease);
    backend->send(name, {&bytes, 1});
  }
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName, std::uint64_t, io::CloseReason) {}
};

// Each answer is followed by the next request.
struct Askers {
  io::UringBackend* backend = nullptr;
  std::vector<std::uint8_t> message = std::vector<std::uint8_t>(message_size, 'm');
  std::vector<ConnectionName> names;
  std::uint64_t bytes = 0;

  void ask(ConnectionName name) {
    const Bytes whole(message);
    backend->send(name, {&whole, 1});
  }
  void on_open(ConnectionName name, bool) { names.push_back(name); }
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    bytes += lease.size();
    ask(name);
  }
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName, std::uint64_t, io::CloseReason) {}
};

struct Shared {
  std::atomic<std::uint16_t> port = 0;
  std::atomic<bool> failed = false;
  std::atomic<bool> stopping = false;
  std::atomic<std::int64_t> cpu_ns = 0;  // of the server's thread so far
};

void serve(Shared& shared, std::uint32_t connections) {
  io::UringBackend backend({.shard = 1, .connections_max = connections + 16});
  Echo echo{&backend};
  const auto port = backend.listen({"127.0.0.1", 0});
  if (!port) {
    shared.failed = true;
    return;
  }
  shared.port = *port;
  while (!shared.stopping.load(std::memory_order_relaxed)) {
    const Now now = read_clocks();
    backend.poll(now, poll_budget, now.instant + std::chrono::milliseconds(10), echo);
    shared.cpu_ns.store(cpu_time().ns, std::memory_order_relaxed);
  }
}

// Until `done`, or nothing has come for 10 seconds: false.
template <typename Done>
bool poll_until(io::UringBackend& backend, Askers& askers, Done&& done) {
  Instant heard = monotonic_now();
  while (!done()) {
    const Now now = read_clocks();
    if (backend.poll(now, poll_budget, now.instant + std::chrono::milliseconds(10), askers) > 0) {
      heard = now.instant;
    }
    if (now.instant - heard > std::chrono::seconds(10)) return false;
  }
  return true;
}

Result<double> ask_all(Shared& shared, const KernelEchoOptions& options) {
  while (shared.port == 0 && !shared.failed) std::this_thread::yield();
  if (shared.failed) return fail(ErrorCode::io, "io/uring cannot listen on loopback");
  io::UringBackend backend({.shard = 2, .connections_max = options.connections + 16});
  Askers askers{.backend = &backend};
  for (std::uint32_t i = 0; i < options.connections; ++i) {
    if (auto name = backend.connect({"127.0.0.1", shared.port}); !name) {
      return std::unexpected(name.error());
    }
    poll_until(backend, askers, [&] { return askers.names.size() + 64 > i; });
  }
  const auto silence = fail(ErrorCode::io, "nothing came over loopback for 10 seconds");
  if (!poll_until(backend, askers, [&] { return askers.names.size() == options.connections; })) {
    return silence;
  }
  for (const ConnectionName name : askers.names) askers.ask(name);
  const std::uint64_t warm = std::uint64_t{options.connections} * 20 * message_size;
  if (!poll_until(backend, askers, [&] { return askers.bytes >= warm; })) return silence;
  const std::uint64_t bytes = askers.bytes;
  const std::int64_t cpu = shared.cpu_ns;
  const std::uint64_t wanted = bytes + std::uint64_t{options.messages} * message_size;
  if (!poll_until(backend, askers, [&] { return askers.bytes >= wanted; })) return silence;
  const auto spent = static_cast<double>(shared.cpu_ns - cpu);
  return spent / static_cast<double>((askers.bytes - bytes) / message_size);
}

}  // namespace

Result<double> kernel_echo(const KernelEchoOptions& options) {
  Shared shared;
  std::thread server([&] { serve(shared, options.connections); });
  auto result = ask_all(shared, options);
  shared.stopping = true;
  server.join();
  return result;
}

}  // namespace godwit::bench
