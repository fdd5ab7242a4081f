// SPDX-License-Identifier: Apache-2.0
#include "control/blocking.h"

#include "protocol/node.h"
#include "tests/fuzz/control_world.h"

// What a client asks of the server in an iq: any element that a gateway lets through gets an answer
// that a client can read, and the account keeps to its limit of blocks.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace godwit;
  constexpr std::string_view domain = "example.org";
  ByteReader in(Bytes(data, size));
  const std::uint8_t type = in.u8() % 4;
  const Bytes node = in.take_rest();
  if (node.size() > protocol::iq_node_size_max) return 0;
  if (!node.empty() && !protocol::check_node(node, {domain})) return 0;

  const auto accounts = control::accounts_with_alice();
  std::array<std::uint8_t, protocol::control_stanza_size_max> bytes;
  // Twice: the second may meet what the first has changed.
  for (std::uint64_t id = 1; id <= 2; ++id) {
    const auto answer =
        control::answer_blocking({.iq = {.user = "alice", .type = type, .id = id, .node = node},
                                  .number = 1,
                                  .domain = domain},
                                 *accounts, bytes);
    Bytes rest = Bytes(bytes).first(answer.size);
    const auto stanza = protocol::next_stanza(rest);
    GODWIT_CHECK(stanza && rest.empty());
    if (stanza->type == protocol::StanzaType::error) {
      const auto error = protocol::read_error(stanza->content);
      GODWIT_CHECK(error && error->id == id && !answer.changed);
      continue;
    }
    protocol::JidScratch scratch;
    const auto result = protocol::read_iq(stanza->content, {domain}, scratch);
    GODWIT_CHECK(result && result->id == id && result->type == protocol::IqType::result);
  }
  const auto account = accounts->find("alice");
  GODWIT_CHECK(account && *account && (*account)->blocks.size() <= 4);
  return 0;
}
