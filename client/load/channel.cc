// SPDX-License-Identifier: Apache-2.0
#include "client/load/channel.h"

#include <array>

namespace godwit::client::load {

namespace {

protocol::PreambleBytes preamble(protocol::HandshakePattern pattern) {
  return protocol::encode({pattern, crypto::cpu_has_aes_gcm()
                                        ? protocol::HandshakeSuite::aesgcm_sha256
                                        : protocol::HandshakeSuite::chachapoly_blake2b});
}

}  // namespace

LoadChannel::LoadChannel(const crypto::KeyPair& identity, std::vector<std::uint8_t>& out,
                         RandomSource& random, protocol::HandshakePattern pattern)
    : random_(&random) {
  const protocol::PreambleBytes first = preamble(pattern);
  const auto noise_pattern = crypto::pattern_from_byte(static_cast<std::uint8_t>(pattern));
  auto noise = crypto::NoiseHandshake::start({.pattern = *noise_pattern,
                                              .suite = *crypto::suite_from_byte(first[3] & 0x0f),
                                              .initiator = true,
                                              .prologue = first,
                                              .local_static = &identity});
  GODWIT_CHECK(noise.has_value());
  noise_ = std::make_unique<crypto::NoiseHandshake>(std::move(*noise));
  out.insert(out.end(), first.begin(), first.end());
  write_handshake(out);
}

void LoadChannel::write_handshake(std::vector<std::uint8_t>& out) {
  const std::size_t start = out.size();
  out.resize(start + protocol::length_prefix_size + protocol::hybrid_handshake_message_size_max);
  const MutableBytes room = MutableBytes(out).subspan(start);
  const auto size = noise_->write_message({}, room.subspan(protocol::length_prefix_size), *random_);
  GODWIT_CHECK(size.has_value());
  protocol::write_frame_length(room, *size);
  out.resize(start + protocol::length_prefix_size + *size);
}

std::optional<protocol::StreamCondition> LoadChannel::refusal_in(Bytes message) {
  if (message.size() != 2 ||
      message[0] != static_cast<std::uint8_t>(protocol::HandshakeStatus::refused)) {
    return std::nullopt;
  }
  return static_cast<protocol::StreamCondition>(message[1]);
}

Result<void> LoadChannel::finish_handshake(Bytes message, std::vector<std::uint8_t>& out) {
  if (message[0] != static_cast<std::uint8_t>(protocol::HandshakeStatus::message)) {
    return fail(ErrorCode::malformed, "an answer to the handshake that nobody asked for");
  }
  std::array<std::uint8_t, protocol::hybrid_handshake_message_size_max> certificate;
  if (!noise_->read_message(message.subspan(1), certificate)) {
    return fail(ErrorCode::malformed, "a handshake that does not open");
  }
  write_handshake(out);
  crypto::NoiseResult result = noise_->finish();
  noise_.reset();
  send_ = std::move(result.send);
  receive_ = std::move(result.receive);
  return {};
}

void LoadChannel::seal(Bytes plain, std::vector<std::uint8_t>& out) {
  const std::size_t start = out.size();
  const std::size_t sealed = plain.size() + crypto::aead_tag_size;
  out.resize(start + protocol::length_prefix_size + sealed);
  const MutableBytes frame = MutableBytes(out).subspan(start);
  protocol::write_frame_length(frame, sealed);
  GODWIT_CHECK(crypto::seal(send_, {}, plain, frame.subspan(protocol::length_prefix_size)));
}

}  // namespace godwit::client::load
