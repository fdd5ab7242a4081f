// SPDX-License-Identifier: Apache-2.0
#include "control/admin_server.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

namespace godwit::control {
namespace {

constexpr std::size_t path_size_max = sizeof(sockaddr_un{}.sun_path) - 1;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX};
  path.copy(address.sun_path, path_size_max);
  return address;
}

bool connects(const std::string& path) {
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un address = address_of(path);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
         errno == EAGAIN;
}

std::unexpected<Error> in_use(const std::string& path) {
  return fail(ErrorCode::unavailable,
              "another gateway listens on " + path +
                  "; stop it, or give this one another path with --admin-socket");
}

// The lock is what decides; the connection test is for servers that do not know of it.
Result<FileDescriptor> take_lock(const std::string& path) {
  const std::string lock_path = path + ".lock";
  FileDescriptor lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid()) return file_error("open", lock_path, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return in_use(path);
  return lock;
}

Result<void> clear_path(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return file_error("look at", path, errno);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return fail(ErrorCode::exists,
                path + " is there and is no socket; move it, or choose another --admin-socket");
  }
  if (connects(path)) return in_use(path);
  if (::unlink(path.c_str()) != 0) return file_error("remove", path, errno);
  return {};
}

Result<FileDescriptor> listen_unix(const std::string& path) {
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return file_error("make a socket for", path, errno);
  // The file takes the socket's mode, so it is never open to others for a moment.
  if (::fchmod(fd.get(), 0600) != 0) return file_error("protect", path, errno);
  const sockaddr_un address = address_of(path);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(fd.get(), 16) != 0) {
    return file_error("listen on", path, errno);
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<AdminServer>> AdminServer::create(Poller& poller, const Options& options,
                                                         AdminHandler handler) {
  if (options.path.empty() || options.path.size() > path_size_max) {
    return fail(ErrorCode::invalid, "the admin socket's path '" + options.path +
                                        "' must have 1 to " + std::to_string(path_size_max) +
                                        " bytes; give a shorter --admin-socket");
  }
  Result<FileDescriptor> lock = take_lock(options.path);
  if (!lock) return std::unexpected(lock.error());
  if (Result<void> cleared = clear_path(options.path); !cleared)
    return std::unexpected(cleared.error());
  Result<FileDescriptor> listener = listen_unix(options.path);
  if (!listener) return std::unexpected(listener.error());
  std::unique_ptr<AdminServer> admin(
      new AdminServer(options, std::move(*lock), std::move(handler)));
  Result<std::unique_ptr<SocketServer>> server = SocketServer::create(
      poller, std::move(*listener),
      // One byte for the newline, and one to see that a line is too long.
      {.connections_max = options.connections_max,
       .input_max = options.line_size_max + 2,
       .idle_timeout = options.idle_timeout},
      [raw = admin.get()](std::uint64_t connection, std::string& input, bool full, Now now) {
        raw->on_input(connection, input, full, now);
      });
  if (!server) return std::unexpected(server.error());
  admin->server_ = std::move(*server);
  return admin;
}

AdminServer::AdminServer(Options options, FileDescriptor lock, AdminHandler handler)
    : options_(std::move(options)), lock_(std::move(lock)), handler_(std::move(handler)) {}

AdminServer::~AdminServer() {
  if (server_) ::unlink(options_.path.c_str());
}

void AdminServer::on_input(std::uint64_t connection, std::string& input, bool full, Now now) {
  std::size_t end = 0;
  while ((end = input.find('\n')) != std::string::npos) {
    const std::string line = input.substr(0, end);
    input.erase(0, end + 1);
    if (line.size() > options_.line_size_max) break;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (!take_line(connection, line, now)) return;
    full = false;
  }
  if (end != std::string::npos || (full && input.size() > options_.line_size_max)) {
    refuse(connection, "a request has at most " + std::to_string(options_.line_size_max) + " bytes",
           SocketServer::Then::close);
  }
}

bool AdminServer::take_line(std::uint64_t connection, const std::string& line, Now now) {
  const nlohmann::json request = nlohmann::json::parse(line, nullptr, false);
  const bool is_request =
      request.is_object() && request.contains("command") && request["command"].is_string();
  if (!is_request) {
    refuse(connection, "a request is one line of JSON, an object with \"command\"",
           SocketServer::Then::stay);
    return true;
  }
  // Held until it is answered, so that answers keep the order of their requests.
  struct State {
    bool answered = false;
    bool waiting = false;
  };
  const auto state = std::make_shared<State>();
  handler_(request, now, [this, connection, state](const nlohmann::json& answer) {
    state->answered = true;
    server_->send(connection,
                  answer.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n",
                  SocketServer::Then::stay);
    if (state->waiting) server_->release(connection);
  });
  if (state->answered) return true;
  state->waiting = true;
  server_->hold(connection);
  return false;
}

void AdminServer::refuse(std::uint64_t connection, std::string_view why, SocketServer::Then then) {
  const nlohmann::json answer{{"ok", false}, {"error", why}};
  server_->send(connection, answer.dump() + "\n", then);
}

}  // namespace godwit::control
