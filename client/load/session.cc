// SPDX-License-Identifier: Apache-2.0
#include "client/load/session.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "protocol/frame.h"
#include "protocol/preamble.h"

namespace godwit::client::load {

using protocol::StanzaType;

namespace {

protocol::PreambleBytes preamble() {
  return protocol::encode(
      {protocol::HandshakePattern::xx_hfs, crypto::cpu_has_aes_gcm()
                                               ? protocol::HandshakeSuite::aesgcm_sha256
                                               : protocol::HandshakeSuite::chachapoly_blake2b});
}

std::unexpected<Error> malformed(const char* what) {
  return fail(ErrorCode::malformed, what);
}

}  // namespace

LoadSession::LoadSession(const Options& options, std::vector<std::uint8_t>& out,
                         RandomSource& random)
    : options_(options), random_(random) {
  const protocol::PreambleBytes first = preamble();
  auto noise = crypto::NoiseHandshake::start({.pattern = crypto::NoisePattern::xx_hfs,
                                              .suite = *crypto::suite_from_byte(first[3] & 0x0f),
                                              .initiator = true,
                                              .prologue = first,
                                              .local_static = &options.identity});
  GODWIT_CHECK(noise.has_value());
  noise_ = std::make_unique<crypto::NoiseHandshake>(std::move(*noise));
  out.insert(out.end(), first.begin(), first.end());
  write_handshake(out);
}

void LoadSession::write_handshake(std::vector<std::uint8_t>& out) {
  const std::size_t start = out.size();
  out.resize(start + protocol::length_prefix_size + protocol::hybrid_handshake_message_size_max);
  const MutableBytes room = MutableBytes(out).subspan(start);
  const auto size = noise_->write_message({}, room.subspan(protocol::length_prefix_size), random_);
  GODWIT_CHECK(size.has_value());
  protocol::write_frame_length(room, *size);
  out.resize(start + protocol::length_prefix_size + *size);
}

Result<void> LoadSession::on_bytes(MutableBytes bytes, std::vector<std::uint8_t>& out,
                                   SessionEvents& events) {
  if (partial_.empty()) [[likely]]
    return on_frames(bytes, out, events);
  partial_.insert(partial_.end(), bytes.begin(), bytes.end());
  std::vector<std::uint8_t> all = std::exchange(partial_, {});
  return on_frames(all, out, events);
}

Result<void> LoadSession::on_frames(MutableBytes bytes, std::vector<std::uint8_t>& out,
                                    SessionEvents& events) {
  while (!bytes.empty() && !ended_) {
    const auto split = protocol::split_frame(
        bytes, noise_ ? protocol::hybrid_handshake_frame_limits : protocol::transport_frame_limits);
    if (split.status == protocol::SplitStatus::need_more) {
      partial_.assign(bytes.begin(), bytes.end());
      break;
    }
    if (split.status != protocol::SplitStatus::complete) {
      return malformed("a frame of an impossible size");
    }
    const MutableBytes body = protocol::frame_body(bytes, split);
    bytes = bytes.subspan(split.wire_size);
    auto done = noise_ ? on_handshake(body, out, events) : on_frame(body, out, events);
    if (!done) return done;
  }
  return {};
}

Result<void> LoadSession::on_handshake(Bytes message, std::vector<std::uint8_t>& out,
                                       SessionEvents& events) {
  if (message[0] == static_cast<std::uint8_t>(protocol::HandshakeStatus::refused) &&
      message.size() == 2) {
    ended_ = true;
    events.on_end({.condition = static_cast<protocol::StreamCondition>(message[1]), .text = ""});
    return {};
  }
  if (message[0] != static_cast<std::uint8_t>(protocol::HandshakeStatus::message)) {
    return malformed("an answer to the handshake that nobody asked for");
  }
  std::array<std::uint8_t, protocol::hybrid_handshake_message_size_max> certificate;
  if (!noise_->read_message(message.subspan(1), certificate)) {
    return malformed("a handshake that does not open");
  }
  write_handshake(out);
  crypto::NoiseResult result = noise_->finish();
  noise_.reset();
  send_ = std::move(result.send);
  receive_ = std::move(result.receive);
  if (options_.goal == Goal::register_first) {
    write_register(out);
  } else {
    write_login(out);
  }
  return {};
}

void LoadSession::write_register(std::vector<std::uint8_t>& out) {
  std::array<std::uint8_t, 512> plain;
  ByteWriter writer(plain);
  GODWIT_CHECK(protocol::write(
      writer,
      protocol::Register{.jid = {options_.user, options_.domain, 0}, .client = "godwit-load"}));
  seal(writer.written(), out);
}

void LoadSession::write_login(std::vector<std::uint8_t>& out) {
  std::array<std::uint8_t, 512> plain;
  ByteWriter writer(plain);
  GODWIT_CHECK(protocol::write(
      writer, protocol::Login{.jid = {options_.user, options_.domain, options_.device},
                              .last_sequence = options_.last_sequence,
                              .client = "godwit-load"}));
  seal(writer.written(), out);
}

Result<void> LoadSession::on_frame(MutableBytes body, std::vector<std::uint8_t>& out,
                                   SessionEvents& events) {
  const MutableBytes plain = body.first(body.size() - crypto::aead_tag_size);
  if (!crypto::open(receive_, {}, body, plain)) return malformed("a frame that does not open");
  Bytes stanzas = plain;
  while (!stanzas.empty() && !ended_) {
    const auto stanza = protocol::next_stanza(stanzas);
    if (!stanza) return malformed("bytes that are no stanza");
    if (auto done = on_stanza(*stanza, out, events); !done) return done;
  }
  return {};
}

Result<void> LoadSession::on_stanza(const protocol::RawStanza& stanza,
                                    std::vector<std::uint8_t>& out, SessionEvents& events) {
  switch (stanza.type) {
    case StanzaType::message:
      return on_message(stanza.content, events);
    case StanzaType::ack:
      return on_ack(stanza.content, events);
    case StanzaType::error:
      return on_error(stanza.content, events);
    case StanzaType::registered: {
      const auto registered = protocol::read_registered(stanza.content);
      if (!registered) return malformed("a bad answer to a registration");
      options_.device = registered->device;
      events.on_registered(registered->device);
      write_login(out);
      return {};
    }
    case StanzaType::session_ready: {
      const auto ready = protocol::read_session_ready(stanza.content);
      if (!ready || ready_) return malformed("a bad answer to a login");
      base_ = ready->sequence_base;
      ready_ = true;
      events.on_ready(ready->backlog);
      return {};
    }
    case StanzaType::backlog_end:
      events.on_backlog_end();
      return {};
    case StanzaType::ping: {
      const auto ping = protocol::read_ping(stanza.content);
      if (!ping) return malformed("a bad ping");
      std::array<std::uint8_t, 16> plain;
      ByteWriter writer(plain);
      GODWIT_CHECK(protocol::write_pong(writer, *ping));
      seal(writer.written(), out);
      return {};
    }
    case StanzaType::stream_error: {
      const auto error = protocol::read_stream_error(stanza.content);
      if (!error) return malformed("a bad stream error");
      ended_ = true;
      events.on_end({error->condition, error->retry_after_ms, error->text});
      return {};
    }
    default:
      return malformed("a stanza that nobody asked for");
  }
}

Result<void> LoadSession::on_message(Bytes content, SessionEvents& events) {
  protocol::JidScratch scratch;
  const auto message =
      protocol::read_message(content, {options_.domain}, protocol::Side::from_gateway, scratch);
  if (!message || !ready_) return malformed("a bad message");
  const std::uint64_t sequence = message->sequence != 0 ? message->sequence : received_ + 1;
  if (sequence <= received_) return fail(ErrorCode::corrupt, "a sequence that goes back");
  received_ = sequence;
  events.on_message({message->peer.user, message->id, message->payload});
  return {};
}

Result<void> LoadSession::on_ack(Bytes content, SessionEvents& events) {
  const auto ack = protocol::read_ack(content);
  if (!ack) return malformed("a bad acknowledgement");
  if (ack->upto > number_ || ack->upto < settled_) {
    return fail(ErrorCode::corrupt, "an acknowledgement of what was not sent, or that goes back");
  }
  settled_ = ack->upto;
  events.on_settled(settled_);
  return {};
}

Result<void> LoadSession::on_error(Bytes content, SessionEvents& events) {
  const auto error = protocol::read_error(content);
  if (!error || error->number == 0 || error->number > number_) return malformed("a bad refusal");
  refusal_ = std::max(refusal_, error->number);
  events.on_refused({error->id, error->number, error->condition});
  return {};
}

std::uint32_t LoadSession::add_message(ByteWriter& plain, const Outgoing& message) {
  // Room for an acknowledgement is left.
  constexpr std::size_t ack_size_max = 32;
  const std::size_t before = plain.size();
  const bool written = protocol::write(
      plain,
      protocol::Message{
          .id = message.id, .peer = {message.to, options_.domain, 0}, .payload = message.payload},
      {options_.domain});
  if (written && plain.room() >= ack_size_max) return ++number_;
  plain.rewind(before);
  return 0;
}

bool LoadSession::add_ack(ByteWriter& plain) {
  const std::uint32_t refusal = refusal_ == refusal_told_ ? 0 : refusal_;
  if (!protocol::write(plain, protocol::Ack{.upto = received_, .refusal = refusal})) return false;
  acknowledged_ = received_;
  refusal_told_ = refusal_;
  return true;
}

void LoadSession::add_bye(ByteWriter& plain) {
  GODWIT_CHECK(protocol::write_empty(plain, StanzaType::bye));
}

void LoadSession::seal(Bytes plain, std::vector<std::uint8_t>& out) {
  const std::size_t start = out.size();
  const std::size_t sealed = plain.size() + crypto::aead_tag_size;
  out.resize(start + protocol::length_prefix_size + sealed);
  const MutableBytes frame = MutableBytes(out).subspan(start);
  protocol::write_frame_length(frame, sealed);
  GODWIT_CHECK(crypto::seal(send_, {}, plain, frame.subspan(protocol::length_prefix_size)));
}

}  // namespace godwit::client::load
