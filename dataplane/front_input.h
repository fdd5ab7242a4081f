// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "dataplane/front.h"

// Bytes in: preamble, handshake messages, frames, and the two stanzas before a session.

namespace godwit::dataplane {

template <io::StreamBackend Io>
Front<Io>::Front(const Options& options)
    : options_(options),
      settings_(options.settings),
      io_(options.io),
      counters_(options.counters),
      aead_cache_(4096),
      frame_(protocol::frame_wire_size_max) {}

template <io::StreamBackend Io>
Session* Front<Io>::find(ConnectionName name) {
  const std::size_t page = name.slot / 256;
  if (page >= pages_.size() || !pages_[page]) return nullptr;
  Session& session = (*pages_[page])[name.slot % 256];
  return session.name == name && session.state != SessionState::closed ? &session : nullptr;
}

template <io::StreamBackend Io>
void Front<Io>::on_open(ConnectionName name, bool) {
  counters_.add(queues::ShardMetric::connections_accepted);
  if (draining_ || unauthenticated_ >= settings_.unauthenticated_max) {
    counters_.add(queues::ShardMetric::connections_refused);
    io_.close(name, io::CloseMode::abort);
    return;
  }
  const std::size_t page = name.slot / 256;
  if (page >= pages_.size()) pages_.resize(page + 1);
  if (!pages_[page]) {
    pages_[page] = std::make_unique<std::array<Session, 256>>();
    ++pages_made_;
  }
  Session& session = (*pages_[page])[name.slot % 256];
  session = Session{};
  session.name = name;
  session.state = SessionState::preamble;
  session.start = std::make_unique<SessionStart>();
  ++open_;
  ++unauthenticated_;
  starting_.push_back({now_.instant + settings_.handshake_timeout, name});
}

template <io::StreamBackend Io>
void Front<Io>::on_closed(ConnectionName name, std::uint64_t, io::CloseReason) {
  Session* session = find(name);
  if (session == nullptr) return;
  drop_pending(*session);
  leave(*session);
  aead_cache_.forget(name.slot);
  *session = Session{};
  --open_;
}

template <io::StreamBackend Io>
void Front<Io>::on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
  Session* session = find(name);
  if (session == nullptr || session->state == SessionState::closing) return;
  counters_.add(queues::ShardMetric::bytes_received, lease.size());
  if (!session->partial) return consume(*session, lease);

  // Complete the frame that began in an earlier lease, then go on in this one.
  queues::Buffer& partial = session->partial;
  while (!lease.empty() && partial) {
    const std::size_t have = partial.bytes().size();
    const bool is_preamble = session->state == SessionState::preamble;
    const auto limits = session->state == SessionState::handshake
                            ? protocol::handshake_frame_limits
                            : protocol::transport_frame_limits;
    const std::size_t wanted = is_preamble
                                   ? protocol::preamble_size
                                   : protocol::split_frame(partial.bytes(), limits).wire_size;
    const std::size_t size = std::min(wanted - have, lease.size());
    if (!keep_partial(*session, lease.first(size), wanted)) return;
    lease = lease.subspan(size);
    if (partial.bytes().size() < wanted) return;
    queues::Buffer whole = std::move(partial);
    consume(*session, whole.writable().first(whole.bytes().size()));
    if (session->state == SessionState::closed || session->state == SessionState::closing) return;
  }
  if (!lease.empty()) consume(*session, lease);
}

// Adds to the partial frame, in a buffer that holds all of it once its length is known.
template <io::StreamBackend Io>
bool Front<Io>::keep_partial(Session& session, Bytes input, std::size_t wanted) {
  queues::Buffer& partial = session.partial;
  const std::size_t have = partial.bytes().size();
  if (!partial || partial.writable().size() < std::max(wanted, have + input.size())) {
    queues::Buffer larger = options_.pool.allocate(std::max(wanted, have + input.size()));
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
    const bool handshake = session.state == SessionState::handshake;
    const auto limits =
        handshake ? protocol::handshake_frame_limits : protocol::transport_frame_limits;
    const protocol::Split split = protocol::split_frame(input, limits);
    if (split.status == protocol::SplitStatus::need_more) {
      keep_partial(session, input, split.wire_size);
      return;
    }
    if (split.status != protocol::SplitStatus::complete) return fail_parse(session);
    const MutableBytes body = protocol::frame_body(input, split);
    input = input.subspan(split.wire_size);
    if (handshake) {
      on_handshake_message(session, body);
    } else if (!on_frame(session, body)) {
      return;
    }
  }
}

template <io::StreamBackend Io>
void Front<Io>::on_preamble(Session& session, MutableBytes& input) {
  if (input.size() < protocol::preamble_size) {
    keep_partial(session, input, protocol::preamble_size);
    return;
  }
  protocol::PreambleBytes bytes;
  std::copy_n(input.begin(), bytes.size(), bytes.begin());
  input = input.subspan(bytes.size());
  const auto preamble = protocol::read_preamble(bytes);
  if (preamble) {
    session.state = SessionState::handshake;
    session.start->handshake = std::make_unique<ServerHandshake>(options_.identity, *preamble);
    return;
  }
  counters_.add(queues::ShardMetric::handshakes_failed);
  if (preamble.error() == protocol::PreambleError::not_godwit) {
    return close(session, io::CloseMode::abort);
  }
  const std::array<std::uint8_t, 5> refusal{
      0, 0, 2, static_cast<std::uint8_t>(protocol::HandshakeStatus::refused),
      static_cast<std::uint8_t>(protocol::StreamCondition::unsupported_version)};
  const Bytes chunk(refusal);
  io_.send(session.name, {&chunk, 1});
  close(session, io::CloseMode::graceful);
}

template <io::StreamBackend Io>
void Front<Io>::on_handshake_message(Session& session, Bytes message) {
  std::array<std::uint8_t, protocol::length_prefix_size + protocol::handshake_message_size_max>
      reply;
  ServerHandshake& handshake = *session.start->handshake;
  const auto step = handshake.on_message(message, reply, options_.random);
  if (step == ServerHandshake::Step::failed) {
    counters_.add(queues::ShardMetric::handshakes_failed);
    return close(session, io::CloseMode::abort);
  }
  if (step != ServerHandshake::Step::finished) {
    const Bytes chunk = Bytes(reply).first(handshake.reply_size());
    if (io_.send(session.name, {&chunk, 1}) == 0) return close(session, io::CloseMode::abort);
    counters_.add(queues::ShardMetric::bytes_sent, chunk.size());
  }
  if (step == ServerHandshake::Step::reply) return;
  crypto::NoiseResult result = handshake.take();
  session.send = std::move(result.send);
  session.receive = std::move(result.receive);
  session.start->remote_static = result.remote_static;
  session.start->handshake.reset();
  session.state = SessionState::connected;
  counters_.add(queues::ShardMetric::handshakes_completed);
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
  if (session.state == SessionState::handshake) return close(session, io::CloseMode::abort);
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
    fail(session, protocol::StreamCondition::not_authorized);
    return false;
  }
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

template <io::StreamBackend Io>
bool Front<Io>::on_login(Session& session, Bytes content) {
  protocol::JidScratch scratch;
  const auto login = protocol::read_login(content, scratch);
  if (!login) {
    fail_parse(session);
    return false;
  }
  if (login->jid.domain != settings_.domain) {
    fail(session, protocol::StreamCondition::host_unknown);
    return false;
  }
  session.user = CompactText(login->jid.user);
  session.device = login->jid.device;
  session.account = hash_user(login->jid.user);
  session.client_name = client_names_.intern(login->client);
  const queues::AttachRequest request{.user = login->jid.user,
                                      .client = login->client,
                                      .device = session.device,
                                      .window = login->window,
                                      .last_sequence = login->last_sequence,
                                      .key = session.start->remote_static};
  queues::Buffer buffer = encode(options_.pool, request);
  if (!buffer) {
    fail(session, protocol::StreamCondition::resource_constraint);
    return false;
  }
  session.state = SessionState::attaching;
  return post_home(session, {.kind = queues::CommandKind::attach,
                             .number = static_cast<std::uint32_t>(
                                 now_.instant.time_since_epoch() / std::chrono::milliseconds(1)),
                             .session = session.name,
                             .account = session.account,
                             .buffer = buffer.release()});
}

template <io::StreamBackend Io>
bool Front<Io>::on_register(Session& session, Bytes content) {
  protocol::JidScratch scratch;
  const auto request = protocol::read_register(content, scratch);
  if (!request) {
    fail_parse(session);
    return false;
  }
  if (request->jid.domain != settings_.domain) {
    fail(session, protocol::StreamCondition::host_unknown);
    return false;
  }
  queues::Buffer buffer =
      encode(options_.pool, queues::RegisterRequest{.user = request->jid.user,
                                                    .invite = request->invite,
                                                    .client = request->client,
                                                    .key = session.start->remote_static});
  if (!buffer || !options_.port.post(options_.control, {.kind = queues::CommandKind::register_,
                                                        .session = session.name,
                                                        .buffer = buffer.release()})) {
    fail(session, protocol::StreamCondition::resource_constraint);
    return false;
  }
  counters_.add(queues::ShardMetric::registrations_requested);
  session.state = SessionState::registering;
  return true;
}

}  // namespace godwit::dataplane
