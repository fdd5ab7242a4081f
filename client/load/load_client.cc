// SPDX-License-Identifier: Apache-2.0
#include "client/load/load_client.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/frame.h"
#include "protocol/preamble.h"

namespace godwit::client::load {

using protocol::StanzaType;

namespace {

constexpr protocol::PreambleBytes preamble =
    protocol::encode({protocol::HandshakePattern::xx_hfs, protocol::HandshakeSuite::aesgcm_sha256});

}  // namespace

std::vector<LoadAccount> make_accounts(std::size_t count, RandomSource& random,
                                       std::uint64_t first) {
  std::vector<LoadAccount> accounts(count);
  for (std::size_t i = 0; i < count; ++i) {
    accounts[i].number = static_cast<std::uint32_t>(i);
    accounts[i].user = std::to_string(first + i);
    accounts[i].identity = crypto::KeyPair::generate(random);
  }
  return accounts;
}

LoadClient::LoadClient(const Options& options, RandomSource& random)
    : options_(options), random_(random) {
  auto noise = crypto::NoiseHandshake::start({.pattern = crypto::NoisePattern::xx_hfs,
                                              .initiator = true,
                                              .prologue = preamble,
                                              .local_static = &options_.account.identity});
  GODWIT_CHECK(noise.has_value());
  noise_ = std::make_unique<crypto::NoiseHandshake>(std::move(*noise));
  output_.assign(preamble.begin(), preamble.end());
  write_handshake();
}

LoadClient::LoadClient(const Options& options, RelaySession session, RandomSource& random)
    : options_(options),
      relay_(true),
      random_(random),
      send_(std::move(session.send)),
      receive_(std::move(session.receive)),
      output_(std::move(session.hello)),
      transport_(true),
      reached_goal_(true) {}

void LoadClient::write_handshake() {
  std::array<std::uint8_t, protocol::hybrid_handshake_message_size_max> message;
  const auto size = noise_->write_message({}, message, random_);
  GODWIT_CHECK(size.has_value());
  std::array<std::uint8_t, protocol::length_prefix_size> length;
  protocol::write_frame_length(length, *size);
  output_.insert(output_.end(), length.begin(), length.end());
  output_.insert(output_.end(), message.data(), message.data() + *size);
}

Result<unsigned> LoadClient::on_bytes(MutableBytes bytes) {
  if (partial_.empty()) [[likely]]
    return on_frames(bytes);
  partial_.insert(partial_.end(), bytes.begin(), bytes.end());
  std::vector<std::uint8_t> all = std::exchange(partial_, {});
  return on_frames(all);
}

Result<unsigned> LoadClient::on_frames(MutableBytes bytes) {
  unsigned messages = 0;
  while (!bytes.empty()) {
    const auto split =
        protocol::split_frame(bytes, transport_ ? protocol::transport_frame_limits
                                                : protocol::hybrid_handshake_frame_limits);
    if (split.status != protocol::SplitStatus::complete) {
      if (split.status != protocol::SplitStatus::need_more) {
        return fail(ErrorCode::malformed, "a frame of an impossible size");
      }
      partial_.assign(bytes.begin(), bytes.end());
      break;
    }
    const MutableBytes body = protocol::frame_body(bytes, split);
    bytes = bytes.subspan(split.wire_size);
    if (!transport_) {
      if (auto done = on_handshake(body); !done) return std::unexpected(done.error());
      continue;
    }
    const auto got = on_transport(body);
    if (!got) return got;
    messages += *got;
  }
  return messages;
}

Result<void> LoadClient::on_handshake(Bytes message) {
  if (message[0] != static_cast<std::uint8_t>(protocol::HandshakeStatus::message)) {
    return fail(ErrorCode::refused, "the gateway refused the handshake");
  }
  std::array<std::uint8_t, protocol::hybrid_handshake_message_size_max> certificate;
  if (!noise_->read_message(message.subspan(1), certificate)) {
    return fail(ErrorCode::malformed, "the handshake failed");
  }
  write_handshake();
  crypto::NoiseResult result = noise_->finish();
  noise_.reset();
  send_ = std::move(result.send);
  receive_ = std::move(result.receive);
  transport_ = true;
  begin_session();
  return {};
}

void LoadClient::begin_session() {
  if (options_.goal == Goal::log_in) return log_in();
  std::array<std::uint8_t, 256> plain;
  ByteWriter out(plain);
  GODWIT_CHECK(protocol::write(
      out, protocol::Register{.jid = {options_.account.user, options_.domain, 0}, .client = "b"}));
  seal(out.written());
}

void LoadClient::log_in() {
  const LoadAccount& account = options_.account;
  std::array<std::uint8_t, 256> plain;
  ByteWriter out(plain);
  GODWIT_CHECK(
      protocol::write(out, protocol::Login{.jid = {account.user, options_.domain, account.device},
                                           .last_sequence = account.last_sequence,
                                           .client = "bench"}));
  seal(out.written());
}

Result<unsigned> LoadClient::on_transport(MutableBytes body) {
  const MutableBytes plain = body.first(body.size() - crypto::aead_tag_size);
  if (!crypto::open(receive_, {}, body, plain)) {
    return fail(ErrorCode::malformed, "a frame that does not open");
  }
  unsigned messages = 0;
  Bytes stanzas = plain;
  while (!stanzas.empty()) {
    const auto stanza = protocol::next_stanza(stanzas);
    if (!stanza) return fail(ErrorCode::malformed, "bytes that are no stanza");
    const auto got = on_stanza(*stanza);
    if (!got) return got;
    messages += *got;
  }
  return messages;
}

Result<unsigned> LoadClient::on_stanza(const protocol::RawStanza& stanza) {
  switch (stanza.type) {
    case StanzaType::message:
      return on_message(stanza.content);
    case StanzaType::ack: {
      const auto ack = protocol::read_ack(stanza.content);
      if (!ack) return fail(ErrorCode::malformed, "a bad ack");
      if (relay_) return 0;  // the partner's
      if (ack->upto > number_ || ack->upto < settled_) {
        return fail(ErrorCode::corrupt, "an ack of what was never sent, or one that goes back");
      }
      settled_ = ack->upto;
      return 0;
    }
    case StanzaType::registered: {
      const auto registered = protocol::read_registered(stanza.content);
      if (!registered) return fail(ErrorCode::malformed, "a bad answer to a registration");
      options_.account.device = registered->device;
      log_in();
      return 0;
    }
    case StanzaType::session_ready:
      if (auto done = on_session_ready(stanza.content); !done) {
        return std::unexpected(done.error());
      }
      return 0;
    case StanzaType::backlog_end:
      return 0;
    case StanzaType::pong: {
      const auto pong = protocol::read_ping(stanza.content);
      if (!pong || pongs_ == pings_ || pong->token != pongs_ + 1) {
        return fail(ErrorCode::malformed, "a pong that nobody asked for");
      }
      ++pongs_;
      return 0;
    }
    case StanzaType::stream_error: {
      const auto error = protocol::read_stream_error(stanza.content);
      if (error) retry_after_ms_ = error->retry_after_ms;
      return fail(ErrorCode::refused,
                  "the gateway closes: " + std::string(error ? error->text : ""));
    }
    case StanzaType::error: {
      const auto error = protocol::read_error(stanza.content);
      return fail(ErrorCode::refused,
                  "a message was refused: " +
                      std::string(error ? protocol::to_text(error->condition) : ""));
    }
    default:
      return fail(ErrorCode::malformed, "a stanza that nobody asked for");
  }
}

Result<void> LoadClient::on_session_ready(Bytes content) {
  const auto ready = protocol::read_session_ready(content);
  if (!ready) return fail(ErrorCode::malformed, "a bad answer to a login");
  if (ready->backlog != 0 && !options_.backlog) {
    return fail(ErrorCode::corrupt, "messages that had been acknowledged");
  }
  sequence_base_ = ready->sequence_base;
  reached_goal_ = true;
  return {};
}

Result<unsigned> LoadClient::on_message(Bytes content) {
  protocol::JidScratch scratch;
  const auto message = protocol::read_message(
      content, {options_.domain},
      relay_ ? protocol::Side::from_client : protocol::Side::from_gateway, scratch);
  if (!message) return fail(ErrorCode::malformed, "a bad message");
  LoadAccount& account = options_.account;
  const std::string& named = relay_ ? account.user : options_.partner;
  const bool whole = message->peer.user == named &&
                     message->payload.size() == options_.payload.size() &&
                     ByteReader(message->payload).u64() == message->id &&
                     std::ranges::equal(message->payload.subspan(load_payload_size_min),
                                        options_.payload.subspan(load_payload_size_min));
  if (!whole) return fail(ErrorCode::corrupt, "a message that is not what was sent");
  if (message->id != account.last_received_id + 1) {
    return fail(ErrorCode::corrupt, "message " + std::to_string(message->id) + " after message " +
                                        std::to_string(account.last_received_id));
  }
  account.last_received_id = message->id;
  const std::uint64_t sequence = message->sequence != 0 ? message->sequence : received_ + 1;
  if (sequence <= received_) return fail(ErrorCode::corrupt, "a sequence that goes back");
  received_ = sequence;
  account.last_sequence = sequence_base_ + sequence;
  return 1;
}

void LoadClient::write_frame(unsigned messages) {
  if (messages == 0 && !ack_due()) return;
  std::array<std::uint8_t, protocol::frame_plaintext_size_max> plain;
  ByteWriter out(plain);
  std::array<std::uint8_t, load_payload_size_max> payload;
  const MutableBytes text = MutableBytes(payload).first(options_.payload.size());
  std::ranges::copy(options_.payload, text.begin());
  for (; messages > 0; --messages) {
    const std::uint64_t id = ++options_.account.last_sent_id;
    ByteWriter(text).u64(id);
    GODWIT_CHECK(protocol::write(
        out,
        protocol::Message{
            .id = id, .peer = {options_.partner, options_.domain, 0}, .payload = text},
        {options_.domain}));
    ++number_;
  }
  if (ack_due()) {
    GODWIT_CHECK(protocol::write(out, protocol::Ack{.upto = received_}));
    acknowledged_ = received_;
  }
  seal(out.written());
}

void LoadClient::write_ping() {
  std::array<std::uint8_t, 32> plain;
  ByteWriter out(plain);
  GODWIT_CHECK(protocol::write_ping(out, {.token = ++pings_}));
  seal(out.written());
}

void LoadClient::seal(Bytes plain) {
  const std::size_t start = output_.size();
  const std::size_t sealed = plain.size() + crypto::aead_tag_size;
  output_.resize(start + protocol::length_prefix_size + sealed);
  const MutableBytes frame = MutableBytes(output_).subspan(start);
  protocol::write_frame_length(frame, sealed);
  GODWIT_CHECK(crypto::seal(send_, {}, plain, frame.subspan(protocol::length_prefix_size)));
}

}  // namespace godwit::client::load
