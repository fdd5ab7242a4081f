// SPDX-License-Identifier: Apache-2.0
#include "client/client.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace godwit::client {

using protocol::Condition;
using protocol::StreamCondition;

namespace {

constexpr std::size_t in_flight_max = 512;
static_assert(in_flight_max <= protocol::unacknowledged_max);
constexpr auto ready_timeout = std::chrono::seconds(10);
constexpr auto ping_period = std::chrono::minutes(4);
constexpr Duration first_back_off = std::chrono::milliseconds(100);
constexpr Duration longest_back_off = std::chrono::seconds(30);

std::string explain(const Refused& refused) {
  const std::string text = refused.text.empty() ? "" : ": " + refused.text;
  switch (refused.condition) {
    case Condition::item_not_found:
      return "no such account or device" + text;
    case Condition::resource_constraint:
      return "the gateway cannot keep it now (storage or a limit is full); try again later" + text;
    case Condition::remote_server_not_found:
      return "the gateway does not serve that domain" + text;
    default:
      return std::string(protocol::to_text(refused.condition)) + text;
  }
}

// Host and port of "host:port" or "[v6]:port", looked up; a descriptor on its way, or -1.
int start_connect(const std::string& server) {
  const std::size_t colon = server.rfind(':');
  if (colon == std::string::npos) return -1;
  std::string host = server.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), server.c_str() + colon + 1, &hints, &found) != 0) return -1;
  int descriptor = -1;
  for (const addrinfo* info = found; info != nullptr && descriptor < 0; info = info->ai_next) {
    descriptor = ::socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) continue;
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(descriptor, info->ai_addr, info->ai_addrlen) != 0 && errno != EINPROGRESS) {
      ::close(descriptor);
      descriptor = -1;
    }
  }
  ::freeaddrinfo(found);
  return descriptor;
}

}  // namespace

Client::Client(RandomSource& random, ClientEvents events)
    : random_(random), events_(std::move(events)) {}

Client::~Client() {
  if (socket_ >= 0) ::close(socket_);
}

Result<std::unique_ptr<Client>> Client::open(const std::string& home, RandomSource& random,
                                             ClientEvents events) {
  auto state = State::open(home);
  if (!state) return std::unexpected(state.error());
  std::unique_ptr<Client> client(new Client(random, std::move(events)));
  client->state_ = std::move(*state);
  auto identity = client->state_->load_identity();
  if (!identity) return std::unexpected(identity.error());
  client->identity_ = std::move(*identity);
  if (client->identity_) {
    client->key_ = crypto::KeyPair::from_private(client->identity_->private_key.bytes());
  }
  const auto waiting = client->state_->outbox_size();
  if (!waiting) return std::unexpected(waiting.error());
  client->outbox_left_ = *waiting;
  return client;
}

Result<void> Client::register_device(const Registration& registration) {
  if (identity_ && identity_->jid.device != 0) {
    const bool same = identity_->jid.user == registration.jid.user &&
                      identity_->jid.domain == registration.jid.domain;
    if (!same) {
      return fail(ErrorCode::exists, "this --home belongs to " + protocol::to_text(identity_->jid) +
                                         "; give another one");
    }
  }
  State::Identity identity;
  identity.jid = registration.jid;
  identity.jid.device = 0;
  identity.server = registration.server;
  identity.operator_key = registration.operator_key;
  if (!identity_) key_ = crypto::KeyPair::generate(random_);
  identity.private_key = key_.private_key.copy();
  if (auto saved = state_->save_identity(identity); !saved) return saved;
  identity_ = std::move(identity);
  invite_ = registration.invite;
  return {};
}

Result<std::uint64_t> Client::send(const protocol::Jid& to, std::span<const std::string> payloads) {
  for (const std::string& payload : payloads) {
    if (payload.size() > protocol::payload_size_max) {
      return fail(ErrorCode::limit, "a message has " + std::to_string(payload.size()) +
                                        " bytes; at most " +
                                        std::to_string(protocol::payload_size_max) + " are allowed");
    }
  }
  auto first = state_->append_outbox(protocol::to_text(to), payloads);
  if (first) outbox_left_ += payloads.size();
  return first;
}

Instant Client::deadline() const {
  if (socket_ < 0) return connect_at_;
  return std::min(give_up_at_, ping_at_);
}

Result<void> Client::start_connection(Now now) {
  GODWIT_CHECK(identity_.has_value());
  const auto last = state_->last_sequence();
  if (!last) return std::unexpected(last.error());
  socket_ = start_connect(identity_->server);
  if (socket_ < 0) {
    disconnect(now, "cannot reach " + identity_->server + "; is godwitd running there?");
    return {};
  }
  connecting_ = true;
  give_up_at_ = now.instant + ready_timeout;
  connection_.emplace(Connection::Options{.jid = identity_->jid,
                                          .identity = key_,
                                          .node_key = identity_->node_key,
                                          .operator_key = identity_->operator_key,
                                          .last_sequence = *last,
                                          .invite = invite_,
                                          .client_name = std::string("godwit ") + GODWIT_VERSION},
                      random_);
  in_flight_.clear();
  finished_.clear();
  sent_upto_id_ = 0;
  refusal_to_confirm_ = 0;
  holding_ = false;
  return {};
}

// Exponential back-off with full jitter: after a gateway's restart its clients do not come back all at once.
void Client::disconnect(Now now, const std::string& why) {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
  connecting_ = false;
  connection_.reset();
  output_.clear();
  output_sent_ = 0;
  give_up_at_ = ping_at_ = never;
  trouble_ = why;
  const Duration limit = std::min(longest_back_off, first_back_off * (1 << std::min(failures_, 9u)));
  ++failures_;
  connect_at_ = now.instant + Duration(static_cast<Duration::rep>(
                                  random_.below(static_cast<std::uint64_t>(limit.count()) + 1)));
}

Result<void> Client::advance(Now now) {
  if (!identity_) {
    return fail(ErrorCode::not_found, "no account in this --home; run godwit register first");
  }
  if (socket_ < 0) {
    if (now.instant < connect_at_) return {};
    if (auto started = start_connection(now); !started) return started;
    if (socket_ < 0) return {};
  }
  if (connecting_) {
    pollfd ready{.fd = socket_, .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, 0) == 0) {
      if (now.instant >= give_up_at_) disconnect(now, identity_->server + " does not answer");
      return {};
    }
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      disconnect(now, "cannot reach " + identity_->server + ": " + std::strerror(error) +
                          "; is godwitd running there?");
      return {};
    }
    connecting_ = false;
  }
  if (auto received = receive(now); !received || socket_ < 0) return received;
  if (now.instant >= give_up_at_) {
    disconnect(now, identity_->server + " does not answer");
    return {};
  }
  if (auto sent = send_waiting(); !sent) return sent;
  if (now.instant >= ping_at_ && connection_->ready()) {
    connection_->ping(1);
    ping_at_ = now.instant + ping_period;
  }
  flush();
  return {};
}

Result<void> Client::receive(Now now) {
  std::uint8_t buffer[65536];
  for (;;) {
    const ssize_t size = ::recv(socket_, buffer, sizeof buffer, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (size <= 0) {
      const bool trusted = connection_->ready();
      disconnect(now, trusted ? "the gateway closed the connection"
                              : identity_->server + " closed the connection before the session began");
      return {};
    }
    auto events = connection_->on_bytes({buffer, static_cast<std::size_t>(size)}, now.wall);
    if (!events) {
      const ErrorCode code = events.error().code;
      const std::string why = events.error().message;
      disconnect(now, why);
      // A wrong certificate stays wrong; bytes that went astray may not.
      if (code == ErrorCode::refused || code == ErrorCode::expired) return fail(code, why);
      return {};
    }
    if (auto handled = handle(*events, now); !handled) return handled;
    if (socket_ < 0) return {};
    if (static_cast<std::size_t>(size) < sizeof buffer) return {};
  }
}

Result<void> Client::handle(std::vector<Event>& events, Now now) {
  std::vector<State::Incoming> incoming;
  bool backlog_ended = false;
  Result<void> result{};
  for (Event& event : events) {
    if (auto* delivered = std::get_if<Delivered>(&event)) {
      const auto time = now.wall - std::chrono::seconds(delivered->delay_s);
      incoming.push_back({.from = std::move(delivered->from),
                          .id = delivered->id,
                          .sequence = delivered->sequence,
                          .time_ms = time.time_since_epoch().count(),
                          .payload = std::move(delivered->payload)});
    } else if (const auto* trusted = std::get_if<ServerTrusted>(&event)) {
      result = on_trusted(*trusted);
    } else if (const auto* registered = std::get_if<Registered>(&event)) {
      result = on_registered(registered->device);
    } else if (std::holds_alternative<SessionReady>(event)) {
      give_up_at_ = never;
      ping_at_ = now.instant + ping_period;
      failures_ = 0;
      trouble_.clear();
    } else if (const auto* settled = std::get_if<Settled>(&event)) {
      result = on_settled(settled->upto);
    } else if (const auto* refused = std::get_if<Refused>(&event)) {
      result = on_refused(*refused);
    } else if (std::holds_alternative<BacklogEnd>(event)) {
      backlog_ended = true;
    } else if (const auto* ended = std::get_if<StreamEnded>(&event)) {
      result = on_stream_ended(*ended, now);
      if (!result || socket_ < 0) break;
    }
    if (!result) break;
  }
  if (!incoming.empty()) {
    auto stored = state_->store(incoming);
    if (!stored) return std::unexpected(stored.error());
    std::uint64_t last = 0;
    for (const State::Incoming& message : incoming) last = std::max(last, message.sequence);
    if (connection_) connection_->acknowledge(last);
    if (*stored > 0) events_.received();
  }
  if (!finished_.empty()) {
    if (auto erased = state_->erase_outbox(finished_); !erased) return erased;
    finished_.clear();
  }
  if (backlog_ended) events_.backlog_ended();
  return result;
}

Result<void> Client::on_trusted(const ServerTrusted& trusted) {
  const bool first = !identity_->operator_key;
  if (!first && identity_->node_key == trusted.node_key) return {};
  identity_->operator_key = trusted.operator_key;
  identity_->node_key = trusted.node_key;
  if (auto saved = state_->save_identity(*identity_); !saved) return saved;
  if (first) events_.trusted(trusted.operator_key);
  return {};
}

Result<void> Client::on_registered(std::uint16_t device) {
  identity_->jid.device = device;
  if (auto saved = state_->save_identity(*identity_); !saved) return saved;
  events_.registered(device);
  return {};
}

Result<void> Client::on_settled(std::uint64_t upto) {
  std::vector<std::uint64_t> accepted;
  while (!in_flight_.empty() && in_flight_.front().number <= upto) {
    if (!in_flight_.front().refused) accepted.push_back(in_flight_.front().id);
    in_flight_.pop_front();
  }
  outbox_left_ -= accepted.size();
  // Erased before the application is told: a crash in between tells it nothing, and nothing is sent again.
  if (!accepted.empty()) {
    if (auto erased = state_->erase_outbox(accepted); !erased) return erased;
  }
  for (const std::uint64_t id : accepted) events_.accepted(id);
  return {};
}

// From here on nothing new is sent until everything under way is answered: then the refusals are confirmed and what only
// followed them is sent again, in order and under the same ids.
Result<void> Client::on_refused(const Refused& refused) {
  const auto found = std::ranges::find(in_flight_, refused.number, &InFlight::number);
  if (found == in_flight_.end()) return {};
  found->refused = true;
  holding_ = true;
  refusal_to_confirm_ = std::max(refusal_to_confirm_, refused.number);
  if (refused.condition == Condition::follows_refused) return {};
  finished_.push_back(found->id);
  --outbox_left_;
  events_.refused(found->id, explain(refused));
  return {};
}

Result<void> Client::on_stream_ended(const StreamEnded& ended, Now now) {
  const std::string text = ended.text.empty() ? "" : ": " + ended.text;
  const std::string condition(protocol::to_text(ended.condition));
  const bool registering = identity_->jid.device == 0;
  disconnect(now, "the gateway ended the session (" + condition + ")" + text);
  if (ended.retry_after_ms > 0) {
    connect_at_ = now.instant + std::chrono::milliseconds(ended.retry_after_ms);
  }
  switch (ended.condition) {
    case StreamCondition::conflict:
      return fail(ErrorCode::refused, registering
                                          ? "the name is taken" + text
                                          : "another connection of this device took over; end it, or use another --home");
    case StreamCondition::not_authorized:
      return fail(ErrorCode::refused, registering ? "registration refused" + text
                                                  : "the gateway does not know this device; register again");
    case StreamCondition::account_suspended:
      return fail(ErrorCode::refused, "the account is suspended; ask the operator");
    case StreamCondition::account_removed:
      return fail(ErrorCode::refused, "the account was removed");
    case StreamCondition::host_unknown:
      return fail(ErrorCode::refused, "the gateway does not serve " + identity_->jid.domain);
    case StreamCondition::unsupported_version:
      return fail(ErrorCode::refused, "the gateway speaks another protocol version; update");
    case StreamCondition::policy_violation:
      return fail(ErrorCode::refused, "the gateway refused this session" + text);
    default:
      return {};
  }
}

Result<void> Client::send_waiting() {
  if (!connection_->ready()) return {};
  if (holding_) {
    if (!in_flight_.empty()) return {};
    connection_->confirm_refusal(refusal_to_confirm_);
    holding_ = false;
    sent_upto_id_ = 0;
  }
  if (outbox_left_ == 0 || in_flight_.size() >= in_flight_max) return {};
  const auto waiting = state_->read_outbox(sent_upto_id_, in_flight_max - in_flight_.size());
  if (!waiting) return std::unexpected(waiting.error());
  for (const State::Outgoing& message : *waiting) {
    const auto to = protocol::parse_jid(message.to);
    if (!to) return fail(ErrorCode::corrupt, "the outbox holds a wrong address");
    const std::uint32_t number =
        connection_->send_message(message.id, *to, as_bytes(message.payload));
    in_flight_.push_back({.number = number, .id = message.id});
    sent_upto_id_ = message.id;
  }
  return {};
}

void Client::flush() {
  // The acknowledgement goes with it: storing a batch took longer than waiting for more would gain.
  const auto sealed = connection_->take_output();
  output_.insert(output_.end(), sealed.begin(), sealed.end());
  while (output_sent_ < output_.size()) {
    const ssize_t sent = ::send(socket_, output_.data() + output_sent_, output_.size() - output_sent_,
                                MSG_NOSIGNAL);
    if (sent < 0) break;  // not now, or broken: the next read tells
    output_sent_ += static_cast<std::size_t>(sent);
  }
  if (output_sent_ == output_.size()) {
    output_.clear();
    output_sent_ = 0;
  }
}

Result<bool> Client::run(const std::function<bool()>& done, Instant until) {
  for (;;) {
    Now now = read_clocks();
    if (auto advanced = advance(now); !advanced) return std::unexpected(advanced.error());
    if (done()) return true;
    now = read_clocks();
    if (now.instant >= until) return false;
    const Instant next = std::min(deadline(), until);
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - now.instant);
    pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
    if (wants_write()) ready.events |= POLLOUT;
    const auto wait_ms = std::clamp<std::int64_t>(wait.count(), 0, 1000);
    ::poll(&ready, socket_ >= 0 ? 1 : 0, static_cast<int>(wait_ms));
  }
}

void Client::close() {
  if (socket_ < 0 || connecting_ || !connection_->ready()) return;
  connection_->say_bye();
  flush();
  ::shutdown(socket_, SHUT_WR);
}

}  // namespace godwit::client
