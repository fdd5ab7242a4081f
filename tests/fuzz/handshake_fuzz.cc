// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <vector>

#include "base/random.h"
#include "crypto/noise.h"

// A gateway's or a client's handshake against arbitrary peers. The input's first byte chooses side,
// pattern and suite; then come messages, each behind two bytes of length. With the top bit of those
// set it is the true message of an honest peer that comes, but for one byte: where it is (two
// bytes) and what it is changed by (one) follow; so the later parts of a handshake are reached.
// Whatever arrives: nothing is read out of bounds, and a side that failed stays failed.

namespace {

using namespace godwit;
using namespace godwit::crypto;

constexpr NoisePattern patterns[] = {NoisePattern::xx,          NoisePattern::ik,
                                     NoisePattern::xx_fallback, NoisePattern::xx_hfs,
                                     NoisePattern::ik_hfs,      NoisePattern::xx_fallback_hfs};

constexpr unsigned true_message = 0x8000;

struct Choice {
  NoisePattern pattern;
  NoiseSuite suite;
  std::uint8_t prologue;
};

struct Keys {
  const KeyPair& own;
  const KeyPair& peer;
  const KeyPair& ephemeral;  // of the IK message before a fallback
};

NoiseHandshake started(const Choice& choice, bool initiator, const Keys& keys) {
  NoiseHandshake::Options options{.pattern = choice.pattern,
                                  .suite = choice.suite,
                                  .initiator = initiator,
                                  .prologue = Bytes(&choice.prologue, 1),
                                  .local_static = &keys.own};
  if (is_ik(choice.pattern) && initiator) options.remote_static = keys.peer.public_key;
  if (is_fallback(choice.pattern)) {
    if (initiator) {
      options.remote_ephemeral = keys.ephemeral.public_key;
    } else {
      options.local_ephemeral = &keys.ephemeral;
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

// The peer that keeps to the pattern, as long as it can.
class Peer {
 public:
  Peer(NoiseHandshake handshake) : handshake_(std::move(handshake)) {}

  void read(Bytes message) {
    std::vector<std::uint8_t> payload(message.size());
    if (handshake_ && !handshake_->read_message(message, payload)) handshake_.reset();
  }
  // Empty when it has nothing more to say.
  std::vector<std::uint8_t> write(RandomSource& random) {
    std::vector<std::uint8_t> message(2048);
    if (!handshake_ || !handshake_->my_turn()) return {};
    const auto size = handshake_->write_message({}, message, random);
    message.resize(size.value_or(0));
    return message;
  }
  void leave() { handshake_.reset(); }

 private:
  std::optional<NoiseHandshake> handshake_;
};

std::vector<std::uint8_t> next_message(ByteReader& in, Peer& peer, RandomSource& random) {
  const unsigned size = in.u16();
  if ((size & true_message) == 0) {
    peer.leave();
    const Bytes bytes = in.take(size);
    return {bytes.begin(), bytes.end()};
  }
  std::vector<std::uint8_t> message = peer.write(random);
  const std::size_t at = in.u16();
  const std::uint8_t change = in.u8();
  if (in.ok() && !message.empty()) message[at % message.size()] ^= change;
  return message;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader in(Bytes(data, size));
  const std::uint8_t first = in.u8();
  const Choice choice{patterns[(first >> 4) % std::size(patterns)],
                      suite_from_byte(1 + (first & 0x07) % 3).value(), first};
  const bool initiator = (first & 0x08) != 0;
  SeededRandom random(1);
  const KeyPair own = KeyPair::generate(random);
  const KeyPair other = KeyPair::generate(random);
  const KeyPair ephemeral = KeyPair::generate(random);
  NoiseHandshake handshake = started(choice, initiator, {own, other, ephemeral});
  Peer peer(started(choice, !initiator, {other, own, ephemeral}));
  SeededRandom peer_random(2);
  std::vector<std::uint8_t> out(2048);
  while (in.ok() && !handshake.finished()) {
    if (handshake.my_turn()) {
      const auto written = handshake.write_message(as_bytes("certificate"), out, random);
      if (!written) return check_failed(handshake, random), 0;
      peer.read(Bytes(out).first(*written));
      continue;
    }
    const std::vector<std::uint8_t> message = next_message(in, peer, peer_random);
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
