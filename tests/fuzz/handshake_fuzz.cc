// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "base/random.h"
#include "crypto/noise.h"

// A gateway's or a client's handshake against arbitrary peers. The input's first byte chooses side,
// pattern and suite; then come messages, each behind two bytes of length. Whatever arrives: nothing
// is read out of bounds, and a side that failed stays failed.

namespace {

using namespace godwit;
using namespace godwit::crypto;

constexpr NoisePattern patterns[] = {NoisePattern::xx, NoisePattern::ik, NoisePattern::xx_fallback};

NoiseHandshake started(std::uint8_t choice, const KeyPair& own, const KeyPair& peer,
                       const KeyPair& ephemeral) {
  const NoisePattern pattern = patterns[(choice >> 4) % 3];
  const bool initiator = (choice & 0x08) != 0;
  NoiseHandshake::Options options{.pattern = pattern,
                                  .suite = suite_from_byte(1 + (choice & 0x07) % 3).value(),
                                  .initiator = initiator,
                                  .prologue = Bytes(&choice, 1),
                                  .local_static = &own};
  if (pattern == NoisePattern::ik && initiator) options.remote_static = peer.public_key;
  if (pattern == NoisePattern::xx_fallback) {
    if (initiator) {
      options.remote_ephemeral = ephemeral.public_key;
    } else {
      options.local_ephemeral = &ephemeral;
    }
  }
  auto handshake = NoiseHandshake::start(options);
  GODWIT_CHECK(handshake);
  return std::move(*handshake);
}

void check_failed(NoiseHandshake& handshake, RandomSource& random) {
  std::array<std::uint8_t, 200> bytes{};
  GODWIT_CHECK(!handshake.my_turn() && !handshake.finished() && !handshake.remote_static());
  GODWIT_CHECK(!handshake.write_message({}, bytes, random));
  GODWIT_CHECK(!handshake.read_message(bytes, bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader in(Bytes(data, size));
  const std::uint8_t choice = in.u8();
  SeededRandom random(1);
  const KeyPair own = KeyPair::generate(random);
  const KeyPair peer = KeyPair::generate(random);
  const KeyPair ephemeral = KeyPair::generate(random);
  NoiseHandshake handshake = started(choice, own, peer, ephemeral);
  std::vector<std::uint8_t> out(1024);
  while (in.ok() && !handshake.finished()) {
    if (handshake.my_turn()) {
      const auto written = handshake.write_message(as_bytes("certificate"), out, random);
      if (!written) return check_failed(handshake, random), 0;
      continue;
    }
    const Bytes message = in.take(in.u16());
    if (!in.ok()) return 0;
    // The payload's buffer is as large as the message at most, so that one byte too many shows.
    std::vector<std::uint8_t> payload(message.size());
    const auto read = handshake.read_message(message, payload);
    if (!read) return check_failed(handshake, random), 0;
    GODWIT_CHECK(*read <= message.size());
  }
  if (handshake.finished()) {
    const NoiseResult result = handshake.finish();
    GODWIT_CHECK(!handshake.finished());
    GODWIT_CHECK(!result.send.key.equals(result.receive.key));
  }
  return 0;
}
