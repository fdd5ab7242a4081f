// SPDX-License-Identifier: Apache-2.0
#include "apps/godwitctl_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace godwit::apps {
namespace {

// A gateway gives up on its own shards after two seconds.
constexpr timeval time_limit{.tv_sec = 10, .tv_usec = 0};
// Over what a gateway keeps for one connection (control::SocketServer::Options::output_max).
constexpr std::size_t answer_size_max = 16 << 20;

std::unexpected<Error> lost(std::string_view what) {
  return fail(ErrorCode::io, "the gateway " + std::string(what) + "; is it still running?");
}

}  // namespace

Result<AdminClient> AdminClient::connect(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX};
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::invalid, "the socket's path must have 1 to " +
                                        std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  control::FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return control::file_error("make a socket for", path, errno);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &time_limit, sizeof time_limit);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &time_limit, sizeof time_limit);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return AdminClient(std::move(fd));
  }
  std::string advice = "is godwitd running, and is this its admin socket? (--socket PATH)";
  if (errno == EACCES) advice = "use the account that godwitd runs as";
  return fail(ErrorCode::unavailable,
              "cannot reach " + path + ": " + std::strerror(errno) + "; " + advice);
}

Result<nlohmann::json> AdminClient::ask(const nlohmann::json& request) {
  const std::string line = request.dump() + "\n";
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t count = ::send(fd_.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return lost("closed the connection");
    sent += static_cast<std::size_t>(count);
  }
  std::size_t end = 0;
  while ((end = received_.find('\n')) == std::string::npos) {
    char chunk[65536];
    const ssize_t count = ::read(fd_.get(), chunk, sizeof chunk);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return lost("did not answer in time");
    if (count <= 0) return lost("closed the connection (it takes 16 of them)");
    received_.append(chunk, static_cast<std::size_t>(count));
    if (received_.size() > answer_size_max) return lost("sent an answer without end");
  }
  nlohmann::json answer = nlohmann::json::parse(received_.substr(0, end), nullptr, false);
  received_.erase(0, end + 1);
  if (!answer.is_object() || !answer.contains("ok")) return lost("sent what is no answer");
  if (answer["ok"] != true)
    return fail(ErrorCode::refused, answer.value("error", "the gateway refused"));
  return answer;
}

}  // namespace godwit::apps
