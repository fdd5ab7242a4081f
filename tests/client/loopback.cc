// SPDX-License-Identifier: Apache-2.0
#include "tests/client/loopback.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "tests/client/plain_sealer.h"

namespace godwit::client::test {

Listener::Listener(FakeNode& node) : node_(node) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  // Small, so that a gateway that does not read is felt soon.
  const int buffer = 64 * 1024;
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  GODWIT_CHECK(::bind(socket_, generic, size) == 0);
  GODWIT_CHECK(::listen(socket_, 16) == 0);
  GODWIT_CHECK(::getsockname(socket_, generic, &size) == 0);
  port_ = ntohs(address.sin_port);
}

Listener::~Listener() {
  stop();
  for (const auto& link : links) hang_up(*link);
}

void Listener::stop() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

void Listener::hang_up(Link& link) {
  if (link.socket >= 0) ::close(std::exchange(link.socket, -1));
}

bool Listener::turn() {
  bool any = false;
  const int socket = socket_ < 0 ? -1 : ::accept4(socket_, nullptr, nullptr, SOCK_NONBLOCK);
  if (socket >= 0) {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    links.push_back(std::make_unique<Link>(node_));
    links.back()->socket = socket;
    links.back()->reading = new_links_read;
    any = true;
  }
  for (const auto& link : links) any = turn(*link) || any;
  return any;
}

bool Listener::turn(Link& link) {
  if (link.socket < 0) return false;
  bool any = false;
  std::uint8_t buffer[65536];
  while (link.reading && !link.ended) {
    const ssize_t size = ::recv(link.socket, buffer, sizeof buffer, 0);
    if (size < 0 && errno == EAGAIN) break;
    any = true;
    if (size <= 0) {
      link.ended = true;
    } else if (!link.gateway.on_bytes({buffer, static_cast<std::size_t>(size)})) {
      link.correct = false;
    }
  }
  const auto output = link.gateway.take_output();
  if (!output.empty() && !link.ended) {
    any = true;
    const ssize_t sent = ::send(link.socket, output.data(), output.size(), MSG_NOSIGNAL);
    GODWIT_CHECK(sent < 0 || static_cast<std::size_t>(sent) == output.size());
  }
  return any;
}

ClientTest::ClientTest() = default;

void ClientTest::make_registered() {
  auto state = State::open(home.path());
  ASSERT_TRUE(state.has_value());
  State::Identity identity;
  identity.jid.user = "alice";
  identity.jid.domain = "localhost";
  identity.jid.device = 1;
  identity.server = listener.address();
  identity.private_key = crypto::KeyPair::generate(random).private_key.copy();
  identity.operator_key = node.operator_key.public_key;
  identity.node_key = node.key.public_key;
  ASSERT_TRUE((*state)->save_identity(identity));
}

void ClientTest::open() {
  client.reset();
  ClientEvents events;
  events.accepted = [&](std::uint64_t id) { accepted.push_back(id); };
  events.refused = [&](std::uint64_t id, const std::string& why) { refused.emplace_back(id, why); };
  events.received = [&] {
    ++received;
    on_received();
  };
  events.backlog_ended = [&] { ++backlogs_ended; };
  events.registered = [&](std::uint16_t device) { registered.push_back(device); };
  events.trusted = [&](const crypto::OperatorPublicKey& key) { trusted.push_back(key); };
  auto opened = Client::open(home.path(), random, events, dial_tcp, pass_plain);
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  client = std::move(*opened);
}

Result<void> ClientTest::advance() {
  auto advanced = client->advance(now);
  if (!advanced) error = advanced.error();
  return advanced;
}

void ClientTest::until(const std::function<bool()>& done, const char* what) {
  for (int i = 0; i < 3000; ++i) {
    (void)advance();
    const bool any = listener.turn();
    (void)advance();
    if (done()) return;
    if (!any) ::poll(nullptr, 0, i < 50 ? 0 : 1);
  }
  FAIL() << "never: " << what << "; trouble: " << client->trouble()
         << (error ? "; error: " + error->message : "");
}

// Loopback hands over at once; the extra rounds are for a kernel that is busy.
void ClientTest::settle() {
  for (int quiet = 0; quiet < 3;) {
    (void)advance();
    quiet = listener.turn() ? 0 : quiet + 1;
    if (quiet > 0) ::poll(nullptr, 0, 1);
  }
  (void)advance();
}

void ClientTest::begin_session(std::uint64_t base) {
  make_registered();
  open();
  next_session(base);
}

void ClientTest::next_login() {
  const std::size_t before = listener.links.size();
  if (client->descriptor() < 0) wait_for_deadline();
  until([&] { return listener.links.size() == before + 1 && !gateway().logins.empty(); },
        "a login");
}

void ClientTest::next_session(std::uint64_t base) {
  next_login();
  gateway().ready(base);
  until([&] { return client->trouble().empty(); }, "a session");
}

void ClientTest::wait_for_deadline() {
  const Instant deadline = client->deadline();
  ASSERT_NE(deadline, never);
  const Duration wait = std::max(Duration{0}, deadline - now.instant);
  now.instant += wait;
  now.wall += std::chrono::ceil<std::chrono::milliseconds>(wait);
}

Registration ClientTest::registration() {
  Registration wanted;
  wanted.jid.user = "alice";
  wanted.jid.domain = "localhost";
  wanted.server = listener.address();
  return wanted;
}

std::uint64_t ClientTest::send(std::initializer_list<std::string> texts, const char* to) {
  protocol::Jid jid;
  jid.user = to;
  jid.domain = "localhost";
  const std::vector<std::string> payloads(texts);
  const auto first = client->send(jid, payloads);
  EXPECT_TRUE(first.has_value());
  return first.value_or(0);
}

std::vector<std::string> ClientTest::inbox() {
  Texts texts;
  const auto stored = client->state().read_inbox(10'000);
  EXPECT_TRUE(stored.has_value());
  if (stored) {
    for (const auto& one : *stored) texts.push_back(one.message.payload);
  }
  return texts;
}

Ids ClientTest::sent_ids() {
  Ids ids;
  for (const auto& message : gateway().messages) ids.push_back(message.id);
  return ids;
}

}  // namespace godwit::client::test
