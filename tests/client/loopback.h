// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/client.h"
#include "tests/client/fake_gateway.h"
#include "tests/client/temporary_home.h"

// A client and fake gateways on a loopback socket, all driven by the test's thread. Virtual time:
// `now` moves only when the test moves it.

namespace godwit::client::test {

// The gateway's socket; each connection has its own FakeGateway.
class Listener {
 public:
  struct Link {
    explicit Link(FakeNode& node) : gateway(node) {}
    FakeGateway gateway;
    int socket = -1;
    bool ended = false;   // the client closed it
    bool reading = true;  // false: what comes stays in the kernel
    bool correct = true;  // what came is the protocol
  };

  explicit Listener(FakeNode& node);
  ~Listener();
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  // Takes connections, reads and writes what it can; true when there was something.
  bool turn();
  void hang_up(Link& link);
  // Connections are refused from now on.
  void stop();

  std::vector<std::unique_ptr<Link>> links;
  bool new_links_read = true;

 private:
  bool turn(Link& link);

  FakeNode& node_;
  int socket_ = -1;
  std::uint16_t port_ = 0;
};

class ClientTest : public ::testing::Test {
 protected:
  ClientTest();
  // A folder as it is after registration as alice@localhost/1, with both keys pinned.
  void make_registered();
  // Opens or opens again; what was open is dropped as by a crash.
  void open();
  Result<void> advance();
  // Turns until `done`, at most a few seconds of real time; fails the test otherwise.
  void until(const std::function<bool()>& done, const char* what);
  // Turns until nobody has anything to say.
  void settle();
  // make_registered, open, and a session whose sequences start at `base`.
  void begin_session(std::uint64_t base = 1000);
  // The next connection, which is not there yet, up to its session.
  void next_session(std::uint64_t base = 1000);
  // As next_session, up to the login.
  void next_login();
  // Moves `now` to the client's deadline, as a loop would.
  void wait_for_deadline();
  Registration registration();
  std::uint64_t send(std::initializer_list<std::string> texts, const char* to = "bob");
  std::vector<std::string> inbox();
  Listener::Link& link() { return *listener.links.back(); }
  FakeGateway& gateway() { return link().gateway; }
  std::vector<std::uint64_t> sent_ids();

  TemporaryHome home;
  FakeNode node;
  Listener listener{node};
  SeededRandom random{5};
  Now now{Instant{} + std::chrono::hours(1), test_time};
  std::unique_ptr<Client> client;
  std::optional<Error> error;  // what advance() returned

  std::vector<std::uint64_t> accepted;
  std::vector<std::pair<std::uint64_t, std::string>> refused;
  std::vector<std::uint16_t> registered;
  std::vector<crypto::OperatorPublicKey> trusted;
  std::size_t received = 0;
  std::size_t backlogs_ended = 0;
  std::function<void()> on_received = [] {};
};

using Ids = std::vector<std::uint64_t>;
using Texts = std::vector<std::string>;

}  // namespace godwit::client::test
