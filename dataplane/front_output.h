// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <utility>

#include "dataplane/front.h"

// Stanzas out: gathered on their sessions during a turn, sealed into frames at its end.

namespace godwit::dataplane {

// Ends a session that takes nothing and asks for more.
template <io::StreamBackend Io>
void Front<Io>::append(Session& session, OutputNode&& node) {
  const bool reply = node.type != OutputKind::delivery || node.sequence == 0;
  if (reply && session.blocked && session.replies >= settings_.blocked_replies_max) {
    counters_.add(queues::ShardMetric::sessions_stuck);
    return close(session, io::CloseMode::abort);
  }
  if (reply && session.blocked) ++session.replies;
  const std::uint32_t index = nodes_.allocate();
  nodes_[index] = std::move(node);
  (session.pending_tail != 0 ? nodes_[session.pending_tail].next : session.pending_head) = index;
  session.pending_tail = index;
  mark_dirty(session);
}

template <io::StreamBackend Io>
template <typename Stanza>
void Front<Io>::append_encoded(Session& session, const Stanza& stanza) {
  queues::Buffer buffer = options_.pool.allocate(protocol::error_text_size_max + 32);
  if (!buffer) return close(session, io::CloseMode::abort);
  ByteWriter out(buffer.writable());
  GODWIT_CHECK(protocol::write(out, stanza));
  buffer.resize(out.size());
  append(session, {.buffer = std::move(buffer), .type = OutputKind::encoded});
}

template <io::StreamBackend Io>
void Front<Io>::mark_dirty(Session& session) {
  if (session.dirty || session.blocked) return;
  if (session.state == SessionState::ready) handshake_turns_.session_served();
  session.dirty = true;
  dirty_.push_back(session.name);
}

// Something more is settled: the acknowledgement rides on the next frame, or leaves by itself when
// enough has gathered or it has waited for ack_delay.
template <io::StreamBackend Io>
void Front<Io>::note_ack(Session& session) {
  if (session.settled.upto() - session.acknowledged >= protocol::ack_stanzas_max) {
    return mark_dirty(session);
  }
  if (session.ack_due) return;
  session.ack_due = true;
  acks_due_.push_back({now_.instant + settings_.ack_delay, session.name});
}

template <io::StreamBackend Io>
std::size_t Front<Io>::expire() {
  std::size_t fired = 0;
  for (; !acks_due_.empty() && acks_due_.front().at <= now_.instant; acks_due_.pop_front()) {
    Session* session = find(acks_due_.front().name);
    if (session == nullptr) continue;
    session->ack_due = false;
    if (session->settled.upto() == session->acknowledged) continue;
    mark_dirty(*session);
    ++fired;
  }
  return fired + expire_starts() + expire_stuck() + resume_paced();
}

template <io::StreamBackend Io>
Instant Front<Io>::next_deadline() const {
  const Instant ack = acks_due_.empty() ? never : acks_due_.front().at;
  const Instant stuck = stuck_.empty() ? never : stuck_.front().at;
  const Instant start = oldest_start_ == SessionStart::none
                            ? never
                            : at(oldest_start_).start->since + settings_.handshake_timeout;
  const Instant waiting = deferred_.empty() ? never : handshake_turns_.next();
  return std::min({ack, stuck, start, waiting, paced_.next_deadline()});
}

template <io::StreamBackend Io>
void Front<Io>::flush() {
  // flush_session may close a session but never makes another one dirty.
  for (const ConnectionName name : dirty_) {
    Session* session = find(name);
    if (session == nullptr) continue;
    session->dirty = false;
    flush_session(*session);
  }
  dirty_.clear();
}

template <io::StreamBackend Io>
void Front<Io>::flush_session(Session& session) {
  if (session.state == SessionState::closing && !session.close_after) return;
  while (session.pending_head != 0 || session.settled.upto() != session.acknowledged) {
    if (!send_frame(session)) {
      session.blocked = true;  // on_writable goes on
      return watch(session);
    }
  }
  if (session.close_after) {
    session.close_after = false;
    io_.close(session.name, io::CloseMode::graceful);
  }
}

// A peer that takes nothing must not keep what it was sent for ever.
template <io::StreamBackend Io>
void Front<Io>::watch(Session& session) {
  if (session.watched) return;
  session.watched = true;
  session.unblocked = false;
  stuck_.push_back({now_.instant + settings_.stuck_timeout, session.name});
}

template <io::StreamBackend Io>
std::size_t Front<Io>::expire_stuck() {
  std::size_t fired = 0;
  while (!stuck_.empty() && stuck_.front().at <= now_.instant) {
    Session* session = find(stuck_.front().name);
    stuck_.pop_front();
    if (session == nullptr) continue;
    session->watched = false;
    if (!session->blocked) continue;
    ++fired;
    if (session->unblocked) {
      watch(*session);
      continue;
    }
    counters_.add(queues::ShardMetric::sessions_stuck);
    // Perhaps it is closing already, and its last words are what it does not take.
    if (session->state == SessionState::closing) {
      io_.close(session->name, io::CloseMode::abort);
    } else {
      close(*session, io::CloseMode::abort);
    }
  }
  return fired;
}

// One frame with as much of the pending output as fits. False, and nothing changed, when the stream
// takes no more.
template <io::StreamBackend Io>
bool Front<Io>::send_frame(Session& session) {
  using protocol::length_prefix_size;
  const MutableBytes plain =
      MutableBytes(frame_).subspan(length_prefix_size, protocol::frame_plaintext_size_max);
  ByteWriter out(plain);
  const std::uint64_t last_sent = session.last_sent;
  std::uint32_t index = session.pending_head;
  std::size_t deliveries = 0;
  std::size_t stanzas = 0;
  for (; index != 0; index = nodes_[index].next) {
    if (!write_node(out, session, nodes_[index])) break;
    deliveries += nodes_[index].type == OutputKind::delivery;
    ++stanzas;
  }
  std::uint32_t acknowledged = session.acknowledged;
  if (index == 0 && session.settled.upto() != acknowledged &&
      protocol::write(out, protocol::Ack{.upto = session.settled.upto()})) {
    acknowledged = session.settled.upto();
    ++stanzas;
  }
  GODWIT_CHECK(out.size() > 0);

  const std::uint64_t counter = session.send.counter;
  const std::size_t sealed_size = out.size() + crypto::aead_tag_size;
  const MutableBytes sealed = MutableBytes(frame_).subspan(length_prefix_size, sealed_size);
  GODWIT_CHECK(crypto::seal(aead_cache_, session.name.slot, session.send, {},
                            sealed.first(out.size()), sealed));
  protocol::write_frame_length(frame_, sealed_size);
  const Bytes chunk = Bytes(frame_).first(length_prefix_size + sealed_size);
  if (io_.send(session.name, {&chunk, 1}) == 0) {
    session.send.counter = counter;  // it never left this process
    session.last_sent = last_sent;
    return false;
  }
  counters_.add(queues::ShardMetric::frames_sent);
  counters_.add(queues::ShardMetric::bytes_sent, chunk.size());
  counters_.add(queues::ShardMetric::messages_delivered, deliveries);
  counters_.add(queues::ShardMetric::stanzas_sent, stanzas);
  session.acknowledged = acknowledged;
  while (session.pending_head != index) {
    const std::uint32_t done = session.pending_head;
    session.pending_head = nodes_[done].next;
    nodes_.release(done);
  }
  if (index == 0) session.pending_tail = 0;
  session.replies = 0;
  return true;
}

template <io::StreamBackend Io>
bool Front<Io>::write_node(ByteWriter& out, Session& session, OutputNode& node) {
  switch (node.type) {
    case OutputKind::delivery: {
      const queues::Envelope envelope = queues::read_envelope(node.buffer.bytes());
      protocol::DeliveryHead head{.type = static_cast<protocol::MessageType>(envelope.message_type),
                                  .ephemeral = envelope.ephemeral,
                                  .delay_s = node.number};
      const std::uint64_t sequence = node.sequence - session.sequence_base;
      if (!envelope.ephemeral && sequence != session.last_sent + 1) head.sequence = sequence;
      if (!protocol::write_delivery(out, head, envelope.body)) return false;
      if (!envelope.ephemeral) session.last_sent = sequence;
      return true;
    }
    case OutputKind::encoded: {
      const Bytes stanza = node.buffer.bytes().subspan(node.offset);
      if (stanza.size() > out.room()) return false;
      out.bytes(stanza);
      return true;
    }
    case OutputKind::refusal:
      return protocol::write(
          out,
          protocol::StanzaError{.kind = static_cast<protocol::StanzaType>(node.kind),
                                .id = node.sequence,
                                .number = node.number,
                                .condition = static_cast<protocol::Condition>(node.condition)});
    case OutputKind::backlog_end:
      return protocol::write_empty(out, protocol::StanzaType::backlog_end);
  }
  return false;
}

template <io::StreamBackend Io>
void Front<Io>::on_writable(ConnectionName name, std::uint64_t) {
  Session* session = find(name);
  if (session == nullptr) return;
  session->blocked = false;
  session->unblocked = true;
  mark_dirty(*session);
}

template <io::StreamBackend Io>
void Front<Io>::drop_pending(Session& session) {
  while (session.pending_head != 0) {
    const std::uint32_t done = session.pending_head;
    session.pending_head = nodes_[done].next;
    nodes_.release(done);
  }
  session.pending_tail = 0;
}

// All but refusals: whoever is not told of those runs into them again.
template <io::StreamBackend Io>
void Front<Io>::drop_deliveries(Session& session) {
  std::uint32_t next = std::exchange(session.pending_head, 0);
  session.pending_tail = 0;
  while (next != 0) {
    const std::uint32_t index = std::exchange(next, nodes_[next].next);
    if (nodes_[index].type != OutputKind::refusal) {
      nodes_.release(index);
      continue;
    }
    nodes_[index].next = 0;
    (session.pending_tail != 0 ? nodes_[session.pending_tail].next : session.pending_head) = index;
    session.pending_tail = index;
  }
}

// Ends a session with a stream error. What was gathered for it and not sent is dropped: its home
// has it still.
template <io::StreamBackend Io>
void Front<Io>::fail(Session& session, protocol::StreamCondition condition,
                     std::uint32_t retry_after_ms, std::string_view text) {
  if (session.state == SessionState::closing || session.state == SessionState::closed) return;
  if (session.state < SessionState::connected) return close(session, io::CloseMode::abort);
  drop_deliveries(session);
  // Nothing is acknowledged any more: no acknowledgement may come behind the error.
  session.acknowledged = session.settled.upto();
  append_encoded(session,
                 protocol::StreamError{
                     .condition = condition, .retry_after_ms = retry_after_ms, .text = text});
  if (session.state == SessionState::closing) return;
  leave(session);
  session.close_after = true;
}

// `why` is control's sentence; without memory for it there was none.
template <io::StreamBackend Io>
void Front<Io>::fail_registration(Session& session, protocol::Condition condition,
                                  std::string_view why) {
  using protocol::Condition;
  using protocol::StreamCondition;
  constexpr std::uint32_t try_again_ms = 1000;
  if (why.empty()) why = protocol::to_text(condition);
  switch (condition) {
    case Condition::conflict:
      return fail(session, StreamCondition::conflict, 0, why);
    case Condition::resource_constraint:
    case Condition::internal_server_error:
      return fail(session, StreamCondition::resource_constraint, try_again_ms, why);
    case Condition::not_authorized:
    case Condition::not_allowed:
    case Condition::forbidden:
      return fail(session, StreamCondition::not_authorized, 0, why);
    default:
      return fail(session, StreamCondition::policy_violation, 0, why);
  }
}

template <io::StreamBackend Io>
void Front<Io>::close(Session& session, io::CloseMode mode) {
  if (session.state == SessionState::closed || session.state == SessionState::closing) return;
  drop_pending(session);
  leave(session);
  io_.close(session.name, mode);
}

// The session ends for everyone else; the connection may still have something to send.
template <io::StreamBackend Io>
void Front<Io>::leave(Session& session) {
  if (session.state == SessionState::closing || session.state == SessionState::closed) return;
  outstanding_ -= session.settled.outstanding_unsettled();
  if (session.state == SessionState::ready) {
    --ready_;
    options_.port.answer(home_of(session.account), {.kind = queues::CommandKind::detach,
                                                    .session = session.name,
                                                    .account = session.account,
                                                    .id = session.mailbox});
  } else {
    end_start(session);
  }
  session.partial.reset();
  session.state = SessionState::closing;
}

template <io::StreamBackend Io>
void Front<Io>::publish_gauges() {
  const std::uint64_t refused = io_.refused_connections();
  counters_.add(queues::ShardMetric::connections_refused_full,
                refused - std::exchange(io_refused_, refused));
  counters_.set(queues::ShardMetric::connections_open, open_);
  counters_.set(queues::ShardMetric::connections_unauthenticated, unauthenticated_);
  counters_.set(queues::ShardMetric::addresses_known, addresses_.known());
  counters_.set(queues::ShardMetric::sessions, ready_);
  counters_.set(queues::ShardMetric::memory_sessions, sessions_.memory_bytes());
  counters_.set(queues::ShardMetric::memory_output, nodes_.memory_bytes());
}

template <io::StreamBackend Io>
template <typename Visit>
void Front<Io>::for_each_session(Visit&& visit) {
  for (std::uint32_t slot = 0; slot < sessions_.size(); ++slot) {
    if (Session& session = at(slot); session.state == SessionState::ready) visit(session);
  }
}

template <io::StreamBackend Io>
void Front<Io>::list_sessions(std::uint64_t query, std::string_view user) {
  const auto now_s = std::chrono::floor<std::chrono::seconds>(now_.wall).time_since_epoch().count();
  for_each_session([&](Session& session) {
    if (!user.empty() && session.user.view() != user) return;
    const queues::SessionRow row{
        .user = std::string(session.user.view()),
        .device = session.device,
        .client = client_names_.name(session.client_name),
        .address = io_.peer_address(session.name),
        .connected_ms = static_cast<std::uint64_t>(now_s - session.connected_s) * 1000,
        .unacknowledged = session.settled.outstanding()};
    queues::Buffer buffer = encode(options_.pool, row);
    if (!buffer) return;
    options_.port.post(
        options_.control,
        {.kind = queues::CommandKind::admin_row, .id = query, .buffer = buffer.release()});
  });
  options_.port.answer(options_.control, {.kind = queues::CommandKind::admin_end, .id = query});
}

template <io::StreamBackend Io>
std::uint32_t Front<Io>::kick(const protocol::Jid& jid) {
  std::uint32_t closed = 0;
  for_each_session([&](Session& session) {
    if (session.user.view() != jid.user || (jid.device != 0 && session.device != jid.device))
      return;
    fail(session, protocol::StreamCondition::policy_violation, 0, "disconnected by an operator");
    ++closed;
  });
  return closed;
}

template <io::StreamBackend Io>
void Front<Io>::drain(Duration spread) {
  draining_ = true;
  const auto spread_ms = static_cast<std::uint64_t>(spread / std::chrono::milliseconds(1));
  for_each_session([&](Session& session) {
    const auto wait_ms = static_cast<std::uint32_t>(
        options_.random.below(std::max<std::uint64_t>(spread_ms, 1)) + 1);
    fail(session, protocol::StreamCondition::system_shutdown, wait_ms);
  });
}

}  // namespace godwit::dataplane
