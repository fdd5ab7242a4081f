// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "crypto/signal/spqr/spqr.h"

// A stored state that anything may have happened to: it is corrupt, or is written back the same and
// goes on sending and receiving without an end to the process.

namespace {

using namespace godwit;
using namespace godwit::crypto;
using namespace godwit::crypto::signal;

std::vector<std::uint8_t> stored(const Spqr& ratchet) {
  std::vector<std::uint8_t> form(ratchet.write_size());
  ByteWriter out(form);
  ratchet.write(out);
  GODWIT_CHECK(out.ok() && out.size() == form.size() && form.size() <= spqr_state_size_max);
  return form;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, size);
  auto ratchet = Spqr::read(input);
  if (!ratchet) {
    GODWIT_CHECK(ratchet.error().code == ErrorCode::corrupt);
    return 0;
  }
  GODWIT_CHECK(std::ranges::equal(stored(*ratchet), input));
  SeededRandom random(1);
  for (int i = 0; i < 8; ++i) {
    const auto sent = ratchet->send(random);
    GODWIT_CHECK(sent || sent.error().code == ErrorCode::limit);
  }
  for (std::uint8_t type = 0; type <= static_cast<std::uint8_t>(BraidType::ct2); ++type) {
    for (std::uint64_t ahead : {0, 1}) {
      for (std::uint16_t chunk = 0; chunk < 4; ++chunk) {
        SpqrMessage message{
            .braid = {.epoch = ratchet->epoch() + ahead, .type = static_cast<BraidType>(type)},
            .index = 1U + chunk};
        message.braid.chunk.index = chunk;
        const auto key = ratchet->receive(encode(message));
        GODWIT_CHECK(key || key.error().code != ErrorCode::malformed);
      }
    }
  }
  GODWIT_CHECK(Spqr::read(stored(*ratchet)));
  return 0;
}
