// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <utility>

#include "dataplane/front.h"

// A session's stanzas: numbered, given to the home that they concern, settled or refused.

namespace godwit::dataplane {

template <io::StreamBackend Io>
bool Front<Io>::take_number(Session& session, std::uint32_t& number) {
  // Conforming clients never get here: the limit is theirs to keep.
  if (session.settled.outstanding() >= protocol::unacknowledged_max) {
    fail(session, protocol::StreamCondition::policy_violation);
    return false;
  }
  if (outstanding_ >= settings_.outstanding_max) {
    fail(session, protocol::StreamCondition::resource_constraint);
    return false;
  }
  number = session.settled.take();
  ++outstanding_;
  return true;
}

// What has been read is still taken; then the sender's own TCP window fills and holds it.
template <io::StreamBackend Io>
void Front<Io>::pace(Session& session) {
  if (session.paced) return;
  session.paced = true;
  counters_.add(queues::ShardMetric::senders_paused);
  io_.pause_receive(session.name);
  paced_.schedule(now_.instant + session.rate.wait(settings_.stanza_rate, now_.instant),
                  session.name);
}

template <io::StreamBackend Io>
std::size_t Front<Io>::resume_paced() {
  return paced_.advance(now_.instant, [&](ConnectionName name) {
    Session* session = find(name);
    if (session == nullptr || session->state != SessionState::ready) return;
    const Duration wait = session->rate.wait(settings_.stanza_rate, now_.instant);
    if (wait > Duration{0}) return paced_.schedule(now_.instant + wait, name);
    session->paced = false;
    io_.resume_receive(name);
  });
}

// Ends the session when the home's ring and its wait are full: going on would let later stanzas
// overtake this one.
template <io::StreamBackend Io>
bool Front<Io>::post_home(Session& session, const queues::Command& command) {
  if (options_.port.post(home_of(command.account), command)) return true;
  fail(session, protocol::StreamCondition::resource_constraint);
  return false;
}

template <io::StreamBackend Io>
bool Front<Io>::on_message(Session& session, Bytes content) {
  protocol::JidScratch scratch;
  auto message =
      protocol::read_message(content, {settings_.domain}, protocol::Side::from_client, scratch);
  if (!message) {
    fail_parse(session);
    return false;
  }
  std::uint32_t number = 0;
  if (!take_number(session, number)) return false;
  counters_.add(queues::ShardMetric::messages_received);
  if (!protocol::is_same_domain(message->peer.domain, settings_.domain)) {
    refuse(session, protocol::StanzaType::message, message->id, number,
           protocol::Condition::remote_server_not_found);
    return true;
  }
  const protocol::JidView to =
      std::exchange(message->peer, {session.user.view(), settings_.domain, session.device});
  const std::size_t body_size_max = message->payload.size() + protocol::message_head_size_max;
  const std::size_t size_max = queues::envelope_size(to.user.size(), body_size_max);
  queues::Buffer buffer = options_.pool.allocate(size_max);
  if (!buffer) {
    fail(session, protocol::StreamCondition::resource_constraint);
    return false;
  }
  const std::size_t head =
      queues::write_envelope(buffer.writable(), to.device, static_cast<std::uint8_t>(message->type),
                             message->ephemeral, to.user);
  ByteWriter body(buffer.writable().subspan(head));
  GODWIT_CHECK(protocol::write_message_body(body, *message, {settings_.domain}));
  buffer.resize(head + body.size());
  return post_home(session, {.kind = queues::CommandKind::message,
                             .detail = message->device_digest ? std::uint8_t{1} : std::uint8_t{0},
                             .number = number,
                             .session = session.name,
                             .account = hash_user(to.user),
                             .sequence = message->device_digest.value_or(0),
                             .id = message->id,
                             .sender = session.account,
                             .sender_device = session.device,
                             .confirmed = session.confirmed,
                             .buffer = buffer.release()});
}

// Writes a relayed stanza, presence or iq, behind an envelope. Empty when there is no memory.
template <typename Stanza>
queues::Buffer write_relayed(queues::BufferPool& pool, const protocol::JidView& to,
                             std::uint8_t type, const Stanza& stanza, std::string_view domain) {
  queues::Buffer buffer =
      pool.allocate(queues::envelope_size(to.user.size(), protocol::control_stanza_size_max + 8));
  if (!buffer) return buffer;
  const std::size_t head =
      queues::write_envelope(buffer.writable(), to.device, type, true, to.user);
  ByteWriter out(buffer.writable().subspan(head));
  GODWIT_CHECK(protocol::write(out, stanza, {domain}));
  buffer.resize(head + out.size());
  return buffer;
}

template <io::StreamBackend Io>
bool Front<Io>::on_presence(Session& session, Bytes content) {
  protocol::JidScratch scratch;
  const auto presence = protocol::read_presence(content, {settings_.domain}, scratch);
  if (!presence) {
    fail_parse(session);
    return false;
  }
  std::uint32_t number = 0;
  if (!take_number(session, number)) return false;
  if (presence->peer.empty()) {  // to the server: nobody subscribes, so there is nobody to tell
    settle(session, number);
    return true;
  }
  if (!protocol::is_same_domain(presence->peer.domain, settings_.domain)) {
    refuse(session, protocol::StanzaType::presence, 0, number,
           protocol::Condition::remote_server_not_found);
    return true;
  }
  protocol::Presence forwarded = *presence;
  forwarded.peer = {session.user.view(), settings_.domain, session.device};
  queues::Buffer buffer =
      write_relayed(options_.pool, presence->peer, 0, forwarded, settings_.domain);
  if (!buffer) {
    fail(session, protocol::StreamCondition::resource_constraint);
    return false;
  }
  return post_home(session, {.kind = queues::CommandKind::relay,
                             .detail = static_cast<std::uint8_t>(protocol::StanzaType::presence),
                             .number = number,
                             .session = session.name,
                             .account = hash_user(presence->peer.user),
                             .sender = session.account,
                             .sender_device = session.device,
                             .buffer = buffer.release()});
}

template <io::StreamBackend Io>
bool Front<Io>::on_iq(Session& session, Bytes content) {
  protocol::JidScratch scratch;
  const auto iq = protocol::read_iq(content, {settings_.domain}, scratch);
  if (!iq) {
    fail_parse(session);
    return false;
  }
  std::uint32_t number = 0;
  if (!take_number(session, number)) return false;
  if (!iq->peer.empty() && !protocol::is_same_domain(iq->peer.domain, settings_.domain)) {
    refuse(session, protocol::StanzaType::iq, iq->id, number,
           protocol::Condition::remote_server_not_found);
    return true;
  }
  const bool is_question = iq->type == protocol::IqType::get || iq->type == protocol::IqType::set;
  if (iq->peer.empty() && !is_question) {  // an answer to what the gateway never asked
    settle(session, number);
    return true;
  }
  queues::Buffer buffer;
  queues::Command command{.number = number,
                          .session = session.name,
                          .id = iq->id,
                          .sender = session.account,
                          .sender_device = session.device};
  if (iq->peer.empty()) {
    buffer = encode(options_.pool, queues::ServerIq{.user = session.user.view(),
                                                    .type = static_cast<std::uint8_t>(iq->type),
                                                    .id = iq->id,
                                                    .node = iq->node});
    command.kind = queues::CommandKind::server_iq;
    command.account = session.account;
  } else {
    protocol::Iq forwarded = *iq;
    forwarded.peer = {session.user.view(), settings_.domain, session.device};
    buffer = write_relayed(options_.pool, iq->peer, static_cast<std::uint8_t>(iq->type), forwarded,
                           settings_.domain);
    command.kind = queues::CommandKind::relay;
    command.detail = static_cast<std::uint8_t>(protocol::StanzaType::iq);
    command.account = hash_user(iq->peer.user);
  }
  if (!buffer) {
    fail(session, protocol::StreamCondition::resource_constraint);
    return false;
  }
  command.buffer = buffer.release();
  if (command.kind == queues::CommandKind::relay) return post_home(session, command);
  if (options_.port.post(options_.control, command)) return true;
  fail(session, protocol::StreamCondition::resource_constraint);
  return false;
}

template <io::StreamBackend Io>
bool Front<Io>::on_ack(Session& session, Bytes content) {
  const auto ack = protocol::read_ack(content);
  // A number past what was sent is a broken client; believing it could drop what it never saw.
  if (!ack || ack->upto > session.last_sent) {
    fail_parse(session);
    return false;
  }
  session.confirmed = std::max(session.confirmed, ack->refusal);
  if (ack->upto == 0) return true;
  queues::Command command{.kind = queues::CommandKind::acknowledge,
                          .session = session.name,
                          .account = session.account,
                          .sequence = session.sequence_base + ack->upto,
                          .id = session.mailbox};
  return post_home(session, command);
}

template <io::StreamBackend Io>
bool Front<Io>::on_window(Session& session, Bytes content) {
  const auto window = protocol::read_window(content);
  if (!window) {
    fail_parse(session);
    return false;
  }
  return post_home(session, {.kind = queues::CommandKind::window,
                             .number = window->window,
                             .session = session.name,
                             .account = session.account,
                             .id = session.mailbox});
}

template <io::StreamBackend Io>
bool Front<Io>::on_ping(Session& session, Bytes content) {
  const auto ping = protocol::read_ping(content);
  if (!ping) {
    fail_parse(session);
    return false;
  }
  queues::Buffer buffer = options_.pool.allocate(16);
  if (!buffer) {
    fail(session, protocol::StreamCondition::resource_constraint);
    return false;
  }
  ByteWriter out(buffer.writable());
  GODWIT_CHECK(protocol::write_pong(out, *ping));
  buffer.resize(out.size());
  append(session, {.buffer = std::move(buffer), .type = OutputKind::encoded});
  return session.state == SessionState::ready;
}

template <io::StreamBackend Io>
void Front<Io>::settle(Session& session, std::uint32_t number) {
  --outstanding_;
  counters_.add(queues::ShardMetric::messages_settled);
  if (session.settled.settle(number)) note_ack(session);
}

template <io::StreamBackend Io>
void Front<Io>::refuse(Session& session, protocol::StanzaType kind, std::uint64_t id,
                       std::uint32_t number, protocol::Condition condition) {
  // The error before the acknowledgement that covers it: a session's output stays in order, and an
  // acknowledgement leaves only when nothing is left before it.
  append(session, {.sequence = id,
                   .number = number,
                   .type = OutputKind::refusal,
                   .kind = static_cast<std::uint8_t>(kind),
                   .condition = static_cast<std::uint8_t>(condition)});
  counters_.add(refusal_metric(condition));
  if (session.state != SessionState::closing) settle(session, number);
}

template <io::StreamBackend Io>
void Front<Io>::record_delivery(std::uint64_t accepted_ns) {
  if (accepted_ns == 0) return;
  // Of another core's turn, which may have begun after this one's.
  const auto now_ns = static_cast<std::uint64_t>(now_.instant.time_since_epoch().count());
  counters_.record(queues::ShardHistogram::delivery, now_ns - std::min(now_ns, accepted_ns));
}

template <io::StreamBackend Io>
void Front<Io>::handle(const queues::Command& command) {
  using queues::CommandKind;
  queues::Buffer buffer = queues::Buffer::adopt(command.buffer);
  Session* session = find(command.session);
  if (session != nullptr && session->state == SessionState::closing) session = nullptr;
  // What there is two of for each message comes first, and nothing rare is inlined beside it.
  if (command.kind == CommandKind::settled) {
    if (session != nullptr) settle(*session, command.number);
  } else if (command.kind == CommandKind::deliver) {
    if (session == nullptr) return;
    record_delivery(command.sender);
    append(*session, {.buffer = std::move(buffer),
                      .sequence = command.sequence,
                      .number = command.number,
                      .type = OutputKind::delivery});
  } else if (command.kind == CommandKind::attached) {
    on_attached(session, command);
  } else if (session != nullptr) {
    on_answer(*session, command, std::move(buffer));
  }
}

// `session` is null when it has ended.
template <io::StreamBackend Io>
void Front<Io>::on_attached(Session* session, const queues::Command& command) {
  if (session == nullptr || session->state != SessionState::attaching) {
    // Gone before the home had answered: it must not think the device connected.
    options_.port.post(
        home_of(command.account),
        {.kind = queues::CommandKind::detach, .session = command.session, .id = command.id});
    return;
  }
  end_start(*session);
  addresses_.count_login(device_key(*session), now_.instant);
  session->state = SessionState::ready;
  session->mailbox = command.id;
  session->sequence_base = command.sequence;
  session->connected_s = static_cast<std::uint32_t>(
      std::chrono::floor<std::chrono::seconds>(now_.wall).time_since_epoch().count());
  ++ready_;
  counters_.add(queues::ShardMetric::logins_accepted);
  append_encoded(*session, protocol::SessionReady{.sequence_base = command.sequence,
                                                  .backlog = command.sender,
                                                  .server_time_ms = static_cast<std::uint64_t>(
                                                      now_.wall.time_since_epoch().count())});
}

template <io::StreamBackend Io>
void Front<Io>::on_answer(Session& session, const queues::Command& command, queues::Buffer buffer) {
  using queues::CommandKind;
  switch (command.kind) {
    case CommandKind::relayed: {
      const queues::Envelope envelope = queues::read_envelope(buffer.bytes());
      const auto offset = static_cast<std::uint32_t>(envelope.body.data() - buffer.bytes().data());
      return append(session,
                    {.buffer = std::move(buffer), .offset = offset, .type = OutputKind::encoded});
    }
    case CommandKind::refused:
      return refuse(session, static_cast<protocol::StanzaType>(command.device), command.id,
                    command.number, static_cast<protocol::Condition>(command.detail));
    case CommandKind::server_iq_reply:
      append(session, {.buffer = std::move(buffer), .type = OutputKind::encoded});
      if (session.state == SessionState::closing) return;
      return settle(session, command.number);
    case CommandKind::device_list:
      append(session, {.buffer = std::move(buffer), .type = OutputKind::encoded});
      if (command.detail == 0 || session.state == SessionState::closing) return;
      return settle(session, command.number);
    case CommandKind::backlog_end:
      return append(session, {.type = OutputKind::backlog_end});
    case CommandKind::attach_refused:
      counters_.add(queues::ShardMetric::logins_refused);
      blame(session);
      return fail(session, static_cast<protocol::StreamCondition>(command.detail));
    case CommandKind::kick:
      return fail(session, static_cast<protocol::StreamCondition>(command.detail), command.number);
    case CommandKind::registered:
      if (session.state != SessionState::registering) return;
      session.state = SessionState::connected;
      return append_encoded(session, protocol::Registered{.device = command.device});
    case CommandKind::register_refused:
      return fail_registration(session, static_cast<protocol::Condition>(command.detail),
                               as_text(buffer.bytes()));
    default:
      broken_invariant("a front got a command that is not for fronts", __FILE__, __LINE__);
  }
}

}  // namespace godwit::dataplane
