// SPDX-License-Identifier: Apache-2.0
#include "dataplane/server_handshake.h"

#include <array>
#include <utility>

#include "crypto/certificate.h"
#include "crypto/kem/kem.h"
#include "protocol/limits.h"

namespace godwit::dataplane {

using crypto::NoiseHandshake;
using crypto::NoisePattern;
using protocol::HandshakeStatus;

ServerHandshake::ServerHandshake(const NodeIdentity& identity, const protocol::Preamble& preamble)
    : identity_(identity), preamble_(preamble), prologue_(protocol::encode(preamble)) {}

ServerHandshake::Step ServerHandshake::on_message(Bytes message, MutableBytes reply,
                                                  RandomSource& random) {
  const bool first = !noise_.has_value();
  const auto pattern = crypto::pattern_from_byte(static_cast<std::uint8_t>(preamble_.pattern));
  if (!pattern || (first && !start(*pattern, nullptr))) return Step::failed;

  std::array<std::uint8_t, protocol::hybrid_handshake_message_size_max> payload;
  HandshakeStatus status = HandshakeStatus::message;
  if (!noise_->read_message(message, payload)) {
    // The client has an old key of ours, or none of its bytes are a handshake: XXfallback tells.
    if (!first || !crypto::is_ik(*pattern)) return Step::failed;
    const NoiseHandshake failed = std::move(*noise_);
    if (!start(crypto::fallback_of(*pattern), &failed)) return Step::failed;
    status = HandshakeStatus::fallback;
  }
  if (noise_->finished()) return Step::finished;
  if (!write_reply(status, reply, random)) return Step::failed;
  return noise_->finished() ? Step::reply_and_finish : Step::reply;
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

bool ServerHandshake::write_reply(HandshakeStatus status, MutableBytes reply,
                                  RandomSource& random) {
  constexpr std::size_t head = protocol::length_prefix_size + 1;
  const auto written = noise_->write_message(identity_.certificate, reply.subspan(head), random);
  if (!written) return false;
  protocol::write_frame_length(reply, *written + 1);
  reply[protocol::length_prefix_size] = static_cast<std::uint8_t>(status);
  reply_size_ = head + *written;
  return true;
}

}  // namespace godwit::dataplane
