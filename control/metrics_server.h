// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "control/config.h"
#include "control/poller.h"
#include "control/socket_server.h"

// GET /metrics over HTTP/1.0 and 1.1, one request a connection: as much HTTP as a scraper needs.
// Thread safety: the poller's thread.

namespace godwit::control {

class MetricsServer {
 public:
  struct Options {
    HostPort listen;  // port 0 takes a free one
    std::size_t connections_max = 16;
    std::size_t request_size_max = 8 << 10;
    Duration idle_timeout = std::chrono::seconds(10);
  };
  // `page` yields the text of each answer (Prometheus text format 0.0.4).
  static Result<std::unique_ptr<MetricsServer>> create(Poller& poller, const Options& options,
                                                       std::function<std::string()> page);

  std::uint16_t port() const { return port_; }

 private:
  explicit MetricsServer(std::function<std::string()> page) : page_(std::move(page)) {}
  void on_input(std::uint64_t connection, std::string& input, bool full);
  std::string answer(std::string_view request_line) const;

  const std::function<std::string()> page_;
  std::uint16_t port_ = 0;
  std::unique_ptr<SocketServer> server_;
};

}  // namespace godwit::control
