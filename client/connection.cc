// SPDX-License-Identifier: Apache-2.0
#include "client/connection.h"

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::client {

using protocol::StanzaType;

Connection::Connection(const Options& options, RandomSource& random)
    : options_(options), random_(random), jid_(options.jid) {
  const protocol::Preamble preamble{
      .pattern = options.node_key ? protocol::HandshakePattern::ik_hfs
                                  : protocol::HandshakePattern::xx_hfs,
      .suite = crypto::cpu_has_aes_gcm() ? protocol::HandshakeSuite::aesgcm_sha256
                                         : protocol::HandshakeSuite::chachapoly_blake2b};
  preamble_ = protocol::encode(preamble);
  auto started = crypto::NoiseHandshake::start(
      {.pattern = *crypto::pattern_from_byte(static_cast<std::uint8_t>(preamble.pattern)),
       .suite = *crypto::suite_from_byte(static_cast<std::uint8_t>(preamble.suite)),
       .initiator = true,
       .prologue = preamble_,
       .local_static = &options.identity,
       .remote_static = options.node_key});
  GODWIT_CHECK(started.has_value());
  noise_.emplace(std::move(*started));
  write_handshake(true);
}

void Connection::write_handshake(bool with_preamble) {
  std::array<std::uint8_t, protocol::hybrid_handshake_message_size_max> message;
  const auto size = noise_->write_message({}, message, random_);
  GODWIT_CHECK(size.has_value());
  if (with_preamble) output_.insert(output_.end(), preamble_.begin(), preamble_.end());
  std::array<std::uint8_t, protocol::length_prefix_size> length;
  protocol::write_frame_length(length, *size);
  output_.insert(output_.end(), length.begin(), length.end());
  output_.insert(output_.end(), message.begin(),
                 message.begin() + static_cast<std::ptrdiff_t>(*size));
}

std::unexpected<Error> Connection::malformed() const {
  return fail(ErrorCode::malformed, "the server sent something that is not Godwit's protocol");
}

Result<std::vector<Event>> Connection::on_bytes(Bytes bytes, WallTime now) {
  input_.insert(input_.end(), bytes.begin(), bytes.end());
  std::vector<Event> events;
  std::size_t used = 0;
  while (!ended_) {
    const MutableBytes rest = MutableBytes(input_).subspan(used);
    const auto limits =
        transport_ ? protocol::transport_frame_limits : protocol::hybrid_handshake_frame_limits;
    const protocol::Split split = protocol::split_frame(rest, limits);
    if (split.status == protocol::SplitStatus::need_more) break;
    if (split.status != protocol::SplitStatus::complete) return malformed();
    const MutableBytes body = protocol::frame_body(rest, split);
    used += split.wire_size;
    if (!transport_) {
      if (auto done = on_handshake(body, now, events); !done) return std::unexpected(done.error());
      continue;
    }
    const MutableBytes plain = body.first(body.size() - crypto::aead_tag_size);
    if (!crypto::open(receive_, {}, body, plain)) return malformed();
    Bytes stanzas = plain;
    while (!stanzas.empty() && !ended_) {
      const auto stanza = protocol::next_stanza(stanzas);
      if (!stanza) return malformed();
      if (auto done = on_stanza(*stanza, events); !done) return std::unexpected(done.error());
    }
  }
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(used));
  return events;
}

Result<void> Connection::on_handshake(Bytes message, WallTime now, std::vector<Event>& events) {
  using protocol::HandshakeStatus;
  const auto status = static_cast<HandshakeStatus>(message[0]);
  message = message.subspan(1);
  if (status == HandshakeStatus::refused && message.size() == 1) {
    ended_ = true;
    events.push_back(StreamEnded{.condition = static_cast<protocol::StreamCondition>(message[0]),
                                 .authenticated = false});
    return {};
  }
  if (status == HandshakeStatus::fallback && options_.node_key) {
    const crypto::KeyPair ephemeral = noise_->local_ephemeral().copy();
    auto started =
        crypto::NoiseHandshake::start({.pattern = crypto::NoisePattern::xx_fallback_hfs,
                                       .suite = *crypto::suite_from_byte(preamble_[3] & 0x0f),
                                       .initiator = false,
                                       .prologue = preamble_,
                                       .local_static = &options_.identity,
                                       .local_ephemeral = &ephemeral});
    if (!started) return std::unexpected(started.error());
    noise_.emplace(std::move(*started));
  } else if (status != HandshakeStatus::message) {
    return malformed();
  }
  std::array<std::uint8_t, protocol::hybrid_handshake_message_size_max> payload;
  const auto size = noise_->read_message(message, payload);
  if (!size) return malformed();
  // Before our own static key is sent: a server that cannot prove itself does not learn who asks.
  const auto trusted = check_certificate(Bytes(payload).first(*size), now);
  if (!trusted) return std::unexpected(trusted.error());
  if (!noise_->finished()) write_handshake(false);
  events.push_back(*trusted);
  begin_transport();
  return {};
}

Result<ServerTrusted> Connection::check_certificate(Bytes encoded, WallTime now) const {
  const auto node_key = noise_->remote_static();
  if (!node_key) return malformed();
  const auto certificate = crypto::decode_certificate(encoded);
  if (!certificate) return std::unexpected(certificate.error());
  const auto verified = crypto::verify(
      *certificate, {.operator_key = options_.operator_key ? &*options_.operator_key : nullptr,
                     .node_key = &*node_key,
                     .name = jid_.domain,
                     .now = now});
  if (!verified) return std::unexpected(verified.error());
  return ServerTrusted{certificate->operator_key, *node_key};
}

void Connection::begin_transport() {
  crypto::NoiseResult result = noise_->finish();
  noise_.reset();
  send_ = std::move(result.send);
  receive_ = std::move(result.receive);
  transport_ = true;
  if (jid_.device != 0) return log_in();
  append(protocol::control_stanza_size_max, [&](ByteWriter& out) {
    return protocol::write(
        out,
        protocol::Register{.jid = jid_, .invite = options_.invite, .client = options_.client_name});
  });
}

void Connection::log_in() {
  append(protocol::control_stanza_size_max, [&](ByteWriter& out) {
    return protocol::write(out, protocol::Login{.jid = jid_,
                                                .last_sequence = options_.last_sequence,
                                                .window = options_.window,
                                                .client = options_.client_name});
  });
}

Result<void> Connection::on_stanza(const protocol::RawStanza& stanza, std::vector<Event>& events) {
  switch (stanza.type) {
    case StanzaType::registered: {
      const auto registered = protocol::read_registered(stanza.content);
      if (!registered || jid_.device != 0) return malformed();
      jid_.device = registered->device;
      events.push_back(Registered{registered->device});
      log_in();
      return {};
    }
    case StanzaType::session_ready: {
      const auto ready = protocol::read_session_ready(stanza.content);
      if (!ready || ready_ || jid_.device == 0) return malformed();
      sequence_base_ = ready->sequence_base;
      ready_ = true;
      events.push_back(SessionReady{ready->backlog});
      return {};
    }
    case StanzaType::stream_error: {
      const auto error = protocol::read_stream_error(stanza.content);
      if (!error) return malformed();
      ended_ = true;
      events.push_back(StreamEnded{.condition = error->condition,
                                   .retry_after_ms = error->retry_after_ms,
                                   .text = std::string(error->text)});
      return {};
    }
    case StanzaType::ping: {
      const auto ping = protocol::read_ping(stanza.content);
      if (!ping) return malformed();
      append(32, [&](ByteWriter& out) { return protocol::write_pong(out, *ping); });
      return {};
    }
    default:
      return ready_ ? on_session_stanza(stanza, events) : malformed();
  }
}

Result<void> Connection::on_session_stanza(const protocol::RawStanza& stanza,
                                           std::vector<Event>& events) {
  switch (stanza.type) {
    case StanzaType::message:
      return on_message(stanza.content, events);
    case StanzaType::ack: {
      const auto ack = protocol::read_ack(stanza.content);
      if (!ack || ack->upto > number_) return malformed();
      events.push_back(Settled{ack->upto});
      return {};
    }
    case StanzaType::error: {
      const auto error = protocol::read_error(stanza.content);
      if (!error || error->number > number_) return malformed();
      if (error->kind == StanzaType::iq) {
        events.push_back(Answered{.id = error->id, .refused = error->condition});
        return {};
      }
      events.push_back(
          Refused{error->number, error->id, error->condition, std::string(error->text)});
      return {};
    }
    case StanzaType::device_list: {
      const auto list = protocol::read_device_list(stanza.content);
      if (!list || list->number > number_) return malformed();
      events.push_back(Listed{*list});
      return {};
    }
    case StanzaType::backlog_end:
      events.push_back(BacklogEnd{});
      return {};
    case StanzaType::iq:
      return on_iq(stanza.content, events);
    case StanzaType::presence:
    case StanzaType::pong:
      return {};  // of no use here, and no fault of the server's
    default:
      return malformed();  // what only a client sends
  }
}

Result<void> Connection::on_message(Bytes content, std::vector<Event>& events) {
  protocol::JidScratch scratch;
  const auto message =
      protocol::read_message(content, {jid_.domain}, protocol::Side::from_gateway, scratch);
  if (!message) return malformed();
  Delivered delivered{.from = protocol::to_text(message->peer),
                      .id = message->id,
                      .delay_s = message->delay_s,
                      .payload = std::string(as_text(message->payload))};
  if (!message->ephemeral) {
    const std::uint64_t sequence = message->sequence != 0 ? message->sequence : last_received_ + 1;
    // An acknowledgement covers all below it, so going back would let it cover what has not come.
    if (sequence <= last_received_) return malformed();
    last_received_ = sequence;
    delivered.sequence = sequence_base_ + last_received_;
  }
  events.push_back(std::move(delivered));
  return {};
}

std::uint32_t Connection::send_message(std::uint64_t id, const protocol::Jid& to, Bytes payload,
                                       std::optional<std::uint16_t> devices) {
  GODWIT_CHECK(ready_);
  append(protocol::message_head_size_max + payload.size(), [&](ByteWriter& out) {
    return protocol::write(
        out, protocol::Message{.id = id, .peer = to, .device_digest = devices, .payload = payload},
        {jid_.domain});
  });
  return ++number_;
}

// What devices ask each other is of no use here.
Result<void> Connection::on_iq(Bytes content, std::vector<Event>& events) {
  protocol::JidScratch scratch;
  const auto iq = protocol::read_iq(content, {jid_.domain}, scratch);
  if (!iq) return malformed();
  if (!iq->peer.empty()) return {};
  std::vector<std::uint8_t> node(iq->node.begin(), iq->node.end());
  if (iq->type == protocol::IqType::result) {
    events.push_back(Answered{.id = iq->id, .node = std::move(node)});
  } else if (iq->type == protocol::IqType::set) {
    events.push_back(Noticed{std::move(node)});
  }
  return {};
}

void Connection::ask(std::uint64_t id, bool set, Bytes node) {
  GODWIT_CHECK(ready_);
  using protocol::IqType;
  append(protocol::control_stanza_size_max, [&](ByteWriter& out) {
    return protocol::write(
        out, protocol::Iq{.type = set ? IqType::set : IqType::get, .id = id, .node = node},
        {jid_.domain});
  });
  ++number_;
}

void Connection::acknowledge(std::uint64_t sequence) {
  if (sequence > sequence_base_)
    to_acknowledge_ = std::max(to_acknowledge_, sequence - sequence_base_);
}

// Before anything that is sent after it.
void Connection::confirm_refusal(std::uint32_t number) {
  refusal_ = std::max(refusal_, number);
  write_ack();
}

void Connection::write_ack() {
  if (to_acknowledge_ == acknowledged_ && refusal_ == refusal_told_) return;
  append(32, [&](ByteWriter& out) {
    return protocol::write(out, protocol::Ack{.upto = to_acknowledge_, .refusal = refusal_});
  });
  acknowledged_ = to_acknowledge_;
  refusal_told_ = refusal_;
}

void Connection::ping(std::uint64_t token) {
  append(32, [&](ByteWriter& out) { return protocol::write_ping(out, {token}); });
}

void Connection::say_bye() {
  write_ack();
  append(8, [&](ByteWriter& out) { return protocol::write_empty(out, StanzaType::bye); });
}

template <typename Write>
void Connection::append(std::size_t size_max, Write&& write) {
  if (plain_.size() + size_max > protocol::frame_plaintext_size_max) seal_plain();
  const std::size_t before = plain_.size();
  plain_.resize(before + size_max);
  ByteWriter out(MutableBytes(plain_).subspan(before));
  GODWIT_CHECK(write(out));
  plain_.resize(before + out.size());
}

void Connection::seal_plain() {
  if (plain_.empty()) return;
  const std::size_t start = output_.size();
  const std::size_t sealed = plain_.size() + crypto::aead_tag_size;
  output_.resize(start + protocol::length_prefix_size + sealed);
  const MutableBytes frame = MutableBytes(output_).subspan(start);
  protocol::write_frame_length(frame, sealed);
  GODWIT_CHECK(crypto::seal(send_, {}, plain_, frame.subspan(protocol::length_prefix_size)));
  plain_.clear();
}

std::vector<std::uint8_t> Connection::take_output() {
  if (transport_) {
    write_ack();
    seal_plain();
  }
  return std::exchange(output_, {});
}

}  // namespace godwit::client
