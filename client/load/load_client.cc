// SPDX-License-Identifier: Apache-2.0
#include "client/load/load_client.h"

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::client::load {

using protocol::StanzaType;

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
    : options_(options), channel_(options.account.identity, output_, random, options.pattern) {}

LoadClient::LoadClient(const Options& options, RelaySession session)
    : options_(options),
      relay_(true),
      output_(std::move(session.hello)),
      channel_(std::move(session.send), std::move(session.receive)),
      reached_goal_(true) {}

struct LoadClient::Reader {
  LoadClient& client;
  unsigned messages = 0;

  void on_open() { client.begin_session(); }
  Result<bool> on_refused(protocol::StreamCondition) {
    return fail(ErrorCode::refused, "the gateway refused the handshake");
  }
  Result<bool> on_stanza(const protocol::RawStanza& stanza) {
    const auto got = client.on_stanza(stanza);
    if (!got) return std::unexpected(got.error());
    messages += *got;
    return true;
  }
};

Result<unsigned> LoadClient::on_bytes(MutableBytes bytes) {
  Reader reader{*this};
  if (auto done = channel_.on_bytes(bytes, output_, reader); !done) {
    return std::unexpected(done.error());
  }
  return reader.messages;
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

}  // namespace godwit::client::load
