// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "control/files.h"
#include "control/poller.h"

// A few connections of stream sockets, non-blocking, on a poller: what the admin socket and the
// metrics page share. Bounded in connections, input, output and time. While a connection has output
// waiting, or is held, no more is read from it than `input_max`. Thread safety: the poller's
// thread.

namespace godwit::control {

class SocketServer final : public Timed {
 public:
  struct Options {
    std::size_t connections_max = 16;  // more are closed at once
    std::size_t input_max = 64 << 10;
    std::size_t output_max = 8 << 20;  // a connection that would need more is closed
    Duration idle_timeout = std::chrono::seconds(60);
  };
  // New input: takes off `input` what it uses. `full`: no more will be read until it does.
  using OnInput =
      std::function<void(std::uint64_t connection, std::string& input, bool full, Now now)>;

  // `listener` listens already and is non-blocking.
  static Result<std::unique_ptr<SocketServer>> create(Poller& poller, FileDescriptor listener,
                                                      const Options& options, OnInput on_input);
  ~SocketServer() override;
  SocketServer(const SocketServer&) = delete;
  SocketServer& operator=(const SocketServer&) = delete;

  enum class Then : std::uint8_t { stay, close };
  // An unknown connection (it has closed) is ignored; numbers are never used again.
  void send(std::uint64_t connection, std::string_view bytes, Then then);
  // A held connection waits for an answer of ours: not idle, not closed at its end of input.
  // Releasing it offers its input again, at the next expire().
  void hold(std::uint64_t connection);
  void release(std::uint64_t connection);

  Instant next_deadline() const override;
  void expire(Now now) override;
  std::size_t open_connections() const { return connections_.size(); }

 private:
  struct Connection {
    FileDescriptor fd;
    std::string input;
    std::string output;
    Instant active{};
    bool held = false;
    bool ended = false;    // the peer sends no more
    bool closing = false;  // once the output is out
    bool broken = false;
  };

  SocketServer(Poller& poller, FileDescriptor listener, const Options& options, OnInput on_input)
      : poller_(poller),
        listener_(std::move(listener)),
        options_(options),
        on_input_(std::move(on_input)) {}
  void accept_waiting(Now now);
  void add(FileDescriptor fd, Now now);
  void on_ready(std::uint64_t number, std::uint32_t events, Now now);
  void read_some(Connection& connection);
  void write_some(Connection& connection);
  void offer(std::uint64_t number, Now now);
  // Closes what has ended, else watches for what is wanted next.
  void settle(std::uint64_t number);

  Poller& poller_;
  FileDescriptor listener_;
  const Options options_;
  const OnInput on_input_;
  std::unordered_map<std::uint64_t, Connection> connections_;
  std::vector<std::uint64_t> released_;
  std::uint64_t next_number_ = 1;
};

// Non-blocking listeners.
Result<FileDescriptor> listen_tcp(const std::string& host, std::uint16_t port);
std::uint16_t bound_port(int fd);

}  // namespace godwit::control
