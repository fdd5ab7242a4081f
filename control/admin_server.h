// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/clock.h"
#include "control/files.h"
#include "control/poller.h"
#include "control/socket_server.h"

// The admin socket: JSON lines over a UNIX stream socket of mode 0600. A request is an object with
// "command"; its answer one line, {"ok":true,…} or {"ok":false,"error":"…"}, in the order of the
// requests of a connection. Thread safety: the poller's thread.

namespace godwit::control {

using AdminAnswer = std::function<void(const nlohmann::json& answer)>;
using AdminHandler =
    std::function<void(const nlohmann::json& request, Now now, AdminAnswer answer)>;

class AdminServer {
 public:
  struct Options {
    std::string path;
    std::size_t connections_max = 16;
    std::size_t line_size_max = 64 << 10;
    Duration idle_timeout = std::chrono::seconds(60);
  };
  // A socket file that nobody listens on any more is replaced; one in use, or a file of another
  // kind, is an error. `handler` may answer at once or later, but not after the server is
  // destroyed.
  static Result<std::unique_ptr<AdminServer>> create(Poller& poller, const Options& options,
                                                     AdminHandler handler);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

 private:
  AdminServer(Options options, FileDescriptor lock, AdminHandler handler);
  void on_input(std::uint64_t connection, std::string& input, bool full, Now now);
  // False: the connection now waits for an answer.
  bool take_line(std::uint64_t connection, const std::string& line, Now now);
  void refuse(std::uint64_t connection, std::string_view why, SocketServer::Then then);

  const Options options_;
  FileDescriptor lock_;  // keeps two servers from one path
  const AdminHandler handler_;
  std::unique_ptr<SocketServer> server_;
};

}  // namespace godwit::control
