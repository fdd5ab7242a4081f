// SPDX-License-Identifier: Apache-2.0
// The admin socket over a real UNIX socket: lines in, answers in order, limits, and which socket
// files are replaced.
#include "control/admin_server.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "tests/control/scratch_folder.h"
#include "tests/control/socket_client.h"

namespace godwit::control {
namespace {

using nlohmann::json;

class AdminServerTest : public testing::Test {
 protected:
  void SetUp() override { poller_ = std::move(*Poller::create()); }
  void TearDown() override { stop(); }

  void start(AdminServer::Options options = {}) {
    options.path = path_;
    Result<std::unique_ptr<AdminServer>> server = AdminServer::create(*poller_, options, handler());
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    thread_.emplace(*poller_);
  }
  void stop() {
    thread_.reset();
    server_.reset();
  }
  Error failure(const AdminServer::Options& options) {
    const auto server = AdminServer::create(*poller_, options, handler());
    EXPECT_FALSE(server);
    return server ? Error{} : server.error();
  }

  // "echo" answers at once, "later" when the next "echo" has been asked (by another connection),
  // "never" not at all.
  AdminHandler handler() {
    return [this](const json& request, Now, AdminAnswer answer) {
      const std::string command = request["command"];
      if (command == "never") return;
      if (command == "later") {
        later_ = std::move(answer);
        return;
      }
      answer({{"ok", true}, {"echo", request.value("text", "")}});
      if (auto waiting = std::exchange(later_, nullptr)) waiting({{"ok", true}, {"echo", "late"}});
    };
  }
  SocketClient client() { return SocketClient::to_path(path_); }
  static std::string echo(const std::string& text) {
    return json{{"command", "echo"}, {"text", text}}.dump() + "\n";
  }

  ScratchFolder folder_;
  const std::string path_ = folder_ / "admin.sock";
  std::unique_ptr<Poller> poller_;
  std::unique_ptr<AdminServer> server_;
  AdminAnswer later_;
  std::optional<PollerThread> thread_;
};

TEST_F(AdminServerTest, AnswersEachLineInOrder) {
  start();
  SocketClient one = client();
  one.send(echo("a") + "\n  \n" + echo("b"));
  EXPECT_EQ(json::parse(one.read_line())["echo"], "a");
  EXPECT_EQ(json::parse(one.read_line())["echo"], "b");
}

TEST_F(AdminServerTest, ALineMayComeInPieces) {
  start();
  SocketClient one = client();
  for (char c : echo("piecemeal")) one.send({&c, 1});
  EXPECT_EQ(json::parse(one.read_line())["echo"], "piecemeal");
}

TEST_F(AdminServerTest, LateAnswerHoldsTheConnectionAndNoOther) {
  start();
  SocketClient one = client();
  one.send("{\"command\":\"later\"}\n" + echo("after"));
  SocketClient two = client();
  two.send(echo("first"));
  EXPECT_EQ(json::parse(two.read_line())["echo"], "first");
  // "later" may have come after two's line was handled; a second one settles it.
  two.send(echo("second"));
  EXPECT_EQ(json::parse(two.read_line())["echo"], "second");
  EXPECT_EQ(json::parse(one.read_line())["echo"], "late");
  EXPECT_EQ(json::parse(one.read_line())["echo"], "after");
}

TEST_F(AdminServerTest, AnswersAfterTheClientHasEndedItsSide) {
  start();
  SocketClient one = client();
  one.send(echo("bye"));
  one.end_sending();
  EXPECT_EQ(json::parse(one.read_all())["echo"], "bye");
  EXPECT_TRUE(one.ended());
}

TEST_F(AdminServerTest, ClientThatLeavesWhileHeldIsForgotten) {
  start({.connections_max = 1});
  {
    SocketClient one = client();
    one.send("{\"command\":\"never\"}\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  std::string answer;
  for (int i = 0; i < 50 && answer.empty(); ++i) {
    SocketClient two = client();
    two.send(echo("next"));
    answer = two.read_line();
  }
  EXPECT_EQ(json::parse(answer)["echo"], "next");
}

TEST_F(AdminServerTest, NonsenseIsAnErrorAndTheConnectionGoesOn) {
  start();
  SocketClient one = client();
  for (const char* wrong : {"nonsense", "[]", "{}", "{\"command\":1}", "\"status\"",
                            "{\"command\":\"x\"", "\xff\xfe"}) {
    one.send(std::string(wrong) + "\n");
    const json answer = json::parse(one.read_line());
    EXPECT_EQ(answer["ok"], false) << wrong;
    EXPECT_TRUE(answer["error"].is_string());
  }
  one.send(echo("still here"));
  EXPECT_EQ(json::parse(one.read_line())["echo"], "still here");
}

// The line of a request of exactly `size` bytes.
std::string line_of(std::size_t size) {
  const std::string empty = json{{"command", "echo"}, {"text", ""}}.dump();
  return json{{"command", "echo"}, {"text", std::string(size - empty.size(), 'x')}}.dump() + "\n";
}

TEST_F(AdminServerTest, LinesUpToTheLimitAndNotBeyond) {
  start({.line_size_max = 1000});
  SocketClient one = client();
  for (std::size_t size : {999u, 1000u}) {
    one.send(line_of(size));
    EXPECT_EQ(json::parse(one.read_line())["ok"], true) << size;
  }
  one.send(line_of(1001));
  EXPECT_NE(one.read_line().find("at most 1000 bytes"), std::string::npos);
  EXPECT_EQ(one.read_all(), "");
  EXPECT_TRUE(one.ended());
}

TEST_F(AdminServerTest, EndlessLineIsRefused) {
  start({.line_size_max = 1000});
  SocketClient one = client();
  one.send(std::string(1002, 'x'));
  EXPECT_NE(one.read_line().find("at most 1000 bytes"), std::string::npos);
}

TEST_F(AdminServerTest, ConnectionsUpToTheLimit) {
  start({.connections_max = 2});
  SocketClient one = client();
  SocketClient two = client();
  one.send(echo("1"));
  two.send(echo("2"));
  EXPECT_NE(one.read_line(), "");
  EXPECT_NE(two.read_line(), "");
  SocketClient three = client();
  three.read_all();
  EXPECT_TRUE(three.ended() || !three.connected());
}

TEST_F(AdminServerTest, IdleConnectionIsClosed) {
  start({.idle_timeout = std::chrono::milliseconds(50)});
  SocketClient one = client();
  one.send("{\"comm");
  EXPECT_EQ(one.read_all(), "");
  EXPECT_TRUE(one.ended());
}

TEST_F(AdminServerTest, SocketIsForItsOwnerOnlyAndGoesWithTheServer) {
  start();
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  stop();
  EXPECT_NE(::stat(path_.c_str(), &status), 0);
}

TEST_F(AdminServerTest, StaleSocketIsReplaced) {
  {
    FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{.sun_family = AF_UNIX};
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  start();
  SocketClient one = client();
  one.send(echo("x"));
  EXPECT_EQ(json::parse(one.read_line())["echo"], "x");
}

TEST_F(AdminServerTest, SocketInUseIsNotReplaced) {
  start();
  EXPECT_EQ(failure({.path = path_}).code, ErrorCode::unavailable);
  SocketClient one = client();
  one.send(echo("x"));
  EXPECT_EQ(json::parse(one.read_line())["echo"], "x");
}

TEST_F(AdminServerTest, SocketOfAnotherProgramIsNotReplaced) {
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{.sun_family = AF_UNIX};
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(fd.get(), 1), 0);
  EXPECT_EQ(failure({.path = path_}).code, ErrorCode::unavailable);
  struct stat status {};
  EXPECT_EQ(::stat(path_.c_str(), &status), 0);
}

TEST_F(AdminServerTest, FileOfAnotherKindIsNotReplaced) {
  std::ofstream(path_) << "precious";
  EXPECT_EQ(failure({.path = path_}).code, ErrorCode::exists);
  std::string text;
  std::ifstream(path_) >> text;
  EXPECT_EQ(text, "precious");
}

TEST_F(AdminServerTest, PathsUpToTheLimit) {
  EXPECT_EQ(failure({.path = ""}).code, ErrorCode::invalid);
  EXPECT_EQ(failure({.path = std::string(108, 'a')}).code, ErrorCode::invalid);
  const std::string longest = path_ + std::string(107 - path_.size(), 'a');
  EXPECT_TRUE(AdminServer::create(*poller_, {.path = longest}, handler()));
}

}  // namespace
}  // namespace godwit::control
