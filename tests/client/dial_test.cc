// SPDX-License-Identifier: Apache-2.0
#include "client/dial.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace godwit::client::test {
namespace {

TEST(ServerAddress, FormsThatAreOne) {
  const struct {
    const char* text;
    const char* host;
    const char* port;
  } cases[] = {
      {"127.0.0.1:5210", "127.0.0.1", "5210"},   {"gateway.example:1", "gateway.example", "1"},
      {"localhost:65535", "localhost", "65535"}, {"[::1]:5210", "::1", "5210"},
      {"[fe80::1%lo]:443", "fe80::1%lo", "443"},
  };
  for (const auto& [text, host, port] : cases) {
    const auto address = parse_server_address(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(address->host, host);
    EXPECT_EQ(address->port, port);
  }
}

TEST(ServerAddress, FormsThatAreNone) {
  for (const char* text :
       {"", ":", "localhost", "localhost:", ":5210", "localhost:0", "localhost:65536",
        "localhost:4294967297", "localhost:-1", "localhost:+1", "localhost: 1", "localhost:1 ",
        "localhost:5210x", "::1:5210", "[::1]", "[]:5210", "[::1:5210", "a:b:1", "[a]b:1"}) {
    const auto address = parse_server_address(text);
    ASSERT_FALSE(address.has_value()) << text;
    EXPECT_EQ(address.error().code, ErrorCode::invalid);
    EXPECT_NE(address.error().message.find("HOST:PORT"), std::string::npos);
    EXPECT_NE(address.error().message.find(text), std::string::npos);
  }
}

class DialTest : public ::testing::Test {
 protected:
  void SetUp() override {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(listener, generic, size), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
    ASSERT_EQ(::getsockname(listener, generic, &size), 0);
    port = std::to_string(ntohs(address.sin_port));
  }
  ~DialTest() override { ::close(listener); }

  // What became of the connection: an errno value.
  static int outcome(int socket) {
    pollfd ready{.fd = socket, .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, 2000) != 1) return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
  }

  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string port;
};

TEST_F(DialTest, SocketDoesNotBlockIsNotInheritedAndSendsAtOnce) {
  const auto socket = dial({"127.0.0.1", port}, 0);
  ASSERT_TRUE(socket.has_value()) << socket.error().message;
  EXPECT_EQ(outcome(*socket), 0);
  EXPECT_NE(::fcntl(*socket, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(*socket, F_GETFD) & FD_CLOEXEC, 0);
  int on = 0;
  socklen_t size = sizeof on;
  ::getsockopt(*socket, IPPROTO_TCP, TCP_NODELAY, &on, &size);
  EXPECT_NE(on, 0);
  ::close(*socket);
}

// A name may stand for ::1 and 127.0.0.1; only one of them listens here.
TEST_F(DialTest, EachAttemptTriesTheNextAddressOfAName) {
  bool reached = false;
  for (std::uint32_t attempt = 0; attempt < 4; ++attempt) {
    const auto socket = dial({"localhost", port}, attempt);
    if (!socket) continue;
    reached = outcome(*socket) == 0 || reached;
    ::close(*socket);
  }
  EXPECT_TRUE(reached);
  const auto last = dial({"127.0.0.1", port}, UINT32_MAX);
  ASSERT_TRUE(last.has_value()) << "the count of attempts may be any number";
  ::close(*last);
}

TEST_F(DialTest, NobodyThere) {
  ::shutdown(listener, SHUT_RDWR);
  const auto socket = dial({"127.0.0.1", port}, 0);
  if (socket) {
    EXPECT_EQ(outcome(*socket), ECONNREFUSED);
    ::close(*socket);
  } else {
    EXPECT_NE(socket.error().message.find("is godwitd running there?"), std::string::npos);
  }
}

TEST(Dial, HostThatCannotBeFound) {
  // A label has at most 63 characters (RFC 1035, 2.3.4), so no server is asked.
  const std::string host(64, 'x');
  const auto socket = dial({host, "1"}, 0);
  ASSERT_FALSE(socket.has_value());
  EXPECT_EQ(socket.error().code, ErrorCode::unavailable);
  EXPECT_NE(socket.error().message.find("cannot find the host " + host), std::string::npos);
}

}  // namespace
}  // namespace godwit::client::test
