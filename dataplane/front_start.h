// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "dataplane/front.h"

// From a connection to a session: who may connect at all, handshakes, and the two stanzas before a
// session. Everything here is what a stranger can make a gateway do, so all of it is limited: in
// number, in time, and in what a turn spends on it.

namespace godwit::dataplane {

// What a connection may send ahead while its handshake message waits: that and a login. Beyond the
// first of these it is read no further; beyond the second, which only what was on its way already
// can reach, it is closed.
inline constexpr std::size_t deferred_size_unpaused_max = 4096;
inline constexpr std::size_t deferred_size_max = 16'384;

// Told to whoever comes too often: a minute, in which a limit by the minute recovers.
inline constexpr std::uint32_t limited_retry_ms = 60'000;

template <io::StreamBackend Io>
void Front<Io>::on_open(ConnectionName name, bool) {
  counters_.add(queues::ShardMetric::connections_accepted);
  AddressLimits::Place address = 0;
  if (!admits(name, address)) return io_.close(name, io::CloseMode::abort);
  while (name.slot >= sessions_.size()) sessions_.grow();
  Session& session = at(name.slot);
  session = Session{};
  session.name = name;
  session.address = address;
  session.state = SessionState::preamble;
  session.start = std::make_unique<SessionStart>();
  link_start(session);
  ++open_;
  ++unauthenticated_;
}

// Before it costs anything: a place in a table is all that is looked at.
template <io::StreamBackend Io>
bool Front<Io>::admits(ConnectionName name, AddressLimits::Place& place) {
  using queues::ShardMetric;
  if (draining_) {
    counters_.add(ShardMetric::connections_refused_draining);
    return false;
  }
  const auto answer = addresses_.admit(io_.peer_ip(name), now_.instant);
  place = answer.place;
  switch (answer.admission) {
    case Admission::welcome:
      break;
    case Admission::too_many_open:
      counters_.add(ShardMetric::connections_refused_open);
      return false;
    case Admission::too_many_starting:
      counters_.add(ShardMetric::connections_refused_starting);
      return false;
    case Admission::too_fast:
      counters_.add(ShardMetric::connections_refused_rate);
      return false;
    case Admission::failed_too_often:
      counters_.add(ShardMetric::connections_refused_failures);
      return false;
    case Admission::table_full:
      counters_.add(ShardMetric::connections_refused_full);
      return false;
  }
  if (unauthenticated_ < settings_.unauthenticated_max || displace_one()) return true;
  counters_.add(ShardMetric::connections_refused_full);
  addresses_.left(place, true, now_.instant);
  return false;
}

// Ends the connection that has kept us waiting longest. Refusing the newest instead would leave a
// crowd of silent ones in possession of the gateway: whoever means it needs a few round trips.
template <io::StreamBackend Io>
bool Front<Io>::displace_one() {
  constexpr int looks = 16;
  std::uint32_t slot = oldest_start_;
  for (int i = 0; i < looks && slot != SessionStart::none; ++i, slot = at(slot).start->newer) {
    Session& session = at(slot);
    if (session.start->since + settings_.start_patience > now_.instant) return false;
    const bool we_wait = session.state <= SessionState::connected && !session.start->deferred;
    if (!we_wait) continue;
    counters_.add(queues::ShardMetric::connections_displaced);
    close(session, io::CloseMode::abort);
    return true;
  }
  return false;
}

template <io::StreamBackend Io>
void Front<Io>::link_start(Session& session) {
  SessionStart& start = *session.start;
  start.since = now_.instant;
  start.older = newest_start_;
  const std::uint32_t slot = session.name.slot;
  (newest_start_ != SessionStart::none ? at(newest_start_).start->newer : oldest_start_) = slot;
  newest_start_ = slot;
}

// It has logged in, or ends.
template <io::StreamBackend Io>
void Front<Io>::end_start(Session& session) {
  const SessionStart& start = *session.start;
  constexpr std::uint32_t none = SessionStart::none;
  (start.older != none ? at(start.older).start->newer : oldest_start_) = start.newer;
  (start.newer != none ? at(start.newer).start->older : newest_start_) = start.older;
  session.start.reset();
  --unauthenticated_;
  addresses_.logged_in(session.address);
}

// What went wrong before login counts against the address.
template <io::StreamBackend Io>
void Front<Io>::blame(const Session& session) {
  if (session.start) addresses_.failed(session.address, now_.instant);
}

template <io::StreamBackend Io>
std::size_t Front<Io>::expire_starts() {
  std::size_t fired = 0;
  while (oldest_start_ != SessionStart::none) {
    Session& session = at(oldest_start_);
    if (session.start->since + settings_.handshake_timeout > now_.instant) break;
    counters_.add(queues::ShardMetric::handshakes_timed_out);
    ++fired;
    // Control or a home that is slow is no fault of the client.
    if (session.state <= SessionState::connected) blame(session);
    fail(session, protocol::StreamCondition::connection_timeout);
  }
  return fired;
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
  const bool classical = preamble && !protocol::is_hybrid(preamble->pattern);
  if (preamble && !(classical && require_hybrid_)) {
    session.state = SessionState::handshake;
    session.start->handshake = std::make_unique<ServerHandshake>(options_.identity, *preamble);
    return;
  }
  counters_.add(queues::ShardMetric::handshakes_failed);
  blame(session);
  if (!preamble && preamble.error() == protocol::PreambleError::not_godwit) {
    return close(session, io::CloseMode::abort);
  }
  using protocol::StreamCondition;
  const std::array<std::uint8_t, 5> refusal{
      0, 0, 2, static_cast<std::uint8_t>(protocol::HandshakeStatus::refused),
      static_cast<std::uint8_t>(classical ? StreamCondition::policy_violation
                                          : StreamCondition::unsupported_version)};
  const Bytes chunk(refusal);
  io_.send(session.name, {&chunk, 1});
  close(session, io::CloseMode::graceful);
}

// A whole message waits for a turn of its kind, and so does what comes behind it.
template <io::StreamBackend Io>
void Front<Io>::defer_handshake(Session& session, Bytes input) {
  if (deferred_.size() >=
      std::min<std::size_t>(handshake_turns_.most(), settings_.handshakes_per_turn)) {
    counters_.add(queues::ShardMetric::handshakes_deferred);
  }
  session.start->deferred = true;
  if (deferred_.empty()) handshake_turns_.wait_begins();
  deferred_.push_back(session.name);
  keep_deferred(session, input);
}

template <io::StreamBackend Io>
void Front<Io>::keep_deferred(Session& session, Bytes input) {
  const std::size_t size = session.partial.bytes().size() + input.size();
  // Who sends this much behind a handshake message is no client.
  if (size > deferred_size_max) return close(session, io::CloseMode::abort);
  if (input.empty() || !keep_partial(session, input, size)) return;
  if (size > deferred_size_unpaused_max) io_.pause_receive(session.name);
}

template <io::StreamBackend Io>
std::size_t Front<Io>::answer_handshakes() {
  static_assert(HandshakeTurns::at_once <= ServerHandshake::together_max);
  if (deferred_.empty()) return 0;
  const std::size_t most = handshake_turns_.take();
  return answer_together(std::min<std::size_t>(most, settings_.handshakes_per_turn));
}

// The one that has waited longest, unless it has gone.
template <io::StreamBackend Io>
std::optional<typename Front<Io>::Waiting> Front<Io>::next_waiting() {
  while (!deferred_.empty()) {
    const ConnectionName name = deferred_.front();
    deferred_.pop_front();
    Session* session = find(name);
    if (session == nullptr || !is_deferred(*session)) continue;
    session->start->deferred = false;
    io_.resume_receive(name);
    return Waiting{name, std::move(session->partial)};
  }
  return std::nullopt;
}

// Returns how many there were. What has come behind a message is looked at once all are answered:
// only then are its keys there.
template <io::StreamBackend Io>
std::size_t Front<Io>::answer_together(std::size_t count_max) {
  std::array<std::array<std::uint8_t, ServerHandshake::reply_size_max>,
             ServerHandshake::together_max>
      replies;
  std::vector<Waiting> waiting;
  std::vector<ServerHandshake::Exchange> exchanges;
  std::vector<MutableBytes> behind;
  while (waiting.size() < count_max) {
    std::optional<Waiting> next = next_waiting();
    if (!next) break;
    Session& session = at(next->name.slot);
    const MutableBytes input = next->input.writable().first(next->input.bytes().size());
    const protocol::Split split = protocol::split_frame(input, limits_of(session));
    exchanges.push_back(
        {*session.start->handshake, protocol::frame_body(input, split), replies[waiting.size()]});
    behind.push_back(input.subspan(split.wire_size));
    waiting.push_back(std::move(*next));
  }
  ServerHandshake::answer(exchanges, options_.random);
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    Session* session = find(waiting[i].name);
    if (session == nullptr) continue;
    on_handshake_answer(*session, exchanges[i]);
    consume(*session, behind[i]);
  }
  return waiting.size();
}

template <io::StreamBackend Io>
void Front<Io>::on_handshake_answer(Session& session, const ServerHandshake::Exchange& exchange) {
  using Step = ServerHandshake::Step;
  ServerHandshake& handshake = exchange.handshake;
  if (exchange.step == Step::failed) {
    counters_.add(queues::ShardMetric::handshakes_failed);
    blame(session);
    return close(session, io::CloseMode::abort);
  }
  if (exchange.step != Step::finished) {
    const Bytes chunk = Bytes(exchange.reply).first(handshake.reply_size());
    if (io_.send(session.name, {&chunk, 1}) == 0) return close(session, io::CloseMode::abort);
    counters_.add(queues::ShardMetric::bytes_sent, chunk.size());
  }
  if (exchange.step == Step::reply) return;
  if (!handshake.hybrid()) counters_.add(queues::ShardMetric::handshakes_classical);
  crypto::NoiseResult result = handshake.take();
  session.send = std::move(result.send);
  session.receive = std::move(result.receive);
  session.start->remote_static = result.remote_static;
  session.start->handshake.reset();
  session.state = SessionState::connected;
  counters_.add(queues::ShardMetric::handshakes_completed);
}

// A device among all, for the limit on its logins.
template <io::StreamBackend Io>
std::uint64_t Front<Io>::device_key(const Session& session) const {
  constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;  // spreads the small number over all bits
  return session.account ^ session.device * odd;
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
  if (!addresses_.may_log_in(device_key(session), now_.instant)) {
    counters_.add(queues::ShardMetric::logins_limited);
    fail(session, protocol::StreamCondition::resource_constraint, limited_retry_ms,
         "this device logs in too often; try again later");
    return false;
  }
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
                             .number = static_cast<std::uint32_t>(now_.instant.time_since_epoch() /
                                                                  std::chrono::milliseconds(1)),
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
  if (!addresses_.may_register(session.address, now_.instant)) {
    counters_.add(queues::ShardMetric::registrations_limited);
    // A person waits for this answer: not one that a client would wait out.
    fail(session, protocol::StreamCondition::policy_violation, limited_retry_ms,
         "too many registrations from this address; try again later");
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

template <io::StreamBackend Io>
void Front<Io>::set_live(const LiveSettings& live) {
  addresses_.set_rules(share_of(live.addresses, options_.shards));
  require_hybrid_ = live.require_hybrid;
}

}  // namespace godwit::dataplane
