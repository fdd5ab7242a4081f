// SPDX-License-Identifier: Apache-2.0
#include "client/connection.h"

#include "tests/client/fake_gateway.h"

// A client's connection against a gateway that has the right keys and says anything, or against
// anybody who never gets as far. What the client is told stays in order and within what it has
// sent, and what it sends stays readable.
//
// Input: one byte of choices (registered, node key known, no handshake), then what the gateway
// says: frames, each behind two bytes of length, of which the top bit has the client act first.

namespace {

using namespace godwit;
using namespace godwit::client;
using client::test::FakeGateway;
using client::test::FakeNode;
using client::test::test_time;

struct Checker {
  std::uint64_t last_sequence = 0;
  std::uint32_t sent = 0;
  std::uint32_t refused = 0;
  bool ended = false;

  void operator()(const ServerTrusted&) { GODWIT_CHECK(!ended); }
  void operator()(const client::Registered& event) { GODWIT_CHECK(event.device != 0); }
  void operator()(const client::SessionReady&) { GODWIT_CHECK(!ended); }
  void operator()(const Delivered& event) {
    GODWIT_CHECK(!ended && event.id != 0 && !event.from.empty());
    if (event.sequence == 0) return;
    GODWIT_CHECK(event.sequence > last_sequence);
    last_sequence = event.sequence;
  }
  void operator()(const Settled& event) { GODWIT_CHECK(event.upto <= sent); }
  void operator()(const Refused& event) {
    GODWIT_CHECK(event.number >= 1 && event.number <= sent);
    refused = std::max(refused, event.number);
  }
  void operator()(const client::Listed&) { GODWIT_CHECK(!ended); }
  void operator()(const client::Answered&) { GODWIT_CHECK(!ended); }
  void operator()(const client::Noticed&) { GODWIT_CHECK(!ended); }
  void operator()(const BacklogEnd&) { GODWIT_CHECK(!ended); }
  void operator()(const StreamEnded&) { ended = true; }
};

// False once the connection is over.
bool exchange(Connection& connection, FakeGateway& gateway, Checker& checker) {
  for (;;) {
    const auto up = connection.take_output();
    if (!up.empty()) GODWIT_CHECK(gateway.on_bytes(up));
    const auto down = gateway.take_output();
    if (down.empty()) return true;
    const auto events = connection.on_bytes(down, test_time);
    if (!events) {
      GODWIT_CHECK(!events.error().message.empty());
      return false;
    }
    for (const Event& event : *events) std::visit(checker, event);
    if (checker.ended) return false;
  }
}

void act(Connection& connection, Checker& checker) {
  if (!connection.ready()) return;
  if (checker.refused > 0) connection.confirm_refusal(checker.refused);
  connection.acknowledge(checker.last_sequence);
  protocol::Jid bob;
  bob.user = "bob";
  bob.domain = "localhost";
  checker.sent = connection.send_message(checker.sent + 1, bob, as_bytes("hi"));
  connection.ping(checker.sent);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader in(Bytes(data, size));
  const std::uint8_t choice = in.u8();
  SeededRandom random(7);
  FakeNode node;
  FakeGateway gateway(node);
  const crypto::KeyPair identity = crypto::KeyPair::generate(random);
  protocol::Jid jid;
  jid.user = "alice";
  jid.domain = "localhost";
  jid.device = choice & 1;
  Connection::Options options{.jid = jid, .identity = identity, .client_name = "fuzz"};
  if ((choice & 2) != 0) options.node_key = node.key.public_key;
  Connection connection(options, random);
  Checker checker;
  if ((choice & 4) != 0) {
    (void)connection.take_output();
    gateway.say_raw(in.take_rest());
    const auto events = connection.on_bytes(gateway.take_output(), test_time);
    GODWIT_CHECK(!connection.ready());
    if (events) {
      for (const Event& event : *events) std::visit(checker, event);
    }
    return 0;
  }
  if (!exchange(connection, gateway, checker)) return 0;
  while (!in.at_end()) {
    const std::uint16_t head = in.u16();
    if ((head & 0x8000) != 0) act(connection, checker);
    const Bytes plain = in.take(head & 0x7fff);
    if (plain.empty()) return 0;
    gateway.say_plain(plain);
    if (!exchange(connection, gateway, checker)) return 0;
  }
  return 0;
}
