// SPDX-License-Identifier: Apache-2.0
#include "tests/client/fake_gateway.h"

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::client::test {

using crypto::NoisePattern;
using protocol::StanzaType;

FakeNode::FakeNode(std::uint64_t seed)
    : random(seed),
      operator_key(crypto::OperatorKey::generate(random)),
      key(crypto::KeyPair::generate(random)) {
  certify("localhost", test_time - std::chrono::hours(1), test_time + std::chrono::hours(1));
}

void FakeNode::certify(const std::string& name, WallTime not_before, WallTime not_after) {
  certificate = crypto::encode(
      crypto::sign_certificate(operator_key, key.public_key, name, not_before, not_after));
}

bool FakeGateway::on_bytes(Bytes bytes) {
  input_.insert(input_.end(), bytes.begin(), bytes.end());
  if (!preamble) {
    if (input_.size() < protocol::preamble_size) return true;
    std::copy_n(input_.begin(), prologue_.size(), prologue_.begin());
    const auto read = protocol::read_preamble(prologue_);
    if (!read) return false;
    preamble = *read;
    input_.erase(input_.begin(), input_.begin() + protocol::preamble_size);
  }
  for (;;) {
    const auto split = protocol::split_frame(
        input_, transport_ ? protocol::transport_frame_limits
                           : protocol::handshake_limits_of(preamble->pattern));
    if (split.status == protocol::SplitStatus::need_more) return true;
    if (split.status != protocol::SplitStatus::complete) return false;
    std::vector<std::uint8_t> body(input_.begin() + protocol::length_prefix_size,
                                   input_.begin() + static_cast<std::ptrdiff_t>(split.wire_size));
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(split.wire_size));
    if (!transport_) {
      if (!on_handshake(body)) return false;
      continue;
    }
    const MutableBytes plain = MutableBytes(body).first(body.size() - crypto::aead_tag_size);
    if (!crypto::open(receive_, {}, body, plain)) return false;
    ++frames;
    Bytes rest = plain;
    while (!rest.empty()) {
      const auto stanza = protocol::next_stanza(rest);
      if (!stanza || !on_stanza(*stanza)) return false;
    }
  }
}

void FakeGateway::start(NoisePattern pattern, std::optional<crypto::PublicKey> remote_ephemeral) {
  auto started = crypto::NoiseHandshake::start(
      {.pattern = pattern,
       .suite = *crypto::suite_from_byte(static_cast<std::uint8_t>(preamble->suite)),
       .initiator = crypto::is_fallback(pattern),
       .prologue = prologue_,
       .local_static = &node_.key,
       .remote_ephemeral = remote_ephemeral});
  GODWIT_CHECK(started.has_value());
  noise_.emplace(std::move(*started));
}

bool FakeGateway::on_handshake(Bytes message) {
  const bool first = !noise_;
  const auto pattern =
      crypto::pattern_from_byte(static_cast<std::uint8_t>(preamble->pattern)).value();
  if (first) start(pattern, {});
  auto status = protocol::HandshakeStatus::message;
  std::array<std::uint8_t, protocol::hybrid_handshake_message_size_max> payload;
  const auto read = noise_->read_message(message, payload);
  if (!read && !(first && crypto::is_ik(pattern))) return false;
  if (read && *read != 0) return false;  // a client's payloads are empty
  if (!read) {
    start(crypto::fallback_of(pattern), noise_->remote_ephemeral());
    status = protocol::HandshakeStatus::fallback;
  }
  if (!noise_->finished()) {
    std::array<std::uint8_t, protocol::hybrid_handshake_message_size_max> reply;
    const auto size = noise_->write_message(node_.certificate, reply, node_.random);
    GODWIT_CHECK(size.has_value());
    std::array<std::uint8_t, 4> head;
    protocol::write_frame_length(head, *size + 1);
    head[3] = static_cast<std::uint8_t>(status);
    say_raw(head);
    say_raw(Bytes(reply).first(*size));
  }
  if (!noise_->finished()) return true;
  auto result = noise_->finish();
  client_key = result.remote_static;
  send_ = std::move(result.send);
  receive_ = std::move(result.receive);
  transport_ = true;
  return true;
}

bool FakeGateway::on_stanza(const protocol::RawStanza& stanza) {
  if (bye) return false;  // a gateway reads nothing after it
  protocol::JidScratch scratch;
  switch (stanza.type) {
    case StanzaType::login: {
      const auto login = protocol::read_login(stanza.content, scratch);
      if (login) logins.push_back({protocol::to_text(login->jid), login->last_sequence});
      return login.has_value();
    }
    case StanzaType::register_: {
      const auto request = protocol::read_register(stanza.content, scratch);
      if (request) {
        registers.push_back(protocol::to_text(request->jid) + " " + std::string(request->invite));
      }
      return request.has_value();
    }
    case StanzaType::message: {
      const auto message = protocol::read_message(stanza.content, {"localhost"},
                                                  protocol::Side::from_client, scratch);
      if (message) {
        messages.push_back({message->id, protocol::to_text(message->peer),
                            std::string(as_text(message->payload)), message->device_digest});
      }
      return message.has_value();
    }
    case StanzaType::iq: {
      const auto iq = protocol::read_iq(stanza.content, {"localhost"}, scratch);
      if (!iq || !iq->peer.empty()) return false;
      iqs.push_back({iq->type, iq->id, {iq->node.begin(), iq->node.end()}});
      return true;
    }
    case StanzaType::ack: {
      const auto ack = protocol::read_ack(stanza.content);
      if (!ack) return false;
      acks.push_back(*ack);
      messages_before_ack.push_back(messages.size());
      return true;
    }
    case StanzaType::ping:
    case StanzaType::pong: {
      const auto ping = protocol::read_ping(stanza.content);
      if (ping) (stanza.type == StanzaType::ping ? pings : pongs).push_back(ping->token);
      return ping.has_value();
    }
    case StanzaType::bye:
      bye = true;
      return true;
    default:
      return false;
  }
}

template <typename Write>
void FakeGateway::say(Write&& write) {
  std::vector<std::uint8_t> plain(protocol::frame_plaintext_size_max);
  ByteWriter out(plain);
  GODWIT_CHECK(write(out));
  say_plain(out.written());
}

void FakeGateway::say_plain(Bytes stanzas) {
  std::vector<std::uint8_t> frame(protocol::length_prefix_size + stanzas.size() +
                                  crypto::aead_tag_size);
  protocol::write_frame_length(frame, stanzas.size() + crypto::aead_tag_size);
  GODWIT_CHECK(
      crypto::seal(send_, {}, stanzas, MutableBytes(frame).subspan(protocol::length_prefix_size)));
  say_raw(frame);
}

void FakeGateway::registered(std::uint16_t device) {
  say([&](ByteWriter& out) { return protocol::write(out, protocol::Registered{device}); });
}
void FakeGateway::ready(std::uint64_t base, std::uint64_t backlog) {
  say([&](ByteWriter& out) {
    return protocol::write(out, protocol::SessionReady{base, backlog, 1'800'000'000'000});
  });
}
void FakeGateway::backlog_end() {
  say([](ByteWriter& out) { return protocol::write_empty(out, StanzaType::backlog_end); });
}
// As the gateway does it: the body once, a head for each delivery.
void FakeGateway::deliver(const protocol::Message& message) {
  std::vector<std::uint8_t> body(message.payload.size() + protocol::message_head_size_max);
  ByteWriter writer(body);
  GODWIT_CHECK(protocol::write_message_body(writer, message, {"localhost"}));
  say([&](ByteWriter& out) {
    return protocol::write_delivery(out,
                                    {.type = message.type,
                                     .ephemeral = message.ephemeral,
                                     .sequence = message.sequence,
                                     .delay_s = message.delay_s},
                                    writer.written());
  });
}
void FakeGateway::ack(std::uint64_t upto) {
  say([&](ByteWriter& out) { return protocol::write(out, protocol::Ack{.upto = upto}); });
}
void FakeGateway::name_devices(const protocol::DeviceList& list) {
  say([&](ByteWriter& out) { return protocol::write(out, list); });
}

void FakeGateway::refuse(std::uint32_t number, protocol::Condition condition) {
  say([&](ByteWriter& out) {
    return protocol::write(out, protocol::StanzaError{.kind = StanzaType::message,
                                                      .id = messages.at(number - 1).id,
                                                      .number = number,
                                                      .condition = condition});
  });
}
void FakeGateway::end(protocol::StreamCondition condition, std::uint32_t retry_after_ms,
                      std::string_view text) {
  say([&](ByteWriter& out) {
    return protocol::write(out, protocol::StreamError{condition, retry_after_ms, text});
  });
}
void FakeGateway::say_iq(const protocol::Iq& iq) {
  say([&](ByteWriter& out) { return protocol::write(out, iq, {"localhost"}); });
}
void FakeGateway::refuse_iq(std::uint64_t id, std::uint32_t number, protocol::Condition condition) {
  say([&](ByteWriter& out) {
    return protocol::write(
        out, protocol::StanzaError{
                 .kind = StanzaType::iq, .id = id, .number = number, .condition = condition});
  });
}
void FakeGateway::ping(std::uint64_t token) {
  say([&](ByteWriter& out) { return protocol::write_ping(out, {token}); });
}

}  // namespace godwit::client::test
