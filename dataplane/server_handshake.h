// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/noise.h"
#include "protocol/frame.h"
#include "protocol/preamble.h"

// The gateway's side of one Noise handshake: XX, IK, and XXfallback when an IK message does not
// open, hybrid or not as the client asked. Sans I/O. Not thread safe; one object a connection, gone
// once the session has its keys.
//
// Between two messages of a hybrid one it holds no key of ML-KEM, but in the fallback, whose first
// message is ours: that is 2.4 KB until the client has answered.

namespace godwit::dataplane {

// What every handshake of a shard uses. Outlives them.
struct NodeIdentity {
  const crypto::KeyPair& key;
  Bytes certificate;  // encoded
};

class ServerHandshake {
 public:
  ServerHandshake(const NodeIdentity& identity, const protocol::Preamble& preamble);

  enum class Step : std::uint8_t {
    reply,             // `reply_size` bytes of `reply` go out
    finished,          // take() the keys; nothing goes out
    reply_and_finish,  // both: the reply first
    failed,            // close without a word
  };
  // One message of the client (without its length). `reply` gets length, status byte and message,
  // reply_size() bytes in all.
  struct Exchange {
    ServerHandshake& handshake;
    Bytes message;
    MutableBytes reply;
    Step step = Step::failed;
  };
  // Sets `step` of each. At most so many at once, each another handshake: the keys of all are
  // computed together, which costs less (docs/decisions/0020).
  static constexpr std::size_t together_max = 4;
  static void answer(std::span<Exchange> exchanges, RandomSource& random);
  std::size_t reply_size() const { return reply_size_; }
  // What answer() may write.
  static constexpr std::size_t reply_size_max =
      protocol::length_prefix_size + protocol::hybrid_handshake_message_size_max;
  // Of the client's messages.
  protocol::FrameLimits frame_limits() const {
    return protocol::handshake_limits_of(preamble_.pattern);
  }
  bool hybrid() const { return protocol::is_hybrid(preamble_.pattern); }
  crypto::NoiseResult take() { return noise_->finish(); }

 private:
  bool begin();
  bool fall_back();
  bool start(crypto::NoisePattern pattern, const crypto::NoiseHandshake* failed);
  void finish_reply(MutableBytes reply, std::size_t message_size);

  const NodeIdentity& identity_;
  const protocol::Preamble preamble_;
  const protocol::PreambleBytes prologue_;
  std::optional<crypto::NoiseHandshake> noise_;
  protocol::HandshakeStatus status_ = protocol::HandshakeStatus::message;  // of the next reply
  std::size_t reply_size_ = 0;
  bool first_ = true;  // the message that is being answered
};

}  // namespace godwit::dataplane
