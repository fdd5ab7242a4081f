// SPDX-License-Identifier: Apache-2.0
#include "client/transport.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace godwit::client {

namespace {

class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(int socket) : socket_(socket) {}
  ~TcpTransport() override { ::close(socket_); }
  TcpTransport(const TcpTransport&) = delete;
  TcpTransport& operator=(const TcpTransport&) = delete;

  Result<bool> finish_connect() override {
    pollfd ready{.fd = socket_, .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, 0) == 0) return false;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return fail(ErrorCode::unavailable, std::strerror(error));
    return true;
  }

  std::optional<std::size_t> receive(MutableBytes out) override {
    const ssize_t size = ::recv(socket_, out.data(), out.size(), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    return size < 0 ? 0 : static_cast<std::size_t>(size);
  }

  std::size_t send(Bytes bytes) override {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }

  int descriptor() const override { return socket_; }

 private:
  const int socket_;
};

}  // namespace

Result<std::unique_ptr<Transport>> dial_tcp(const ServerAddress& address, std::uint32_t attempt) {
  const auto socket = dial(address, attempt);
  if (!socket) return std::unexpected(socket.error());
  return std::make_unique<TcpTransport>(*socket);
}

}  // namespace godwit::client
