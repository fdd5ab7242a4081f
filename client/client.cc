// SPDX-License-Identifier: Apache-2.0
#include "client/client.h"

#include <algorithm>
#include <utility>

namespace godwit::client {

namespace {

constexpr std::size_t in_flight_max = 512;
static_assert(in_flight_max <= protocol::unacknowledged_max);
// Sealed and not yet taken by the socket; past it the outbox waits.
constexpr std::size_t output_size_max = 256 * 1024;
constexpr std::size_t outbox_rows_at_once = 64;
// So that what is sent is not held up by a gateway that sends without end.
constexpr int reads_per_turn = 16;
constexpr auto ready_timeout = std::chrono::seconds(10);
// An idle connection is tried this often, one that owes an answer sooner.
constexpr auto ping_period = std::chrono::minutes(4);
constexpr auto answer_patience = std::chrono::seconds(15);
constexpr auto pong_timeout = std::chrono::seconds(15);
constexpr Duration first_back_off = std::chrono::milliseconds(100);
constexpr Duration longest_back_off = std::chrono::seconds(30);
// A session that lasted so long was no failure: the next connection does not wait for its
// predecessors.
constexpr Duration healthy_session = std::chrono::seconds(1);

}  // namespace

Client::Client(RandomSource& random, ClientEvents events, Dial dial)
    : random_(random), events_(std::move(events)), dial_(std::move(dial)) {}

Result<std::unique_ptr<Client>> Client::open(const std::string& home, RandomSource& random,
                                             ClientEvents events, Dial dial,
                                             const MakeSealer& make_sealer) {
  auto state = State::open(home);
  if (!state) return std::unexpected(state.error());
  std::unique_ptr<Client> client(new Client(random, std::move(events), std::move(dial)));
  client->state_ = std::move(*state);
  auto identity = client->state_->load_identity();
  if (!identity) return std::unexpected(identity.error());
  client->identity_ = std::move(*identity);
  if (client->identity_) {
    client->key_ = crypto::KeyPair::from_private(client->identity_->private_key.bytes());
  }
  const auto waiting = client->state_->unsettled();
  if (!waiting) return std::unexpected(waiting.error());
  client->unsettled_ = *waiting;
  client->sealer_ = make_sealer(*client->state_, random);
  return client;
}

Result<void> Client::register_device(const Registration& registration) {
  if (const auto address = parse_server_address(registration.server); !address) {
    return std::unexpected(address.error());
  }
  if (registration.invite.size() > protocol::invite_size_max) {
    return fail(ErrorCode::invalid, "an invite code has at most " +
                                        std::to_string(protocol::invite_size_max) + " characters");
  }
  State::Identity identity;
  identity.jid = registration.jid;
  identity.jid.device = 0;
  identity.server = registration.server;
  identity.operator_key = registration.operator_key;
  if (is_registered()) {
    if (identity_->jid.user != registration.jid.user ||
        identity_->jid.domain != registration.jid.domain) {
      return fail(ErrorCode::exists, "this --home belongs to " + protocol::to_text(identity_->jid) +
                                         "; give another one");
    }
    identity.jid.device = identity_->jid.device;
    if (!identity.operator_key) identity.operator_key = identity_->operator_key;
  }
  if (!identity_) key_ = crypto::KeyPair::generate(random_);
  identity.private_key = key_.private_key.copy();
  if (auto saved = state_->save_identity(identity); !saved) return saved;
  identity_ = std::move(identity);
  invite_ = registration.invite;
  registering_ = true;
  final_error_.reset();
  drop_connection();
  connect_at_ = {};
  return {};
}

Result<std::uint64_t> Client::send(const protocol::Jid& to, std::span<const std::string> payloads) {
  if (!protocol::is_valid_user(to.user) || !protocol::is_valid_domain(to.domain)) {
    return fail(ErrorCode::invalid, "'" + protocol::to_text(to) + "' is no address");
  }
  for (const std::string& payload : payloads) {
    if (payload.size() > payload_size_max()) {
      return fail(ErrorCode::limit, "a message has " + std::to_string(payload.size()) +
                                        " bytes; at most " + std::to_string(payload_size_max()) +
                                        " are allowed");
    }
  }
  auto first = sealer_->put(to, payloads);
  if (!first) return first;
  unsettled_ += payloads.size();
  outbox_unsent_ = true;
  return first;
}

Instant Client::deadline() const {
  if (!transport_) return connect_at_;
  if (may_send()) return Instant{};
  const Instant sealer_at = connection_ && connection_->ready() ? sealer_->deadline() : never;
  return std::min({give_up_at_, ping_at_, sealer_at});
}

Result<void> Client::start_connection(Now now) {
  GODWIT_CHECK(identity_.has_value());
  const auto last = state_->last_sequence();
  if (!last) return std::unexpected(last.error());
  const auto address = parse_server_address(identity_->server);
  if (!address) return std::unexpected(address.error());
  auto dialled = dial_(*address, failures_);
  if (!dialled) {
    disconnect(now, dialled.error().message);
    return {};
  }
  transport_ = std::move(*dialled);
  connecting_ = true;
  give_up_at_ = now.instant + ready_timeout;
  protocol::Jid jid = identity_->jid;
  if (registering_) jid.device = 0;
  connection_.emplace(Connection::Options{.jid = std::move(jid),
                                          .identity = key_,
                                          .node_key = identity_->node_key,
                                          .operator_key = identity_->operator_key,
                                          .last_sequence = *last,
                                          .invite = invite_,
                                          .client_name = std::string("godwit ") + GODWIT_VERSION},
                      random_);
  in_flight_.clear();
  sent_upto_id_ = 0;
  outbox_unsent_ = true;
  refusal_to_confirm_ = 0;
  holding_ = false;
  return {};
}

void Client::drop_connection() {
  transport_.reset();
  connecting_ = false;
  connection_.reset();
  output_.clear();
  give_up_at_ = ping_at_ = never;
}

// Exponential back-off with full jitter: after a gateway's restart its clients do not come back all
// at once.
void Client::disconnect(Now now, const std::string& why) {
  drop_connection();
  if (ready_at_ != never && now.instant - ready_at_ >= healthy_session) failures_ = 0;
  ready_at_ = never;
  trouble_ = why;
  const Duration limit =
      std::min(longest_back_off, first_back_off * (1 << std::min(failures_, 9u)));
  ++failures_;
  connect_at_ = now.instant + Duration(static_cast<Duration::rep>(
                                  random_.below(static_cast<std::uint64_t>(limit.count()) + 1)));
}

Result<void> Client::advance(Now now) {
  if (!identity_) {
    return fail(ErrorCode::not_found, "no account in this --home; run godwit register first");
  }
  if (final_error_) return std::unexpected(*final_error_);
  auto done = take_turn(now);
  if (!done) {
    // With the connection: to go on with it after a failed write would acknowledge, with the next
    // message, the one that was not stored.
    drop_connection();
    trouble_ = done.error().message;
    final_error_ = done.error();
  }
  return done;
}

Result<void> Client::take_turn(Now now) {
  if (!transport_) {
    if (now.instant < connect_at_) return {};
    if (auto started = start_connection(now); !started) return started;
    if (!transport_) return {};
  }
  if (connecting_ && !finish_connect(now)) return {};
  if (auto received = receive(now); !received || !transport_) return received;
  if (now.instant >= give_up_at_) {
    disconnect(now, identity_->server + " does not answer");
    return {};
  }
  if (auto sealed = seal(now); !sealed) return sealed;
  if (auto sent = send_waiting(now); !sent) return sent;
  if (now.instant >= ping_at_) {
    connection_->ping(1);
    ping_at_ = never;
    give_up_at_ = now.instant + pong_timeout;
  }
  flush();
  return {};
}

// True once the transport is connected.
bool Client::finish_connect(Now now) {
  const auto connected = transport_->finish_connect();
  if (!connected) {
    disconnect(now, "cannot reach " + identity_->server + ": " + connected.error().message +
                        "; is godwitd running there?");
    return false;
  }
  if (!*connected) {
    if (now.instant >= give_up_at_) disconnect(now, identity_->server + " does not answer");
    return false;
  }
  connecting_ = false;
  return true;
}

Result<void> Client::receive(Now now) {
  std::uint8_t buffer[65536];
  for (int round = 0; round < reads_per_turn; ++round) {
    const auto size = transport_->receive(buffer);
    if (!size) return {};
    if (*size == 0) {
      const bool trusted = connection_->ready();
      disconnect(now, trusted
                          ? "the gateway closed the connection"
                          : identity_->server + " closed the connection before the session began");
      return {};
    }
    auto events = connection_->on_bytes({buffer, *size}, now.wall);
    if (!events) {
      const ErrorCode code = events.error().code;
      const std::string why = events.error().message;
      disconnect(now, why);
      // A wrong certificate stays wrong; bytes that went astray may not.
      if (code == ErrorCode::refused || code == ErrorCode::expired) return fail(code, why);
      return {};
    }
    if (auto handled = handle(*events, now); !handled) return handled;
    if (!transport_) return {};
    if (connection_->ready()) {
      give_up_at_ = never;
      ping_at_ =
          now.instant + (in_flight_.empty() ? Duration(ping_period) : Duration(answer_patience));
    }
    if (*size < sizeof buffer) return {};
  }
  return {};
}

bool Client::may_send() const {
  if (!connection_ || !connection_->ready()) return false;
  if (holding_) return in_flight_.empty();
  return outbox_unsent_ && in_flight_.size() < in_flight_max && output_.size() < output_size_max;
}

Result<void> Client::send_waiting(Now now) {
  while (may_send()) {
    if (holding_) {
      connection_->confirm_refusal(refusal_to_confirm_);
      holding_ = false;
      sent_upto_id_ = 0;
      outbox_unsent_ = true;
      continue;
    }
    const std::size_t room = std::min(in_flight_max - in_flight_.size(), outbox_rows_at_once);
    const auto waiting = state_->read_outbox(sent_upto_id_, room);
    if (!waiting) return std::unexpected(waiting.error());
    outbox_unsent_ = waiting->size() == room;
    for (const State::Outgoing& message : *waiting) {
      const auto to = protocol::parse_jid(message.to);
      if (!to || message.payload.size() > protocol::payload_size_max) {
        return fail(ErrorCode::corrupt, "the outbox holds what cannot be sent");
      }
      const std::uint32_t number =
          connection_->send_message(message.id, *to, as_bytes(message.payload), message.devices);
      in_flight_.push_back({.number = number, .id = message.id, .to = message.to});
      sent_upto_id_ = message.id;
    }
    if (!waiting->empty()) ping_at_ = std::min(ping_at_, now.instant + answer_patience);
    flush();
  }
  return {};
}

void Client::flush() {
  // The acknowledgement goes with it: storing a batch took longer than waiting for more would gain.
  const auto sealed = connection_->take_output();
  output_.insert(output_.end(), sealed.begin(), sealed.end());
  std::size_t done = 0;
  while (done < output_.size()) {
    const std::size_t sent = transport_->send(Bytes(output_).subspan(done));
    if (sent == 0) break;  // not now, or broken: the next read tells
    done += sent;
  }
  output_.erase(output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(done));
}

void Client::close() {
  connect_at_ = never;
  if (connection_ && connection_->ready()) {
    connection_->say_bye();
    flush();
  }
  drop_connection();
}

}  // namespace godwit::client
