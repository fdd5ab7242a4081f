// SPDX-License-Identifier: Apache-2.0
#include "client/load/session.h"

#include <algorithm>
#include <array>
#include <string>

namespace godwit::client::load {

using protocol::StanzaType;

namespace {

std::unexpected<Error> malformed(const char* what) {
  return fail(ErrorCode::malformed, what);
}

}  // namespace

LoadSession::LoadSession(const Options& options, std::vector<std::uint8_t>& out,
                         RandomSource& random)
    : options_(options), channel_(options.identity, out, random) {}

struct LoadSession::Reader {
  LoadSession& session;
  std::vector<std::uint8_t>& out;
  SessionEvents& events;

  void on_open() {
    if (session.options_.goal == Goal::register_first) {
      session.write_register(out);
    } else {
      session.write_login(out);
    }
  }
  Result<bool> on_refused(protocol::StreamCondition condition) {
    session.ended_ = true;
    events.on_end({.condition = condition, .text = ""});
    return false;
  }
  Result<bool> on_stanza(const protocol::RawStanza& stanza) {
    if (auto done = session.on_stanza(stanza, out, events); !done) {
      return std::unexpected(done.error());
    }
    return !session.ended_;
  }
};

Result<void> LoadSession::on_bytes(MutableBytes bytes, std::vector<std::uint8_t>& out,
                                   SessionEvents& events) {
  if (ended_) return {};
  Reader reader{*this, out, events};
  return channel_.on_bytes(bytes, out, reader);
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

}  // namespace godwit::client::load
