// SPDX-License-Identifier: Apache-2.0
#include "dataplane/server_handshake.h"

#include <array>
#include <utility>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/kem/kem.h"
#include "protocol/limits.h"

namespace godwit::dataplane {

using crypto::NoiseHandshake;
using crypto::NoisePattern;
using protocol::HandshakeStatus;

ServerHandshake::ServerHandshake(const NodeIdentity& identity, const protocol::Preamble& preamble)
    : identity_(identity), preamble_(preamble), prologue_(protocol::encode(preamble)) {}

namespace {

// Of a reply, before the message.
constexpr std::size_t head_size = protocol::length_prefix_size + 1;

}  // namespace

void ServerHandshake::answer(std::span<Exchange> exchanges, RandomSource& random) {
  GODWIT_CHECK(exchanges.size() <= together_max);
  std::array<std::array<std::uint8_t, protocol::hybrid_handshake_message_size_max>, together_max>
      payloads;
  std::vector<Exchange*> begun;
  std::vector<NoiseHandshake::Read> reads;
  for (Exchange& exchange : exchanges) {
    exchange.step = Step::failed;
    if (!exchange.handshake.begin()) continue;
    reads.push_back({*exchange.handshake.noise_, exchange.message, payloads[reads.size()]});
    begun.push_back(&exchange);
  }
  NoiseHandshake::read_each(reads);

  std::vector<Exchange*> replied;
  std::vector<NoiseHandshake::Write> writes;
  for (std::size_t i = 0; i < begun.size(); ++i) {
    ServerHandshake& handshake = begun[i]->handshake;
    if (!reads[i].result && !handshake.fall_back()) continue;
    if (handshake.noise_->finished()) {
      begun[i]->step = Step::finished;
      continue;
    }
    writes.push_back(
        {*handshake.noise_, handshake.identity_.certificate, begun[i]->reply.subspan(head_size)});
    replied.push_back(begun[i]);
  }
  NoiseHandshake::write_each(writes, random);
  for (std::size_t i = 0; i < replied.size(); ++i) {
    if (!writes[i].result) continue;
    ServerHandshake& handshake = replied[i]->handshake;
    handshake.finish_reply(replied[i]->reply, *writes[i].result);
    replied[i]->step = handshake.noise_->finished() ? Step::reply_and_finish : Step::reply;
  }
}

// Before a message is read.
bool ServerHandshake::begin() {
  if (noise_) {
    first_ = false;
    return true;
  }
  const auto pattern = crypto::pattern_from_byte(static_cast<std::uint8_t>(preamble_.pattern));
  return pattern && start(*pattern, nullptr);
}

// The client has an old key of ours, or none of its bytes are a handshake: XXfallback tells. False
// when the message that did not open was not a first one of IK.
bool ServerHandshake::fall_back() {
  const auto pattern = crypto::pattern_from_byte(static_cast<std::uint8_t>(preamble_.pattern));
  if (!first_ || !crypto::is_ik(*pattern)) return false;
  const NoiseHandshake failed = std::move(*noise_);
  status_ = HandshakeStatus::fallback;
  return start(crypto::fallback_of(*pattern), &failed);
}

bool ServerHandshake::start(NoisePattern pattern, const NoiseHandshake* failed) {
  const auto suite = crypto::suite_from_byte(static_cast<std::uint8_t>(preamble_.suite));
  if (!suite) return false;
  NoiseHandshake::Options options{
      .pattern = pattern, .suite = *suite, .prologue = prologue_, .local_static = &identity_.key};
  if (failed != nullptr) {
    options.initiator = true;  // it sends first now
    options.remote_ephemeral = failed->remote_ephemeral();
    if (!options.remote_ephemeral) return false;
  }
  auto started = NoiseHandshake::start(options);
  if (!started) return false;
  noise_.emplace(std::move(*started));
  return true;
}

void ServerHandshake::finish_reply(MutableBytes reply, std::size_t message_size) {
  protocol::write_frame_length(reply, message_size + 1);
  reply[protocol::length_prefix_size] = static_cast<std::uint8_t>(status_);
  reply_size_ = head_size + message_size;
}

}  // namespace godwit::dataplane
