// SPDX-License-Identifier: Apache-2.0
#include "protocol/stanza.h"

#include <array>

#include "protocol/node.h"
#include "protocol/stanza_layout.h"
#include "protocol/text.h"

namespace godwit::protocol {
namespace {

using namespace layout;

// Every stanza but login and register is a few numbers and at most one JID, then one run of bytes
// the caller has. Those two have an invite on top.
constexpr std::size_t head_size_max = message_head_size_max + invite_size_max;

// The numbers of a content, before its length is known. What is out of range fails it.
class Head {
 public:
  ByteWriter* operator->() { return &out_; }
  ByteWriter& out() { return out_; }
  void require(bool in_range) {
    if (!in_range) out_.fail();
  }

 private:
  std::array<std::uint8_t, head_size_max> bytes_;
  ByteWriter out_{bytes_};
};

// The stanza whose content `fill` writes, of a size that is known before: what every message has
// needs no Head, which is written and then copied.
template <typename Fill>
bool emit(ByteWriter& out, StanzaType type, std::size_t content_size, Fill&& fill) {
  if (!out.ok() || content_size > content_size_max(type)) return false;
  const std::size_t start = out.size();
  out.u8(static_cast<std::uint8_t>(type));
  out.varint(content_size);
  fill();
  if (out.ok()) return true;
  out.rewind(start);
  return false;
}

// Of a number that is left out when it is 0.
std::size_t present_varint_size(std::uint64_t value) {
  return value == 0 ? 0 : varint_size(value);
}

bool emit(ByteWriter& out, StanzaType type, Head& head, Bytes rest = {}) {
  if (!head->ok()) return false;
  return emit(out, type, head->size() + rest.size(), [&] {
    out.bytes(head->written());
    out.bytes(rest);
  });
}

std::uint8_t message_flags(const DeliveryHead& head) {
  return static_cast<std::uint8_t>(static_cast<std::uint8_t>(head.type) |
                                   (head.ephemeral ? message_ephemeral : 0) |
                                   (head.sequence != 0 ? message_has_sequence : 0) |
                                   (head.delay_s != 0 ? message_has_delay : 0));
}

void write_message_head(ByteWriter& out, const DeliveryHead& head,
                        std::optional<std::uint16_t> digest = std::nullopt) {
  out.u8(message_flags(head) | (digest ? message_has_digest : 0));
  if (head.sequence != 0) out.varint(head.sequence);
  if (head.delay_s != 0) out.varint(head.delay_s);
  if (digest) out.u16(*digest);
}

bool is_text(std::string_view text) {
  return text.size() <= error_text_size_max && is_printable_utf8(text);
}

bool is_client(std::string_view client) {
  return client.size() <= client_version_size_max && is_printable_ascii(client);
}

bool write_token(ByteWriter& out, StanzaType type, const Ping& ping) {
  Head head;
  head->varint(ping.token);
  return emit(out, type, head);
}

}  // namespace

bool write(ByteWriter& out, const Message& message, Context context) {
  Head head;
  // One end writes a digest, the other the others.
  head.require(message.type <= MessageType::headline &&
               (!message.device_digest || (message.sequence == 0 && message.delay_s == 0)));
  write_message_head(head.out(),
                     {message.type, message.ephemeral, message.sequence, message.delay_s},
                     message.device_digest);
  head.require(message.id != 0 && message.payload.size() <= payload_size_max);
  head->varint(message.id);
  write_jid(head.out(), message.peer, context.own_domain);
  return emit(out, StanzaType::message, head, message.payload);
}

bool write_message_body(ByteWriter& out, const Message& message, Context context) {
  if (!out.ok() || message.id == 0 || message.payload.size() > payload_size_max) return false;
  const std::size_t start = out.size();
  out.varint(message.id);
  write_jid(out, message.peer, context.own_domain);
  out.bytes(message.payload);
  if (out.ok()) return true;
  out.rewind(start);
  return false;
}

bool write_delivery(ByteWriter& out, const DeliveryHead& delivery, Bytes body) {
  if (delivery.type > MessageType::headline) return false;
  const std::size_t head_size =
      1 + present_varint_size(delivery.sequence) + present_varint_size(delivery.delay_s);
  return emit(out, StanzaType::message, head_size + body.size(), [&] {
    write_message_head(out, delivery);
    out.bytes(body);
  });
}

std::size_t delivery_size_max(std::size_t body_size) {
  // Flags, sequence, delay (32 bits).
  const std::size_t content = 1 + varint_size_max + varint_size(UINT32_MAX) + body_size;
  return 1 + varint_size(content) + content;
}

bool write(ByteWriter& out, const Presence& presence, Context context) {
  Head head;
  head.require(in_range(presence.type, presence.show) &&
               presence.status.size() <= presence_status_size_max);
  const bool has_peer = !presence.peer.empty();
  head->u8(
      static_cast<std::uint8_t>(static_cast<std::uint8_t>(presence.type) |
                                static_cast<std::uint8_t>(presence.show) << presence_show_shift |
                                (has_peer ? presence_has_peer : 0)));
  if (has_peer) write_jid(head.out(), presence.peer, context.own_domain);
  return emit(out, StanzaType::presence, head, presence.status);
}

bool write(ByteWriter& out, const Iq& iq, Context context) {
  Head head;
  head.require(iq.type <= IqType::error && iq.id != 0);
  head.require(iq.node.size() <= iq_node_size_max);
  head.require(iq.node.empty() || check_node(iq.node, context));
  const bool has_peer = !iq.peer.empty();
  head->u8(
      static_cast<std::uint8_t>(static_cast<std::uint8_t>(iq.type) | (has_peer ? iq_has_peer : 0)));
  head->varint(iq.id);
  if (has_peer) write_jid(head.out(), iq.peer, context.own_domain);
  return emit(out, StanzaType::iq, head, iq.node);
}

bool write(ByteWriter& out, const StanzaError& error) {
  Head head;
  head.require(in_range(error.kind, error.id) && in_range(error.condition) && error.number != 0 &&
               is_text(error.text));
  head->u8(static_cast<std::uint8_t>(error.kind));
  head->u8(static_cast<std::uint8_t>(error.condition));
  head->varint(error.id);
  head->varint(error.number);
  return emit(out, StanzaType::error, head, as_bytes(error.text));
}

bool write(ByteWriter& out, const DeviceList& list) {
  GODWIT_CHECK(list.count <= list.devices.size());
  Head head;
  head.require(list.number != 0);
  head->u8(list.gone ? device_list_gone : 0);
  head->varint(list.number);
  std::uint16_t last = 0;
  for (const DeviceTag& device : list.list()) {
    head.require(device.device > last);
    last = device.device;
    head->varint(device.device);
    head->u32(device.tag);
  }
  return emit(out, StanzaType::device_list, head);
}

bool write(ByteWriter& out, const Ack& ack) {
  const std::size_t content_size = varint_size(ack.upto) + present_varint_size(ack.refusal);
  return emit(out, StanzaType::ack, content_size, [&] {
    out.varint(ack.upto);
    if (ack.refusal != 0) out.varint(ack.refusal);
  });
}

bool write(ByteWriter& out, const Login& login) {
  Head head;
  head.require(login.jid.device != 0 && in_range(login.window) && is_client(login.client));
  write_jid(head.out(), login.jid, {});
  head->varint(login.last_sequence);
  head->varint(login.window);
  return emit(out, StanzaType::login, head, as_bytes(login.client));
}

bool write(ByteWriter& out, const Register& request) {
  Head head;
  head.require(request.jid.device == 0 && request.invite.size() <= invite_size_max &&
               is_printable_ascii(request.invite) && is_client(request.client));
  write_jid(head.out(), request.jid, {});
  head->u8(static_cast<std::uint8_t>(request.invite.size()));
  head->bytes(as_bytes(request.invite));
  return emit(out, StanzaType::register_, head, as_bytes(request.client));
}

bool write(ByteWriter& out, const Registered& reply) {
  Head head;
  head.require(reply.device != 0);
  head->varint(reply.device);
  return emit(out, StanzaType::registered, head);
}

bool write(ByteWriter& out, const SessionReady& ready) {
  Head head;
  head->varint(ready.sequence_base);
  head->varint(ready.backlog);
  head->varint(ready.server_time_ms);
  return emit(out, StanzaType::session_ready, head);
}

bool write(ByteWriter& out, const Window& window) {
  Head head;
  head.require(in_range(window.window));
  head->varint(window.window);
  return emit(out, StanzaType::window, head);
}

bool write(ByteWriter& out, const StreamError& error) {
  Head head;
  head.require(in_range(error.condition) && is_text(error.text));
  head->u8(static_cast<std::uint8_t>(error.condition));
  head->varint(error.retry_after_ms);
  return emit(out, StanzaType::stream_error, head, as_bytes(error.text));
}

bool write_ping(ByteWriter& out, const Ping& ping) {
  return write_token(out, StanzaType::ping, ping);
}

bool write_pong(ByteWriter& out, const Ping& ping) {
  return write_token(out, StanzaType::pong, ping);
}

bool write_empty(ByteWriter& out, StanzaType type) {
  if (type != StanzaType::backlog_end && type != StanzaType::bye) return false;
  Head head;
  return emit(out, type, head);
}

}  // namespace godwit::protocol
