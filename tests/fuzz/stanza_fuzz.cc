// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "protocol/stanza_layout.h"
#include "tests/protocol/rewrite.h"

// The plaintext of a frame, as a gateway and as a client read it: whatever is read is written back
// the same, and what a gateway takes from a client, a client takes from a gateway.

namespace {

using namespace godwit;
using namespace godwit::protocol;

// True when the stanza was read.
bool check(const RawStanza& stanza, Bytes encoded, Side side) {
  std::vector<std::uint8_t> bytes(encoded.size());
  ByteWriter out(bytes);
  if (!testing::rewrite(out, stanza, {"example.org"}, side)) return false;
  GODWIT_CHECK(std::ranges::equal(out.written(), encoded));
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes frame(data, size);
  while (!frame.empty()) {
    const Bytes before = frame;
    const auto stanza = next_stanza(frame);
    if (!stanza) return 0;
    GODWIT_CHECK(frame.size() < before.size());
    const Bytes encoded = before.first(before.size() - frame.size());
    GODWIT_CHECK(encoded.size() <= stanza_size_max);
    const bool by_gateway = check(*stanza, encoded, Side::from_client);
    const bool by_client = check(*stanza, encoded, Side::from_gateway);
    // What a gateway reads a client reads too, but for what only clients say.
    const bool says_devices = stanza->type == StanzaType::message && !stanza->content.empty() &&
                              (stanza->content[0] & layout::message_has_digest) != 0;
    GODWIT_CHECK(by_client || !by_gateway || says_devices);
  }
  return 0;
}
