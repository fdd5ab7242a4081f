// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "dataplane/front.h"

// Bytes in: cut into handshake messages, frames and stanzas.

namespace godwit::dataplane {

// Before it has logged in a client says little.
inline protocol::FrameLimits limits_of(const Session& session) {
  using namespace protocol;
  if (session.state == SessionState::handshake) return session.start->handshake->frame_limits();
  if (session.state == SessionState::ready) return transport_frame_limits;
  return {frame_ciphertext_size_min, control_stanza_size_max + aead_tag_size};
}

template <io::StreamBackend Io>
Front<Io>::Front(const Options& options)
    : options_(options),
      settings_(options.settings),
      require_hybrid_(options.settings.require_hybrid),
      io_(options.io),
      counters_(options.counters),
      addresses_({.rules = share_of(options.settings.addresses, options.shards),
                  .addresses_max = options.settings.addresses_max,
                  .hash_key = options.hash_key}),
      aead_cache_(4096),
      frame_(protocol::frame_wire_size_max) {}

template <io::StreamBackend Io>
Session* Front<Io>::find(ConnectionName name) {
  if (name.slot >= sessions_.size()) return nullptr;
  Session& session = sessions_[name.slot];
  return session.name == name && session.state != SessionState::closed ? &session : nullptr;
}

template <io::StreamBackend Io>
void Front<Io>::on_closed(ConnectionName name, std::uint64_t, io::CloseReason) {
  Session* session = find(name);
  if (session == nullptr) return;
  drop_pending(*session);
  leave(*session);
  addresses_.left(session->address, false, now_.instant);
  aead_cache_.forget(name.slot);
  *session = Session{};
  --open_;
}

template <io::StreamBackend Io>
void Front<Io>::on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
  Session* session = find(name);
  if (session == nullptr || session->state == SessionState::closing) return;
  counters_.add(queues::ShardMetric::bytes_received, lease.size());
  if (is_deferred(*session)) return keep_deferred(*session, lease);
  if (!session->partial) return consume(*session, lease);

  // Complete the frame that began in an earlier lease, then go on in this one.
  queues::Buffer& partial = session->partial;
  while (!lease.empty() && partial) {
    const std::size_t have = partial.bytes().size();
    const bool is_preamble = session->state == SessionState::preamble;
    const std::size_t wanted =
        is_preamble ? protocol::preamble_size
                    : protocol::split_frame(partial.bytes(), limits_of(*session)).wire_size;
    const std::size_t size = std::min(wanted - have, lease.size());
    if (!keep_partial(*session, lease.first(size), wanted)) return;
    lease = lease.subspan(size);
    if (partial.bytes().size() < wanted) return;
    queues::Buffer whole = std::move(partial);
    consume(*session, whole.writable().first(whole.bytes().size()));
    if (session->state == SessionState::closed || session->state == SessionState::closing) return;
    if (is_deferred(*session)) return keep_deferred(*session, lease);
  }
  if (!lease.empty()) consume(*session, lease);
}

// Adds to the partial frame. The buffer grows with what has come, not to what was announced: three
// bytes that promise 64 KiB cost no more than other three.
template <io::StreamBackend Io>
bool Front<Io>::keep_partial(Session& session, Bytes input, std::size_t wanted) {
  queues::Buffer& partial = session.partial;
  const std::size_t have = partial.bytes().size();
  if (!partial || partial.writable().size() < have + input.size()) {
    constexpr std::size_t least = 512 - sizeof(queues::BufferBlock);  // a block, with its head
    const std::size_t needed = have + input.size();
    queues::Buffer larger =
        options_.pool.allocate(std::max(needed, std::min(wanted, std::max(2 * needed, least))));
    if (!larger) {
      fail(session, protocol::StreamCondition::resource_constraint);
      return false;
    }
    if (have > 0) std::memcpy(larger.writable().data(), partial.bytes().data(), have);
    partial = std::move(larger);
  }
  std::memcpy(partial.writable().data() + have, input.data(), input.size());
  partial.resize(have + input.size());
  return true;
}

template <io::StreamBackend Io>
void Front<Io>::consume(Session& session, MutableBytes input) {
  if (session.state == SessionState::preamble) on_preamble(session, input);
  while (!input.empty()) {
    if (session.state == SessionState::closing || session.state == SessionState::closed) return;
    if (session.state == SessionState::preamble) return;
    const protocol::Split split = protocol::split_frame(input, limits_of(session));
    if (split.status == protocol::SplitStatus::need_more) {
      keep_partial(session, input, split.wire_size);
      return;
    }
    if (split.status != protocol::SplitStatus::complete) return fail_parse(session);
    if (session.state == SessionState::handshake) return defer_handshake(session, input);
    const MutableBytes body = protocol::frame_body(input, split);
    input = input.subspan(split.wire_size);
    if (!on_frame(session, body)) return;
  }
}

// False when the session is to be read no further.
template <io::StreamBackend Io>
bool Front<Io>::on_frame(Session& session, MutableBytes body) {
  const MutableBytes plain = body.first(body.size() - crypto::aead_tag_size);
  if (!crypto::open(aead_cache_, session.name.slot, session.receive, {}, body, plain)) {
    fail_parse(session);
    return false;
  }
  counters_.add(queues::ShardMetric::frames_received);
  if (session.state == SessionState::ready) handshake_turns_.session_spoke();
  Bytes rest = plain;
  while (!rest.empty()) {
    const auto stanza = protocol::next_stanza(rest);
    if (!stanza) {
      fail_parse(session);
      return false;
    }
    counters_.add(queues::ShardMetric::stanzas_received);
    if (!on_stanza(session, *stanza)) return false;
  }
  return true;
}

template <io::StreamBackend Io>
void Front<Io>::fail_parse(Session& session) {
  counters_.add(queues::ShardMetric::frames_malformed);
  blame(session);
  fail(session, protocol::StreamCondition::bad_format);
}

template <io::StreamBackend Io>
bool Front<Io>::on_stanza(Session& session, const protocol::RawStanza& stanza) {
  using protocol::StanzaType;
  if (session.state == SessionState::connected) {
    if (stanza.type == StanzaType::login) return on_login(session, stanza.content);
    if (stanza.type == StanzaType::register_) return on_register(session, stanza.content);
  }
  if (stanza.type == StanzaType::bye) {
    close(session, io::CloseMode::graceful);
    return false;
  }
  if (session.state != SessionState::ready) {
    blame(session);
    fail(session, protocol::StreamCondition::not_authorized);
    return false;
  }
  // Every kind: an acknowledgement or a ping costs as much as a short message.
  if (session.rate.spend(settings_.stanza_rate, now_.instant) > Duration{0}) pace(session);
  switch (stanza.type) {
    case StanzaType::message:
      return on_message(session, stanza.content);
    case StanzaType::ack:
      return on_ack(session, stanza.content);
    case StanzaType::presence:
      return on_presence(session, stanza.content);
    case StanzaType::iq:
      return on_iq(session, stanza.content);
    case StanzaType::window:
      return on_window(session, stanza.content);
    case StanzaType::ping:
    case StanzaType::pong:
      return stanza.type == StanzaType::pong || on_ping(session, stanza.content);
    default:
      fail_parse(session);
      return false;
  }
}

}  // namespace godwit::dataplane
